//! What is said of tokens that are refused: that it is what the verifier says, every test of tokens checks besides.

use std::time::Duration;

use base64::Engine;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    super::explain::{Against, Explanation, Finding, Verdict, explain},
    AUDIENCE, Forge, ISSUER, LEEWAY, NOW,
};
use crate::{
    jose::{BASE64URL, MAX_TOKEN_BYTES},
    names::{Audience, Issuer},
    reason::Reason,
    scope::Scope,
    token::{BearerToken, verify::Profile},
};

/// Held against all that there is, and a scope.
fn explained(forge: &Forge, token: &str, needed: &str) -> Explanation {
    let (issuer, audience, needed) = (Issuer::new(ISSUER), Audience::new(AUDIENCE), needed.parse::<Scope>().unwrap());
    let against = Against {
        issuer: Some(&issuer),
        audience: Some(&audience),
        keys: Some(forge.keys()),
        profile: Some(forge.profile),
        leeway: Some(LEEWAY),
        needed: Some(&needed),
    };
    explain(&BearerToken::new(token), &against, &*forge.clock)
}

fn alone(forge: &Forge, token: &str) -> Explanation {
    explain(&BearerToken::new(token), &Against::default(), &*forge.clock)
}

#[track_caller]
fn finding<'e>(explanation: &'e Explanation, what: &str) -> &'e Finding {
    explanation.findings.iter().find(|finding| finding.what == what).unwrap_or_else(|| panic!("{what}: {explanation}"))
}

#[tokio::test]
async fn each_refusal_is_found_where_it_is() {
    let forge = Forge::es256().await;
    let good = forge.good();
    let (input, _) = good.rsplit_once('.').unwrap();
    for (token, what, reason, found) in [
        ("a".repeat(MAX_TOKEN_BYTES + 1), "length", Reason::TooLong, "16385 bytes"),
        ("opaque".to_owned(), "segments", Reason::Malformed, "1"),
        (format!("{good}.x"), "segments", Reason::Malformed, "4"),
        ("!.e30.AA".to_owned(), "header", Reason::Malformed, "cannot be read"),
        (forge.with_header("crit", json!(["b64"])), "crit", Reason::CriticalExtension, "[\"b64\"]"),
        (forge.with_header("typ", json!("JWT")), "typ", Reason::OtherType, "JWT"),
        (forge.without_header("typ"), "typ", Reason::OtherType, "absent"),
        (forge.with_header("alg", json!("none")), "alg", Reason::OtherAlgorithm, "none"),
        (forge.without_header("alg"), "alg", Reason::Malformed, "absent"),
        (forge.with_header("kid", json!("x")), "kid", Reason::UnknownKey, "x"),
        (format!("{input}.AAAA"), "signature", Reason::BadSignature, "3 bytes"),
        (format!("{input}.A"), "signature", Reason::Malformed, "cannot be read"),
        (forge.sign(forge.header().to_string(), "[]"), "payload", Reason::Malformed, "cannot be read"),
        (forge.with_claim("cnf", json!({ "jkt": "k" })), "cnf", Reason::Bound, "{\"jkt\":\"k\"}"),
        (forge.without_claim("client_id"), "claims", Reason::MalformedClaims, "`client_id` is missing"),
        (forge.with_claim("jti", json!(1)), "claims", Reason::MalformedClaims, "`jti` is not of its type"),
        (forge.with_claim("iss", json!("https://x")), "iss", Reason::OtherIssuer, "https://x"),
        (forge.with_claim("aud", json!(["https://x"])), "aud", Reason::OtherAudience, "[\"https://x\"]"),
        (forge.with_claim("exp", json!(NOW - 301)), "exp", Reason::Expired, "1799999699, 301 s ago"),
        (forge.with_claim("nbf", json!(NOW + 60)), "nbf", Reason::NotYetValid, "1800000060, in 60 s"),
        (forge.with_claim("iat", json!(NOW + 60)), "iat", Reason::NotYetValid, "1800000060, in 60 s"),
        (forge.with_claim("scope", json!("you")), "scope", Reason::ScopeMissing, "you"),
    ] {
        let explanation = explained(&forge, &token, "me");
        assert_eq!(explanation.reason, Some(reason), "{explanation}");
        let finding = finding(&explanation, what);
        assert_eq!((finding.verdict, finding.found.as_str()), (Verdict::Fails, found), "{explanation}");
        let before = explanation.findings.iter().take_while(|finding| finding.what != what);
        assert!(before.into_iter().all(|finding| finding.verdict == Verdict::Holds || what == "kid"), "{explanation}");
        assert!(explanation.to_string().ends_with(&format!("\nrefused: {}\n", reason.code())), "{explanation}");
    }
    let good = explained(&forge, &good, "me");
    assert!(good.reason.is_none() && good.findings.iter().all(|finding| finding.verdict == Verdict::Holds), "{good}");
    assert!(good.to_string().ends_with("\naccepted\n"), "{good}");
}

