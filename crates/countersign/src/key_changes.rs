//! What code does to the keys that tokens are signed with: each is in force when it returns.

use countersign_core::{
    authorization_server::AuthorizationServer,
    key::{KeyRingError, NextKey},
    names::KeyId,
    store::Found,
};

use crate::oauth2::OAuth2;

/// Keys, from code. They are replaced by themselves as [`Builder::key_rotation`](crate::Builder::key_rotation) says: this is
/// for the time between.
impl OAuth2 {
    /// Makes the next key now, unless one waits already. It signs once all who verify can know it; no token is refused.
    ///
    /// # Errors
    /// [`KeyChangeProblem::Elsewhere`]; [`KeyChangeProblem::KeyRing`]: the store is away, tokens are signed with a secret,
    /// or no key can be made.
    pub async fn rotate_keys(&self) -> Result<NextKey, KeyChangeProblem> {
        Ok(self.with_keys()?.rotate_keys().await?)
    }

    /// Withdraws a key, for one that leaked: what it signed is refused, in this process when this returns, and in others
    /// on the same store within a second. If it was the one that signs, another does at once. Other services that verify
    /// tokens believe it until they read the published keys again, or hear the feed.
    ///
    /// # Errors
    /// [`KeyChangeProblem::Elsewhere`]; [`KeyChangeProblem::KeyRing`]: the store is away, and it is not known whether it is
    /// withdrawn; or no other can be made.
    pub async fn withdraw_key(&self, id: &KeyId) -> Result<Found, KeyChangeProblem> {
        Ok(self.with_keys()?.withdraw_key(id).await?)
    }

    fn with_keys(&self) -> Result<&AuthorizationServer, KeyChangeProblem> {
        self.server().ok_or(KeyChangeProblem::Elsewhere)
    }
}

/// Why a key was not made or withdrawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyChangeProblem {
    /// The keys are of an issuer elsewhere.
    #[error("tokens come from elsewhere: the keys that sign them are there")]
    Elsewhere,
    /// What the keys, or the store that they are in, say.
    #[error(transparent)]
    KeyRing(#[from] KeyRingError),
}
