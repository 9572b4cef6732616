//! `Either` and `Both` as careless people would write them.

use axum::{extract::FromRequestParts, http::request::Parts};
use countersign::{AccessToken, BearerError, Both, Credentials, Either, Refusal, argument};

use super::{Careless, Key};
use crate::support::{Me, ReadItems};

type Token = AccessToken<(ReadItems, Me)>;

/// What a broken combination does wrong; everything else it does right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Combining {
    Right,
    // Of one or the other.
    NeedsNeither,
    TakesABadTokenForNone,
    PassesOverABadToken,
    PassesOverABadKey,
    TakesASmallToken,
    // Of both.
    NeedsNoKey,
    NeedsNoToken,
    TakesOneOfTwoForNobody,
}

type State = Careless<Combining>;

/// Claims to need what `Either<Token, Credentials<Key>>` needs.
pub(crate) struct TokenOrKey;

argument!(TokenOrKey: Either<Token, Credentials<Key>>);

/// Claims to need what `Either<Credentials<Key>, Token>` needs.
pub(crate) struct KeyOrToken;

argument!(KeyOrToken: Either<Credentials<Key>, Token>);

/// Claims to need what `Both<Token, Credentials<Key>>` needs.
pub(crate) struct TokenAndKey;

argument!(TokenAndKey: Both<Token, Credentials<Key>>);

/// Claims to need what `Option<Both<Token, Credentials<Key>>>` needs.
pub(crate) struct PerhapsBoth;

argument!(PerhapsBoth: Option<Both<Token, Credentials<Key>>>);

async fn token(parts: &mut Parts, state: &State) -> Result<(), Refusal> {
    <Token as FromRequestParts<State>>::from_request_parts(parts, state).await.map(drop)
}

async fn key(parts: &mut Parts, state: &State) -> Result<(), Refusal> {
    <Credentials<Key> as FromRequestParts<State>>::from_request_parts(parts, state).await.map(drop)
}

fn is_missing(found: &Result<(), Refusal>) -> bool {
    found.as_ref().is_err_and(Refusal::is_for_want_of_credentials)
}

fn is_small(found: &Result<(), Refusal>) -> bool {
    matches!(found, Err(refusal) if matches!(refusal.error(), Some(BearerError::InsufficientScope(_))))
}

impl FromRequestParts<State> for TokenOrKey {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Refusal> {
        let (token, key) = (token(parts, state).await, key(parts, state).await);
        let bad = !is_missing(&token) && !is_small(&token);
        let forgiven = match state.mistake {
            Combining::NeedsNeither => is_missing(&token) && is_missing(&key),
            Combining::TakesABadTokenForNone => bad && is_missing(&key),
            Combining::PassesOverABadToken => key.is_ok(),
            Combining::TakesASmallToken => is_small(&token),
            _ => false,
        };
        match (token, key) {
            _ if forgiven => Ok(Self),
            (Ok(()), _) => Ok(Self),
            (Err(refusal), _) if bad => Err(refusal),
            (Err(_), Ok(())) => Ok(Self),
            (Err(refusal), Err(missing)) if missing.is_for_want_of_credentials() => Err(refusal),
            (_, Err(refusal)) => Err(refusal),
        }
    }
}

impl FromRequestParts<State> for KeyOrToken {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Refusal> {
        match key(parts, state).await {
            Err(bad) if !bad.is_for_want_of_credentials() && !state.is(Combining::PassesOverABadKey) => Err(bad),
            Err(_) => token(parts, state).await.map(|()| Self),
            Ok(()) => Ok(Self),
        }
    }
}

impl FromRequestParts<State> for TokenAndKey {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Refusal> {
        let (token, key) = (token(parts, state).await, key(parts, state).await);
        let forgiven = match state.mistake {
            Combining::NeedsNoKey => token.is_ok() && is_missing(&key),
            Combining::PassesOverABadKey => token.is_ok() && !is_missing(&key),
            Combining::NeedsNoToken => key.is_ok() && is_missing(&token),
            Combining::PassesOverABadToken => key.is_ok() && !is_missing(&token) && !is_small(&token),
            _ => false,
        };
        if forgiven { Ok(Self) } else { token.and(key).map(|()| Self) }
    }
}

impl FromRequestParts<State> for PerhapsBoth {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Refusal> {
        let (token, key) = (token(parts, state).await, key(parts, state).await);
        let nobody = is_missing(&token) && is_missing(&key);
        let one_of_two = token.is_ok() && is_missing(&key) || is_missing(&token) && key.is_ok();
        let forgiven = one_of_two && state.is(Combining::TakesOneOfTwoForNobody);
        if nobody || forgiven { Ok(Self) } else { token.and(key).map(|()| Self) }
    }
}
