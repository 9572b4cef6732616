//! ES256: ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, ParsedPublicKey,
        UnparsedPublicKey,
    },
};

use super::{Algorithm, BASE64URL, Engine, Family, Jwk, KeyPair, KeyProblem, Sign, Verifier, Verify};
use crate::store::PrivateKey;

pub(super) const ES256: Family = Family { algorithm: Algorithm::Es256, names: &["ES256"], generate, load, verifier };

/// The bytes of one coordinate of P-256.
const COORDINATE_BYTES: usize = 32;

/// The first byte of an uncompressed point (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 4;

fn generate() -> Result<PrivateKey, KeyProblem> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())?;
    Ok(PrivateKey::from_pkcs8(document.as_ref()))
}

fn load(private: &PrivateKey) -> Result<KeyPair, KeyProblem> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.secret())?;
    let point = pair.public_key().as_ref().to_vec();
    let (x, y) = point[1..].split_at(COORDINATE_BYTES);
    let public = Jwk::elliptic_curve("P-256", &BASE64URL.encode(x), &BASE64URL.encode(y), ES256.names[0]);
    Ok(KeyPair { signer: Box::new(Signer(pair)), verifier: public_key(&point)?, public: Some(public) })
}

fn verifier(jwk: &Jwk) -> Option<Result<Verifier, KeyProblem>> {
    let (curve, x, y) = jwk.as_elliptic_curve()?;
    Some(if curve == "P-256" {
        coordinates(x, y).and_then(|point| public_key(&point))
    } else {
        Err(KeyProblem::OtherAlgorithm)
    })
}

fn coordinates(x: &str, y: &str) -> Result<Vec<u8>, KeyProblem> {
    let mut point = vec![UNCOMPRESSED];
    for coordinate in [x, y] {
        let bytes = BASE64URL.decode(coordinate).map_err(|_| KeyProblem::Malformed)?;
        // RFC 7518 §6.2.1.2: "The length of this octet string MUST be the full size of a coordinate for the curve".
        if bytes.len() != COORDINATE_BYTES {
            return Err(KeyProblem::Malformed);
        }
        point.extend(bytes);
    }
    Ok(point)
}

/// The library checks that the point is on the curve.
fn public_key(point: &[u8]) -> Result<Verifier, KeyProblem> {
    Ok(Box::new(PublicKey(UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).parse()?)))
}

struct Signer(EcdsaKeyPair);

impl Sign for Signer {
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, KeyProblem> {
        Ok(self.0.sign(&SystemRandom::new(), input)?.as_ref().to_vec())
    }
}

struct PublicKey(ParsedPublicKey);

impl Verify for PublicKey {
    fn verify(&self, input: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(input, signature).is_ok()
    }
}
