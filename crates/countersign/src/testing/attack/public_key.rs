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

/// As a `SubjectPublicKeyInfo` in DER.
pub(super) fn der(jwk: &Value) -> Option<Vec<u8>> {
    let (point, before) = point(jwk)?;
    Some([before, &point].concat())
}

/// base64 as in certificates (RFC 4648 §4).
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn pem(der: &[u8]) -> String {
    let encoded = base64(der);
    let lines = encoded.as_bytes().chunks(PEM_LINE).map(String::from_utf8_lossy);
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.collect::<Vec<_>>().join("\n"))
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
    if let (Some((point, _)), Some(der)) = (point(jwk), der(jwk)) {
        let pem = pem(&der);
        secrets.push(("PEM", pem.clone().into_bytes()));
        secrets.push(("PEM and a newline", format!("{pem}\n").into_bytes()));
        if point.len() % 2 == 1 {
            secrets.push(("both coordinates", point[1..].to_vec()));
        }
        secrets.push(("the point", point));
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
}
