//! An API that utoipa documents already: its handlers get guards, and its document the locks.

use axum::{Json, extract::Path, http::StatusCode};
use countersign::{
    AccessToken, CurrentUser, Memory, NewUser, OAuth2, Router, Routes, routing::public, scopes, utoipa::routes,
};
use utoipa::{OpenApi, ToSchema};

scopes! {
    /// See what is for sale.
    pub ReadItems = "items:read";
    /// Change what is for sale.
    pub WriteItems = "items:write";
}

#[derive(serde::Serialize, serde::Deserialize, ToSchema)]
struct Item {
    id: u32,
    name: String,
}

/// All items.
#[utoipa::path(get, path = "/items", tag = "items", responses((status = 200, body = Vec<Item>)))]
async fn list_items(_: AccessToken<ReadItems>) -> Json<Vec<Item>> {
    Json(vec![Item { id: 1, name: "Lamp".into() }])
}

/// Offers an item.
#[utoipa::path(post, path = "/items", tag = "items", request_body = Item, responses((status = 201, body = Item)))]
async fn create_item(_: CurrentUser<WriteItems>, Json(item): Json<Item>) -> (StatusCode, Json<Item>) {
    (StatusCode::CREATED, Json(item))
}

/// Takes an item back.
#[utoipa::path(
    delete,
    path = "/items/{id}",
    tag = "items",
    params(("id" = u32, Path)),
    responses((status = 204), (status = 404, description = "There is no such item.")),
)]
async fn delete_item(_: AccessToken<ReadItems>, _: CurrentUser<WriteItems>, Path(id): Path<u32>) -> StatusCode {
    if id == 1 { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

#[utoipa::path(get, path = "/health", responses((status = 200)))]
async fn health() {}

/// The document as it was before anything was locked.
#[derive(OpenApi)]
#[openapi(
    info(title = "Shop", version = "2.1.0"),
    tags((name = "items", description = "What is for sale.")),
    paths(list_items, create_item, delete_item, health)
)]
struct Documented;

pub(crate) async fn app() -> countersign::Result<Router> {
    let oauth2 = OAuth2::new(Memory::new()).build().await?;
    oauth2.add_user(NewUser::new("ada").password("secret").scope("items:read items:write")).await?;
    let items = Routes::new().routes(routes!(list_items, create_item, delete_item));
    Ok(oauth2.router().merge(items).routes(public(routes!(health))).document(&Documented::openapi())?)
}

#[tokio::main]
async fn main() -> countersign::Result<()> {
    let listen = std::env::var("LISTEN").unwrap_or("127.0.0.1:8000".into());
    countersign::serve(app().await?, &listen).await?;
    Ok(())
}
