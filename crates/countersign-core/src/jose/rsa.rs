//! RSA (RFC 7518 §3.3 and §3.5): RS256 and PS256, with SHA-256. Others sign with them; we only verify.

use aws_lc_rs::{
    rsa::PublicKeyComponents,
    signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters},
};

use super::{Algorithm, BASE64URL, Engine, Family, Jwk, KeyProblem, PublicKey, Verifier};

pub(super) const RS256: Family = Family {
    algorithm: Algorithm::Rs256,
    names: &["RS256"],
    generate: || Err(KeyProblem::Unsupported),
    load: |_| Err(KeyProblem::Unsupported),
    verifier: |jwk| verifier(jwk, &RSA_PKCS1_2048_8192_SHA256),
};

pub(super) const PS256: Family = Family {
    algorithm: Algorithm::Ps256,
    names: &["PS256"],
    generate: || Err(KeyProblem::Unsupported),
    load: |_| Err(KeyProblem::Unsupported),
    verifier: |jwk| verifier(jwk, &RSA_PSS_2048_8192_SHA256),
};

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

fn verifier(jwk: &Jwk, parameters: &'static RsaParameters) -> Option<Result<Verifier, KeyProblem>> {
    let (modulus, exponent) = jwk.as_rsa()?;
    Some(public_key(modulus, exponent, parameters))
}

fn public_key(modulus: &str, exponent: &str, parameters: &'static RsaParameters) -> Result<Verifier, KeyProblem> {
    let (n, e) = (unsigned(modulus)?, unsigned(exponent)?);
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
