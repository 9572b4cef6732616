//! What an owner allowed a client: the record from which every token descends.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    names::{Audience, ClientId, GrantId, Subject},
    password::PasswordHash,
    refresh_token::{RefreshToken, SealedAnswer},
    scope::Scope,
    store::{HandleHash, Spend, Standing},
};

/// A grant: one login, or one consent. Every token names the grant from which it descends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Names the grant; its tokens carry it.
    pub id: GrantId,
    /// Who allowed it.
    pub subject: Subject,
    /// Whom it was allowed.
    pub client_id: ClientId,
    /// What was allowed.
    pub scope: Scope,
    /// When it was allowed.
    pub created_at: Timestamp,
    /// When tokens were last issued for it.
    pub used_at: Timestamp,
    /// When the last access token that descends from it expires.
    pub access_until: Timestamp,
    /// Its refresh token, if it can be renewed.
    pub refresh: Option<Refresh>,
}

impl Grant {
    /// When the last token that descends from it has expired: then the record may go.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.refresh.as_ref().map_or(self.access_until, |refresh| refresh.expires_at.max(self.access_until))
    }
}

/// The refresh token of a grant (RFC 6749 §1.5), of which a store keeps hashes alone.
///
/// A grant has one family of refresh tokens, each the successor of another. One of them is good: storage grows with
/// grants and not with how often they are renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// The hash of what all tokens of the family have in common, which tells an old one from one that never was.
    pub family: HandleHash,
    /// The hash of the token that is good for one use.
    pub current: HandleHash,
    /// From when on the family is worth nothing.
    pub expires_at: Timestamp,
    /// Those that were used so lately that a use is answered once more.
    pub retired: Vec<Retired>,
}

/// A refresh token that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retired {
    /// Its hash.
    pub handle: HandleHash,
    /// When it was used.
    pub at: Timestamp,
    /// What its use was answered with, which only who has it can read.
    pub answer: SealedAnswer,
}

impl Retired {
    /// Whether a use at `now` is another try of the use that was, and not a theft.
    ///
    /// A clock that went back by less than the leeway changes nothing; one that went back by more makes no token younger.
    #[must_use]
    pub fn may_be_retried(&self, now: Timestamp, leeway: Duration) -> bool {
        !leeway.is_zero() && now < self.at.plus(leeway) && now > self.at.minus(leeway)
    }
}

/// What a grant type came to.
#[derive(Debug)]
pub(crate) enum Decision {
    /// Tokens are to be issued.
    Issue(Authorized),
    /// They were issued already: the use of a refresh token is tried again.
    Again(Again),
    /// A refresh token is used that was used up: the grant is to end (RFC 9700 §4.14.2).
    Stolen(Grant),
}

/// A use of a refresh token that is tried again.
#[derive(Debug)]
pub(crate) struct Again {
    pub(crate) grant: Grant,
    pub(crate) presented: RefreshToken,
    pub(crate) answer: SealedAnswer,
    pub(crate) scope: Scope,
    pub(crate) asked: Option<Scope>,
}

/// What a grant decided: all that is needed to issue.
#[derive(Debug)]
pub(crate) struct Authorized {
    pub(crate) subject: Subject,
    pub(crate) scope: Scope,
    /// What was asked for; `None` if nothing was.
    pub(crate) asked: Option<Scope>,
    /// The API that the tokens are for; `None` for the server's own.
    pub(crate) audience: Option<Audience>,
    pub(crate) source: Source,
}

impl Authorized {
    /// Who was verified, if that is nobody the store knows of: the store cannot see to it that they still are the same.
    pub(crate) fn owner_elsewhere(&self) -> Option<VerifiedElsewhere> {
        match &self.source {
            Source::New { standing: Standing::Elsewhere, verified, .. } => {
                Some(VerifiedElsewhere { subject: self.subject.clone(), password_hash: verified.clone() })
            }
            _ => None,
        }
    }
}

/// An owner of the author's own table, as it was verified.
#[derive(Debug)]
pub(crate) struct VerifiedElsewhere {
    pub(crate) subject: Subject,
    pub(crate) password_hash: Option<PasswordHash>,
}

/// Where the grant of an answer comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// It is new.
    New {
        /// What the owner must still be when it is recorded.
        standing: Standing,
        /// The password hash that was verified, if one was.
        verified: Option<PasswordHash>,
        /// What the tokens cost: the one-time thing that is spent in the write that records the grant.
        spend: Option<Spend>,
    },
    /// It is renewed, at the cost of this refresh token.
    Renewed(Box<Renewal>),
    /// There is none: a client that asks on its own behalf asks again when its token has expired, and ends with its
    /// record.
    Client,
}

/// A grant that is renewed.
#[derive(Debug)]
pub(crate) struct Renewal {
    pub(crate) grant: Grant,
    /// Its refresh token, as it is.
    pub(crate) refresh: Refresh,
    /// What it costs.
    pub(crate) presented: RefreshToken,
}
