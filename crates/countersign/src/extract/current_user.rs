//! `CurrentUser<S>`: the user of a verified token, loaded and active.

use std::ops::{Deref, DerefMut};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use countersign_core::error::BearerError;

use super::{AccessToken, BearerRejection, optional};
use crate::{
    oauth2::OAuth2,
    scopes::ScopeSet,
    user::{FromResourceOwner, User},
};

/// The user whose token the request carries, with at least the scopes of `S`.
///
/// `U` is the built-in [`User`], or a type of yours that implements [`FromResourceOwner`]. The user is looked up at
/// each request, so one who was disabled is refused at once.
///
/// # Errors
/// - those of [`AccessToken`];
/// - 401 `invalid_token`: the user is gone or disabled;
/// - 503 `temporarily_unavailable`: the store is away.
#[derive(Debug)]
pub struct CurrentUser<S = (), U = User> {
    user: U,
    token: AccessToken<S>,
}

impl<S, U> CurrentUser<S, U> {
    /// The user alone.
    #[must_use]
    pub fn into_inner(self) -> U {
        self.user
    }

    /// The token with which the user came.
    #[must_use]
    pub const fn access_token(&self) -> &AccessToken<S> {
        &self.token
    }
}

impl<S, U> Deref for CurrentUser<S, U> {
    type Target = U;

    fn deref(&self) -> &U {
        &self.user
    }
}

impl<S, U> DerefMut for CurrentUser<S, U> {
    fn deref_mut(&mut self) -> &mut U {
        &mut self.user
    }
}

impl<AppState, S, U> FromRequestParts<AppState> for CurrentUser<S, U>
where
    AppState: Sync,
    OAuth2: FromRef<AppState>,
    S: ScopeSet,
    U: FromResourceOwner<AppState>,
{
    type Rejection = BearerRejection;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        let token = <AccessToken<S> as FromRequestParts<AppState>>::from_request_parts(parts, state).await?;
        let oauth2 = OAuth2::from_ref(state);
        let found = async {
            let owner = oauth2.server().find_active_owner(&token).await?;
            U::from_resource_owner(owner, state).await?.ok_or(BearerError::InvalidToken)
        };
        match found.await {
            Ok(user) => Ok(Self { user, token }),
            Err(error) => Err(BearerRejection::new(&oauth2, error, S::scope())),
        }
    }
}

optional!(CurrentUser<S, U> where AppState: Sync, OAuth2: FromRef<AppState>, S: ScopeSet, U: FromResourceOwner<AppState>);
