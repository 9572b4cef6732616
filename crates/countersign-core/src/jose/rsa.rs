//! RSA (RFC 7518 §3.3 and §3.5), with SHA-256: RS256 signs and verifies; PS256 verifies.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize, PublicKeyComponents},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters},
};

use super::{Algorithm, BASE64URL, Engine, Family, Jwk, KeyPair, KeyProblem, PublicKey, Sign, Verifier};
use crate::store::PrivateKey;

pub(super) const RS256: Family = Family {
    algorithm: Algorithm::Rs256,
    names: &["RS256"],
    generate,
    load,
    verifier: |jwk| verifier(jwk, &RSA_PKCS1_2048_8192_SHA256),
};

pub(super) const PS256: Family = Family {
    algorithm: Algorithm::Ps256,
    names: &["PS256"],
    // Others sign with it; who wants RSA of us wants what the oldest libraries verify.
    generate: || Err(KeyProblem::Unsupported),
    load: |_| Err(KeyProblem::Unsupported),
    verifier: |jwk| verifier(jwk, &RSA_PSS_2048_8192_SHA256),
};

/// The size of the keys that we make. RFC 7518 §3.3 asks for 2048 bits or more. More is for secrets that must keep for
/// decades; a token lives for minutes, and a longer key signs several times as slowly.
const KEY_SIZE: KeySize = KeySize::Rsa2048;

/// RFC 7518 §3.3: "A key of size 2048 bits or larger MUST be used".
const MIN_MODULUS_BITS: usize = 2048;

/// The largest modulus that the library verifies with; beyond it, verifying is work for an attacker to order.
const MAX_MODULUS_BITS: usize = 8192;

/// The smallest public exponent in good use (FIPS 186-5 §5.4): smaller ones have a history of forged signatures.
const MIN_EXPONENT: u64 = 65_537;

/// The largest public exponent that the library verifies with, 33 bits: beyond it, verifying takes ever longer.
const MAX_EXPONENT: u64 = (1 << 33) - 1;

/// Modulo each of these, the keys of a faulty generator (CVE-2017-15361, "ROCA") are powers of 65537. Random keys are
/// all of that once in some hundred million: the powers of 65537 are a small part of the residues of each.
const ROCA_PRIMES: [u32; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

/// The generator of those powers.
const ROCA_GENERATOR: u32 = 65_537;

fn generate() -> Result<PrivateKey, KeyProblem> {
    let document: Pkcs8V1Der<'_> = RsaKeyPair::generate(KEY_SIZE)?.as_der()?;
    Ok(PrivateKey::from_pkcs8(document.as_ref()))
}

fn load(private: &PrivateKey) -> Result<KeyPair, KeyProblem> {
    let pair = RsaKeyPair::from_pkcs8(private.secret())?;
    let (n, e) = components(pair.public_key().as_ref()).ok_or(KeyProblem::Malformed)?;
    let public = Jwk::rsa(&BASE64URL.encode(&n), &BASE64URL.encode(&e), RS256.names[0]);
    let verifier = public_key(n, e, &RSA_PKCS1_2048_8192_SHA256)?;
    Ok(KeyPair { signer: Box::new(Signer(pair)), verifier, public: Some(public) })
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017 §A.1.1), in DER as the library writes it, without its signs.
fn components(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (sequence, _) = split_element(der)?;
    let (modulus, rest) = split_element(sequence)?;
    let (exponent, _) = split_element(rest)?;
    let unsigned = |number: &[u8]| number.strip_prefix(&[0]).unwrap_or(number).to_vec();
    Some((unsigned(modulus), unsigned(exponent)))
}

/// The content of the first element of DER (X.690 §8.1), and what follows it.
fn split_element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[_tag, length], rest) = der.split_first_chunk()?;
    let (length, rest) = match usize::from(length) {
        short @ ..=0x7f => (short, rest),
        long => {
            let (octets, rest) = rest.split_at_checked(long & 0x7f)?;
            (octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), rest)
        }
    };
    rest.split_at_checked(length)
}

fn verifier(jwk: &Jwk, parameters: &'static RsaParameters) -> Option<Result<Verifier, KeyProblem>> {
    let (modulus, exponent) = jwk.as_rsa()?;
    Some(unsigned(modulus).and_then(|n| public_key(n, unsigned(exponent)?, parameters)))
}

/// Takes a modulus and an exponent, both big-endian and without zeros in front, if nobody can break the key.
fn public_key(n: Vec<u8>, e: Vec<u8>, parameters: &'static RsaParameters) -> Result<Verifier, KeyProblem> {
    let bits = n.len() * 8 - n[0].leading_zeros() as usize;
    let exponent = e.iter().try_fold(0_u64, |value, byte| Some(value.checked_mul(256)? + u64::from(*byte)));
    let fit = exponent.is_some_and(|e| (MIN_EXPONENT..=MAX_EXPONENT).contains(&e) && !e.is_multiple_of(2));
    if !(MIN_MODULUS_BITS..=MAX_MODULUS_BITS).contains(&bits) || !fit || is_roca(&n) {
        return Err(KeyProblem::Weak);
    }
    Ok(Box::new(PublicKey(PublicKeyComponents { n, e }.to_parsed_public_key(parameters)?)))
}

/// `Base64urlUInt` (RFC 7518 §2): big-endian, and "MUST utilize the minimum number of octets needed".
fn unsigned(text: &str) -> Result<Vec<u8>, KeyProblem> {
    let bytes = BASE64URL.decode(text).map_err(|_| KeyProblem::Malformed)?;
    if bytes.first().is_none_or(|first| *first == 0) { Err(KeyProblem::Malformed) } else { Ok(bytes) }
}

/// Whether the modulus carries the fingerprint of CVE-2017-15361: such a key can be factored.
fn is_roca(modulus: &[u8]) -> bool {
    ROCA_PRIMES.iter().all(|prime| {
        let residue = modulus.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        let powers = std::iter::successors(Some(1), |power| Some(power * (ROCA_GENERATOR % prime) % prime));
        powers.take(*prime as usize).any(|power| power == residue)
    })
}

struct Signer(RsaKeyPair);

impl Sign for Signer {
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, KeyProblem> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input, &mut signature)?;
        Ok(signature)
    }
}
