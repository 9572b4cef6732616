//! `BearerToken`: the string that a request carries, before anybody looked at it.

use std::ops::Deref;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderValue, header, request::Parts},
};
use countersign_core::{error::BearerError, jose::MAX_TOKEN_BYTES, scope::Scope, token};

use super::{BearerRejection, optional};
use crate::oauth2::OAuth2;

/// The token of the `Authorization` header (RFC 6750 §2.1), not verified: the `token: str` of FastAPI's scheme.
///
/// Tokens in the address are never read: they end in logs and histories (RFC 9700 §4.3.2). Tokens in a body are not
/// read either.
///
/// # Errors
/// - 401 without a code: there is no such header, or it is of another scheme.
/// - 401 `invalid_token`: nothing, or something impossible, follows the scheme.
/// - 400 `invalid_request`: more than one credential.
#[derive(Clone, Debug)]
pub struct BearerToken(token::BearerToken);

impl Deref for BearerToken {
    type Target = token::BearerToken;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl BearerToken {
    pub(super) fn read(parts: &Parts) -> Result<Self, BearerError> {
        let mut headers = parts.headers.get_all(header::AUTHORIZATION).iter();
        let Some(header) = headers.next() else { return Err(BearerError::NoCredentials) };
        // RFC 6750 §2: "Clients MUST NOT use more than one method to transmit the token in each request."
        if headers.next().is_some() || has_query_token(parts) {
            return Err(BearerError::InvalidRequest);
        }
        let token = after_scheme(header)?;
        if token.len() > MAX_TOKEN_BYTES || !is_b64token(token) {
            return Err(BearerError::InvalidToken);
        }
        Ok(Self(token::BearerToken::new(token)))
    }
}

/// What stands behind `Bearer` and at least one space, the scheme in any case (RFC 9110 §11.1).
fn after_scheme(header: &HeaderValue) -> Result<&str, BearerError> {
    let bytes = header.as_bytes();
    let end = bytes.iter().position(|byte| *byte == b' ').unwrap_or(bytes.len());
    let (scheme, rest) = bytes.split_at(end);
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(BearerError::NoCredentials);
    }
    let token = std::str::from_utf8(rest).map_err(|_| BearerError::InvalidToken)?;
    Ok(token.trim_start_matches(' '))
}

/// `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 6750 §2.1).
fn is_b64token(token: &str) -> bool {
    let token = token.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !token.is_empty() && token.bytes().all(allowed)
}

fn has_query_token(parts: &Parts) -> bool {
    let query = parts.uri.query().unwrap_or_default();
    query.split('&').any(|pair| pair.split('=').next() == Some("access_token"))
}

impl<AppState: Sync> FromRequestParts<AppState> for BearerToken
where
    OAuth2: FromRef<AppState>,
{
    type Rejection = BearerRejection;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        Self::read(parts).map_err(|error| BearerRejection::new(&OAuth2::from_ref(state), error, Scope::empty()))
    }
}

optional!(BearerToken<> where AppState: Sync, OAuth2: FromRef<AppState>);
