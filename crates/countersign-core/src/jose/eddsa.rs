//! EdDSA: Ed25519 (RFC 8037 §3.1), which RFC 9864 also calls `Ed25519`.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};

use super::{Algorithm, BASE64URL, Engine, Family, Jwk, KeyPair, KeyProblem, PublicKey, Sign, Verifier};
use crate::store::PrivateKey;

pub(super) const EDDSA: Family =
    Family { algorithm: Algorithm::EdDsa, names: &["EdDSA", "Ed25519"], generate, load, verifier };

fn generate() -> Result<PrivateKey, KeyProblem> {
    Ok(PrivateKey::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())?.as_ref()))
}

fn load(private: &PrivateKey) -> Result<KeyPair, KeyProblem> {
    let pair = Ed25519KeyPair::from_pkcs8(private.secret())?;
    let point = pair.public_key().as_ref().to_vec();
    let public = Jwk::octet_key_pair("Ed25519", &BASE64URL.encode(&point), EDDSA.names[0]);
    Ok(KeyPair { signer: Box::new(Signer(pair)), verifier: public_key(&point)?, public: Some(public) })
}

fn verifier(jwk: &Jwk) -> Option<Result<Verifier, KeyProblem>> {
    let (curve, x) = jwk.as_octet_key_pair()?;
    (curve == "Ed25519")
        .then(|| BASE64URL.decode(x).map_err(|_| KeyProblem::Malformed).and_then(|point| public_key(&point)))
}

fn public_key(point: &[u8]) -> Result<Verifier, KeyProblem> {
    Ok(Box::new(PublicKey(UnparsedPublicKey::new(&ED25519, point).parse()?)))
}

struct Signer(Ed25519KeyPair);

impl Sign for Signer {
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, KeyProblem> {
        Ok(self.0.try_sign(input)?.as_ref().to_vec())
    }
}
