//! `POST /introspect`: the introspection endpoint (RFC 7662).

use std::sync::Arc;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use countersign_core::{
    authorization_server::{ActiveToken, AuthorizationServer, Introspection},
    names::{Audience, ClientId},
    username::Username,
};
use serde_json::{Value, json};

use super::{
    client_request::ClientRequest,
    token::{NOT_STORED, refusal},
};

pub(super) async fn answer(server: Arc<AuthorizationServer>, request: ClientRequest) -> Response {
    let introspect = async { server.introspect(request.read()?).await };
    match introspect.await {
        Ok(introspection) => (NOT_STORED, Json(body(&introspection))).into_response(),
        Err(error) => refusal(&error),
    }
}

/// RFC 7662 §2.2. Of a token that is not active, nothing else is said.
fn body(introspection: &Introspection) -> Value {
    match introspection {
        Introspection::Active(token) => active(token),
        Introspection::Inactive => json!({ "active": false }),
    }
}

fn active(token: &ActiveToken) -> Value {
    let mut body = json!({
        "active": true,
        "token_type": token.kind.name(),
        "iss": token.issuer.as_str(),
        "sub": token.subject.as_str(),
        "iat": token.issued_at.seconds(),
        "exp": token.expires_at.seconds(),
    });
    let scope = Some(token.scope.to_string()).filter(|scope| !scope.is_empty());
    let optional = [
        ("scope", scope.as_deref()),
        ("client_id", token.client_id.as_ref().map(ClientId::as_str)),
        ("username", token.username.as_ref().map(Username::as_str)),
        ("jti", token.token_id.as_deref()),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            body[name] = value.into();
        }
    }
    // As in the token itself (RFC 7519 §4.1.3).
    match token.audience.as_slice() {
        [] => {}
        [one] => body["aud"] = one.as_str().into(),
        several => body["aud"] = several.iter().map(Audience::as_str).collect(),
    }
    body
}
