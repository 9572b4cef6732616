//! A service that comes for itself and in nobody's name, beside users who log in.

use countersign::{
    AccessToken, AddedClient, CurrentUser, GrantType, Memory, NewClient, NewUser, OAuth2, Router, Routes, TokenSubject,
    routing::{get, post},
    scopes,
};

scopes! {
    /// See what is in stock.
    pub ReadStock = "stock:read";
    /// Say what was delivered.
    pub Deliver = "stock:deliver";
}

/// For whoever has the scope. Whose the token is, it says itself.
async fn read_stock(token: AccessToken<ReadStock>) -> String {
    match token.whose() {
        TokenSubject::Owner => "42 apples, for a user".to_owned(),
        TokenSubject::Client => format!("42 apples, for the service {}", token.subject()),
    }
}

/// For users alone: a service is nobody whom `CurrentUser` could find.
async fn read_basket(user: CurrentUser<ReadStock>) -> String {
    format!("The basket of {} is empty", user.username)
}

/// For services alone, by the rule that stands before it.
async fn deliver(token: AccessToken<Deliver>) -> String {
    format!("{} delivered", token.subject())
}

/// Registers the service. A new secret is made for it, of which the store keeps the hash.
pub(crate) async fn add_warehouse(oauth2: &OAuth2) -> countersign::Result<AddedClient> {
    let warehouse = NewClient::new("warehouse")
        .name("The warehouse")
        .grant_type(GrantType::ClientCredentials)
        .scope("stock:read stock:deliver");
    Ok(oauth2.add_client(warehouse).await?)
}

pub(crate) async fn app() -> countersign::Result<Router> {
    let oauth2 = OAuth2::new(Memory::new()).title("A shop").build().await?;
    oauth2.add_user(NewUser::new("alice").password("secret").scope("stock:read stock:deliver")).await?;
    let services = Routes::new()
        .rule("services_only", "Only services may do that.", async |token: AccessToken| {
            token.whose() == TokenSubject::Client
        })
        .route("/deliveries", post(deliver));
    Ok(oauth2.router().route("/stock", get(read_stock)).route("/basket", get(read_basket)).merge(services))
}

#[tokio::main]
async fn main() -> countersign::Result<()> {
    let app = app().await?;
    // The one time that anybody sees it.
    if let Some(secret) = add_warehouse(app.oauth2()).await?.secret {
        println!("SECRET={}", secret.secret());
    }
    let listen = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".into());
    countersign::serve(app, &listen).await?;
    Ok(())
}
