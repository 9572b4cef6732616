//! An API that issues no tokens: it believes those of an issuer elsewhere.

use std::time::Duration;

use axum::Json;
use countersign::{
    AccessToken, CurrentUser, OAuth2, Router, StartError, User,
    routing::{get, public},
    scopes,
};

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

/// Tokens of the issuer are verified here, or, with a secret to ask it, introspected there.
async fn oauth2() -> Result<OAuth2, StartError> {
    let issuer = setting("ISSUER", "http://127.0.0.1:3000");
    let audience = setting("AUDIENCE", "https://items.example.com");
    match std::env::var("CLIENT_SECRET") {
        Ok(secret) => {
            let introspecting = OAuth2::introspecting(issuer, setting("CLIENT_ID", "items"), secret);
            introspecting.audience(audience).remember_for(Duration::ZERO).build().await
        }
        Err(_) => OAuth2::remote(issuer).audience(audience).build().await,
    }
}

pub(crate) async fn app() -> countersign::Result<Router> {
    Ok(oauth2()
        .await?
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
