//! The keys of another issuer, as its JWK set tells them (RFC 7517 §5).

use sha2::{Digest, Sha256};

use super::VerifyingKeys;
use crate::{
    clock::Timestamp,
    jose::{Algorithm, Jwk, KeyProblem, VerifyingKey, json::parse_object},
    names::KeyId,
};

/// The longest JWK set we read, in bytes: those of big providers have some 20 KiB.
pub const MAX_KEY_SET_BYTES: usize = 256 * 1024;

/// The most keys that a set may have, those that we cannot use among them.
pub const MAX_KEYS: usize = 100;

/// The public keys of another issuer: whoever signs with one of them is that issuer.
///
/// A secret is never among them, so no public key can pass for one (RFC 8725 §2.1).
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
    skipped: Vec<SkippedKey>,
    generation: u64,
}

/// A key of the set that we do not use, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its name, if it has one: what another wrote, so it is to be escaped where it is shown.
    pub id: Option<KeyId>,
    /// Why it is not used.
    pub problem: KeyProblem,
}

impl KeySet {
    /// Reads a JWK set. Keys that we cannot use are skipped (RFC 7517 §5: implementations "SHOULD ignore JWKs within a
    /// JWK Set" that they do not understand); of two with the same `kid` and algorithm the first stays.
    ///
    /// # Errors
    /// [`KeySetProblem`]: it is no JWK set, or larger than we read.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetProblem> {
        if document.len() > MAX_KEY_SET_BYTES {
            return Err(KeySetProblem::TooLarge);
        }
        let mut set = parse_object(document).ok_or(KeySetProblem::Malformed)?;
        let Some(serde_json::Value::Array(members)) = set.remove("keys") else { return Err(KeySetProblem::Malformed) };
        if members.len() > MAX_KEYS {
            return Err(KeySetProblem::TooManyKeys);
        }
        let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(Sha256::digest(document));
        let generation = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let mut read = Self { keys: Vec::new(), skipped: Vec::new(), generation };
        for member in members {
            read.take(member);
        }
        Ok(read)
    }

    fn take(&mut self, member: serde_json::Value) {
        let serde_json::Value::Object(member) = member else {
            return self.skipped.push(SkippedKey { id: None, problem: KeyProblem::Malformed });
        };
        let id = member.get("kid").and_then(|id| id.as_str()).map(KeyId::new);
        match Jwk::of_members(member).and_then(|jwk| VerifyingKey::all_from_jwk(&jwk)) {
            Ok(found) => {
                for key in found {
                    if self.find_exactly(key.id(), key.algorithm()).is_none() {
                        self.keys.push(key);
                    } else {
                        self.skipped.push(SkippedKey { id: id.clone(), problem: KeyProblem::Duplicate });
                    }
                }
            }
            Err(problem) => self.skipped.push(SkippedKey { id, problem }),
        }
    }

    fn find_exactly(&self, id: &KeyId, algorithm: Algorithm) -> Option<&VerifyingKey> {
        self.keys.iter().find(|key| key.id() == id && key.algorithm() == algorithm)
    }

    /// How many keys there are to verify with; an RSA key without `alg` counts once for each of its algorithms.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key to verify with, so that no token can be believed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that are not used, and why.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }
}

impl VerifyingKeys for KeySet {
    /// With a `kid`: the key of this name, the one of this algorithm if there are several. Without: the only key of
    /// this algorithm, and none where there are several, so that nobody tries keys one by one.
    fn find(&self, id: Option<&KeyId>, algorithm: &str, _: Timestamp) -> Option<&VerifyingKey> {
        let fits = |key: &&VerifyingKey| key.algorithm().goes_by(algorithm);
        if let Some(id) = id {
            let mut named = self.keys.iter().filter(|key| key.id() == id);
            return named.clone().find(fits).or_else(|| named.next());
        }
        let mut fitting = self.keys.iter().filter(fits);
        let only = fitting.next()?;
        fitting.next().is_none().then_some(only)
    }

    fn known(&self, _: Timestamp) -> Vec<(&KeyId, Algorithm)> {
        self.keys.iter().map(|key| (key.id(), key.algorithm())).collect()
    }

    /// The hash of the document: the same set is the same generation, wherever it was read.
    fn generation(&self, _: Timestamp) -> u64 {
        self.generation
    }
}

/// Why a JWK set is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetProblem {
    /// Longer than [`MAX_KEY_SET_BYTES`].
    #[error("the key set is longer than {MAX_KEY_SET_BYTES} bytes")]
    TooLarge,
    /// Not a JSON object that says each thing once and has a list `keys`.
    #[error("the key set cannot be read")]
    Malformed,
    /// More than [`MAX_KEYS`].
    #[error("the key set has more than {MAX_KEYS} keys")]
    TooManyKeys,
}
