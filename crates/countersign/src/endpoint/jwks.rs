//! `GET /.well-known/jwks.json`: the public keys that our tokens verify with (RFC 7517).

use std::sync::Arc;

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use countersign_core::{authorization_server::AuthorizationServer, key::PUBLISHED_KEYS_MAX_AGE};

use super::token::refusal;

/// How long others may keep the set is what a new key waits for before it signs (OpenID Connect Core 1.0 §10.1.1).
pub(super) async fn answer(server: Arc<AuthorizationServer>) -> Response {
    match server.published_keys().await {
        Ok(keys) => {
            let cache = format!("public, max-age={}", PUBLISHED_KEYS_MAX_AGE.as_secs());
            ([(header::CACHE_CONTROL, cache)], Json(keys)).into_response()
        }
        Err(error) => refusal(&error.into()),
    }
}
