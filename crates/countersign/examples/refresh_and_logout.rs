//! A login that lasts: renewed for as long as it is used, and ended when its user says so.

use std::time::Duration;

use countersign::{Builder, CurrentUser, Memory, NewUser, OAuth2, Router, routing::get, scopes};

scopes! {
    /// Read mail.
    pub ReadMail = "mail:read";
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn read_mail(user: CurrentUser<ReadMail>) -> String {
    format!("No mail for {}", user.username)
}

pub(crate) async fn api(settings: Builder) -> countersign::Result<Router> {
    let oauth2 = settings
        .title("Refresh and log out")
        .access_token_lifetime(Duration::from_secs(5 * 60))
        .refresh_token_lifetime(30 * DAY, 180 * DAY)
        .refresh_leeway(Duration::from_secs(10))
        .build()
        .await?;
    oauth2.add_user(NewUser::new("alice").password("secret").scope("mail:read")).await?;
    Ok(oauth2.router().route("/mail", get(read_mail)))
}

pub(crate) async fn app() -> countersign::Result<Router> {
    api(OAuth2::new(Memory::new())).await
}

#[tokio::main]
async fn main() -> countersign::Result<()> {
    let listen = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".into());
    countersign::serve(app().await?, &listen).await?;
    Ok(())
}
