//! The only way to an [`AccessToken`].

use std::time::Duration;

use super::{
    AccessToken, BorrowedToken, Claims,
    format::{jwt, opaque},
};
pub use crate::jose::TokenProblem;
use crate::{
    clock::{Clock, Timestamp},
    key::VerifyingKeys,
    names::{Audience, Issuer},
    store::{Grants, HandleHash, StoreError},
};

/// How far two clocks may be apart by default: enough for machines that keep time, nothing to lean on.
pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(5);

/// The most that RFC 7519 §4.1.4 ("usually no more than a few minutes") and good sense leave a setting.
pub const MAX_LEEWAY: Duration = Duration::from_secs(60);

/// What a token must be to be believed.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The keys that may have signed it.
    pub keys: &'a dyn VerifyingKeys,
    /// How its issuer writes access tokens.
    pub profile: Profile,
    /// Who must have issued it: byte for byte.
    pub issuer: &'a Issuer,
    /// Who must be among those it is for: byte for byte.
    pub audience: &'a Audience,
    /// How far the issuer's clock may be apart.
    pub leeway: Duration,
}

impl<'a> Expected<'a> {
    /// What the claims must say, whoever signed them.
    #[must_use]
    pub const fn intended(&self) -> Intended<'a> {
        Intended { issuer: self.issuer, audience: self.audience, leeway: self.leeway }
    }
}

/// Whose token it must be, and for whom, and within what times.
#[derive(Clone, Copy, Debug)]
pub struct Intended<'a> {
    /// Who must have issued it: byte for byte.
    pub issuer: &'a Issuer,
    /// Who must be among those it is for: byte for byte.
    pub audience: &'a Audience,
    /// How far the issuer's clock may be apart.
    pub leeway: Duration,
}

impl Intended<'_> {
    /// Whether claims that are known to be their issuer's are meant for us, now.
    pub(super) fn check(&self, claims: &Claims, now: Timestamp) -> Result<(), TokenProblem> {
        // RFC 9068 §4: "The issuer identifier […] MUST exactly match the value of the "iss" claim."
        if claims.issuer != *self.issuer {
            return Err(TokenProblem::OtherIssuer);
        }
        // RFC 9068 §4: the audience "MUST […] contain a resource indicator value corresponding to" this API.
        if !claims.audience.contains(self.audience) {
            return Err(TokenProblem::OtherAudience);
        }
        self.check_times(claims, now)
    }

    fn check_times(&self, claims: &Claims, now: Timestamp) -> Result<(), TokenProblem> {
        // RFC 9068 §4: "The current time MUST be before the time represented by the "exp" claim."
        if claims.expires_at.plus(self.leeway) <= now {
            return Err(TokenProblem::Expired);
        }
        let latest = now.plus(self.leeway);
        if claims.issued_at > latest || claims.not_before.is_some_and(|not_before| not_before > latest) {
            return Err(TokenProblem::NotYetValid);
        }
        Ok(())
    }
}

/// How an issuer writes access tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// By RFC 9068: the header `typ` says that it is an access token, and `client_id` and `jti` are there.
    #[default]
    Rfc9068,
    /// As JWTs that follow no profile, as Keycloak, Auth0, Entra and Okta write them.
    ///
    /// `typ` may also be `JWT` or absent; `client_id` may be called `azp` or `cid` or be absent; `jti` may be absent;
    /// the scope may stand in `scp`, as a string or as a list. Since the type tells nothing, a token that bears a mark
    /// of another kind is refused: a claim `typ` (Keycloak) that is not `Bearer`, or `token_use` (Cognito) that is not
    /// `access`; a claim `at_hash`, `c_hash`, `s_hash` or `events`; and a claim `nonce`, unless one of those two says
    /// that it is an access token.
    Plain,
}

/// Verifies an access token (RFC 9068 §4).
///
/// # Errors
/// [`TokenProblem`] (`invalid_token`): why, for the log.
pub fn verify<'t>(
    token: impl Into<BorrowedToken<'t>>,
    expected: Expected<'_>,
    clock: &dyn Clock,
) -> Result<AccessToken, TokenProblem> {
    verify_at(token.into(), expected, clock.now())
}

pub(super) fn verify_at(
    token: BorrowedToken<'_>,
    expected: Expected<'_>,
    now: Timestamp,
) -> Result<AccessToken, TokenProblem> {
    let claims = jwt::decode(token.secret(), expected.keys, expected.profile, now)?;
    expected.intended().check(&claims, now)?;
    Ok(AccessToken(claims.into()))
}

/// Whether a token is opaque, by what it says of itself: then [`verify_opaque`] is to verify it.
pub(crate) fn is_opaque(token: BorrowedToken<'_>) -> bool {
    opaque::is_opaque(token.secret())
}

/// Verifies an opaque access token of our own. The store is asked each time, so that it ends everywhere at once.
///
/// # Errors
/// - [`StoreError`]: the store is away, and nobody knows.
/// - [`TokenProblem`] (`invalid_token`): why, for the log.
pub(crate) async fn verify_opaque(
    token: BorrowedToken<'_>,
    intended: Intended<'_>,
    grants: &dyn Grants,
    clock: &dyn Clock,
) -> Result<Result<AccessToken, TokenProblem>, StoreError> {
    let claims = find_opaque(token, grants).await?;
    Ok(claims.and_then(|(_, claims)| {
        intended.check(&claims, clock.now())?;
        Ok(AccessToken(claims.into()))
    }))
}

async fn find_opaque(
    token: BorrowedToken<'_>,
    grants: &dyn Grants,
) -> Result<Result<(HandleHash, Claims), TokenProblem>, StoreError> {
    let Some(handle) = opaque::find_handle(token.secret()) else { return Ok(Err(TokenProblem::Malformed)) };
    let Some(rests) = grants.find_opaque_token(&handle).await? else { return Ok(Err(TokenProblem::UnknownToken)) };
    Ok(opaque::read(&rests).map(|claims| (handle, claims)))
}

/// A token that this issuer issued, for whatever API and whatever time. For the issuer's own endpoints: it opens nothing,
/// because nobody asked for whom it is, and until when.
#[derive(Debug)]
pub(crate) struct IssuedToken {
    pub(crate) token: AccessToken,
    /// By what it is found, if it is opaque.
    pub(crate) handle: Option<HandleHash>,
}

impl IssuedToken {
    /// Whether its time is now.
    pub(crate) fn is_current(&self, intended: Intended<'_>, now: Timestamp) -> bool {
        intended.check_times(&self.token.0, now).is_ok()
    }
}

/// Looks for a token among those that this issuer issued, whoever they are for.
///
/// # Errors
/// - [`StoreError`]: the store is away, and nobody knows.
/// - [`TokenProblem`]: why it is none, for the log.
pub(crate) async fn find_issued(
    token: BorrowedToken<'_>,
    expected: Expected<'_>,
    grants: &dyn Grants,
    now: Timestamp,
) -> Result<Result<IssuedToken, TokenProblem>, StoreError> {
    let found = if is_opaque(token) {
        find_opaque(token, grants).await?.map(|(handle, claims)| (Some(handle), claims))
    } else {
        jwt::decode(token.secret(), expected.keys, expected.profile, now).map(|claims| (None, claims))
    };
    Ok(found.and_then(|(handle, claims)| {
        if claims.issuer != *expected.issuer {
            return Err(TokenProblem::OtherIssuer);
        }
        Ok(IssuedToken { token: AccessToken(claims.into()), handle })
    }))
}
