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
        let one = match A::from_request_parts(parts, state).await {
            Err(refusal) if !refusal.is_for_want_of_credentials() => return Err(refusal),
            looked_for => looked_for,
        };
        // Looked at even if the first are missing, so that bad ones are never passed over.
        match (one, B::from_request_parts(parts, state).await) {
            (Ok(one), Ok(other)) => Ok(Self(one, other)),
            (Ok(_), Err(missing)) if missing.is_for_want_of_credentials() => Err(missing.beside_good_ones()),
            (Err(missing), Ok(_)) => Err(missing.beside_good_ones()),
            (_, Err(refusal)) => Err(refusal),
        }
    }
}

guard!(Both<A, B> needs A::requirement().and(B::requirement()); where A: Argument<AppState>, B: Argument<AppState>);
