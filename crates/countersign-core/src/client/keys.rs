//! The public keys of a client that signs its own proofs (RFC 7523 §3).

use std::sync::Arc;

use super::ClientProblem;
use crate::key::KeySet;

/// The longest key set of a client, in bytes: a handful of RSA keys have 4 KiB.
pub const MAX_CLIENT_KEYS_BYTES: usize = 16 * 1024;

/// The public keys with which a client's assertions are verified, as a JWK set (RFC 7517 §5).
#[derive(Clone, Debug)]
pub struct ClientKeys {
    document: String,
    set: Arc<KeySet>,
}

impl ClientKeys {
    /// Reads a key set whose keys must all be fit to verify signatures: whoever registers one that is not meant another.
    ///
    /// # Errors
    /// [`ClientProblem`]: no JWK set, no key, too long, or a key that cannot be used: a private or symmetric one too.
    pub fn parse(document: impl Into<String>) -> Result<Self, ClientProblem> {
        let document = document.into();
        if document.len() > MAX_CLIENT_KEYS_BYTES {
            return Err(ClientProblem::KeysTooLong);
        }
        let set = KeySet::parse(document.as_bytes())?;
        if let Some(skipped) = set.skipped().first() {
            return Err(ClientProblem::Key(skipped.problem));
        }
        if set.is_empty() {
            return Err(ClientProblem::NoKey);
        }
        Ok(Self { document, set: Arc::new(set) })
    }

    /// The key set as it was registered.
    #[must_use]
    pub fn document(&self) -> &str {
        &self.document
    }

    pub(super) fn set(&self) -> &KeySet {
        &self.set
    }
}

impl PartialEq for ClientKeys {
    fn eq(&self, other: &Self) -> bool {
        self.document == other.document
    }
}

impl Eq for ClientKeys {}
