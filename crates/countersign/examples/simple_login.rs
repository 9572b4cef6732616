//! A login and a profile: `POST /token` and `GET /users/me`, both built in.

use countersign::{Memory, NewUser, OAuth2, Router};

pub(crate) async fn app() -> countersign::Result<Router> {
    let oauth2 = OAuth2::new(Memory::new()).title("Simple login").build().await?;
    let alice = NewUser::new("alice").password("secret").full_name("Alice Wonderland").email("alice@example.com");
    oauth2.add_user(alice).await?;
    Ok(oauth2.router())
}

#[tokio::main]
async fn main() -> countersign::Result<()> {
    let listen = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".into());
    countersign::serve(app().await?, &listen).await?;
    Ok(())
}
