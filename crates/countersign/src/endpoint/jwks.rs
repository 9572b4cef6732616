//! `GET /.well-known/jwks.json`: the public keys that our tokens verify with (RFC 7517).

use axum::{Json, http::header, response::IntoResponse};
use countersign_core::authorization_server::AuthorizationServer;

/// How long others may keep the set: short enough that a new key is known soon.
const CACHE: &str = "public, max-age=300";

pub(super) fn answer(server: &AuthorizationServer) -> impl IntoResponse + use<> {
    ([(header::CACHE_CONTROL, CACHE)], Json(server.keys().published().clone()))
}