#[tokio::test]
async fn what_is_not_given_is_not_judged() {
    let forge = Forge::es256().await;
    let explanation = alone(&forge, &forge.good());
    let of = |verdict| {
        let chosen = explanation.findings.iter().filter(move |finding| finding.verdict == verdict);
        chosen.map(|finding| finding.what).collect::<Vec<_>>()
    };
    assert_eq!(of(Verdict::Unknown), ["alg", "kid", "signature", "iss", "aud", "scope"], "{explanation}");
    assert!(of(Verdict::Fails).is_empty() && explanation.reason.is_none(), "{explanation}");
    assert!(explanation.to_string().ends_with("as far as can be said\n"), "{explanation}");
    for (name, value, reason) in [
        ("exp", json!(NOW - 5), Some(Reason::Expired)),
        ("exp", json!(NOW - 4), None),
        ("exp", json!("1"), Some(Reason::MalformedClaims)),
        ("jti", json!(1), Some(Reason::MalformedClaims)),
        ("iss", json!("https://x"), None),
        ("nonce", json!("x"), None),
    ] {
        let explanation = alone(&forge, &forge.with_claim(name, value));
        assert_eq!(explanation.reason, reason, "{name} {explanation}");
    }
    assert_eq!(finding(&alone(&forge, &forge.without_claim("jti")), "claims").verdict, Verdict::Unknown);
    for (typ, verdict) in [("JWT", Verdict::Unknown), ("at+jwt", Verdict::Holds), ("dpop+jwt", Verdict::Fails)] {
        assert_eq!(finding(&alone(&forge, &forge.with_header("typ", json!(typ))), "typ").verdict, verdict, "{typ}");
    }
    assert_eq!(alone(&forge, &forge.with_header("alg", json!("none"))).reason, Some(Reason::OtherAlgorithm));
}

#[tokio::test]
async fn the_verifier_s_first_step_gives_the_reason_and_the_rest_is_still_told() {
    let forge = Forge::es256().await;
    let mut claims = Forge::claims();
    claims["exp"] = json!(1);
    claims["iss"] = json!("https://x");
    let mut header = forge.header();
    header["kid"] = json!("x");
    header["alg"] = json!("RS256");
    let explanation = explained(&forge, &forge.sign(header.to_string(), claims.to_string()), "admin");
    let failed = explanation.findings.iter().filter(|finding| finding.verdict == Verdict::Fails);
    assert_eq!(failed.map(|finding| finding.what).collect::<Vec<_>>(), ["kid", "iss", "exp", "scope"]);
    assert_eq!(explanation.reason, Some(Reason::UnknownKey));
}

