//! JSON Web Keys and sets of them (RFC 7517): the public half of what signs.

use aws_lc_rs::error::{KeyRejected, Unspecified};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{BASE64URL, Engine, json::parse_object};
use crate::names::KeyId;

/// The longest JWK we read, in bytes.
const MAX_JWK_BYTES: usize = 16 * 1024;

/// Members that only private and symmetric keys have (RFC 7518 §6).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A public key as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Jwk(Map<String, Value>);

impl Jwk {
    /// Reads a public key.
    ///
    /// # Errors
    /// [`KeyProblem`]: not a JSON object that says each thing once, or too long, or with private members.
    pub fn parse(json: &[u8]) -> Result<Self, KeyProblem> {
        if json.len() > MAX_JWK_BYTES {
            return Err(KeyProblem::Malformed);
        }
        Self::of_members(parse_object(json).ok_or(KeyProblem::Malformed)?)
    }

    /// Takes a public key whose members were read already.
    pub(crate) fn of_members(members: Map<String, Value>) -> Result<Self, KeyProblem> {
        if PRIVATE_MEMBERS.iter().any(|name| members.contains_key(*name)) {
            return Err(KeyProblem::NotPublic);
        }
        Ok(Self(members))
    }

    pub(super) fn elliptic_curve(curve: &str, x: &str, y: &str, algorithm: &str) -> Self {
        Self::signing([("kty", "EC"), ("crv", curve), ("x", x), ("y", y)], algorithm)
    }

    pub(super) fn octet_key_pair(curve: &str, x: &str, algorithm: &str) -> Self {
        Self::signing([("kty", "OKP"), ("crv", curve), ("x", x)], algorithm)
    }

    pub(super) fn rsa(modulus: &str, exponent: &str, algorithm: &str) -> Self {
        Self::signing([("kty", "RSA"), ("n", modulus), ("e", exponent)], algorithm)
    }

    fn signing<const N: usize>(key: [(&str, &str); N], algorithm: &str) -> Self {
        let mut jwk = Self(key.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect());
        let id = jwk.thumbprint();
        for (name, value) in [("kid", id.as_str()), ("alg", algorithm), ("use", "sig")] {
            jwk.0.insert(name.to_owned(), value.into());
        }
        jwk
    }

    /// The thumbprint (RFC 7638 §3): SHA-256 over the required members in the order of their names.
    #[must_use]
    pub fn thumbprint(&self) -> KeyId {
        let required: Map<String, Value> = ["crv", "e", "kty", "n", "x", "y"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), self.0.get(name)?.clone())))
            .collect();
        KeyId::new(BASE64URL.encode(Sha256::digest(Value::Object(required).to_string())))
    }

    /// The name it has, or else its thumbprint.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.text("kid").map_or_else(|| self.thumbprint(), KeyId::new)
    }

    pub(super) fn algorithm(&self) -> Option<&str> {
        self.text("alg")
    }

    pub(super) fn as_elliptic_curve(&self) -> Option<(&str, &str, &str)> {
        (self.text("kty")? == "EC").then_some(())?;
        Some((self.text("crv")?, self.text("x")?, self.text("y")?))
    }

    pub(super) fn as_octet_key_pair(&self) -> Option<(&str, &str)> {
        (self.text("kty")? == "OKP").then_some(())?;
        Some((self.text("crv")?, self.text("x")?))
    }

    pub(super) fn as_rsa(&self) -> Option<(&str, &str)> {
        (self.text("kty")? == "RSA").then_some(())?;
        Some((self.text("n")?, self.text("e")?))
    }

    /// RFC 7517 §4.2 and §4.3: a key for encryption, or not for `verify`, verifies nothing. §4.4 and §4.5: what names
    /// the key and its algorithm is text, and is never taken as absent because it is not.
    pub(super) fn check_fit_to_verify(&self) -> Result<(), KeyProblem> {
        if ["alg", "kid"].iter().any(|name| self.0.get(*name).is_some_and(|value| !value.is_string())) {
            return Err(KeyProblem::Malformed);
        }
        let for_signatures = self.0.get("use").is_none_or(|key_use| key_use == "sig");
        let may_verify = match self.0.get("key_ops") {
            None => true,
            Some(Value::Array(operations)) => operations.iter().any(|operation| operation == "verify"),
            Some(_) => false,
        };
        if for_signatures && may_verify { Ok(()) } else { Err(KeyProblem::OtherUse) }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }
}

/// A JWK set (RFC 7517 §5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JwkSet {
    /// The keys.
    pub keys: Vec<Jwk>,
}

/// Why a key is not taken. Never tells anything of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// It cannot be read.
    #[error("the key cannot be read")]
    Malformed,
    /// It is a private or a symmetric key where a public one belongs.
    #[error("the key is not a public one")]
    NotPublic,
    /// It is meant for something else than verifying signatures.
    #[error("the key is not meant to verify signatures")]
    OtherUse,
    /// Its curve or kind is not its algorithm's.
    #[error("the key does not fit its algorithm")]
    OtherAlgorithm,
    /// It can be broken, or used to forge: too short, with a small exponent, or of a faulty generator.
    #[error("the key is weak")]
    Weak,
    /// Another of the same name and algorithm came before it.
    #[error("the key has the name of another")]
    Duplicate,
    /// A kind of key that is not supported.
    #[error("this kind of key is not supported")]
    Unsupported,
    /// The cryptographic library refused it.
    #[error("the cryptographic library refused the key")]
    Refused,
}

impl From<KeyRejected> for KeyProblem {
    fn from(_: KeyRejected) -> Self {
        Self::Refused
    }
}

impl From<Unspecified> for KeyProblem {
    fn from(_: Unspecified) -> Self {
        Self::Refused
    }
}
