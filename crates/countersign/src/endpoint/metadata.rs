//! `GET /.well-known/oauth-authorization-server`: what works here, all of it and nothing else (RFC 8414).

use std::sync::Arc;

use axum::{Json, extract::State};
use countersign_core::grant_type::GrantType;
use serde_json::{Value, json};

use super::{Finished, JWKS, TOKEN};

pub(super) async fn handle(State(api): State<Arc<Finished>>) -> Json<Value> {
    let server = api.oauth2.server();
    let issuer = server.issuer().as_str();
    let grant_types: Vec<_> = server.settings().grant_types.iter().copied().map(GrantType::name).collect();
    let mut metadata = json!({
        // RFC 8414 §3.3: "The "issuer" value returned MUST be identical to the authorization server's issuer".
        "issuer": issuer,
        "token_endpoint": format!("{issuer}{TOKEN}"),
        "scopes_supported": api.scopes.keys().collect::<Vec<_>>(),
        // Required by RFC 8414 §2, and empty: there is no authorization endpoint.
        "response_types_supported": [],
        "grant_types_supported": grant_types,
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
    });
    if !server.keys().published().keys.is_empty() {
        metadata["jwks_uri"] = format!("{issuer}{JWKS}").into();
    }
    Json(metadata)
}