#[tokio::test]
async fn advice_says_what_is_known_better() {
    let forge = Forge::es256().await;
    let advice = |token: &str, what: &str| finding(&explained(&forge, token, "me"), what).advice.clone().unwrap();
    assert!(advice(&forge.with_claim("iat", json!(NOW + 60)), "iat").contains("60 s ahead"));
    assert!(advice(&forge.with_claim("iat", json!(NOW + 3)), "iat").contains("3 s ahead"), "even within the leeway");
    assert!(advice(&forge.with_claim("exp", json!(NOW - 20)), "exp").contains("20 s ago"));
    assert!(advice(&forge.with_claim("exp", json!(NOW - 3_600)), "exp") == Reason::Expired.advice());
    assert!(advice(&forge.with_claim("exp", json!(NOW * 1_000)), "exp").contains("milliseconds"));
    assert!(advice(&forge.with_claim("iat", json!(NOW * 1_000)), "iat").contains("milliseconds"));
    assert!(advice("v2.local.opaque", "header") == Reason::Malformed.advice());
    assert!(advice("0123456789abcdef", "segments").contains("introspected"));
    assert!(advice("a.b.c.d.e", "segments").contains("encrypted"));
    let known = finding(&explained(&forge, &forge.with_header("kid", json!("x")), "me"), "kid").expected.clone();
    assert_eq!(
        known,
        format!("{} (ES256)", forge.ring().signing(crate::clock::Timestamp::from_seconds(NOW)).unwrap().id)
    );
}

#[tokio::test]
async fn values_of_strangers_are_escaped_and_shortened() {
    let forge = Forge::es256().await;
    let hostile = "\u{1b}[2Jx\r\n\u{202e}evil\u{200b}\u{2066}\\ \u{e9}\0\u{7f}";
    for token in [forge.with_claim("iss", json!(hostile)), forge.with_header("kid", json!(hostile))] {
        let shown = explained(&forge, &token, "me").to_string();
        assert!(shown.contains(r"\u{1b}[2Jx\u{d}\u{a}\u{202e}evil\u{200b}\u{2066}\\ \u{e9}\u{0}\u{7f}"), "{shown}");
        assert!(shown.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')), "{shown:?}");
    }
    let long = explained(&forge, &forge.with_claim("aud", json!(vec!["x".repeat(500); 9])), "me");
    let found = &finding(&long, "aud").found;
    assert!(found.len() < 230 && found.ends_with(" more"), "{found}");
    let nothing = explained(&forge, &forge.with_claim("iss", json!("")), "me");
    assert_eq!(finding(&nothing, "iss").found, "\"\"");
}

#[tokio::test]
async fn the_table_is_aligned_and_has_no_secret() {
    let forge = Forge::es256().await;
    forge.clock.forward(Duration::from_secs(2_000));
    let token = forge.good();
    let shown = explained(&forge, &token, "me").to_string();
    let columns: Vec<_> = shown.lines().filter_map(|line| line.find("expected: ")).collect();
    assert!(columns.len() > 10 && columns.iter().all(|column| *column == columns[0]), "{shown}");
    assert!(shown.contains("FAILS  exp "), "{shown}");
    for segment in token.split('.') {
        assert!(!shown.contains(segment), "{shown}");
    }
}

/// The segments of a token, of which some are other than they were.
fn mutate(token: &str, at: usize, with: char, cut: usize, segment: usize) -> String {
    let mut changed: Vec<char> = token.chars().collect();
    let at = at % changed.len();
    changed[at] = with;
    changed.truncate(changed.len() - cut % 5);
    let text: String = changed.into_iter().collect();
    match segment {
        0..3 => text
            .split('.')
            .enumerate()
            .map(|(i, part)| if i == segment { "e30" } else { part })
            .collect::<Vec<_>>()
            .join("."),
        3 => format!("{text}.{text}"),
        4 => token.to_owned(),
        _ => text,
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!([])),
        Just(json!(["at+jwt", AUDIENCE])),
        Just(json!(ISSUER)),
        Just(json!(AUDIENCE)),
        Just(json!("JWT")),
        Just(json!("none")),
        Just(json!({ "a": [1] })),
        (NOW - 10..NOW + 10).prop_map(|seconds| json!(seconds)),
        any::<i64>().prop_map(|number| json!(number)),
        any::<f64>().prop_map(|number| json!(number)),
        any::<bool>().prop_map(|flag| json!(flag)),
        "\\PC{0,40}".prop_map(|text| json!(text)),
    ]
}

