//! `BearerToken`: the string that a request carries, before anybody looked at it.

use std::ops::Deref;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use countersign_core::{error::BearerError, scope::Scope, token};

use super::guard;
use crate::{
    guard::{Refusal, Requirement, requirement::Check},
    oauth2::{HoldsOAuth2, OAuth2},
    scheme::{SchemeRef, find_bearer},
};

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
        let (_, token) = find_bearer(parts)?;
        Ok(Self(token::BearerToken::new(token)))
    }
}

impl<AppState: Sync> FromRequestParts<AppState> for BearerToken
where
    OAuth2: FromRef<AppState>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        Self::read(parts).map_err(|error| Refusal::own(parts, &OAuth2::from_ref(state), error, Scope::empty()))
    }
}

guard!(BearerToken<> needs Requirement::of(SchemeRef::Own, Vec::new()).checking(Check::Form); where AppState: HoldsOAuth2);
