//! The keys of an authorization server while it runs: looked after when it signs, looked at again when it verifies.

use std::sync::Arc;

use super::AuthorizationServer;
use crate::{
    clock::Timestamp,
    jose::{JwkSet, read_key_id},
    key::{KeyRing, KeyRingError, NextKey},
    names::KeyId,
    store::{Found, StoreError},
    token::{
        BorrowedToken,
        verify::{self, IssuedToken, TokenProblem},
    },
};

impl AuthorizationServer {
    /// Its keys as they are now.
    #[must_use]
    pub fn keys(&self) -> Arc<KeyRing> {
        self.keys.ring()
    }

    /// What others verify its tokens with (RFC 7517), as the store had it a minute ago at most, or a few while it is away; a
    /// key that signs is always among it.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): nobody knows which keys there are, or there is none to sign with.
    pub async fn published_keys(&self) -> Result<JwkSet, StoreError> {
        self.hear_of_withdrawals().await;
        self.keys.publish(&*self.ports.store, &*self.ports.clock).await
    }

    /// Makes the next key now, unless one waits already. It signs once all who verify can know it.
    ///
    /// # Errors
    /// [`KeyRingError`]: the store is away, tokens are signed with a secret, or no key can be made.
    pub async fn rotate_keys(&self) -> Result<NextKey, KeyRingError> {
        self.keys.rotate(&*self.ports.store, &*self.ports.clock).await
    }

    /// Withdraws a key, for one that leaked: what it signed is refused, here when this returns. If it was the one that
    /// signs, another does at once.
    ///
    /// # Errors
    /// [`KeyRingError`]: the store is away, and it is not known whether it is withdrawn; or no other can be made.
    pub async fn withdraw_key(&self, id: &KeyId) -> Result<Found, KeyRingError> {
        self.keys.withdraw(&*self.ports.store, id, &*self.ports.clock).await
    }

    /// Makes sure that there is a key to sign with.
    pub(super) async fn keep_keys(&self) -> Result<(), StoreError> {
        self.hear_of_withdrawals().await;
        self.keys.keep(&*self.ports.store, &*self.ports.clock).await.map_err(|error| match error {
            KeyRingError::Store(error) => error,
            other => StoreError::unavailable(other),
        })
    }

    /// Whether there are other keys than those of the ring of this number: asked when a token names one that is not among
    /// these.
    pub(super) async fn has_newer_keys(&self, tried: u64) -> Result<bool, StoreError> {
        self.keys.look_again(&*self.ports.store, tried, &*self.ports.clock).await
    }

    /// Looks for a token among those that this server issued, whoever they are for.
    pub(super) async fn find_issued(
        &self,
        token: BorrowedToken<'_>,
        now: Timestamp,
    ) -> Result<Result<IssuedToken, TokenProblem>, StoreError> {
        let keys = self.keys.ring();
        if let Some(token) = self.seen.recall_issued(token, self.expected(&keys), now) {
            return Ok(Ok(IssuedToken { token, handle: None }));
        }
        let mut found = verify::find_issued(token, self.expected(&keys), &*self.ports.store, now).await?;
        // An opaque one is asked for each time, so that it ends everywhere at once.
        if let Ok(IssuedToken { token: verified, handle: None }) = &found {
            self.seen.remember_issued(token, verified, self.expected(&keys), now);
        }
        if !matches!(found, Err(TokenProblem::UnknownKey)) {
            return Ok(found);
        }
        if self.has_newer_keys(keys.number()).await? {
            let keys = self.keys.ring();
            found = verify::find_issued(token, self.expected(&keys), &*self.ports.store, now).await?;
        }
        if matches!(found, Err(TokenProblem::UnknownKey)) {
            self.check_no_key_of_newer(token, now)?;
        }
        Ok(found)
    }

    /// Makes sure that a token of an unknown key does not name one of ours that only a newer program can use: whether it holds
    /// cannot be known here.
    pub(super) fn check_no_key_of_newer(&self, token: BorrowedToken<'_>, now: Timestamp) -> Result<(), StoreError> {
        let keys = self.keys.glance();
        let is_ours = |id: &KeyId| keys.is_of_newer(id, now);
        if keys.has_of_newer() && read_key_id(token.secret()).as_ref().is_some_and(is_ours) {
            return Err(StoreError::unavailable("only a newer program can verify with the key of the token"));
        }
        Ok(())
    }

    /// Hears at most once a second which keys were withdrawn. While that fails, those in memory are as good as they were.
    async fn hear_of_withdrawals(&self) {
        if let Err(error) = self.revoked.keep_up(&*self.ports.store, &*self.ports.clock).await {
            tracing::warn!(event = "feed", outcome = "failure", %error, "the feed of what has ended cannot be read");
        }
        self.heed_withdrawals();
    }

    /// Drops the keys that the feed says were withdrawn.
    pub(super) fn heed_withdrawals(&self) {
        let number = self.revoked.key_number();
        if self.keys.is_heedless(number) {
            self.keys.heed(number, self.revoked.withdrawn_keys());
        }
    }
}
