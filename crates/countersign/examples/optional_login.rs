//! A page for everybody, with more on it for those who are logged in.

use axum::Json;
use countersign::{CurrentUser, Memory, NewUser, OAuth2, Router, routing::get};
use schemars::JsonSchema;
use serde::Serialize;

#[derive(Serialize, JsonSchema)]
struct Page {
    greeting: String,
    drafts: Vec<String>,
}

async fn front_page(user: Option<CurrentUser>) -> Json<Page> {
    Json(match user {
        Some(user) => Page { greeting: format!("Hello, {}!", user.username), drafts: vec!["Unfinished".into()] },
        None => Page { greeting: "Hello, stranger!".into(), drafts: Vec::new() },
    })
}

pub(crate) async fn app() -> countersign::Result<Router> {
    let oauth2 = OAuth2::new(Memory::new()).build().await?;
    oauth2.add_user(NewUser::new("alice").password("secret")).await?;
    Ok(oauth2.router().route("/", get(front_page)))
}

#[tokio::main]
async fn main() -> countersign::Result<()> {
    let listen = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".into());
    countersign::serve(app().await?, &listen).await?;
    Ok(())
}
