//! `AccessToken<S>`: a verified token that has the scopes of `S`.

use std::{marker::PhantomData, ops::Deref};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use countersign_core::{error::BearerError, token};

use super::{BearerRejection, BearerToken, optional};
use crate::{oauth2::OAuth2, scopes::ScopeSet};

/// A verified access token with at least the scopes of `S`, without loading the user.
///
/// # Errors
/// - those of [`BearerToken`];
/// - 401 `invalid_token`: it does not hold, has expired, or is not for this API;
/// - 403 `insufficient_scope`: a scope of `S` was not granted.
#[derive(Debug)]
pub struct AccessToken<S = ()> {
    token: token::AccessToken,
    scopes: PhantomData<fn() -> S>,
}

impl<S> Clone for AccessToken<S> {
    fn clone(&self) -> Self {
        Self { token: self.token.clone(), scopes: PhantomData }
    }
}

impl<S> Deref for AccessToken<S> {
    type Target = token::AccessToken;

    fn deref(&self) -> &Self::Target {
        &self.token
    }
}

impl<S: ScopeSet> AccessToken<S> {
    fn read(parts: &Parts, oauth2: &OAuth2) -> Result<Self, BearerError> {
        let bearer = BearerToken::read(parts)?;
        let token = oauth2.server().verify(&bearer)?;
        if !token.scope().covers(&S::scope()) {
            return Err(BearerError::InsufficientScope);
        }
        Ok(Self { token, scopes: PhantomData })
    }
}

impl<AppState, S> FromRequestParts<AppState> for AccessToken<S>
where
    AppState: Sync,
    OAuth2: FromRef<AppState>,
    S: ScopeSet,
{
    type Rejection = BearerRejection;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        let oauth2 = OAuth2::from_ref(state);
        Self::read(parts, &oauth2).map_err(|error| BearerRejection::new(&oauth2, error, S::scope()))
    }
}

optional!(AccessToken<S> where AppState: Sync, OAuth2: FromRef<AppState>, S: ScopeSet);
