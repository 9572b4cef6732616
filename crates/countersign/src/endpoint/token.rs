//! `POST /token`: the token endpoint (RFC 6749 §3.2).

use std::sync::Arc;

use aide::{
    OperationInput, OperationOutput,
    generate::GenContext,
    openapi::{self, Operation},
};
use axum::{
    Json,
    extract::{FromRequest, Request},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign_core::{
    authorization_server::{AuthorizationServer, TokenResponse},
    error::{OAuthError, RequestProblem},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::client_request::ClientRequest;
use crate::{
    guard::{Argument, refusal::unavailable_after},
    oauth2::OAuth2,
};

pub(super) async fn answer(server: Arc<AuthorizationServer>, request: TokenRequest) -> TokenAnswer {
    let granted = async { server.token(request.0.read()?).await };
    TokenAnswer(granted.await)
}

pub(super) struct TokenRequest(ClientRequest);

impl FromRequest<OAuth2> for TokenRequest {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, oauth2: &OAuth2) -> Result<Self, Self::Rejection> {
        ClientRequest::from_request(request, oauth2).await.map(Self)
    }
}

pub(super) struct TokenAnswer(Result<TokenResponse, OAuthError>);

impl IntoResponse for TokenAnswer {
    fn into_response(self) -> Response {
        let granted = match self.0 {
            Ok(granted) => granted,
            Err(error) => return refusal(&error),
        };
        let body = Granted {
            access_token: granted.access_token.secret().to_owned(),
            token_type: "bearer",
            expires_in: granted.expires_in,
            refresh_token: granted.refresh_token.map(|token| token.secret().to_owned()),
            scope: granted.scope.map(|scope| scope.to_string()),
        };
        (NOT_STORED, Json(body)).into_response()
    }
}

/// RFC 6749 §5.1: "The authorization server MUST include the HTTP "Cache-Control" response header field with a value of
/// "no-store" […] as well as the "Pragma" response header field with a value of "no-cache"."
pub(super) const NOT_STORED: [(header::HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TokenResponse")]
struct Granted {
    access_token: String,
    token_type: &'static str,
    /// Seconds until the token expires.
    expires_in: u64,
    /// What gets the next tokens, once: each use gives another.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// What was granted, where that is not what was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TokenError")]
pub(super) struct Refused {
    /// The code (RFC 6749 section 5.2).
    error: &'static str,
    error_description: String,
    /// The description once more, or the list of missing fields, for clients written for FastAPI.
    detail: Value,
}

/// The answer to a token request that is refused (RFC 6749 §5.2).
pub(crate) fn refusal(error: &OAuthError) -> Response {
    let error_description = error.description();
    let detail = match error {
        OAuthError::InvalidRequest(RequestProblem::Missing(names)) => names.iter().map(|name| missing(name)).collect(),
        _ => Value::from(error_description.as_str()),
    };
    let body = Json(Refused { error: error.code(), error_description, detail });
    let mut response = (status(error), NOT_STORED, body).into_response();
    let header = match error {
        OAuthError::InvalidClient => {
            Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"countersign\"")))
        }
        OAuthError::TemporarilyUnavailable { retry_after } | OAuthError::Throttled { retry_after } => {
            Some(unavailable_after(*retry_after))
        }
        _ => None,
    };
    response.headers_mut().extend(header);
    response
}

/// A missing field as FastAPI tells of it.
fn missing(name: &str) -> Value {
    json!({ "type": "missing", "loc": ["body", name], "msg": "Field required", "input": null })
}

const fn status(error: &OAuthError) -> StatusCode {
    match error {
        OAuthError::InvalidRequest(RequestProblem::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
        OAuthError::InvalidClient => StatusCode::UNAUTHORIZED,
        OAuthError::TemporarilyUnavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        OAuthError::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
        OAuthError::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        OAuthError::InvalidRequest(_)
        | OAuthError::InvalidGrant(_)
        | OAuthError::UnauthorizedClient
        | OAuthError::UnsupportedGrantType
        | OAuthError::InvalidScope
        | OAuthError::InvalidTarget => StatusCode::BAD_REQUEST,
    }
}

impl<S> Argument<S> for TokenRequest {}

/// Which forms it takes depends on the settings: [`describe_token_endpoint`](crate::openapi::describe_token_endpoint).
impl OperationInput for TokenRequest {}

impl OperationOutput for TokenAnswer {
    type Inner = Self;

    fn inferred_responses(
        context: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<openapi::StatusCode>, openapi::Response)> {
        let mut responses = Vec::new();
        let mut add = |status, response: Option<openapi::Response>, description: &str| {
            let described =
                response.map(|response| openapi::Response { description: description.to_owned(), ..response });
            responses.extend(described.map(|response| (Some(openapi::StatusCode::Code(status)), response)));
        };
        add(200, Json::<Granted>::operation_response(context, operation), "A token");
        for (status, description) in [
            (400, "The request, the login, the grant type or the scope is refused"),
            (401, "The client did not prove who it is"),
            (429, "Too many guesses failed: try again after the time in `Retry-After`"),
            (503, "Temporarily unavailable: try again after the time in `Retry-After`"),
        ] {
            add(status, Json::<Refused>::operation_response(context, operation), description);
        }
        responses
    }
}
