//! What is wrong with a token, in words: for people, and never for a decision.

mod judge;
mod show;

use std::time::Duration;

use self::judge::Judge;
use super::{
    BearerToken,
    verify::{DEFAULT_LEEWAY, Profile},
};
use crate::{
    clock::Clock,
    key::VerifyingKeys,
    names::{Audience, Issuer},
    reason::Reason,
    scope::Scope,
};

/// What a token is held against. What is not given is not judged, and its finding is [`Verdict::Unknown`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Against<'a> {
    /// Who should have issued it.
    pub issuer: Option<&'a Issuer>,
    /// Whom it should be for.
    pub audience: Option<&'a Audience>,
    /// The keys that may have signed it.
    pub keys: Option<&'a dyn VerifyingKeys>,
    /// How its issuer writes access tokens; if that is not given, only what both profiles agree upon is judged.
    pub profile: Option<Profile>,
    /// How far the issuer's clock may be apart; [`DEFAULT_LEEWAY`] if that is not given.
    pub leeway: Option<Duration>,
    /// The scope that the route needs.
    pub needed: Option<&'a Scope>,
}

/// What was found out about a token. Its `Display` is a table.
///
/// Values of the token are shown escaped and shortened; the signature and the token as a whole are not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What was looked at, from the outside in.
    pub findings: Vec<Finding>,
    /// Why [`verify`](super::verify::verify), or after it the check of the scope, refuses the token first, as far as can
    /// be said with what was given; `None` if nothing speaks against it.
    pub reason: Option<Reason>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is: a part of the token, or the name of a member.
    pub what: &'static str,
    /// What it should be.
    pub expected: String,
    /// What it is in this token.
    pub found: String,
    /// Whether that is right.
    pub verdict: Verdict,
    /// What to change, if it is not.
    pub advice: Option<String>,
}

/// Whether a finding is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Holds,
    /// It is not.
    Fails,
    /// It cannot be said with what was given.
    Unknown,
}

/// Decodes a token without believing it, and says what holds and what does not.
///
/// Nothing of the token is used for anything but to be shown, and nothing is fetched. A token without a failed finding
/// is not verified: [`verify`](super::verify::verify) does that.
#[must_use]
pub fn explain(token: &BearerToken, against: &Against<'_>, clock: &dyn Clock) -> Explanation {
    let leeway = against.leeway.unwrap_or(DEFAULT_LEEWAY);
    Judge::new(against, leeway, clock.now()).judge(token.secret())
}
