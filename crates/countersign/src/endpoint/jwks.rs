//! `GET /.well-known/jwks.json`: the public keys that our tokens verify with (RFC 7517).

use axum::{Json, extract::State, http::header, response::IntoResponse};

use crate::oauth2::OAuth2;

/// How long others may keep the set: short enough that a new key is known soon.
const CACHE: &str = "public, max-age=300";

pub(super) async fn handle(State(oauth2): State<OAuth2>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, CACHE)], Json(oauth2.server().keys().published().clone()))
}