proptest! {
    // `Forge::verify` compares the explanation of every token with what the verifier says of it.
    #[test]
    fn a_mutated_token_is_explained_as_it_is_verified(
        at in any::<usize>(), with in any::<char>(), cut in 0_usize..10, segment in 0_usize..9, plain in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let forge = runtime.block_on(Forge::eddsa());
        let forge = if plain { forge.plain() } else { forge };
        let token = mutate(&forge.good(), at, with, cut, segment);
        let _ = forge.verify(&token);
        let _ = alone(&forge, &token).to_string();
    }

    #[test]
    fn whatever_an_issuer_signs_is_explained_as_it_is_verified(
        header in proptest::collection::vec((prop_oneof![Just("alg"), Just("kid"), Just("typ"), Just("crit")], any_value()), 0..2),
        claims in proptest::collection::vec((prop_oneof![
            Just("iss"), Just("sub"), Just("aud"), Just("exp"), Just("nbf"), Just("iat"), Just("jti"), Just("client_id"),
            Just("azp"), Just("scope"), Just("scp"), Just("grant_id"), Just("nonce"), Just("typ"), Just("cnf"),
        ], any_value()), 0..3),
        gone in proptest::option::of(prop_oneof![Just("iss"), Just("exp"), Just("jti"), Just("scope"), Just("client_id")]),
        plain in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let forge = runtime.block_on(Forge::eddsa());
        let forge = if plain { forge.plain() } else { forge };
        let (mut head, mut body) = (forge.header(), Forge::claims());
        for (name, value) in header {
            head[name] = value;
        }
        for (name, value) in claims {
            body[name] = value;
        }
        if let Some(name) = gone {
            body.as_object_mut().unwrap().remove(name);
        }
        let token = forge.sign(head.to_string(), body.to_string());
        let _ = forge.verify(&token);
        let _ = alone(&forge, &token).to_string();
    }

    #[test]
    fn no_string_keeps_the_explanation_from_ending(text in "\\PC{0,300}|[A-Za-z0-9_.-]{0,300}", header in "\\PC{0,60}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let forge = runtime.block_on(Forge::eddsa());
        for token in [text.clone(), format!("{}.{}.AA", BASE64URL.encode(header), BASE64URL.encode(&text))] {
            prop_assert!(forge.verify(&token).is_err());
            prop_assert!(!alone(&forge, &token).findings.is_empty());
        }
    }
}

#[tokio::test]
async fn a_profile_changes_what_is_expected() {
    let forge = Forge::other("RS256").plain();
    let explanation = explained(&forge, &forge.with_claim("nonce", json!("x")), "me");
    assert_eq!((explanation.reason, finding(&explanation, "kind").verdict), (Some(Reason::OtherType), Verdict::Fails));
    assert_eq!(finding(&explanation, "kind").found, "another kind's `nonce`");
    for (name, value, reason) in [
        ("typ", json!("Refresh"), Some(Reason::OtherType)),
        ("token_use", json!("id"), Some(Reason::OtherType)),
        ("events", json!({}), Some(Reason::OtherType)),
        ("typ", json!("Bearer"), None),
    ] {
        assert_eq!(explained(&forge, &forge.with_claim(name, value), "me").reason, reason, "{name}");
    }
    let strict = Forge { profile: Profile::Rfc9068, ..forge };
    assert_eq!(explained(&strict, &strict.with_claim("nonce", json!("x")), "me").reason, None);
}
