//! Compact JWS and JWK (RFC 7515, RFC 7517), strict and small; one file per algorithm family.
//!
//! An algorithm belongs to its key and never comes from a token (RFC 8725 §3.1). To add a family: one file with a
//! `Family`, a variant of [`Algorithm`] with its line in `family`, and one line in `FAMILIES`.

mod ecdsa;
mod eddsa;
mod hmac;
pub(crate) mod json;
mod jwk;
mod jws;
mod rsa;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;

use aws_lc_rs::signature::ParsedPublicKey;
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

pub(crate) use self::jws::{media_type, read_key_id, sign, verify};
pub use self::{
    hmac::{HmacSecret, WeakSecret},
    jwk::{Jwk, JwkSet, KeyProblem},
    jws::{MAX_TOKEN_BYTES, TokenProblem},
};
use crate::{names::KeyId, store::PrivateKey};

/// base64url as RFC 7515 §2 has it, and no other spelling of the same bytes: no padding, no stray bits at the end.
pub(crate) const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(false),
);

/// A signature algorithm (RFC 7518 §3, RFC 8037).
///
/// We sign with [`Es256`](Self::Es256), [`EdDsa`](Self::EdDsa), [`Rs256`](Self::Rs256) or [`Hs256`](Self::Hs256); the
/// others are for tokens of other issuers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384: verified only.
    Es384,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256: verified only.
    Ps256,
    /// Ed25519.
    EdDsa,
    /// HMAC with SHA-256: whoever can verify can also sign, so for a single process only.
    Hs256,
}

impl Algorithm {
    /// Those whose verifier cannot sign: all but the symmetric one.
    pub const ASYMMETRIC: [Self; 5] = [Self::Es256, Self::Es384, Self::EdDsa, Self::Rs256, Self::Ps256];

    /// The name in `alg`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.family().names[0]
    }

    /// The algorithm of this `alg`, case-sensitive, `none` not among them.
    #[must_use]
    pub fn find_by_name(name: &str) -> Option<Self> {
        FAMILIES.iter().find(|family| family.names.contains(&name)).map(|family| family.algorithm)
    }

    /// Whether this `alg` is one of its names.
    pub(crate) fn goes_by(self, name: &str) -> bool {
        self.family().names.contains(&name)
    }

    /// The names of all of them, for people.
    pub(crate) fn names() -> String {
        FAMILIES.map(|family| family.names[0]).join(", ")
    }

    fn family(self) -> &'static Family {
        match self {
            Self::Es256 => &ecdsa::ES256,
            Self::Es384 => &ecdsa::ES384,
            Self::Rs256 => &rsa::RS256,
            Self::Ps256 => &rsa::PS256,
            Self::EdDsa => &eddsa::EDDSA,
            Self::Hs256 => &hmac::HS256,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// All that is known of an algorithm family, so that nothing outside of its file needs to know it.
struct Family {
    algorithm: Algorithm,
    /// The names it goes by in `alg`; the first is the one we write.
    names: &'static [&'static str],
    /// Makes a private key; [`KeyProblem::Unsupported`] if others alone sign with it.
    generate: fn() -> Result<PrivateKey, KeyProblem>,
    /// Reads a private key of [`Family::generate`].
    load: fn(&PrivateKey) -> Result<KeyPair, KeyProblem>,
    /// Reads a public key, if this family's.
    verifier: fn(&Jwk) -> Option<Result<Verifier, KeyProblem>>,
}

const FAMILIES: [&Family; 6] = [&ecdsa::ES256, &ecdsa::ES384, &eddsa::EDDSA, &rsa::RS256, &rsa::PS256, &hmac::HS256];

type Verifier = Box<dyn Verify>;

trait Sign: Send + Sync {
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, KeyProblem>;
}

trait Verify: Send + Sync {
    fn verify(&self, input: &[u8], signature: &[u8]) -> bool;
}

/// A public key as the library holds it, with the algorithm it was read for.
struct PublicKey(ParsedPublicKey);

impl Verify for PublicKey {
    fn verify(&self, input: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(input, signature).is_ok()
    }
}

struct KeyPair {
    signer: Box<dyn Sign>,
    verifier: Verifier,
    public: Option<Jwk>,
}

/// A key that signs, bound to its algorithm.
pub(crate) struct SigningKey {
    pub(crate) id: KeyId,
    algorithm: Algorithm,
    signer: Box<dyn Sign>,
}

/// A key that verifies, bound to its algorithm.
pub struct VerifyingKey {
    id: KeyId,
    algorithm: Algorithm,
    verifier: Verifier,
}

impl SigningKey {
    /// The signature of `input`, whatever it is.
    pub(crate) fn sign(&self, input: &[u8]) -> Result<Vec<u8>, KeyProblem> {
        self.signer.sign(input)
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl VerifyingKey {
    /// Its name.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// The one algorithm that it verifies.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether this is the key's signature of `input`.
    pub(crate) fn holds(&self, input: &[u8], signature: &[u8]) -> bool {
        self.verifier.verify(input, signature)
    }

    /// Takes the public key of a JWK (RFC 7517), if it is fit to verify signatures: once for each algorithm it may be
    /// used with.
    ///
    /// That is one algorithm, but for an RSA key without `alg`, which may verify RS256 or PS256. Each is then a key of
    /// its own, so that RFC 8725 §3.1 holds: "each key MUST be used with exactly one algorithm".
    ///
    /// # Errors
    /// [`KeyProblem`]: a private or symmetric key, another curve than the algorithm's, a key for another use, a weak one,
    /// or a kind of key that is not supported.
    pub fn all_from_jwk(jwk: &Jwk) -> Result<Vec<Self>, KeyProblem> {
        jwk.check_fit_to_verify()?;
        let mut found: Vec<_> = FAMILIES.iter().filter_map(|family| Some((*family, (family.verifier)(jwk)?))).collect();
        if found.is_empty() {
            return Err(KeyProblem::Unsupported);
        }
        if let Some(name) = jwk.algorithm() {
            found.retain(|(family, _)| family.names.contains(&name));
        }
        if found.is_empty() {
            return Err(KeyProblem::OtherAlgorithm);
        }
        let id = jwk.key_id();
        let key = |(family, verifier): (&Family, Result<Verifier, _>)| {
            Ok(Self { id: id.clone(), algorithm: family.algorithm, verifier: verifier? })
        };
        found.into_iter().map(key).collect()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {}, [redacted])", self.algorithm, self.id)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({} {})", self.algorithm, self.id)
    }
}

/// The two halves of a key pair, and what may be published of it.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) signing: SigningKey,
    pub(crate) verifying: VerifyingKey,
    pub(crate) public: Option<Jwk>,
}

/// Makes a private key from the operating system's randomness, and its name.
pub(crate) fn generate(algorithm: Algorithm) -> Result<(KeyId, PrivateKey), KeyProblem> {
    let private = (algorithm.family().generate)()?;
    let keys = load(algorithm, &private)?;
    Ok((keys.signing.id, private))
}

/// Reads a private key of this algorithm.
pub(crate) fn load(algorithm: Algorithm, private: &PrivateKey) -> Result<Keys, KeyProblem> {
    let pair = (algorithm.family().load)(private)?;
    let id = pair.public.as_ref().map_or_else(|| KeyId::new(algorithm.name()), Jwk::key_id);
    Ok(Keys {
        signing: SigningKey { id: id.clone(), algorithm, signer: pair.signer },
        verifying: VerifyingKey { id, algorithm, verifier: pair.verifier },
        public: pair.public,
    })
}
