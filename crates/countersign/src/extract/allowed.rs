//! `Allowed<R>`: what a rule of the author's found.

use std::ops::Deref;

use axum::{
    extract::{FromRef, FromRequestParts, OptionalFromRequestParts},
    http::request::Parts,
    response::{IntoResponse, Response},
};

use crate::guard::{Argument, Refusal, Requirement, Rule};

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
    R::Guard: FromRequestParts<AppState, Rejection = Refusal>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let guard = R::Guard::from_request_parts(parts, state).await.map_err(IntoResponse::into_response)?;
        check(guard, parts, state).await
    }
}

/// No credentials are `None`; a rule that does not hold is refused.
impl<AppState, R> OptionalFromRequestParts<AppState> for Allowed<R>
where
    AppState: Sync,
    R: Rule,
    R::State: FromRef<AppState>,
    R::Guard: FromRequestParts<AppState, Rejection = Refusal>,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Option<Self>, Response> {
        match R::Guard::from_request_parts(parts, state).await {
            Ok(guard) => check(guard, parts, state).await.map(Some),
            Err(refusal) if refusal.is_for_want_of_credentials() => Ok(None),
            Err(refusal) => Err(refusal.into_response()),
        }
    }
}

async fn check<AppState, R>(guard: R::Guard, parts: &mut Parts, state: &AppState) -> Result<Allowed<R>, Response>
where
    R: Rule,
    R::State: FromRef<AppState>,
{
    let state = R::State::from_ref(state);
    match R::check(guard, parts, &state).await {
        Ok(found) => Ok(Allowed(found)),
        Err(denied) => Err(denied.refuse(parts, R::NAME, R::DESCRIPTION)),
    }
}

impl<R: Rule> Argument for Allowed<R> {
    fn requirement() -> Requirement {
        R::Guard::requirement().with_rule(R::NAME, R::DESCRIPTION)
    }
}

impl<R> aide::OperationInput for Allowed<R> {}
