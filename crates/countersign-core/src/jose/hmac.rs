//! HS256: HMAC with SHA-256 (RFC 7518 §3.2), for a single process with a secret of its own.

use std::{collections::HashSet, fmt};

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::{Algorithm, Family, Jwk, KeyPair, KeyProblem, Sign, Verify};
use crate::store::PrivateKey;

pub(super) const HS256: Family = Family {
    algorithm: Algorithm::Hs256,
    names: &["HS256"],
    // A MAC key is chosen by the operator and never rests in the store.
    generate: || Err(KeyProblem::Unsupported),
    load: |private| Ok(key_pair(private.secret())),
    verifier: |_: &Jwk| None,
};

/// RFC 7518 §3.2: "A key of the same size as the hash output […] or larger MUST be used".
const MIN_SECRET_BYTES: usize = 32;

/// With fewer different bytes than this, 32 bytes are a pattern and no secret. Random ones have 30 on average.
const MIN_DIFFERENT_BYTES: usize = 8;

/// Secrets that tutorials, tools and templates publish, one a line: everybody can sign with them.
const PUBLISHED: &str = include_str!("published-secrets.txt");

/// A secret for HS256: at least 256 bits, and none that the world knows.
#[derive(Clone)]
pub struct HmacSecret(Zeroizing<Vec<u8>>);

impl HmacSecret {
    /// Takes a secret. Make one with `openssl rand -base64 32`.
    ///
    /// # Errors
    /// [`WeakSecret`]: shorter than 32 bytes, a mere pattern, or one that was published.
    pub fn new(secret: impl Into<Vec<u8>>) -> Result<Self, WeakSecret> {
        let secret = Zeroizing::new(secret.into());
        if secret.len() < MIN_SECRET_BYTES {
            return Err(WeakSecret::TooShort);
        }
        if secret.iter().collect::<HashSet<_>>().len() < MIN_DIFFERENT_BYTES {
            return Err(WeakSecret::Pattern);
        }
        let published = || PUBLISHED.lines().filter(|line| !line.starts_with("# "));
        if published().any(|known| known.as_bytes() == secret.trim_ascii()) {
            return Err(WeakSecret::Published);
        }
        Ok(Self(secret))
    }

    pub(crate) fn private_key(&self) -> PrivateKey {
        PrivateKey::from_pkcs8(self.0.as_slice())
    }
}

impl fmt::Debug for HmacSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacSecret([redacted])")
    }
}

/// Why a secret is not taken (RFC 8725 §3.5: "human-memorizable passwords MUST NOT be directly used").
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakSecret {
    /// Shorter than the hash.
    #[error("the secret has fewer than {MIN_SECRET_BYTES} bytes")]
    TooShort,
    /// A few bytes over and over.
    #[error("the secret is a pattern of a few bytes, not a random one")]
    Pattern,
    /// It stands in a tutorial or a cracker's list.
    #[error("the secret is one that was published as an example: everybody knows it")]
    Published,
}

fn key_pair(secret: &[u8]) -> KeyPair {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    KeyPair { signer: Box::new(Mac(key.clone())), verifier: Box::new(Mac(key)), public: None }
}

struct Mac(hmac::Key);

impl Sign for Mac {
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, KeyProblem> {
        Ok(hmac::sign(&self.0, input).as_ref().to_vec())
    }
}

impl Verify for Mac {
    /// Compares in constant time (the library's contract).
    fn verify(&self, input: &[u8], signature: &[u8]) -> bool {
        hmac::verify(&self.0, input, signature).is_ok()
    }
}
