//! `GET /health/live` and `/health/ready`: whether the process runs, and whether it can do its work.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign::OAuth2;
use serde_json::json;

/// The process runs, and answers.
pub(super) async fn live() -> Response {
    answer(StatusCode::OK, "ok")
}

/// The store answers. The log has the cause if it does not.
pub(super) async fn ready(State(oauth2): State<OAuth2>) -> Response {
    let Some(server) = oauth2.server() else { return answer(StatusCode::OK, "ok") };
    match server.store().has_clients().await {
        Ok(_) => answer(StatusCode::OK, "ok"),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(event = "health", outcome = "failure", %error, cause, "not ready");
            answer(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        }
    }
}

fn answer(status: StatusCode, word: &'static str) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(json!({ "status": word }))).into_response()
}
