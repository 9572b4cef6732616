//! The string itself: its length, its segments, its alphabet.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::{super::verify::TokenProblem, Forge};
use crate::jose::{BASE64URL, MAX_TOKEN_BYTES};

/// How many tokens are cut and changed.
const TOKENS: usize = 1_000;

#[tokio::test]
async fn c11_a_member_stands_once() {
    let forge = Forge::es256().await;
    let (header, claims) = (forge.header().to_string(), Forge::claims().to_string());
    for name in ["alg", "kid", "typ", "x"] {
        let twice = header.replacen('{', &format!("{{\"{name}\":\"none\",\"{name}\":\"none\","), 1);
        forge.refuses(&forge.sign(twice, &claims), TokenProblem::Malformed);
    }
    let escaped = header.replacen('{', "{\"\\u0061lg\":\"none\",", 1);
    forge.refuses(&forge.sign(escaped, &claims), TokenProblem::Malformed);
    for name in ["exp", "sub", "aud", "iss", "x"] {
        let twice = claims.replacen('{', &format!("{{\"{name}\":1,\"{name}\":1,"), 1);
        forge.refuses(&forge.sign(&header, twice), TokenProblem::Malformed);
    }
    let deep = claims.replacen('{', "{\"x\":[{\"y\":1,\"y\":1}],", 1);
    forge.refuses(&forge.sign(&header, deep), TokenProblem::Malformed);
}

#[tokio::test]
async fn c12_base64url_has_one_spelling() {
    let forge = Forge::es256().await;
    let token = forge.good();
    for segment in 0..3 {
        for change in ["=", "==", "+", "/", " ", "\n", "\t", "%3D", "é", "\0"] {
            let segments: Vec<_> = token
                .split('.')
                .enumerate()
                .map(|(at, text)| if at == segment { format!("{text}{change}") } else { text.to_owned() })
                .collect();
            assert!(forge.verify(&segments.join(".")).is_err(), "{segment} {change:?}");
        }
    }
    for changed in [
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.x"),
        token.replace('.', ".."),
        token.replacen('.', "", 1),
        token.replace('.', ":"),
        format!(" {token}"),
        format!("{token}\n"),
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
    ] {
        assert!(forge.verify(&changed).is_err(), "{changed}");
    }
    // 64 bytes end in a character of which four bits must be zero.
    let (input, signature) = token.rsplit_once('.').unwrap();
    let last = signature.chars().last().unwrap();
    for other in ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']).filter(|other| *other != last) {
        let changed = format!("{input}.{}{other}", &signature[..signature.len() - 1]);
        assert!(forge.verify(&changed).is_err(), "{other}");
    }
}

#[tokio::test]
async fn c12_no_prefix_and_no_change_of_a_token_passes() {
    // EdDSA, because it is the fastest to verify and its signatures are fixed.
    let forge = Forge::eddsa().await;
    for number in 0..TOKENS {
        let token = forge.with_claim("jti", json!(number.to_string()));
        assert!(forge.verify(&token).is_ok());
        let cut = &token[..number * token.len() / TOKENS];
        assert!(forge.verify(cut).is_err(), "{cut}");
        let at = (number * 7919) % token.len();
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(forge.verify(std::str::from_utf8(&changed).unwrap()).is_err(), "{number} {at}");
    }
    let token = forge.good();
    for end in 0..token.len() {
        assert!(forge.verify(&token[..end]).is_err(), "{end}");
    }
}

#[tokio::test]
async fn c14_encrypted_and_json_tokens_are_not_read() {
    let forge = Forge::es256().await;
    let token = forge.good();
    let [header, payload, signature]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    for header in [
        json!({ "alg": "PBES2-HS256+A128KW", "enc": "A128CBC-HS256", "p2c": 2_147_483_648_u64, "p2s": "AAAA" }),
        json!({ "alg": "dir", "enc": "A256GCM", "zip": "DEF" }),
        json!({ "alg": "RSA-OAEP", "enc": "A256GCM", "typ": "at+jwt", "kid": forge.header()["kid"] }),
    ] {
        let encrypted = format!("{}.AAAA.AAAA.AAAA.AAAA", BASE64URL.encode(header.to_string()));
        assert!(forge.verify(&encrypted).is_err());
    }
    for serialised in [
        json!({ "protected": header, "payload": payload, "signature": signature }),
        json!({ "payload": payload, "signatures": [{ "protected": header, "signature": signature }] }),
    ] {
        forge.refuses(&serialised.to_string(), TokenProblem::Malformed);
    }
    assert!(forge.verify(&format!("{token}.{payload}.{signature}")).is_err());
}

#[tokio::test]
async fn c15_length_and_depth_are_bounded_before_anything_is_decoded() {
    let forge = Forge::es256().await;
    forge.refuses(&"a".repeat(MAX_TOKEN_BYTES + 1), TokenProblem::TooLong);
    forge.refuses(&".".repeat(1_000_000), TokenProblem::TooLong);
    forge.refuses(&forge.with_claim("x", json!("a".repeat(MAX_TOKEN_BYTES))), TokenProblem::TooLong);
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for depth in [129, 5_000] {
        let deep = format!("{{\"x\":{}}}", nested(depth));
        forge.refuses(&forge.sign(&deep, "{}"), TokenProblem::Malformed);
        forge.refuses(&forge.sign(forge.header().to_string(), &deep), TokenProblem::Malformed);
    }
    let endless = forge.sign(forge.header().to_string(), format!("{{\"x\":{}}}", nested(100_000)));
    forge.refuses(&endless, TokenProblem::TooLong);
}

#[tokio::test]
async fn c16_an_unsigned_payload_is_not_looked_at() {
    // Whatever the payload holds, the answer is that of the signature: nobody read further.
    let forge = Forge::es256().await;
    let header = URL_SAFE_NO_PAD.encode(forge.header().to_string());
    let signature = URL_SAFE_NO_PAD.encode([7; 64]);
    let hostile = ["", "not json", "{\"exp\":1e400}", "{\"exp\":1,\"exp\":1}", "[[[[", "\u{0}"]
        .map(|text| URL_SAFE_NO_PAD.encode(text));
    for payload in hostile.iter().map(String::as_str).chain(["!", "=", "A", "a.b"]) {
        forge.refuses(&format!("{header}.{payload}.{signature}"), TokenProblem::BadSignature);
    }
}

proptest::proptest! {
    #[test]
    fn no_string_panics(token in "\\PC{0,200}|[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,90}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        proptest::prop_assert!(runtime.block_on(Forge::es256()).verify(&token).is_err());
    }
}
