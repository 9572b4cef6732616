//! The answers of the guards: 401, 403, 400 and 503, each with the challenge it needs (RFC 6750 §3).

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign_core::{error::BearerError, scope::Scope};
use serde_json::json;

use crate::{oauth2::OAuth2, realm::Realm};

/// Why a guard refused a request, and what it needed.
#[derive(Clone, Debug)]
pub struct BearerRejection {
    error: BearerError,
    needed: Scope,
    realm: Realm,
}

impl BearerRejection {
    pub(super) fn new(oauth2: &OAuth2, error: BearerError, needed: Scope) -> Self {
        Self { error, needed, realm: oauth2.realm().clone() }
    }

    /// The reason.
    #[must_use]
    pub const fn error(&self) -> BearerError {
        self.error
    }

    pub(crate) fn is_for_want_of_credentials(&self) -> bool {
        self.error == BearerError::NoCredentials
    }

    const fn status(&self) -> StatusCode {
        match self.error {
            BearerError::NoCredentials | BearerError::InvalidToken => StatusCode::UNAUTHORIZED,
            BearerError::InvalidRequest => StatusCode::BAD_REQUEST,
            BearerError::InsufficientScope => StatusCode::FORBIDDEN,
            BearerError::TemporarilyUnavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// RFC 6750 §3: without credentials "the resource server SHOULD NOT include an error code".
    fn challenge(&self) -> String {
        let mut challenge = format!("Bearer realm=\"{}\"", self.realm);
        if let Some(code) = self.error.code() {
            challenge.push_str(&format!(", error=\"{code}\""));
        }
        let tells_scope = matches!(self.error, BearerError::InvalidToken | BearerError::InsufficientScope);
        if tells_scope && !self.needed.is_empty() {
            challenge.push_str(&format!(", scope=\"{}\"", self.needed));
        }
        challenge
    }
}

impl IntoResponse for BearerRejection {
    fn into_response(self) -> Response {
        let mut body = json!({ "detail": self.error.description() });
        if let Some(code) = self.error.code() {
            body["error"] = code.into();
        }
        let header = match self.error {
            BearerError::TemporarilyUnavailable { retry_after } => unavailable_after(retry_after),
            // Realm and scopes are of characters that need no escape and are fit for a header.
            _ => (header::WWW_AUTHENTICATE, self.challenge().parse().unwrap_or(HeaderValue::from_static("Bearer"))),
        };
        (self.status(), [header], Json(body)).into_response()
    }
}

impl std::fmt::Display for BearerRejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.error.description())
    }
}

impl std::error::Error for BearerRejection {}

/// The header that goes with a 503.
pub(crate) fn unavailable_after(wait: Duration) -> (HeaderName, HeaderValue) {
    (header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)))
}
