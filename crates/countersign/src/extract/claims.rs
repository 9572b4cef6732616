//! `Claims<C>`: claims of the author's own, out of a verified token.

use std::ops::Deref;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use countersign_core::error::BearerError;
use serde::de::DeserializeOwned;

use super::{AccessToken, guard};
use crate::{
    guard::{Argument, Refusal},
    oauth2::{HoldsOAuth2, OAuth2},
    scopes::ScopeSet,
};

/// The claims of a verified access token beyond those of RFC 9068, as a type of yours, with at least the scopes of `S`.
///
/// Tokens that this API issues get them from [`Builder::claims`](crate::Builder::claims).
///
/// # Errors
/// - those of [`AccessToken`];
/// - 401 `invalid_token`: the claims are not there, or not of their types.
#[derive(Debug)]
pub struct Claims<C, S = ()> {
    claims: C,
    token: AccessToken<S>,
}

impl<C, S> Claims<C, S> {
    /// The claims alone.
    #[must_use]
    pub fn into_inner(self) -> C {
        self.claims
    }

    /// The token in which they came.
    #[must_use]
    pub const fn access_token(&self) -> &AccessToken<S> {
        &self.token
    }
}

impl<C, S> Deref for Claims<C, S> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.claims
    }
}

impl<AppState, C, S> FromRequestParts<AppState> for Claims<C, S>
where
    AppState: Sync,
    OAuth2: FromRef<AppState>,
    C: DeserializeOwned,
    S: ScopeSet,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        let token = <AccessToken<S> as FromRequestParts<AppState>>::from_request_parts(parts, state).await?;
        match token.parse_claims() {
            Ok(claims) => Ok(Self { claims, token }),
            Err(problem) => Err(Refusal::own(parts, &OAuth2::from_ref(state), BearerError::from(problem), S::scope())),
        }
    }
}

guard!(Claims<C, S> needs <AccessToken<S> as Argument<AppState>>::requirement().claiming::<C>();
    where AppState: HoldsOAuth2, C: DeserializeOwned, S: ScopeSet);
