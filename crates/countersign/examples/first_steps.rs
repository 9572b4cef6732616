//! The smallest protected route: log in at `/docs`, or with curl, and call `/hello`.

use countersign::{CurrentUser, Memory, NewUser, OAuth2, Router, routing::get};

async fn hello(user: CurrentUser) -> String {
    format!("Hello, {}!", user.username)
}

pub(crate) async fn app() -> countersign::Result<Router> {
    let oauth2 = OAuth2::new(Memory::new()).build().await?;
    oauth2.add_user(NewUser::new("alice").password("secret")).await?;
    Ok(oauth2.router().route("/hello", get(hello)))
}

#[tokio::main]
async fn main() -> countersign::Result<()> {
    let listen = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".into());
    countersign::serve(app().await?, &listen).await?;
    Ok(())
}
