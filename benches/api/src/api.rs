//! The API behind a guard, over SQLite; and the bare route that answers the same bytes.

use std::time::Duration;

use axum::{Json, Router, routing::get};
use countersign::{Connections, HashingSettings, OAuth2, User};
use countersign_sql::Sqlite;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::Outcome;

/// The name in the tokens, which stay good when the API starts again on another port.
const ISSUER: &str = "https://api.example.com";

/// As long as a token may live, so that none expires in a run.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Logins that may wait to be verified while tokens are made.
pub(crate) const QUEUE: usize = 1_000;

/// `GET /users/me` as the library has it: `CurrentUser`, then the user as JSON.
#[tokio::main]
pub(crate) async fn guarded(database: &str, listen: &str, remembered: Option<usize>) -> Outcome {
    let oauth2 = open(database, remembered).await?;
    Ok(countersign::serve(oauth2.router(), listen).await?)
}

pub(crate) async fn open(
    database: &str,
    remembered: Option<usize>,
) -> Result<OAuth2, Box<dyn std::error::Error + Send + Sync>> {
    let hashing = HashingSettings { queue: QUEUE, ..HashingSettings::default() };
    let mut builder = OAuth2::new(Sqlite::open(database).await?)
        .issuer(ISSUER)
        .access_token_lifetime(LIFETIME)
        .refresh_leeway(Duration::ZERO)
        .hashing(hashing);
    if let Some(most) = remembered {
        builder = builder.remembered_tokens(most);
    }
    Ok(builder.build().await?)
}

/// The same route without a guard, in an axum router with nothing else: it has the user at hand and writes the JSON.
#[tokio::main]
pub(crate) async fn bare(listen: &str, body: &str) -> Outcome {
    let listener = TcpListener::bind(listen).await?;
    Ok(axum::serve(listener, bare_router(body)?).await?)
}

/// The bare route, served as the library serves: with bounds, times and places.
#[tokio::main]
pub(crate) async fn served(listen: &str, body: &str) -> Outcome {
    let listener = TcpListener::bind(listen).await?;
    Connections::default().serve(listener, bare_router(body)?, std::future::pending()).await;
    Ok(())
}

fn bare_router(body: &str) -> Result<Router, Box<dyn std::error::Error + Send + Sync>> {
    let user: &'static User = Box::leak(Box::new(read(body)?));
    Ok(Router::new().route("/users/me", get(async move || Json(user))))
}

/// The user whose JSON `body` is.
fn read(body: &str) -> Result<User, Box<dyn std::error::Error + Send + Sync>> {
    let json: Value = serde_json::from_str(body)?;
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    let scopes = json["scopes"].as_array().into_iter().flatten();
    let user = User {
        sub: text("sub").unwrap_or_default(),
        username: text("username").unwrap_or_default(),
        full_name: text("full_name"),
        email: text("email"),
        disabled: false,
        scopes: scopes.filter_map(Value::as_str).map(str::to_owned).collect(),
    };
    if serde_json::to_string(&user)? == body { Ok(user) } else { Err(format!("this is no user: {body}").into()) }
}
