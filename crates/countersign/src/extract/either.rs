//! `Either<A, B>`: the one guard or the other.

use axum::{extract::FromRequestParts, http::request::Parts};

use super::guard;
use crate::guard::{Argument, Refusal};

/// One of two guards: `B` where a request has no credentials for `A`, or good ones that do not allow enough.
///
/// Credentials that are there and bad are refused, whatever else is there. For three, `Either<A, Either<B, C>>`.
///
/// # Errors
/// Those of `A` and `B`; where neither has credentials, both are challenged.
#[derive(Clone, Copy, Debug)]
pub enum Either<A, B> {
    /// The first held.
    One(A),
    /// The second held.
    Other(B),
}

impl<AppState, A, B> FromRequestParts<AppState> for Either<A, B>
where
    AppState: Sync,
    A: FromRequestParts<AppState, Rejection = Refusal> + Send,
    B: FromRequestParts<AppState, Rejection = Refusal> + Send,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        let first = match A::from_request_parts(parts, state).await {
            Ok(one) => return Ok(Self::One(one)),
            Err(refusal) if refusal.leaves_alternatives() => refusal,
            Err(refusal) => return Err(refusal),
        };
        match B::from_request_parts(parts, state).await {
            Ok(other) => Ok(Self::Other(other)),
            // Who was let in and may not do this learns that, and not that there are other ways in.
            Err(second) if second.is_for_want_of_credentials() => Err(first),
            Err(second) => Err(second),
        }
    }
}

guard!(Either<A, B> needs A::requirement().or(B::requirement()); where A: Argument<AppState>, B: Argument<AppState>);
