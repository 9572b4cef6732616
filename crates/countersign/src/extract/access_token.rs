//! `AccessToken<S>`: a verified token that has the scopes of `S`.

use std::{marker::PhantomData, ops::Deref};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderValue, header, request::Parts},
};
use countersign_core::{
    authorization_server::SharedOwner,
    error::BearerError,
    reason::Reason,
    token::{self, BorrowedToken},
};

use super::guard;
use crate::{
    guard::{Refusal, Requirement, route},
    oauth2::{HoldsOAuth2, OAuth2},
    scheme::{SchemeRef, find_bearer, find_unread_bearer},
    scopes::ScopeSet,
};

/// A verified access token with at least the scopes of `S`, without loading the user.
///
/// # Errors
/// - those of [`BearerToken`](super::BearerToken);
/// - 401 `invalid_token`: it does not hold, has expired, or is not for this API;
/// - 403 `insufficient_scope`: a scope of `S` was not granted;
/// - 503 `temporarily_unavailable`: its issuer is elsewhere and does not answer.
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

/// A token that another guard of this request had verified.
#[derive(Clone)]
struct Verified {
    by: OAuth2,
    /// The one header in which it came: what somebody put in its place, or beside it, is looked at anew.
    header: HeaderValue,
    token: token::AccessToken,
}

/// A token that is known, and its owner if that one is known too and was asked for.
type Recalled = (token::AccessToken, Option<SharedOwner>);

async fn verified(
    parts: &mut Parts,
    oauth2: &OAuth2,
    recall: impl FnOnce(&[u8]) -> Option<Recalled>,
) -> Result<Recalled, BearerError> {
    let several = route::has_several_guards(parts);
    if several
        && let Some(known) = parts.extensions.get::<Verified>()
        && known.by.is(oauth2)
        && parts.headers.get_all(header::AUTHORIZATION).iter().eq([&known.header])
    {
        return Ok((known.token.clone(), None));
    }
    let (token, owner) = match find_unread_bearer(parts).and_then(recall) {
        Some(known) => known,
        None => (oauth2.verify_unknown(BorrowedToken::new(find_bearer(parts)?.1)).await?, None),
    };
    if several && let Some(header) = parts.headers.get(header::AUTHORIZATION) {
        let verified = Verified { by: oauth2.clone(), header: header.clone(), token: token.clone() };
        parts.extensions.insert(verified);
    }
    Ok((token, owner))
}

impl<S: ScopeSet> AccessToken<S> {
    async fn read(parts: &mut Parts, oauth2: &OAuth2) -> Result<Self, BearerError> {
        let (token, _) = verified(parts, oauth2, |token| Some((oauth2.recall(token)?, None))).await?;
        Self::allowing(token)
    }

    /// As it is read where the owner is needed too, with the owner if nobody must be asked for that one.
    pub(super) async fn read_with_owner(
        parts: &mut Parts,
        oauth2: &OAuth2,
    ) -> Result<(Self, Option<SharedOwner>), BearerError> {
        let (token, owner) = verified(parts, oauth2, |token| oauth2.recall_with_owner(token)).await?;
        Ok((Self::allowing(token)?, owner))
    }

    fn allowing(token: token::AccessToken) -> Result<Self, BearerError> {
        if !S::is_covered_by(token.scope()) {
            return Err(BearerError::InsufficientScope(Reason::ScopeMissing));
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
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        let oauth2 = OAuth2::from_ref(state);
        Self::read(parts, &oauth2).await.map_err(|error| Refusal::own(parts, &oauth2, error, S::scope()))
    }
}

guard!(AccessToken<S> needs Requirement::of(SchemeRef::Own, S::declarations());
    where AppState: HoldsOAuth2, S: ScopeSet);
