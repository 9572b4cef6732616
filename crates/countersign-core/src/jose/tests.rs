//! Tests of the keys of others, and the keys that other issuers sign with in the tests of tokens.

use std::sync::OnceLock;

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PSS_SHA256,
    },
};
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Algorithm, BASE64URL, Engine, Jwk, KeyProblem, VerifyingKey, generate, load};
use crate::{names::KeyId, store::PrivateKey};

/// Private keys of another library's making: their names, and PKCS #8.
const PRIVATE_KEYS: &str = include_str!("rsa-keys.txt");

/// A key pair of another issuer.
pub(crate) enum OtherKey {
    Rsa(&'static RsaKeyPair),
    P384(EcdsaKeyPair),
}

impl OtherKey {
    /// Always the same key: making one takes its time.
    pub(crate) fn rsa() -> Self {
        static KEY: OnceLock<RsaKeyPair> = OnceLock::new();
        Self::Rsa(KEY.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    pub(crate) fn p384() -> Self {
        Self::P384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap())
    }

    /// The public half, without `alg` and `kid`.
    pub(crate) fn jwk(&self) -> Value {
        match self {
            Self::Rsa(pair) => {
                // RFC 8017 §A.1.1: the modulus of 2,048 bits behind nine bytes of DER, the exponent at the end.
                let der = pair.public_key().as_ref();
                json!({ "kty": "RSA", "n": BASE64URL.encode(&der[9..265]), "e": BASE64URL.encode(&der[267..]) })
            }
            Self::P384(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(48);
                json!({ "kty": "EC", "crv": "P-384", "x": BASE64URL.encode(x), "y": BASE64URL.encode(y) })
            }
        }
    }

    /// Signs as this algorithm does; RSA also as `RS384`, which nobody here verifies.
    pub(crate) fn sign(&self, algorithm: &str, input: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let padding: &dyn aws_lc_rs::signature::RsaEncoding = match algorithm {
                    "PS256" => &RSA_PSS_SHA256,
                    "RS384" => &RSA_PKCS1_SHA384,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, input, &mut signature).unwrap();
                signature
            }
            Self::P384(pair) => pair.sign(&random, input).unwrap().as_ref().to_vec(),
        }
    }
}

/// A key of ours for RS256, and its name; always the same, since making one takes its time.
pub(crate) fn own_rsa() -> (KeyId, PrivateKey) {
    static KEY: OnceLock<(KeyId, PrivateKey)> = OnceLock::new();
    KEY.get_or_init(|| generate(Algorithm::Rs256).unwrap()).clone()
}

fn private_key(name: &str) -> PrivateKey {
    let keys = PRIVATE_KEYS.lines().filter_map(|line| line.split_once(' '));
    let (_, der) = keys.into_iter().find(|(known, _)| *known == name).unwrap();
    PrivateKey::from_pkcs8(STANDARD.decode(der).unwrap())
}

fn keys_of(jwk: &Value) -> Result<Vec<VerifyingKey>, KeyProblem> {
    VerifyingKey::all_from_jwk(&Jwk::parse(jwk.to_string().as_bytes())?)
}

fn refusal(jwk: &Value) -> Option<KeyProblem> {
    keys_of(jwk).err()
}

fn with(jwk: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut jwk = jwk.clone();
    jwk[name] = value.into();
    jwk
}

#[test]
fn c17_an_rsa_key_that_can_be_broken_is_not_loaded() {
    let good = OtherKey::rsa().jwk();
    let odd = |bits: usize| {
        let mut modulus = vec![0xa5; bits.div_ceil(8)];
        modulus[0] = 1 << ((bits - 1) % 8);
        BASE64URL.encode(modulus)
    };
    for bits in [0, 1, 512, 1024, 2047, 8193, 16_384] {
        let n = if bits == 0 { String::new() } else { odd(bits) };
        let expected = if bits == 0 { KeyProblem::Malformed } else { KeyProblem::Weak };
        assert_eq!(refusal(&with(&good, "n", n)), Some(expected), "{bits}");
    }
    for bits in [2048, 8192] {
        assert_eq!(refusal(&with(&good, "n", odd(bits))), None, "{bits}");
    }
    for (exponent, expected) in [
        (&[1][..], Some(KeyProblem::Weak)),
        (&[3], Some(KeyProblem::Weak)),
        (&[0xff, 0xff], Some(KeyProblem::Weak)),
        (&[1, 0, 0], Some(KeyProblem::Weak)),
        (&[1, 0, 2], Some(KeyProblem::Weak)),
        (&[2, 0, 0, 0, 1], Some(KeyProblem::Weak)),
        (&[1; 9], Some(KeyProblem::Weak)),
        (&[0, 1, 0, 1], Some(KeyProblem::Malformed)),
        (&[], Some(KeyProblem::Malformed)),
        (&[1, 0, 1], None),
        (&[1, 0, 0, 0, 1], None),
    ] {
        assert_eq!(refusal(&with(&good, "e", BASE64URL.encode(exponent))), expected, "{exponent:?}");
    }
    let n = good["n"].as_str().unwrap();
    let padded = [&[0], BASE64URL.decode(n).unwrap().as_slice()].concat();
    for malformed in [format!("{n}="), format!(" {n}"), n.replacen(&n[..1], "+", 1), BASE64URL.encode(padded)] {
        assert_eq!(refusal(&with(&good, "n", malformed.clone())), Some(KeyProblem::Malformed), "{malformed}");
    }
    assert_eq!(refusal(&with(&good, "d", "AQAB")), Some(KeyProblem::NotPublic));
    assert_eq!(refusal(&with(&good, "use", "enc")), Some(KeyProblem::OtherUse));
}

