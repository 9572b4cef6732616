//! What is believed of a bearer token, and who its owner is.

use super::AuthorizationServer;
use crate::{
    clock::Timestamp,
    error::BearerError,
    key::KeyRing,
    reason::Reason,
    resource_owner::ResourceOwner,
    store::StoreError,
    token::{
        AccessToken, BorrowedToken, TokenSubject,
        verify::{self, Expected, Intended, Profile, TokenProblem},
    },
};

impl AuthorizationServer {
    /// Verifies an access token (RFC 9068 §4). The log tells what is wrong with it, the client hears one answer.
    ///
    /// # Errors
    /// - [`BearerError::InvalidToken`], with the reason.
    /// - [`BearerError::TemporarilyUnavailable`]: nobody knows, because the store is away: whether it is one of ours, if
    ///   it is opaque; or for too long what has ended (see [`RevocationSettings`]).
    pub async fn verify<'t>(&self, token: impl Into<BorrowedToken<'t>>) -> Result<AccessToken, BearerError> {
        let (token, now) = (token.into(), self.ports.clock.now());
        self.keep_up(now).await?;
        let verified = if verify::is_opaque(token) {
            verify::verify_opaque(token, self.intended(), &*self.ports.store, now).await?
        } else {
            self.verify_signed(token, now).await?
        };
        let believed = verified
            .and_then(|token| if self.revoked.has_ended(&token) { Err(TokenProblem::Revoked) } else { Ok(token) });
        believed.map_err(|problem| {
            let reason = Reason::from(problem);
            tracing::debug!(event = "verify", outcome = "denied", %reason, "a token was refused");
            BearerError::InvalidToken(reason)
        })
    }

    /// Verifies a token by its signature. One of a key that is unknown here may be of a key that came since.
    async fn verify_signed(
        &self,
        token: BorrowedToken<'_>,
        now: Timestamp,
    ) -> Result<Result<AccessToken, TokenProblem>, StoreError> {
        let tried = {
            let keys = self.keys.glance();
            match self.seen.verify(token, self.expected(&keys), &*self.ports.clock) {
                Err(TokenProblem::UnknownKey) => keys.number(),
                decided => return Ok(decided),
            }
        };
        if !self.has_newer_keys(tried, now).await? {
            return Ok(Err(TokenProblem::UnknownKey));
        }
        Ok(self.seen.verify(token, self.expected(&self.keys.glance()), &*self.ports.clock))
    }

    /// What a token for this API must be.
    pub(super) fn expected<'a>(&'a self, keys: &'a KeyRing) -> Expected<'a> {
        let Intended { issuer, audience, leeway } = self.intended();
        Expected { keys, profile: Profile::Rfc9068, issuer, audience, leeway }
    }

    /// Whose it must be, and for whom.
    pub(super) fn intended(&self) -> Intended<'_> {
        let (issuer, audience) = self.names();
        Intended { issuer, audience, leeway: self.settings.leeway }
    }

    /// The owner of a verified token, as long as the owner is active.
    ///
    /// # Errors
    /// - [`BearerError::InvalidToken`]: the token is a client's own ([`Reason::NotAUser`]), or the owner is gone
    ///   ([`Reason::OwnerGone`]) or disabled ([`Reason::OwnerDisabled`]).
    /// - [`BearerError::TemporarilyUnavailable`]: it cannot be known now.
    pub async fn find_active_owner(&self, token: &AccessToken) -> Result<ResourceOwner, BearerError> {
        // Whatever the table of users says: it may be the author's, and have a user of the client's name.
        if token.whose() == TokenSubject::Client {
            return Err(BearerError::InvalidToken(Reason::NotAUser));
        }
        let owner = self.owners().find_by_subject(token.subject()).await?;
        let reason = match owner {
            Some(owner) if owner.is_active() => return Ok(owner),
            Some(_) => Reason::OwnerDisabled,
            None => Reason::OwnerGone,
        };
        Err(BearerError::InvalidToken(reason))
    }
}
