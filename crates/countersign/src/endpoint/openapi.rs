//! `GET /openapi.json`: the API's document.

use std::sync::Arc;

use axum::{extract::State, http::header, response::IntoResponse};

use super::Facts;

pub(super) async fn handle(State(facts): State<Arc<Facts>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], facts.document.clone())
}
