//! What reads tokens in forms: a guard, and layers.

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderValue, header},
    middleware::Next,
    response::Response,
};
use countersign::{AccessToken, OAuth2, Refusal, argument};

/// The most that these read of a body.
const ENOUGH: usize = 100_000;

/// Claims to need what `AccessToken` needs, and takes a token in a form where there is none in the header.
pub(crate) struct ReadsTheForm;

argument!(ReadsTheForm: AccessToken);

impl FromRequest<OAuth2> for ReadsTheForm {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &OAuth2) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            let body = to_bytes(body, ENOUGH).await.unwrap_or_default();
            if let Some(token) = body.strip_prefix(b"access_token=") {
                parts.headers.insert(header::AUTHORIZATION, bearer(token));
            }
        }
        <AccessToken as FromRequestParts<OAuth2>>::from_request_parts(&mut parts, state).await.map(|_| Self)
    }
}

fn bearer(token: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(&[b"Bearer ", token].concat()).unwrap()
}

/// A layer that takes the tokens out of forms: whoever comes after it sees one in the header alone.
pub(crate) async fn tidies_up(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, ENOUGH).await.unwrap_or_default();
    let body = if body.starts_with(b"access_token=") { Body::from("x=1") } else { Body::from(body) };
    next.run(Request::from_parts(parts, body)).await
}
