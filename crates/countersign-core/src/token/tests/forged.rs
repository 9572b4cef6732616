//! Signatures by the wrong key, the wrong algorithm, or nobody.

use base64::Engine;
use serde_json::{Value, json};

use super::{super::verify::TokenProblem, Forge, Hand, open_ring};
use crate::{
    clock::{Clock, Timestamp, TurnableClock},
    jose::{self, Algorithm, BASE64URL, Jwk, KeyProblem, VerifyingKey},
    key::{KeyPairAlgorithm, KeyRingError, SigningChoice, VerifyingKeys},
    names::KeyId,
    store::{KeyRecord, Keys, PrivateKey, memory::Memory},
};

fn segments(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

#[tokio::test]
async fn c1_the_key_fixes_the_algorithm() {
    for forge in Forge::all().await {
        let others = [
            "none", "None", "NONE", "nOnE", "", "ES256", "EdDSA", "HS256", "RS256", "es256", "ES384", "ES256 ",
            "RS384", "PS256",
        ];
        let own = forge.algorithm();
        for name in others.into_iter().filter(|name| *name != own) {
            // An RSA key without `alg` is an RS256 key and a PS256 key, and each verifies its own signatures alone.
            let theirs = matches!(forge.hand, Hand::Other { .. });
            if theirs && [("PS256", "RS256"), ("RS256", "PS256")].contains(&(own, name)) {
                forge.refuses(&forge.with_header("alg", json!(name)), TokenProblem::BadSignature);
                continue;
            }
            let token = forge.with_header("alg", json!(name));
            forge.refuses(&token, TokenProblem::OtherAlgorithm);
            let [header, payload, _] = segments(&token);
            forge.refuses(&format!("{header}.{payload}."), TokenProblem::OtherAlgorithm);
        }
        for value in [json!(256), json!(null), json!(["ES256"]), json!({})] {
            forge.refuses(&forge.with_header("alg", value), TokenProblem::Malformed);
        }
        let [header, payload, _] = segments(&forge.good()).map(str::to_owned);
        forge.refuses(&format!("{header}.{payload}."), TokenProblem::BadSignature);
    }
    // RFC 7515, appendix A.5.
    let unsecured = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
    assert!(Forge::es256().await.verify(unsecured).is_err());
}

#[tokio::test]
async fn c2_a_public_key_is_nobodys_secret() {
    let forge = Forge::es256().await;
    let jwk = forge.jwk().unwrap();
    let decode = |name: &str| BASE64URL.decode(jwk[name].as_str().unwrap()).unwrap();
    let point = [decode("x"), decode("y")].concat();
    let der = [
        &[
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
            0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
        ],
        point.as_slice(),
    ]
    .concat();
    let base64 = base64::engine::general_purpose::STANDARD.encode(&der);
    let (first, rest) = base64.split_at(64);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{first}\n{rest}\n-----END PUBLIC KEY-----");
    let compact = jwk.to_string();
    for secret in [
        pem.clone().into_bytes(),
        format!("{pem}\n").into_bytes(),
        pem.replace('\n', "\r\n").into_bytes(),
        der,
        point.clone(),
        [&[4], point.as_slice()].concat(),
        decode("x"),
        compact.clone().into_bytes(),
        serde_json::to_string_pretty(&jwk).unwrap().into_bytes(),
        compact.replace(':', ": ").into_bytes(),
        forge.ring().signing(forge.clock.now()).unwrap().id.as_str().as_bytes().to_vec(),
    ] {
        refuses_as_secret(&forge, secret);
    }
}

#[tokio::test]
async fn c2_no_rsa_key_and_no_key_of_another_issuer_is_anybodys_secret() {
    for forge in [Forge::rs256().await, Forge::other("RS256"), Forge::other("PS256"), Forge::other("ES384")] {
        let jwk = forge.jwk().unwrap();
        let members = ["n", "e", "x", "y"].into_iter().filter_map(|name| jwk[name].as_str());
        let raw: Vec<Vec<u8>> = members.map(|member| BASE64URL.decode(member).unwrap()).collect();
        // PKCS #1 and SubjectPublicKeyInfo of a key of 2,048 bits; for P-384 these are just two more strings.
        let pkcs1 = [&hex("3082010a0282010100"), raw[0].as_slice(), &hex("0203010001")].concat();
        let spki = [&hex("30820122300d06092a864886f70d01010105000382010f00"), pkcs1.as_slice()].concat();
        let encode = |der: &[u8]| base64::engine::general_purpose::STANDARD.encode(der);
        let pem = |label: &str, der: &[u8]| format!("-----BEGIN {label}-----\n{}\n-----END {label}-----", encode(der));
        for secret in [
            pem("PUBLIC KEY", &spki).into_bytes(),
            format!("{}\n", pem("PUBLIC KEY", &spki)).into_bytes(),
            pem("RSA PUBLIC KEY", &pkcs1).into_bytes(),
            pkcs1,
            spki,
            raw.concat(),
            [&[4], raw.concat().as_slice()].concat(),
            raw[0].clone(),
            jwk.to_string().into_bytes(),
            forge.header()["kid"].as_str().unwrap().as_bytes().to_vec(),
        ] {
            refuses_as_secret(&forge, secret);
        }
    }
}

/// A token whose signature is a MAC under something public, by whatever name.
#[track_caller]
fn refuses_as_secret(forge: &Forge, secret: Vec<u8>) {
    let mac = jose::load(Algorithm::Hs256, &PrivateKey::from_pkcs8(secret)).unwrap().signing;
    for name in ["HS256", forge.algorithm()] {
        for key_id in [forge.header()["kid"].clone(), json!("HS256")] {
            let mut header = forge.header();
            header["alg"] = json!(name);
            header["kid"] = key_id;
            let input =
                format!("{}.{}", BASE64URL.encode(header.to_string()), BASE64URL.encode(Forge::claims().to_string()));
            let token = format!("{input}.{}", BASE64URL.encode(mac.sign(input.as_bytes()).unwrap()));
            assert!(forge.verify(&token).is_err(), "{name}");
        }
    }
}

#[tokio::test]
async fn c3_a_key_in_the_header_is_not_used() {
    let attacker = Forge::es256().await;
    for forge in Forge::all().await {
        refuses_embedded_keys(&forge, &attacker);
    }
}

fn refuses_embedded_keys(forge: &Forge, attacker: &Forge) {
    let jwk = attacker.jwk().unwrap();
    let certificate = json!(["MIIB"]);
    for (name, value) in [
        ("jwk", jwk.clone()),
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/cert.pem")),
        ("x5c", certificate),
        ("x5t", json!("AAAA")),
    ] {
        for key_id in [forge.header()["kid"].clone(), attacker.header()["kid"].clone(), jwk["kid"].clone()] {
            let mut header = forge.header();
            header["kid"] = key_id;
            header[name] = value.clone();
            for algorithm in [forge.algorithm(), attacker.algorithm()] {
                header["alg"] = json!(algorithm);
                let token = attacker.sign(header.to_string(), Forge::claims().to_string());
                assert!(forge.verify(&token).is_err(), "{name}");
            }
        }
        assert!(forge.verify(&forge.with_header(name, value)).is_ok(), "{name} beside the right key is just ignored");
    }
}

#[tokio::test]
async fn c4_the_key_id_is_looked_up_and_nothing_else() {
    let forge = Forge::es256().await;
    let long = "a".repeat(8 * 1024);
    for key_id in [
        "../../dev/null",
        "' OR 1=1--",
        "\0",
        "__proto__",
        "constructor",
        "\r\n",
        "",
        "*",
        "%",
        "ES256",
        long.as_str(),
        &format!("{} ", forge.ring().signing(forge.clock.now()).unwrap().id),
        &forge.ring().signing(forge.clock.now()).unwrap().id.as_str().to_lowercase(),
    ] {
        forge.refuses(&forge.with_header("kid", json!(key_id)), TokenProblem::UnknownKey);
    }
    for key_id in [json!(1), json!(null), json!(["x"]), json!({})] {
        forge.refuses(&forge.with_header("kid", key_id), TokenProblem::UnknownKey);
    }
    forge.refuses(&forge.with_header("kid", json!("a".repeat(64 * 1024))), TokenProblem::TooLong);
    forge.refuses(&forge.without_header("kid"), TokenProblem::UnknownKey);
}

#[tokio::test]
async fn c5_critical_extensions_are_refused_whatever_they_hold() {
    for forge in Forge::all().await {
        refuses_critical_extensions(&forge);
    }
}

fn refuses_critical_extensions(forge: &Forge) {
    for critical in [
        json!(["http://example.invalid/UNDEFINED"]),
        json!([]),
        json!("exp"),
        json!(null),
        json!(["b64"]),
        json!(["exp"]),
        json!({}),
        json!(1),
        json!(["alg"]),
    ] {
        forge.refuses(&forge.with_header("crit", critical), TokenProblem::CriticalExtension);
    }
    // RFC 7515, appendix E.
    let vector = "eyJhbGciOiJub25lIiwNCiAiY3JpdCI6WyJodHRwOi8vZXhhbXBsZS5jb20vVU5ERUZJTkVEIl0sDQogImh0dHA6Ly9leGFtcGxlLmNvbS9VTkRFRklORUQiOnRydWUNCn0.RkFJTA.";
    forge.refuses(vector, TokenProblem::CriticalExtension);
}

#[tokio::test]
async fn c13_signatures_at_the_edge_of_the_curve_are_none() {
    let forge = Forge::es256().await;
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let prime = hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    let mut less = order.clone();
    less[31] -= 1;
    let one = [vec![0; 31], vec![1]].concat();
    let edges = [vec![0; 32], one, order, less, prime, vec![0xff; 32]];
    let token = forge.good();
    let [header, payload, signature] = segments(&token);
    let real = BASE64URL.decode(signature).unwrap();
    assert_eq!(real.len(), 64, "fixed length (RFC 7518 §3.4)");
    let mut signatures: Vec<Vec<u8>> =
        edges.iter().flat_map(|r| edges.iter().map(move |s| [r.as_slice(), s].concat())).collect();
    signatures.extend(edges.iter().map(|edge| [edge.as_slice(), &real[32..]].concat()));
    signatures.extend(edges.iter().map(|edge| [&real[..32], edge.as_slice()].concat()));
    let der = [&[0x30, 0x46, 0x02, 0x21, 0x00], &real[..32], &[0x02, 0x21, 0x00], &real[32..]].concat();
    signatures.extend([
        der,
        [real.as_slice(), &[0]].concat(),
        [&[0], real.as_slice()].concat(),
        real[..63].to_vec(),
        Vec::new(),
    ]);
    for signature in signatures {
        forge.refuses(&format!("{header}.{payload}.{}", BASE64URL.encode(signature)), TokenProblem::BadSignature);
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[tokio::test]
async fn c17_a_key_that_is_weak_or_not_for_this_is_not_loaded() {
    let forge = Forge::es256().await;
    let good = forge.jwk().unwrap();
    let load = |jwk: &Value| VerifyingKey::all_from_jwk(&Jwk::parse(jwk.to_string().as_bytes())?).map(drop);
    assert_eq!(load(&good), Ok(()));
    let with = |name: &str, value: Value| {
        let mut jwk = good.clone();
        jwk[name] = value;
        load(&jwk)
    };
    for (name, value, problem) in [
        ("use", json!("enc"), KeyProblem::OtherUse),
        ("use", json!(1), KeyProblem::OtherUse),
        ("key_ops", json!(["sign"]), KeyProblem::OtherUse),
        ("key_ops", json!([]), KeyProblem::OtherUse),
        ("key_ops", json!("verify"), KeyProblem::OtherUse),
        ("crv", json!("P-384"), KeyProblem::OtherAlgorithm),
        ("crv", json!("secp256k1"), KeyProblem::Unsupported),
        ("alg", json!("ES384"), KeyProblem::OtherAlgorithm),
        ("alg", json!("HS256"), KeyProblem::OtherAlgorithm),
        ("alg", json!("none"), KeyProblem::OtherAlgorithm),
        ("alg", json!(["ES256"]), KeyProblem::Malformed),
        ("kid", json!(1), KeyProblem::Malformed),
        ("x", json!("AA"), KeyProblem::Malformed),
        ("x", json!(good["x"].as_str().unwrap().to_owned() + "="), KeyProblem::Malformed),
        ("y", good["x"].clone(), KeyProblem::Refused),
        ("y", json!(1), KeyProblem::Unsupported),
        ("kty", json!("RSA"), KeyProblem::Unsupported),
        ("kty", json!("oct"), KeyProblem::Unsupported),
        ("d", json!("AAAA"), KeyProblem::NotPublic),
        ("k", json!("AAAA"), KeyProblem::NotPublic),
    ] {
        assert_eq!(with(name, value.clone()), Err(problem), "{name} {value}");
    }
    assert_eq!(with("key_ops", json!(["verify"])), Ok(()));
    let twice = good.to_string().replacen('{', "{\"kty\":\"EC\",", 1);
    assert_eq!(Jwk::parse(twice.as_bytes()), Err(KeyProblem::Malformed));
    for rsa in [
        json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }),
        json!({ "kty": "RSA", "n": "x".repeat(400), "e": "Aw" }),
        json!({ "kty": "OKP", "crv": "X25519", "x": good["x"] }),
        json!({}),
    ] {
        assert!(load(&rsa).is_err(), "{rsa}");
    }
}

#[tokio::test]
async fn c24_eddsa_goes_by_both_of_its_names() {
    let forge = Forge::new(SigningChoice::KeyPair(KeyPairAlgorithm::EdDsa)).await;
    for name in ["EdDSA", "Ed25519"] {
        assert!(forge.verify(&forge.with_header("alg", json!(name))).is_ok(), "{name}");
    }
    forge.refuses(&forge.with_header("alg", json!("Ed448")), TokenProblem::OtherAlgorithm);
    assert_eq!(forge.header()["alg"], "EdDSA");
}

#[test]
fn c19_macs_are_compared_by_the_library_alone() {
    // Constant time is the library's contract; what would break it is a comparison of our own.
    let source = include_str!("../../jose/hmac.rs");
    assert!(source.contains("hmac::verify(&self.0, input, signature)"));
    let verify = source.split("impl Verify for Mac").nth(1).unwrap();
    assert!(!verify.contains("==") && !verify.contains("hmac::sign"), "{verify}");
}

#[test]
fn i4_a_thumbprint_is_that_of_rfc_7638() {
    let key = br#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
    assert_eq!(Jwk::parse(key).unwrap().thumbprint().as_str(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

#[tokio::test]
async fn i6_a_secret_never_stands_among_published_keys() {
    let store = Memory::new();
    let clock = TurnableClock::at(Timestamp::from_seconds(1));
    let secret = KeyRecord {
        id: KeyId::new("HS256"),
        algorithm: Algorithm::Hs256.into(),
        private_key: PrivateKey::from_pkcs8([7; 40]).into(),
        withdrawn_at: None,
        signs_from: clock.now(),
        verifies_until: None,
    };
    store.put_first_key(&secret).await.unwrap();
    let ring = open_ring(&store, &SigningChoice::default(), &clock).await;
    assert!(matches!(ring, Err(KeyRingError::SecretAmongKeyPairs)), "{ring:?}");
}

#[tokio::test]
async fn i1_the_first_key_is_made_once_and_a_ring_holds_several() {
    let store = Memory::new();
    let clock = TurnableClock::at(Timestamp::from_seconds(1));
    let choice = SigningChoice::default();
    let first = open_ring(&store, &choice, &clock).await.unwrap();
    let again = open_ring(&store, &choice, &clock).await.unwrap();
    assert_eq!(first.signing(clock.now()).unwrap().id, again.signing(clock.now()).unwrap().id);
    let eddsa = open_ring(&store, &SigningChoice::KeyPair(KeyPairAlgorithm::EdDsa), &clock).await.unwrap();
    assert_eq!(eddsa.published(clock.now()).keys.len(), 2);
    assert!(
        eddsa.find(Some(&first.signing(clock.now()).unwrap().id), "ES256", clock.now()).is_some(),
        "tokens of the old key still verify"
    );
    assert_ne!(eddsa.signing(clock.now()).unwrap().id, first.signing(clock.now()).unwrap().id);
    let rs256 = open_ring(&store, &SigningChoice::KeyPair(KeyPairAlgorithm::Rs256), &clock).await.unwrap();
    let again = open_ring(&store, &SigningChoice::KeyPair(KeyPairAlgorithm::Rs256), &clock).await.unwrap();
    assert_eq!((rs256.algorithm(), rs256.published(clock.now()).keys.len()), (Algorithm::Rs256, 3));
    assert_eq!(rs256.signing(clock.now()).unwrap().id, again.signing(clock.now()).unwrap().id);
    let shown = format!("{eddsa:?}{store:?}");
    assert!(shown.contains("PrivateKey([redacted])") && shown.contains("SigningKey(EdDSA"), "{shown}");
}