#[test]
fn c17_a_private_key_of_ours_that_can_be_broken_is_not_loaded() {
    let refusal = |private: &PrivateKey| load(Algorithm::Rs256, private).err();
    // The library asks for 2048 bits by itself, and for no more of the exponent than that it is odd.
    assert_eq!(refusal(&private_key("1024-bits-exponent-65537")), Some(KeyProblem::Refused));
    assert_eq!(refusal(&private_key("2048-bits-exponent-3")), Some(KeyProblem::Weak));
    let good = private_key("2048-bits-exponent-65537");
    let der = good.secret();
    let mut changed = der.to_vec();
    changed[100] ^= 1;
    let of_curve = generate(Algorithm::Es256).unwrap().1;
    for unfit in [PrivateKey::from_pkcs8([]), PrivateKey::from_pkcs8(&der[..500]), PrivateKey::from_pkcs8(changed)] {
        assert_eq!(refusal(&unfit), Some(KeyProblem::Refused));
    }
    assert_eq!(refusal(&of_curve), Some(KeyProblem::Refused), "a key on a curve");
    assert_eq!(load(Algorithm::Es256, &good).err(), Some(KeyProblem::Refused), "nor the other way round");
    let id = load(Algorithm::Rs256, &good).unwrap().signing.id;
    assert_eq!(id.as_str(), "CXVv62IvqZ5geQkmhrH5d7DghIdr92XGfPHg1BzRKXw", "as others compute it");
}

