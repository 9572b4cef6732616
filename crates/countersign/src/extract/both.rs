//! `Both<A, B>`: two guards as one, for an `Either`.

use axum::{extract::FromRequestParts, http::request::Parts};

use super::guard;
use crate::guard::{Argument, Refusal};

/// Two guards that are needed together, as two arguments are: for a place where one guard is asked for, such as in an
/// [`Either`](super::Either).
///
/// # Errors
/// Those of `A`, then those of `B`.
#[derive(Clone, Copy, Debug)]
pub struct Both<A, B>(pub A, pub B);

impl<AppState, A, B> FromRequestParts<AppState> for Both<A, B>
where
    AppState: Sync,
    A: FromRequestParts<AppState, Rejection = Refusal> + Send,
    B: FromRequestParts<AppState, Rejection = Refusal> + Send,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        Ok(Self(A::from_request_parts(parts, state).await?, B::from_request_parts(parts, state).await?))
    }
}

guard!(Both<A, B> needs A::requirement().and(B::requirement()); where A: Argument<AppState>, B: Argument<AppState>);
