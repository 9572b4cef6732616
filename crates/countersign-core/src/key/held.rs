//! Keys that a test holds, and a ring that signs whatever a test gives it. No program is compiled with this.

use super::{KeyPairAlgorithm, KeyRing};
use crate::{
    clock::Timestamp,
    jose::{self, Algorithm, Jwk, KeyProblem},
    names::KeyId,
    store::PrivateKey,
};

/// A key of nobody's ring: another issuer's, or an attacker's.
#[derive(Debug)]
pub struct HeldKey(jose::Keys);

impl HeldKey {
    /// Makes a key pair.
    ///
    /// # Errors
    /// [`KeyProblem`]: the cryptographic library makes none.
    pub fn generate(algorithm: KeyPairAlgorithm) -> Result<Self, KeyProblem> {
        let algorithm = Algorithm::from(algorithm);
        let (_, private) = jose::generate(algorithm)?;
        jose::load(algorithm, &private).map(Self)
    }

    /// Takes any bytes as a secret for HS256, those of a public key too (RFC 8725 §2.1).
    ///
    /// # Errors
    /// [`KeyProblem`]: the cryptographic library refuses it.
    pub fn of_secret(secret: &[u8]) -> Result<Self, KeyProblem> {
        jose::load(Algorithm::Hs256, &PrivateKey::from_pkcs8(secret)).map(Self)
    }

    /// Its name: the thumbprint of its public half (RFC 7638).
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.0.signing.id
    }

    /// The algorithm with which it signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.0.signing.algorithm()
    }

    /// Its public half; a secret has none.
    #[must_use]
    pub const fn public(&self) -> Option<&Jwk> {
        self.0.public.as_ref()
    }

    /// The signature of `input`, whatever it is.
    ///
    /// # Errors
    /// [`KeyProblem`]: the cryptographic library does not sign.
    pub fn sign(&self, input: &[u8]) -> Result<Vec<u8>, KeyProblem> {
        self.0.signing.sign(input)
    }
}

impl KeyRing {
    /// The signature of `input`, whatever it is, by the key that signs now: a test wants tokens that no server issues.
    ///
    /// # Errors
    /// [`KeyProblem`]: there is no key that signs, or the cryptographic library does not sign.
    pub fn sign_for_test(&self, input: &[u8], now: Timestamp) -> Result<Vec<u8>, KeyProblem> {
        self.signing(now).ok_or(KeyProblem::Refused)?.sign(input)
    }
}