#[test]
fn c22_we_sign_rs256_as_others_verify_it() {
    let (id, private) = own_rsa();
    let rsa_encryption = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    assert_eq!(private.secret()[4..7], [2, 1, 0], "version 1 of PKCS #8 (RFC 5208 §5)");
    assert_eq!(private.secret()[11..20], rsa_encryption, "RFC 8017 §C");
    let keys = load(Algorithm::Rs256, &private).unwrap();
    let jwk = serde_json::to_value(keys.public.unwrap()).unwrap();
    let modulus = BASE64URL.decode(jwk["n"].as_str().unwrap()).unwrap();
    assert_eq!((modulus.len(), modulus[0] >> 7), (256, 1), "2048 bits, and no zero in front");
    let members: Vec<_> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"], "nothing private");
    let told = (&jwk["kty"], &jwk["e"], &jwk["alg"], &jwk["use"], &jwk["kid"]);
    let expected = [json!("RSA"), json!("AQAB"), json!("RS256"), json!("sig"), json!(id.as_str())];
    assert_eq!(told, (&expected[0], &expected[1], &expected[2], &expected[3], &expected[4]));
    let required = format!(r#"{{"e":"AQAB","kty":"RSA","n":"{}"}}"#, jwk["n"].as_str().unwrap());
    let thumbprint = digest::digest(&digest::SHA256, required.as_bytes());
    assert_eq!(id.as_str(), BASE64URL.encode(thumbprint), "RFC 7638 §3");

    let signature = keys.signing.sign(b"input").unwrap();
    assert_eq!(signature.len(), 256);
    assert_eq!(signature, keys.signing.sign(b"input").unwrap(), "RFC 8017 §8.2.1 has no salt");
    let [published]: [VerifyingKey; 1] = keys_of(&jwk).unwrap().try_into().unwrap();
    assert_eq!((published.id(), published.algorithm()), (&id, Algorithm::Rs256));
    for verifying in [&published, &keys.verifying] {
        assert!(verifying.holds(b"input", &signature));
        assert!(!verifying.holds(b"inputs", &signature) && !verifying.holds(b"input", &signature[1..]));
        assert!(!verifying.holds(b"input", &OtherKey::rsa().sign("RS256", b"input")), "another key's");
    }
    let theirs = keys_of(&with(&OtherKey::rsa().jwk(), "alg", "RS256")).unwrap();
    assert!(!theirs[0].holds(b"input", &signature));
    let as_pss = keys_of(&with(&jwk, "alg", "PS256")).unwrap();
    assert!(!as_pss[0].holds(b"input", &signature), "with the padding of RFC 7518 §3.5 it is no signature");
}

#[test]
fn c17_a_modulus_of_the_faulty_generator_is_not_loaded() {
    // A power of 65537 is one modulo every prime: 2,049 bits that carry the fingerprint.
    let mut modulus = vec![1_u8];
    for _ in 0..128 {
        // times 65,537 = shifted by two bytes, plus itself
        let shifted = [modulus.as_slice(), &[0, 0]].concat();
        let mut carry = 0_u16;
        let mut sum: Vec<u8> = shifted
            .iter()
            .rev()
            .zip(modulus.iter().rev().chain([&0; 2]))
            .map(|(a, b)| {
                carry += u16::from(*a) + u16::from(*b);
                let byte = carry.to_le_bytes()[0];
                carry >>= 8;
                byte
            })
            .collect();
        sum.extend((carry > 0).then_some(1));
        sum.reverse();
        modulus = sum;
    }
    assert_eq!((modulus.len(), modulus[0]), (257, 1));
    let jwk = OtherKey::rsa().jwk();
    assert_eq!(refusal(&with(&jwk, "n", BASE64URL.encode(&modulus))), Some(KeyProblem::Weak));
    *modulus.last_mut().unwrap() += 2;
    assert_eq!(refusal(&with(&jwk, "n", BASE64URL.encode(&modulus))), None, "two more, and it is a number like others");
}

#[test]
fn c1_an_rsa_key_is_one_key_for_each_algorithm() {
    let key = OtherKey::rsa();
    let algorithms = |jwk: &Value| -> Vec<_> { keys_of(jwk).unwrap().iter().map(VerifyingKey::algorithm).collect() };
    assert_eq!(algorithms(&key.jwk()), [Algorithm::Rs256, Algorithm::Ps256]);
    assert_eq!(algorithms(&with(&key.jwk(), "alg", "RS256")), [Algorithm::Rs256]);
    assert_eq!(algorithms(&with(&key.jwk(), "alg", "PS256")), [Algorithm::Ps256]);
    for name in ["RS384", "RS1", "RSA-OAEP", "ES256", "HS256", "none", ""] {
        assert_eq!(refusal(&with(&key.jwk(), "alg", name)), Some(KeyProblem::OtherAlgorithm), "{name}");
    }
    let input = b"header.payload";
    for verifying in keys_of(&key.jwk()).unwrap() {
        for name in ["RS256", "PS256", "RS384"] {
            let holds = verifying.verifier.verify(input, &key.sign(name, input));
            assert_eq!(holds, name == verifying.algorithm().name(), "{name} by {verifying:?}");
        }
        let mut changed = key.sign(verifying.algorithm().name(), input);
        assert!(!verifying.verifier.verify(b"header.other", &changed));
        assert!(!verifying.verifier.verify(input, &changed[1..]));
        changed[100] ^= 1;
        assert!(!verifying.verifier.verify(input, &changed));
    }
}

#[test]
fn c17_a_key_on_p_384_verifies_es384_and_nothing_else() {
    let key = OtherKey::p384();
    let [verifying]: [VerifyingKey; 1] = keys_of(&key.jwk()).unwrap().try_into().unwrap();
    assert_eq!(verifying.algorithm(), Algorithm::Es384);
    let signature = key.sign("ES384", b"input");
    assert_eq!(signature.len(), 96, "fixed length (RFC 7518 §3.4)");
    assert!(verifying.verifier.verify(b"input", &signature) && !verifying.verifier.verify(b"inputs", &signature));
    assert!(!verifying.verifier.verify(b"input", &[0; 96]), "r and s of zero (CVE-2022-21449)");
    for (name, value, problem) in [
        ("alg", json!("ES256"), KeyProblem::OtherAlgorithm),
        ("crv", json!("P-256"), KeyProblem::Malformed),
        ("crv", json!("P-521"), KeyProblem::Unsupported),
        ("y", key.jwk()["x"].clone(), KeyProblem::Refused),
        ("x", json!("AAAA"), KeyProblem::Malformed),
    ] {
        assert_eq!(refusal(&with(&key.jwk(), name, value.clone())), Some(problem), "{name} {value}");
    }
}

#[test]
fn we_sign_with_none_of_the_algorithms_of_others() {
    for algorithm in [Algorithm::Es384, Algorithm::Ps256] {
        assert_eq!(generate(algorithm).err(), Some(KeyProblem::Unsupported));
        assert_eq!(load(algorithm, &PrivateKey::from_pkcs8([0; 40])).err(), Some(KeyProblem::Unsupported));
        assert_eq!(Algorithm::find_by_name(algorithm.name()), Some(algorithm));
    }
}
