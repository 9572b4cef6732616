//! `GET /.well-known/oauth-authorization-server`: what works here, all of it and nothing else (RFC 8414).

use axum::Json;
use countersign_core::{
    authorization_server::AuthorizationServer, client::AuthMethod, grant_type::GrantType, jose::Algorithm,
};
use serde_json::{Value, json};

use super::{FEED, INTROSPECT, JWKS, REVOKE, TOKEN};
use crate::openapi::Scopes;

/// How a client proves who it is where a name alone is no proof.
const PROOFS: [AuthMethod; 3] = [AuthMethod::Basic, AuthMethod::Post, AuthMethod::PrivateKeyJwt];

pub(super) fn answer(server: &AuthorizationServer, scopes: &Scopes) -> Json<Value> {
    let issuer = server.issuer().as_str();
    let grant_types: Vec<_> = server.settings().grant_types.iter().copied().map(GrantType::name).collect();
    let mut metadata = json!({
        // RFC 8414 §3.3: "The "issuer" value returned MUST be identical to the authorization server's issuer".
        "issuer": issuer,
        "token_endpoint": format!("{issuer}{TOKEN}"),
        "scopes_supported": scopes.keys().collect::<Vec<_>>(),
        // Required by RFC 8414 §2, and empty: there is no authorization endpoint.
        "response_types_supported": [],
        "grant_types_supported": grant_types,
        "token_endpoint_auth_methods_supported": AuthMethod::ALL.map(AuthMethod::name),
        // RFC 8414 §2: present "if […] "private_key_jwt" […] authentication methods are specified"; "The value "none"
        // MUST NOT be used".
        "token_endpoint_auth_signing_alg_values_supported": Algorithm::ASYMMETRIC.map(Algorithm::name),
        "revocation_endpoint": format!("{issuer}{REVOKE}"),
        "revocation_endpoint_auth_methods_supported": AuthMethod::ALL.map(AuthMethod::name),
        "revocation_endpoint_auth_signing_alg_values_supported": Algorithm::ASYMMETRIC.map(Algorithm::name),
        "introspection_endpoint": format!("{issuer}{INTROSPECT}"),
        // A name alone is no proof.
        "introspection_endpoint_auth_methods_supported": PROOFS.map(AuthMethod::name),
        "introspection_endpoint_auth_signing_alg_values_supported": Algorithm::ASYMMETRIC.map(Algorithm::name),
        // Our own (RFC 8414 §2: "Additional authorization server metadata parameters MAY also be used").
        "revocation_feed_endpoint": format!("{issuer}{FEED}"),
    });
    if !server.keys().is_secret() {
        metadata["jwks_uri"] = format!("{issuer}{JWKS}").into();
    }
    Json(metadata)
}
