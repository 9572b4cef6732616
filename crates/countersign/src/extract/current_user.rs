//! `CurrentUser<S>`: the user of a verified token, loaded and active.

use std::ops::{Deref, DerefMut};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use countersign_core::{error::BearerError, reason::Reason, resource_owner::ResourceOwner, token};

use super::{AccessToken, guard};
use crate::{
    guard::{Argument, Refusal, requirement::Check, route},
    oauth2::{HoldsOAuth2, OAuth2},
    scopes::ScopeSet,
    user::{FromResourceOwner, User},
};

/// The user whose token the request carries, with at least the scopes of `S`.
///
/// `U` is the built-in [`User`], or a type of yours that implements [`FromResourceOwner`]. The user is looked up at
/// each request, so one who was disabled is refused at once; and once a request, however many guards ask.
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

/// A value that another guard of this request had found.
#[derive(Clone)]
struct Loaded<T> {
    by: OAuth2,
    token: token::AccessToken,
    value: T,
}

fn loaded<T: Clone + Send + Sync + 'static>(parts: &Parts, oauth2: &OAuth2, token: &token::AccessToken) -> Option<T> {
    let loaded = parts.extensions.get::<Loaded<T>>()?;
    let is_theirs = loaded.by.is(oauth2) && loaded.token.identity() == token.identity();
    is_theirs.then(|| loaded.value.clone())
}

fn keep<T: Clone + Send + Sync + 'static>(parts: &mut Parts, oauth2: &OAuth2, token: &token::AccessToken, value: &T) {
    if route::has_several_guards(parts) {
        parts.extensions.insert(Loaded { by: oauth2.clone(), token: token.clone(), value: value.clone() });
    }
}

async fn owner(parts: &mut Parts, oauth2: &OAuth2, token: &token::AccessToken) -> Result<ResourceOwner, BearerError> {
    if let Some(owner) = loaded(parts, oauth2, token) {
        return Ok(owner);
    }
    let owner = oauth2.find_active_owner(token).await?;
    keep(parts, oauth2, token, &owner);
    Ok(owner)
}

async fn user<AppState, U: FromResourceOwner<AppState>>(
    parts: &mut Parts,
    oauth2: &OAuth2,
    token: &token::AccessToken,
    state: &AppState,
) -> Result<U, BearerError> {
    if let Some(user) = loaded(parts, oauth2, token) {
        return Ok(user);
    }
    let owner = owner(parts, oauth2, token).await?;
    let user = U::from_resource_owner(owner, state).await?.ok_or(BearerError::InvalidToken(Reason::OwnerGone))?;
    keep(parts, oauth2, token, &user);
    Ok(user)
}

impl<AppState, S, U> FromRequestParts<AppState> for CurrentUser<S, U>
where
    AppState: Sync,
    OAuth2: FromRef<AppState>,
    S: ScopeSet,
    U: FromResourceOwner<AppState>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        let token = <AccessToken<S> as FromRequestParts<AppState>>::from_request_parts(parts, state).await?;
        let oauth2 = OAuth2::from_ref(state);
        match user(parts, &oauth2, &token, state).await {
            Ok(user) => Ok(Self { user, token }),
            Err(error) => Err(Refusal::own(parts, &oauth2, error, S::scope())),
        }
    }
}

guard!(CurrentUser<S, U> needs <AccessToken<S> as Argument<AppState>>::requirement().checking(Check::Owner);
    where AppState: HoldsOAuth2, S: ScopeSet, U: FromResourceOwner<AppState>);
