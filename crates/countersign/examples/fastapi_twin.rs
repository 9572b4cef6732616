//! The API of FastAPI's tutorial on OAuth2 scopes, route by route, with its two users.

use axum::Json;
use countersign::{AccessToken, CurrentUser, Memory, NewUser, OAuth2, Router, User, routing::get, scopes};
use schemars::JsonSchema;
use serde::Serialize;

scopes! {
    /// Read information about the current user.
    pub Me = "me";
    /// Read items.
    pub Items = "items";
}

#[derive(Serialize, JsonSchema)]
struct Item {
    item_id: String,
    owner: String,
}

#[derive(Serialize, JsonSchema)]
struct Status {
    status: String,
}

async fn read_users_me(user: CurrentUser<Me>) -> Json<User> {
    Json(user.into_inner())
}

async fn read_own_items(user: CurrentUser<(Items, Me)>) -> Json<Vec<Item>> {
    Json(vec![Item { item_id: "Foo".into(), owner: user.username.clone() }])
}

async fn read_system_status(_: AccessToken) -> Json<Status> {
    Json(Status { status: "ok".into() })
}

pub(crate) async fn app() -> countersign::Result<Router> {
    let oauth2 = OAuth2::new(Memory::new()).title("FastAPI's twin").build().await?;
    let users = [
        NewUser::new("johndoe").password("secret").full_name("John Doe").email("johndoe@example.com"),
        NewUser::new("alice")
            .password("secretalice")
            .full_name("Alice Chains")
            .email("alicechains@example.com")
            .disabled(),
    ];
    for user in users {
        oauth2.add_user(user.scope("me items")).await?;
    }
    Ok(oauth2
        .router()
        .route("/users/me/", get(read_users_me))
        .route("/users/me/items/", get(read_own_items))
        .route("/status/", get(read_system_status)))
}

#[tokio::main]
async fn main() -> countersign::Result<()> {
    let listen = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".into());
    countersign::serve(app().await?, &listen).await?;
    Ok(())
}
