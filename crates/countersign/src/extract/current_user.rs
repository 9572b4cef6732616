//! `CurrentUser<S>`: the user of a verified token, loaded and active.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use countersign_core::{authorization_server::SharedOwner, error::BearerError, reason::Reason, token};

use super::{AccessToken, guard};
use crate::{
    guard::{Argument, Refusal, requirement::Check, route},
    oauth2::{HoldsOAuth2, OAuth2},
    scopes::ScopeSet,
    user::{FromResourceOwner, User},
};

/// The user whose token the request carries, with at least the scopes of `S`.
///
/// `U` is the built-in [`User`], or a type of yours that implements [`FromResourceOwner`]. One who was disabled is refused at
/// once, or within a second if another process did it ([`Builder::remembered_users`](crate::Builder::remembered_users)); a
/// user of a table of yours is looked up at each request, and once a request, however many guards ask.
///
/// # Errors
/// - those of [`AccessToken`];
/// - 401 `invalid_token`: the user is gone or disabled;
/// - 503 `temporarily_unavailable`: the store is away.
#[derive(Debug)]
pub struct CurrentUser<S = (), U = User> {
    user: Arc<U>,
    token: AccessToken<S>,
}

impl<S, U> CurrentUser<S, U> {
    /// The user alone, cloned if others share it.
    #[must_use]
    pub fn into_inner(self) -> U
    where
        U: Clone,
    {
        Arc::unwrap_or_clone(self.user)
    }

    /// The user as all share it who asked for the same one.
    pub(crate) fn into_shared(self) -> Arc<U> {
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

impl<S, U: Clone> DerefMut for CurrentUser<S, U> {
    fn deref_mut(&mut self) -> &mut U {
        Arc::make_mut(&mut self.user)
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
    parts.extensions.insert(Loaded { by: oauth2.clone(), token: token.clone(), value: value.clone() });
}

async fn owner(
    parts: &mut Parts,
    oauth2: &OAuth2,
    token: &token::AccessToken,
    known: Option<SharedOwner>,
) -> Result<SharedOwner, BearerError> {
    if let Some(owner) = loaded(parts, oauth2, token) {
        return Ok(owner);
    }
    let owner = find(oauth2, token, known).await?;
    keep(parts, oauth2, token, &owner);
    Ok(owner)
}

async fn find(
    oauth2: &OAuth2,
    token: &token::AccessToken,
    known: Option<SharedOwner>,
) -> Result<SharedOwner, BearerError> {
    match known {
        Some(owner) => Ok(owner),
        None => oauth2.find_shared_owner(token).await,
    }
}

async fn made<AppState, U: FromResourceOwner<AppState>>(
    owner: SharedOwner,
    state: &AppState,
) -> Result<Arc<U>, BearerError> {
    U::from_shared_owner(owner, state).await?.ok_or(BearerError::InvalidToken(Reason::OwnerGone))
}

/// The user of a token whose owner is `known`, if that is so.
async fn user<AppState, U: FromResourceOwner<AppState>>(
    parts: &mut Parts,
    oauth2: &OAuth2,
    token: &token::AccessToken,
    known: Option<SharedOwner>,
    state: &AppState,
) -> Result<Arc<U>, BearerError> {
    if !route::has_several_guards(parts) {
        return made(find(oauth2, token, known).await?, state).await;
    }
    if let Some(user) = loaded(parts, oauth2, token) {
        return Ok(user);
    }
    let user = made(owner(parts, oauth2, token, known).await?, state).await?;
    keep(parts, oauth2, token, &user);
    Ok(user)
}

impl<S: ScopeSet, U> CurrentUser<S, U> {
    async fn read<AppState>(parts: &mut Parts, oauth2: &OAuth2, state: &AppState) -> Result<Self, BearerError>
    where
        U: FromResourceOwner<AppState>,
    {
        let (token, known) = AccessToken::read_with_owner(parts, oauth2).await?;
        Ok(Self { user: user(parts, oauth2, &token, known, state).await?, token })
    }
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
        let oauth2 = OAuth2::from_ref(state);
        Self::read(parts, &oauth2, state).await.map_err(|error| Refusal::own(parts, &oauth2, error, S::scope()))
    }
}

guard!(CurrentUser<S, U> needs <AccessToken<S> as Argument<AppState>>::requirement().checking(Check::Owner);
    where AppState: HoldsOAuth2, S: ScopeSet, U: FromResourceOwner<AppState>);
