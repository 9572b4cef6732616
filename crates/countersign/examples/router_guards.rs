//! Guards of routers, nested routers, routes and arguments: what all of them need is needed.

use axum::Json;
use countersign::{
    AccessToken, CurrentUser, Memory, NewUser, OAuth2, Router, Routes,
    routing::{delete, get, public},
    scopes,
};

scopes! {
    /// Look behind the scenes.
    pub Staff = "staff";
    /// Look after users.
    pub Users = "users";
    /// Delete what cannot be had again.
    pub Delete = "delete";
}

async fn list_users(_: AccessToken) -> Json<Vec<String>> {
    Json(vec!["ada".into(), "bert".into()])
}

async fn delete_user(user: CurrentUser<Delete>) -> String {
    format!("{} deletes", user.username)
}

pub(crate) async fn app() -> countersign::Result<Router> {
    let oauth2 = OAuth2::new(Memory::new()).build().await?;
    oauth2.add_user(NewUser::new("ada").password("secret").scope("staff users delete")).await?;
    oauth2.add_user(NewUser::new("bert").password("secret").scope("staff")).await?;

    let users =
        Routes::new().guard::<AccessToken<Users>>().route("/", get(list_users)).route("/{name}", delete(delete_user));
    let backstage = Routes::new()
        .guard::<AccessToken<Staff>>()
        .route("/report", get(async || "all is well"))
        .nest("/users", users)
        .fallback(get(async || "nothing here, but you may know"));
    Ok(oauth2
        .router()
        .route("/", public(get(async || "come in")))
        .route("/stage", public(get(async || "a play")).guard::<Option<AccessToken>>())
        .nest("/backstage", backstage))
}

#[tokio::main]
async fn main() -> countersign::Result<()> {
    let listen = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".into());
    countersign::serve(app().await?, &listen).await?;
    Ok(())
}
