//! An API that issues no tokens: it believes those of an issuer elsewhere.

use axum::Json;
use countersign::{AccessToken, CurrentUser, OAuth2, Router, User, routing::get, routing::public, scopes};

scopes! {
    /// Read items.
    pub ReadItems = "read:items";
}

async fn list_items(_: AccessToken<ReadItems>) -> Json<Vec<&'static str>> {
    Json(vec!["Foo", "Bar"])
}

async fn whoami(user: CurrentUser) -> Json<User> {
    Json(user.into_inner())
}

async fn status() -> &'static str {
    "ok"
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or(default.into())
}

pub(crate) async fn app() -> countersign::Result<Router> {
    let issuer = setting("ISSUER", "http://127.0.0.1:3000");
    let audience = setting("AUDIENCE", "https://items.example.com");
    let oauth2 = OAuth2::remote(issuer).audience(audience).title("Items").build().await?;
    Ok(oauth2
        .router()
        .route("/items", get(list_items))
        .route("/whoami", get(whoami))
        .route("/status", public(get(status))))
}

#[tokio::main]
async fn main() -> countersign::Result<()> {
    countersign::serve(app().await?, &setting("LISTEN", "127.0.0.1:8000")).await?;
    Ok(())
}
