//! `GET /openapi.json`: the API's document.

use std::sync::Arc;

use axum::{extract::State, http::header, response::IntoResponse};

use super::Finished;

pub(super) async fn handle(State(api): State<Arc<Finished>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], api.document.clone())
}
