//! `Allowed<R>`: what a rule of the author's found.

use std::ops::Deref;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};

use super::guard;
use crate::guard::{Argument, Refusal, Rule};

/// What the [`Rule`] `R` found: there only if it holds.
///
/// # Errors
/// - those of the rule's guard;
/// - 403 with the rule's description, or as the rule answers.
#[derive(Clone, Copy, Debug)]
pub struct Allowed<R>(pub R);

impl<R> Deref for Allowed<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.0
    }
}

impl<AppState, R> FromRequestParts<AppState> for Allowed<R>
where
    AppState: Sync,
    R: Rule,
    R::State: FromRef<AppState>,
    R::Guard: FromRequestParts<AppState, Rejection = Refusal> + Argument<AppState>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        let guard = R::Guard::from_request_parts(parts, state).await?;
        let state = R::State::from_ref(state);
        R::check(guard, parts, &state)
            .await
            .map(Self)
            .map_err(|denied| Refusal::by_rule(parts, denied, (R::NAME, R::DESCRIPTION), &R::Guard::requirement()))
    }
}

guard!(Allowed<R> needs R::Guard::requirement().with_rule(R::NAME, R::DESCRIPTION);
    where R: Rule, R::Guard: Argument<AppState>);
