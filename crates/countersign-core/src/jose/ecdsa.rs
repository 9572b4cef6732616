//! ECDSA (RFC 7518 §3.4): ES256, on P-256 with SHA-256, signs and verifies; ES384, on P-384 with SHA-384, verifies.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, EcdsaKeyPair,
        EcdsaVerificationAlgorithm, KeyPair as _, UnparsedPublicKey,
    },
};

use super::{Algorithm, BASE64URL, Engine, Family, Jwk, KeyPair, KeyProblem, PublicKey, Sign, Verifier};
use crate::store::PrivateKey;

pub(super) const ES256: Family =
    Family { algorithm: Algorithm::Es256, names: &["ES256"], generate, load, verifier: |jwk| P256.verifier(jwk) };

pub(super) const ES384: Family = Family {
    algorithm: Algorithm::Es384,
    names: &["ES384"],
    // Others sign with it; we have no need to.
    generate: || Err(KeyProblem::Unsupported),
    load: |_| Err(KeyProblem::Unsupported),
    verifier: |jwk| P384.verifier(jwk),
};

const P256: Curve = Curve { name: "P-256", coordinate_bytes: 32, algorithm: &ECDSA_P256_SHA256_FIXED };

const P384: Curve = Curve { name: "P-384", coordinate_bytes: 48, algorithm: &ECDSA_P384_SHA384_FIXED };

/// The first byte of an uncompressed point (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 4;

fn generate() -> Result<PrivateKey, KeyProblem> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())?;
    Ok(PrivateKey::from_pkcs8(document.as_ref()))
}

fn load(private: &PrivateKey) -> Result<KeyPair, KeyProblem> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.secret())?;
    let point = pair.public_key().as_ref().to_vec();
    let (x, y) = point[1..].split_at(P256.coordinate_bytes);
    let public = Jwk::elliptic_curve(P256.name, &BASE64URL.encode(x), &BASE64URL.encode(y), ES256.names[0]);
    Ok(KeyPair { signer: Box::new(Signer(pair)), verifier: P256.public_key(&point)?, public: Some(public) })
}

/// A curve with the one hash that RFC 7518 §3.4 gives it.
struct Curve {
    name: &'static str,
    coordinate_bytes: usize,
    algorithm: &'static EcdsaVerificationAlgorithm,
}

impl Curve {
    fn verifier(&self, jwk: &Jwk) -> Option<Result<Verifier, KeyProblem>> {
        let (curve, x, y) = jwk.as_elliptic_curve()?;
        (curve == self.name).then(|| self.coordinates(x, y).and_then(|point| self.public_key(&point)))
    }

    fn coordinates(&self, x: &str, y: &str) -> Result<Vec<u8>, KeyProblem> {
        let mut point = vec![UNCOMPRESSED];
        for coordinate in [x, y] {
            let bytes = BASE64URL.decode(coordinate).map_err(|_| KeyProblem::Malformed)?;
            // RFC 7518 §6.2.1.2: "The length of this octet string MUST be the full size of a coordinate for the curve".
            if bytes.len() != self.coordinate_bytes {
                return Err(KeyProblem::Malformed);
            }
            point.extend(bytes);
        }
        Ok(point)
    }

    /// The library checks that the point is on the curve.
    fn public_key(&self, point: &[u8]) -> Result<Verifier, KeyProblem> {
        Ok(Box::new(PublicKey(UnparsedPublicKey::new(self.algorithm, point).parse()?)))
    }
}

struct Signer(EcdsaKeyPair);

impl Sign for Signer {
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, KeyProblem> {
        Ok(self.0.sign(&SystemRandom::new(), input)?.as_ref().to_vec())
    }
}
