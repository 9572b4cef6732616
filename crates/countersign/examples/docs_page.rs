//! An API of which others know only a part of the path: its docs page is moved, restyled, and has siblings.

use countersign::{CurrentUser, DocsPage, Memory, NewUser, OAuth2, Router, routing::get, scopes};

scopes! {
    /// Read orders.
    pub ReadOrders = "orders:read";
    /// Change orders.
    pub WriteOrders = "orders:write";
}

async fn read_orders(user: CurrentUser<ReadOrders>) -> String {
    format!("the orders of {}", user.username)
}

async fn change_orders(user: CurrentUser<(ReadOrders, WriteOrders)>) -> String {
    format!("changed the orders of {}", user.username)
}

pub(crate) async fn app() -> countersign::Result<Router> {
    let docs = DocsPage::new()
        .at("/internal/api-docs")
        .document_at("/schema/orders.json")
        .redoc_at("/redoc")
        .scalar_at("/scalar")
        .stylesheet(".swagger-ui .info .title { color: #7a1f5c }");
    let oauth2 = OAuth2::new(Memory::new()).title("Orders").docs(docs).build().await?;
    oauth2.add_user(NewUser::new("alice").password("secret").scope("orders:read orders:write")).await?;
    let routes = oauth2.router().route("/orders", get(read_orders).post(change_orders));
    Ok(routes.map(|router| axum::Router::new().nest("/api/v1", router)))
}

#[tokio::main]
async fn main() -> countersign::Result<()> {
    let listen = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".into());
    countersign::serve(app().await?, &listen).await?;
    Ok(())
}
