//! The key ring: what signs now, and all that verifies, and how keys are replaced; and the key sets of other issuers.

#[cfg(any(test, feature = "testing"))]
mod held;
mod live;
mod ring;
mod rotation;
mod sealed;
mod set;
#[cfg(test)]
mod tests;

use std::fmt;

#[cfg(any(test, feature = "testing"))]
pub use self::held::HeldKey;
pub use self::set::{KeySet, KeySetProblem, MAX_KEY_SET_BYTES, MAX_KEYS, SkippedKey};
pub use self::{
    live::{KeySettings, LiveKeys, Made, NextKey},
    ring::KeyRing,
    rotation::{
        DEFAULT_ROTATION, KeyRotation, KeyState, MAX_TOKEN_LIFETIME, PUBLISHED_BEFORE, PUBLISHED_KEYS_MAX_AGE, states,
    },
    sealed::{KeyEncryptionKey, UnfitEncryptionKey},
};

use crate::{
    clock::Timestamp,
    jose::{Algorithm, HmacSecret, KeyProblem, VerifyingKey},
    names::KeyId,
    store::StoreError,
};

/// What access tokens are signed with.
#[derive(Clone, Debug)]
pub enum SigningChoice {
    /// A key pair that the store keeps; made at the first start.
    KeyPair(KeyPairAlgorithm),
    /// A secret, for a single process: whoever verifies can also sign, so nothing of it is published.
    Secret(HmacSecret),
}

/// The algorithms of key pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPairAlgorithm {
    /// `ES256`, the default: every library verifies it.
    Es256,
    /// `EdDSA`: the fastest to sign.
    EdDsa,
    /// `RS256`, for verifiers that know nothing else: the slowest to sign, with the longest tokens.
    Rs256,
}

impl KeyPairAlgorithm {
    /// All of them, the default first.
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// The one that signs with this algorithm; `None` if we sign with a secret, or others alone do.
    #[must_use]
    pub fn find(algorithm: Algorithm) -> Option<Self> {
        Self::ALL.into_iter().find(|pair| Algorithm::from(*pair) == algorithm)
    }
}

impl From<KeyPairAlgorithm> for Algorithm {
    fn from(algorithm: KeyPairAlgorithm) -> Self {
        match algorithm {
            KeyPairAlgorithm::Es256 => Self::Es256,
            KeyPairAlgorithm::EdDsa => Self::EdDsa,
            KeyPairAlgorithm::Rs256 => Self::Rs256,
        }
    }
}

impl Default for SigningChoice {
    /// ES256, because every JOSE library can verify it.
    fn default() -> Self {
        Self::KeyPair(KeyPairAlgorithm::Es256)
    }
}

/// The keys that may have signed a token: our own ([`KeyRing`]) or another issuer's ([`KeySet`]).
pub trait VerifyingKeys: fmt::Debug + Send + Sync {
    /// The key that a token names by `kid` and `alg`, if it is here and has not retired.
    ///
    /// A key of this name and another algorithm may be returned; the verifier refuses the token then, because the key
    /// decides (RFC 8725 §3.1).
    fn find(&self, id: Option<&KeyId>, algorithm: &str, now: Timestamp) -> Option<&VerifyingKey>;

    /// The keys that have not retired, for people who look for a missing one.
    fn known(&self, now: Timestamp) -> Vec<(&KeyId, Algorithm)>;

    /// Changes when a key is added, removed or retired: what was verified before is then verified anew.
    fn generation(&self, now: Timestamp) -> u64;
}

/// Why there is no key ring, or no other key on it.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// The store is away.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key could not be made or read.
    #[error(transparent)]
    Key(#[from] KeyProblem),
    /// The store holds a secret where key pairs belong.
    #[error("a secret stands among published keys")]
    SecretAmongKeyPairs,
    /// Another process took the key away that was just made.
    #[error("there is no key to sign with")]
    NoKey,
    /// Private keys rest encrypted, and nobody said under which key.
    #[error("the private keys rest encrypted, and the key that they are encrypted under is not set")]
    NoEncryptionKey,
    /// Private keys rest encrypted under another key, or were changed.
    #[error("the private keys rest encrypted under another key than the one that is set")]
    OtherEncryptionKey,
    /// Tokens are signed with a secret, which is not replaced like a key pair.
    #[error("tokens are signed with a secret: there is no key to replace")]
    Secret,
    /// The thread that makes a key cannot be started.
    #[error("the thread that makes a key cannot be started")]
    Thread(#[source] std::io::Error),
}
