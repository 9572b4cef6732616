//! The only way to an [`AccessToken`].

use std::time::Duration;

use super::{AccessToken, BearerToken, format::jwt};
pub use crate::jose::TokenProblem;
use crate::{
    clock::Clock,
    key::KeyRing,
    names::{Audience, Issuer},
};

/// How far two clocks may be apart by default: enough for machines that keep time, nothing to lean on.
pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(5);

/// The most that RFC 7519 §4.1.4 ("usually no more than a few minutes") and good sense leave a setting.
pub const MAX_LEEWAY: Duration = Duration::from_secs(60);

/// What a token must be to be believed.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The keys that may have signed it.
    pub keys: &'a KeyRing,
    /// Who must have issued it: byte for byte.
    pub issuer: &'a Issuer,
    /// Who must be among those it is for: byte for byte.
    pub audience: &'a Audience,
    /// How far the issuer's clock may be apart.
    pub leeway: Duration,
}

/// Verifies an access token (RFC 9068 §4).
///
/// # Errors
/// [`TokenProblem`] (`invalid_token`): why, for the log.
pub fn verify(token: &BearerToken, expected: Expected<'_>, clock: &dyn Clock) -> Result<AccessToken, TokenProblem> {
    let now = clock.now();
    let claims = jwt::decode(token.secret(), expected.keys, now)?;
    // RFC 9068 §4: "The issuer identifier […] MUST exactly match the value of the "iss" claim."
    if claims.issuer != *expected.issuer {
        return Err(TokenProblem::OtherIssuer);
    }
    // RFC 9068 §4: the audience "MUST […] contain a resource indicator value corresponding to" this API.
    if !claims.audience.contains(expected.audience) {
        return Err(TokenProblem::OtherAudience);
    }
    // RFC 9068 §4: "The current time MUST be before the time represented by the "exp" claim."
    if claims.expires_at.plus(expected.leeway) <= now {
        return Err(TokenProblem::Expired);
    }
    let latest = now.plus(expected.leeway);
    if claims.issued_at > latest || claims.not_before.is_some_and(|not_before| not_before > latest) {
        return Err(TokenProblem::NotYetValid);
    }
    Ok(AccessToken(claims.into()))
}
