//! `GET /health/live` and `/health/ready`: whether the process runs, and whether it can do its work.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign::OAuth2;
use serde_json::json;

use crate::failure::with_causes;

/// The process runs, and answers.
pub(super) async fn live() -> Response {
    answer(StatusCode::OK, "ok")
}

/// Whether the last probe was told that the store does not answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Told(Arc<AtomicBool>);

impl Told {
    /// Whether this is another thing than the last time.
    fn is_new(&self, is_away: bool) -> bool {
        self.0.swap(is_away, Ordering::Relaxed) != is_away
    }
}

/// The store answers. The log has the cause if it does not, once: probes come twice a second.
pub(super) async fn ready(oauth2: OAuth2, told: Told) -> Response {
    let Some(server) = oauth2.server() else { return answer(StatusCode::OK, "ok") };
    match server.store().has_clients().await {
        Ok(_) => {
            if told.is_new(false) {
                tracing::info!(event = "health", outcome = "success", "ready again");
            }
            answer(StatusCode::OK, "ok")
        }
        Err(error) => {
            if told.is_new(true) {
                let cause = std::error::Error::source(&error).map(with_causes);
                tracing::error!(event = "health", outcome = "failure", %error, cause, "not ready");
            }
            answer(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        }
    }
}

fn answer(status: StatusCode, word: &'static str) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(json!({ "status": word }))).into_response()
}
