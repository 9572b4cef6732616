//! A public key in the spellings in which careless verifiers take it for a secret (RFC 8725 §2.1).

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::testing::draft::from_base64url;

/// What stands before a point of P-256 in a `SubjectPublicKeyInfo` (RFC 5480 §2), DER.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// What stands before a point of Ed25519 (RFC 8410 §4), DER.
const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// What stands before an RSA key in a `SubjectPublicKeyInfo`: the name `rsaEncryption` and no parameters (RFC 3279
/// §2.3.1), DER.
const RSA_ENCRYPTION: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// Tags of DER (X.690 §8).
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// Characters in a line of PEM (RFC 7468 §2).
const PEM_LINE: usize = 64;

/// The key's bytes alone, and what stands before them: of the kinds that we sign with.
fn point(jwk: &Value) -> Option<(Vec<u8>, &'static [u8])> {
    let bytes = |member: &str| Some(from_base64url(jwk[member].as_str()?));
    match jwk["crv"].as_str()? {
        "P-256" => Some(([vec![4], bytes("x")?, bytes("y")?].concat(), &P256)),
        "Ed25519" => Some((bytes("x")?, &ED25519)),
        _ => None,
    }
}

/// An RSA key as an `RSAPublicKey` in DER (RFC 8017 §A.1.1).
fn pkcs1(jwk: &Value) -> Option<Vec<u8>> {
    let integer = |member: &str| {
        let number = from_base64url(jwk[member].as_str()?);
        // A first bit that is set would make it negative.
        let sign: &[u8] = if number.first().is_some_and(|first| *first > 0x7f) { &[0] } else { &[] };
        Some(element(INTEGER, &[sign, &number].concat()))
    };
    Some(element(SEQUENCE, &[integer("n")?, integer("e")?].concat()))
}

/// An element of DER (X.690 §8.1, §10.1).
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = &length[content.len().leading_zeros() as usize / 8..];
    let long: &[u8] = if content.len() > 0x7f { &[0x80 | length.len().to_le_bytes()[0]] } else { &[] };
    [&[tag], long, length, content].concat()
}

/// As a `SubjectPublicKeyInfo` in DER.
pub(super) fn der(jwk: &Value) -> Option<Vec<u8>> {
    if let Some((point, before)) = point(jwk) {
        return Some([before, &point].concat());
    }
    let key = [&[0], pkcs1(jwk)?.as_slice()].concat();
    Some(element(SEQUENCE, &[RSA_ENCRYPTION.as_slice(), &element(BIT_STRING, &key)].concat()))
}

/// base64 as in certificates (RFC 4648 §4).
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn pem(label: &str, der: &[u8]) -> String {
    let encoded = base64(der);
    let lines = encoded.as_bytes().chunks(PEM_LINE).map(String::from_utf8_lossy);
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----", lines.collect::<Vec<_>>().join("\n"))
}

/// The key in every spelling, each with its name.
pub(super) fn as_secrets(jwk: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let required: Value = ["crv", "e", "kty", "n", "x", "y"]
        .into_iter()
        .filter(|name| !jwk[*name].is_null())
        .map(|name| (name.to_owned(), jwk[name].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let mut secrets = vec![
        ("the JWK", jwk.to_string().into_bytes()),
        ("the JWK's required members", required.to_string().into_bytes()),
        ("the JWK set", json!({ "keys": [jwk] }).to_string().into_bytes()),
    ];
    if let Some((point, _)) = point(jwk) {
        if point.len() % 2 == 1 {
            secrets.push(("both coordinates", point[1..].to_vec()));
        }
        secrets.push(("the point", point));
    }
    if let Some(pkcs1) = pkcs1(jwk) {
        let pem = pem("RSA PUBLIC KEY", &pkcs1);
        secrets.push(("PEM of PKCS #1", pem.clone().into_bytes()));
        secrets.push(("PEM of PKCS #1 and a newline", format!("{pem}\n").into_bytes()));
        secrets.push(("DER of PKCS #1", pkcs1));
        secrets.push(("the modulus", from_base64url(jwk["n"].as_str().unwrap_or_default())));
    }
    if let Some(der) = der(jwk) {
        let pem = pem("PUBLIC KEY", &der);
        secrets.push(("PEM", pem.clone().into_bytes()));
        secrets.push(("PEM and a newline", format!("{pem}\n").into_bytes()));
        secrets.push(("DER", der));
    }
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_is_spelt_as_other_programs_spell_it() {
        // RFC 7515, appendix A.3.1.
        let jwk = json!({
            "kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        });
        let secrets = as_secrets(&jwk);
        let named = |name: &str| secrets.iter().find(|(known, _)| *known == name).unwrap().1.clone();
        assert_eq!(secrets.len(), 8);
        assert_eq!(named("the point").len(), 65);
        assert_eq!(named("both coordinates").len(), 64);
        assert_eq!(named("DER").len(), 91);
        let pem = String::from_utf8(named("PEM")).unwrap();
        assert!(pem.starts_with(
            "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7"
        ));
        assert_eq!(named("the JWK's required members"), jwk.to_string().into_bytes(), "in the order of their names");
        assert_eq!(der(&json!({ "kty": "oct", "k": "AAAA" })), None);
    }

    #[test]
    fn an_rsa_key_is_spelt_as_other_programs_spell_it() {
        // RFC 7638 §3.1; the DER and the PEM are OpenSSL's.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let secrets = as_secrets(&json!({ "kty": "RSA", "n": n, "e": "AQAB" }));
        let named = |name: &str| secrets.iter().find(|(known, _)| *known == name).unwrap().1.clone();
        assert_eq!(secrets.len(), 10);
        let text = |name: &str| String::from_utf8(named(name)).unwrap();
        assert!(
            text("PEM").starts_with(
                "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0vx7agoebGcQSuuPiLJX"
            ),
            "{}",
            text("PEM")
        );
        assert!(text("PEM").ends_with("gwIDAQAB\n-----END PUBLIC KEY-----"), "{}", text("PEM"));
        let pkcs1 = text("PEM of PKCS #1");
        assert!(
            pkcs1.starts_with(
                "-----BEGIN RSA PUBLIC KEY-----\nMIIBCgKCAQEA0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4"
            ),
            "{pkcs1}"
        );
        assert!(pkcs1.ends_with("0Ls1jF44+csFCur+kEgU8awapJzKnqDKgwIDAQAB\n-----END RSA PUBLIC KEY-----"), "{pkcs1}");
        assert_eq!((named("DER").len(), named("DER of PKCS #1").len(), named("the modulus").len()), (294, 270, 256));
        // Whatever the length of a number: short, and with a sign.
        let small = json!({ "kty": "RSA", "n": "gA", "e": "Aw" });
        assert_eq!(super::pkcs1(&small).unwrap(), [0x30, 7, 2, 2, 0, 0x80, 2, 1, 3]);
    }
}
