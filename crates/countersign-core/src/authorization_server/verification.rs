//! What is believed of a bearer token, and who its owner is.

use super::{AuthorizationServer, SharedOwner};
use crate::{
    clock::Timestamp,
    error::BearerError,
    key::KeyRing,
    names::Subject,
    reason::Reason,
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
    ///   it is opaque; or for too long what has ended (see [`RevocationSettings`](super::RevocationSettings)). Or because only
    ///   a newer program on the same store knows: what ended there, or the key that signed it.
    pub async fn verify<'t>(&self, token: impl Into<BorrowedToken<'t>>) -> Result<AccessToken, BearerError> {
        let token = token.into();
        match self.recall(token.secret().as_bytes()) {
            Some(known) => Ok(known),
            None => self.verify_unknown(token).await,
        }
    }

    /// A good token that was seen before, unless somebody must be asked or a key was withdrawn. Whoever gets `None` knows
    /// nothing yet, and asks [`AuthorizationServer::verify_unknown`].
    ///
    /// It takes what stands where a token should, before anybody has looked whether it could be one: the bytes of a token that
    /// is remembered were looked at when it was verified, and all of them count.
    pub fn recall(&self, token: &[u8]) -> Option<AccessToken> {
        self.recall_at(token, self.ports.clock.now())
    }

    /// As [`AuthorizationServer::recall`], with what [`AuthorizationServer::find_active_owner`] says of its owner, if nobody
    /// must be asked for that either: of both at one moment.
    pub fn recall_with_owner(&self, token: &[u8]) -> Option<(AccessToken, Option<SharedOwner>)> {
        let now = self.ports.clock.now();
        let token = self.recall_at(token, now)?;
        // At this moment there was nothing to be heard any more, or the token were not known.
        let may_be_known = self.ports.owners.is_none() && token.whose() == TokenSubject::Owner;
        let owner = may_be_known.then(|| self.remembered.find(token.subject(), &self.revoked, now)).flatten();
        Some((token, owner))
    }

    fn recall_at(&self, token: &[u8], now: Timestamp) -> Option<AccessToken> {
        if !self.is_up_to(now) {
            return None;
        }
        let known = self.seen.recall(token, self.expected(&self.keys.glance()), &self.revoked, now)?;
        self.verification_meters.valid();
        Some(known)
    }

    /// As [`AuthorizationServer::verify`], for a token that cannot be [recalled](AuthorizationServer::recall).
    ///
    /// # Errors
    /// Those of [`AuthorizationServer::verify`].
    pub async fn verify_unknown(&self, token: BorrowedToken<'_>) -> Result<AccessToken, BearerError> {
        // In a box: what waits for it has room for the rest alone, and most need no more.
        let verified = Box::pin(self.verify_anew(token, self.ports.clock.now())).await;
        self.verification_meters.count(&verified);
        verified
    }

    async fn verify_anew(&self, token: BorrowedToken<'_>, now: Timestamp) -> Result<AccessToken, BearerError> {
        let now = self.keep_up(now).await?;
        let believed = if verify::is_opaque(token) {
            let verified =
                verify::verify_opaque(token, self.intended(), &*self.ports.store, &*self.ports.clock).await?;
            verified
                .and_then(|token| if self.revoked.has_ended(&token) { Err(TokenProblem::Revoked) } else { Ok(token) })
        } else {
            self.verify_signed(token, now).await?
        };
        if let Ok(token) = &believed {
            self.refuse_if_uncertain(token)?;
        }
        believed.map_err(|problem| {
            let reason = Reason::from(problem);
            tracing::debug!(event = "verify", outcome = "denied", %reason, "a token was refused");
            BearerError::InvalidToken(reason)
        })
    }

    /// Verifies a token by its signature, and that it has not ended. One of a key that is unknown here may be of a key that came since.
    async fn verify_signed(
        &self,
        token: BorrowedToken<'_>,
        now: Timestamp,
    ) -> Result<Result<AccessToken, TokenProblem>, BearerError> {
        let tried = {
            let keys = self.keys.glance();
            match self.seen.verify_lasting(token, self.expected(&keys), &self.revoked, now) {
                Err(TokenProblem::UnknownKey) => keys.number(),
                decided => return Ok(decided),
            }
        };
        let mut decided = Err(TokenProblem::UnknownKey);
        let has_newer_keys = self.has_newer_keys(tried).await?;
        let now = self.refuse_if_stale()?;
        if has_newer_keys {
            decided = self.seen.verify_lasting(token, self.expected(&self.keys.glance()), &self.revoked, now);
        }
        if matches!(decided, Err(TokenProblem::UnknownKey)) {
            self.check_no_key_of_newer(token, now)?;
        }
        Ok(decided)
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
    /// One of the built-in table comes without the password hash, and may be remembered: what is changed through this
    /// server is seen at once, what another process changes within a second, as the feed tells it, and what changed in the
    /// table behind both within [`REMEMBERED_OWNER_AGE`](super::REMEMBERED_OWNER_AGE). An author's own table is asked each
    /// time.
    ///
    /// # Errors
    /// - [`BearerError::InvalidToken`]: the token is a client's own ([`Reason::NotAUser`]), or the owner is gone
    ///   ([`Reason::OwnerGone`]) or disabled ([`Reason::OwnerDisabled`]).
    /// - [`BearerError::TemporarilyUnavailable`]: it cannot be known now.
    pub async fn find_active_owner(&self, token: &AccessToken) -> Result<SharedOwner, BearerError> {
        // Whatever the table of users says: it may be the author's, and have a user of the client's name.
        if token.whose() == TokenSubject::Client {
            return Err(BearerError::InvalidToken(Reason::NotAUser));
        }
        let now = self.ports.clock.now();
        if !self.owners_are_in_store() {
            return self.find_in_table(token.subject(), now).await?.map_err(BearerError::InvalidToken);
        }
        let known = self.is_up_to(now).then(|| self.remembered.find(token.subject(), &self.revoked, now));
        match known.flatten() {
            Some(owner) => Ok(owner),
            None => Box::pin(self.keep_up_and_find_owner(token.subject(), now)).await,
        }
    }

    async fn keep_up_and_find_owner(&self, subject: &Subject, mut now: Timestamp) -> Result<SharedOwner, BearerError> {
        if !self.remembered.is_off() {
            now = self.keep_up(now).await?;
            if let Some(owner) = self.remembered.find(subject, &self.revoked, now) {
                return Ok(owner);
            }
        }
        self.find_in_table(subject, now).await?.map_err(BearerError::InvalidToken)
    }

    /// The owner as the table has it, or why it is no active one. One of the built-in table is remembered, for who has kept up
    /// with the feed.
    pub(super) async fn find_in_table(
        &self,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Result<SharedOwner, Reason>, StoreError> {
        // Before the row is read: a change that is heard from here on may not be in it.
        let generation = self.revoked.generation();
        Ok(match self.owners().find_by_subject(subject).await? {
            Some(owner) if !owner.is_active() => Err(Reason::OwnerDisabled),
            Some(owner) if self.owners_are_in_store() => Ok(self.remembered.remember(owner, generation, now)),
            Some(owner) => Ok(SharedOwner::new(owner)),
            None => Err(Reason::OwnerGone),
        })
    }
}
