//! The program's HTTP side: the library's router, the health endpoints, and the layers around them.

mod health;
mod request_log;
#[cfg(test)]
mod tests;

use std::any::Any;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
};
use countersign::{
    OAuth2, StartError,
    routing::{any, get, public},
    security_headers,
};
use serde_json::json;
use tower_http::catch_panic::CatchPanicLayer;

use crate::metrics::HttpMeters;

/// All that the server answers.
///
/// # Errors
/// As of the library's router.
pub(crate) fn router(oauth2: &OAuth2) -> Result<Router, StartError> {
    Ok(with_layers(routes(oauth2).finish()?, oauth2))
}

/// Every route there is, the answer to unknown paths among them: what the document and the audit tell of.
pub(crate) fn routes(oauth2: &OAuth2) -> countersign::Router {
    let told = health::Told::default();
    let ready = async move |State(oauth2)| health::ready(oauth2, told.clone()).await;
    oauth2
        .router()
        .route("/health/live", public(get(health::live).undocumented()))
        .route("/health/ready", public(get(ready).undocumented()))
        .fallback(public(any(async || refusal(StatusCode::NOT_FOUND, "Not Found"))))
}

/// Puts around `routes` what holds for every answer. No layer adds a path, or lets a request pass a guard.
fn with_layers(routes: Router, oauth2: &OAuth2) -> Router {
    let routes = routes
        .method_not_allowed_fallback(async || refusal(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"))
        .layer(CatchPanicLayer::custom(after_panic));
    let log = request_log::RequestLog { oauth2: oauth2.clone(), meters: HttpMeters::default() };
    security_headers(routes, oauth2).layer(from_fn_with_state(log, request_log::log))
}

/// What FastAPI says.
fn refusal(status: StatusCode, detail: &'static str) -> Response {
    (status, Json(json!({ "detail": detail }))).into_response()
}

/// The log has the panic; the client learns that it was our fault, and nothing else.
fn after_panic(_: Box<dyn Any + Send>) -> Response {
    refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
}
