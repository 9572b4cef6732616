//! The program's HTTP side: the library's router, the health endpoints, and the layers around them.

mod health;
mod request_log;
#[cfg(test)]
mod tests;

use std::any::Any;

use axum::{
    Json, Router,
    http::StatusCode,
    middleware::from_fn,
    response::{IntoResponse, Response},
    routing,
};
use countersign::{OAuth2, StartError, routing::public, security_headers};
use serde_json::json;
use tower_http::catch_panic::CatchPanicLayer;

/// All that the server answers.
///
/// # Errors
/// As of the library's router.
pub(crate) fn router(oauth2: &OAuth2) -> Result<Router, StartError> {
    let routes = oauth2
        .router()
        .route("/health/live", public(routing::get(health::live)))
        .route("/health/ready", public(routing::get(health::ready)))
        .finish()?;
    Ok(with_layers(routes, oauth2))
}

/// Puts around `routes` what holds for every answer, those to unknown paths included.
fn with_layers(routes: Router, oauth2: &OAuth2) -> Router {
    let routes = routes
        .fallback(async || refusal(StatusCode::NOT_FOUND, "Not Found"))
        .method_not_allowed_fallback(async || refusal(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"))
        .layer(CatchPanicLayer::custom(after_panic));
    security_headers(routes, oauth2).layer(from_fn(request_log::log))
}

/// What FastAPI says.
fn refusal(status: StatusCode, detail: &'static str) -> Response {
    (status, Json(json!({ "detail": detail }))).into_response()
}

/// The log has the panic; the client learns that it was our fault, and nothing else.
fn after_panic(_: Box<dyn Any + Send>) -> Response {
    refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
}
