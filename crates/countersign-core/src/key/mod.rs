//! The key ring: what signs now, and all that verifies; and the key sets of other issuers.

#[cfg(any(test, feature = "testing"))]
mod held;
mod set;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, fmt};

#[cfg(any(test, feature = "testing"))]
pub use self::held::HeldKey;
pub use self::set::{KeySet, KeySetProblem, MAX_KEY_SET_BYTES, MAX_KEYS, SkippedKey};

use crate::{
    clock::{Clock, Timestamp},
    jose::{self, Algorithm, HmacSecret, JwkSet, KeyProblem, SigningKey, VerifyingKey},
    names::KeyId,
    store::{KeyRecord, Keys, PrivateKey, StoreError},
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

/// The keys of one authorization server.
///
/// A ring of key pairs and a ring of one secret are two things: a MAC key never stands beside published keys, so that
/// no public key can ever pass for a secret (RFC 8725 §2.1, §3.2).
#[derive(Debug)]
pub struct KeyRing {
    signing: SigningKey,
    verifying: HashMap<KeyId, Verifying>,
    published: JwkSet,
}

#[derive(Debug)]
struct Verifying {
    key: VerifyingKey,
    until: Option<Timestamp>,
}

impl Verifying {
    fn is_in_use(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl KeyRing {
    /// Loads the ring, making the first key where there is none.
    ///
    /// # Errors
    /// [`KeyRingError`]: the store is away, or holds a key that cannot be used.
    pub async fn open(store: &dyn Keys, choice: &SigningChoice, clock: &dyn Clock) -> Result<Self, KeyRingError> {
        let algorithm = match choice {
            SigningChoice::Secret(secret) => return Self::of_secret(&secret.private_key()),
            SigningChoice::KeyPair(algorithm) => Algorithm::from(*algorithm),
        };
        let mut records = store.find_keys().await?;
        if records.iter().all(|record| record.algorithm != algorithm) {
            let (id, private_key) = jose::generate(algorithm)?;
            let first = KeyRecord { id, algorithm, private_key, signs_from: clock.now(), verifies_until: None };
            records = store.put_first_key(&first).await?;
        }
        Self::of_records(&records, algorithm, clock.now())
    }

    fn of_secret(secret: &PrivateKey) -> Result<Self, KeyRingError> {
        let keys = jose::load(Algorithm::Hs256, secret)?;
        let id = keys.signing.id.clone();
        let verifying = HashMap::from([(id, Verifying { key: keys.verifying, until: None })]);
        Ok(Self { signing: keys.signing, verifying, published: JwkSet::default() })
    }

    /// The newest key of `algorithm` whose time has come signs; all that have not retired verify.
    ///
    /// Where no key's time has come, the oldest signs: then it is our clock that went back, or another process's that
    /// made the first key is a little ahead.
    fn of_records(records: &[KeyRecord], algorithm: Algorithm, now: Timestamp) -> Result<Self, KeyRingError> {
        let in_use = |record: &&KeyRecord| record.verifies_until.is_none_or(|until| now < until);
        let candidates = || records.iter().filter(in_use).filter(|record| record.algorithm == algorithm);
        let due = candidates().filter(|record| record.signs_from <= now).max_by_key(|record| record.signs_from);
        let chosen = due.or_else(|| candidates().min_by_key(|record| record.signs_from)).ok_or(KeyRingError::NoKey)?;
        let signing = jose::load(algorithm, &chosen.private_key)?.signing;
        let mut verifying = HashMap::new();
        let mut published = JwkSet::default();
        for record in records.iter().filter(in_use) {
            // RFC 8725 §3.2: a secret and published keys never share a validator.
            let keys = jose::load(record.algorithm, &record.private_key)?;
            published.keys.push(keys.public.ok_or(KeyRingError::SecretAmongKeyPairs)?);
            verifying.insert(record.id.clone(), Verifying { key: keys.verifying, until: record.verifies_until });
        }
        Ok(Self { signing, verifying, published })
    }

    pub(crate) const fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// What others verify our tokens with: public members only (RFC 7517).
    #[must_use]
    pub const fn published(&self) -> &JwkSet {
        &self.published
    }

    /// The algorithm that signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.signing.algorithm()
    }
}

impl VerifyingKeys for KeyRing {
    /// The key of exactly this name, unless it has retired: our tokens all name theirs.
    fn find(&self, id: Option<&KeyId>, _: &str, now: Timestamp) -> Option<&VerifyingKey> {
        self.verifying.get(id?).filter(|found| found.is_in_use(now)).map(|found| &found.key)
    }

    fn known(&self, now: Timestamp) -> Vec<(&KeyId, Algorithm)> {
        let in_use = self.verifying.values().filter(|found| found.is_in_use(now));
        in_use.map(|found| (found.key.id(), found.key.algorithm())).collect()
    }

    /// How many keys have retired: a ring in memory changes in no other way.
    fn generation(&self, now: Timestamp) -> u64 {
        self.verifying.values().filter(|found| !found.is_in_use(now)).count() as u64
    }
}

/// Why there is no key ring.
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
    /// Every key of the algorithm has retired.
    #[error("every key to sign with has retired")]
    NoKey,
}
