//! The program `jwt_and_scopes`, whose access tokens are random handles that only its store understands.

use std::time::Duration;

use axum::Json;
use countersign::{CurrentUser, Memory, NewUser, OAuth2, Router, TokenFormat, routing::get, scopes};
use schemars::JsonSchema;
use serde::Serialize;

scopes! {
    /// Read items.
    pub ReadItems = "read:items";
    /// Full access.
    pub Admin = "admin";
}

/// bcrypt of `secret`, as it was found in the old table. The first login replaces it by Argon2id.
const OLD_HASH: &str = "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW";

#[derive(Serialize, JsonSchema)]
struct Item {
    item_id: String,
    owner: String,
}

async fn list_items(user: CurrentUser<ReadItems>) -> Json<Vec<Item>> {
    Json(vec![Item { item_id: "Foo".into(), owner: user.username.clone() }])
}

pub(crate) async fn app() -> countersign::Result<Router> {
    let oauth2 = OAuth2::new(Memory::new())
        .title("JWT and scopes")
        .token_format(TokenFormat::Opaque)
        .access_token_lifetime(Duration::from_secs(30 * 60))
        .scopes::<(ReadItems, Admin)>()
        .build()
        .await?;
    let manish = NewUser::new("manish").password_hash(OLD_HASH).scope("read:items admin");
    oauth2.add_user(manish).await?;
    Ok(oauth2.router().route("/items", get(list_items)))
}

#[tokio::main]
async fn main() -> countersign::Result<()> {
    let listen = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".into());
    countersign::serve(app().await?, &listen).await?;
    Ok(())
}
