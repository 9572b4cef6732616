//! Tokens of other issuers: those of RFC 9068, and those that follow no profile.

use serde_json::{Value, json};

use super::{super::verify::TokenProblem, Forge, Hand};
use crate::{jose::tests::OtherKey, key::KeySet};

/// As other issuers write their access tokens.
fn plain_claims() -> Value {
    let mut claims = Forge::claims();
    let members = claims.as_object_mut().unwrap();
    members.retain(|name, _| ["iss", "sub", "aud", "iat", "exp"].contains(&name.as_str()));
    claims
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = plain_claims();
    claims[name] = value;
    claims
}

#[tokio::test]
async fn c16_tokens_of_other_issuers_verify_and_changed_ones_do_not() {
    for name in ["RS256", "PS256", "ES384"] {
        let forge = Forge::other(name);
        let token = forge.good();
        assert_eq!(forge.verify(&token).unwrap().subject().as_str(), "alice");
        let (input, signature) = token.rsplit_once('.').unwrap();
        let other = if signature.starts_with('A') { "B" } else { "A" };
        forge.refuses(&format!("{input}.{other}{}", &signature[1..]), TokenProblem::BadSignature);
        forge.refuses(&format!("{input}."), TokenProblem::BadSignature);
        forge.refuses(&format!("{input}A.{signature}"), TokenProblem::BadSignature);
        forge.refuses(&forge.with_header("kid", json!("Theirs")), TokenProblem::UnknownKey);
        forge.refuses(&forge.with_header("kid", json!(null)), TokenProblem::UnknownKey);
        forge.refuses(&forge.with_header("kid", json!(1)), TokenProblem::UnknownKey);
    }
    let (mine, another) = (Forge::other("ES384"), Forge::other("ES384"));
    mine.refuses(&another.good(), TokenProblem::BadSignature);
}

#[tokio::test]
async fn c4_a_token_without_a_key_name_needs_the_only_key_of_its_algorithm() {
    let mut forge = Forge::other("ES384");
    let unnamed = forge.without_header("kid");
    assert!(forge.verify(&unnamed).is_ok());
    let Hand::Other { key, set, .. } = &mut forge.hand else { panic!("another issuer") };
    let mut second = OtherKey::p384().jwk();
    second["kid"] = json!("second");
    *set = KeySet::parse(json!({ "keys": [key.jwk(), second] }).to_string().as_bytes()).unwrap();
    forge.refuses(&unnamed, TokenProblem::UnknownKey);
    for own in [Forge::es256().await, Forge::eddsa().await] {
        own.refuses(&own.without_header("kid"), TokenProblem::UnknownKey);
    }
}

#[tokio::test]
async fn c4_of_two_keys_with_one_name_the_first_verifies() {
    let (mut first, mut second) = (Forge::other("ES384"), Forge::other("ES384"));
    let keys = [&first, &second].map(|forge| {
        let mut jwk = forge.jwk().unwrap();
        jwk["kid"] = json!("theirs");
        jwk
    });
    let document = json!({ "keys": keys }).to_string();
    for forge in [&mut first, &mut second] {
        let Hand::Other { set, .. } = &mut forge.hand else { panic!("another issuer") };
        *set = KeySet::parse(document.as_bytes()).unwrap();
    }
    assert!(first.verify(&first.good()).is_ok());
    second.refuses(&second.good(), TokenProblem::BadSignature);
}

#[tokio::test]
async fn c10_without_a_profile_only_types_that_say_nothing_are_taken_too() {
    let strict = Forge::other("RS256");
    for refused in [strict.with_header("typ", json!("JWT")), strict.without_header("typ")] {
        strict.refuses(&refused, TokenProblem::OtherType);
    }
    let forge = strict.plain();
    for typ in ["JWT", "jwt", "application/jwt", "at+jwt", "application/at+jwt"] {
        assert!(forge.verify(&forge.with_header("typ", json!(typ))).is_ok(), "{typ}");
    }
    assert!(forge.verify(&forge.without_header("typ")).is_ok());
    for typ in [
        json!("id_token"),
        json!("id_token+jwt"),
        json!("logout+jwt"),
        json!("dpop+jwt"),
        json!("rt+jwt"),
        json!("refresh+jwt"),
        json!("client-authentication+jwt"),
        json!("oauth-authz-req+jwt"),
        json!("secevent+jwt"),
        json!("token-introspection+jwt"),
        json!("JWT "),
        json!("JOSE"),
        json!(""),
        json!(null),
        json!(1),
        json!(["JWT"]),
    ] {
        forge.refuses(&forge.with_header("typ", typ), TokenProblem::OtherType);
    }
}

#[tokio::test]
async fn c10_id_refresh_and_logout_tokens_are_no_access_tokens_whatever_their_type() {
    let forge = Forge::other("RS256").plain();
    for (name, value) in [
        ("nonce", json!("n")),
        ("nonce", json!(null)),
        ("at_hash", json!("h")),
        ("c_hash", json!("h")),
        ("s_hash", json!("h")),
        ("events", json!({ "http://schemas.openid.net/event/backchannel-logout": {} })),
        ("typ", json!("ID")),
        ("typ", json!("Refresh")),
        ("typ", json!("Offline")),
        ("typ", json!("Logout")),
        ("typ", json!("access")),
        ("typ", json!("")),
        ("typ", json!(null)),
        ("typ", json!(["Bearer"])),
        ("token_use", json!("id")),
        ("token_use", json!("refresh")),
        ("token_use", json!("Bearer")),
        ("token_use", json!(null)),
    ] {
        forge.refuses(&forge.with_claim(name, value), TokenProblem::OtherType);
    }
    for (name, value) in
        [("typ", json!("Bearer")), ("typ", json!("bearer")), ("token_use", json!("access")), ("x", json!("nonce"))]
    {
        assert!(forge.verify(&forge.with_claim(name, value)).is_ok(), "{name}");
    }
    let strict = Forge::other("RS256");
    assert!(strict.verify(&strict.with_claim("nonce", json!("n"))).is_ok(), "its type says that it is an access token");
}

#[tokio::test]
async fn c10_a_nonce_is_no_mark_where_the_token_says_that_it_is_an_access_token_and_the_others_are() {
    let forge = Forge::other("RS256").plain();
    let signed = |claims: &Value| forge.sign(forge.header().to_string(), claims.to_string());
    for (name, kind) in [("typ", "Bearer"), ("token_use", "access")] {
        let said = |mark: &str| {
            let mut claims = with(name, kind.into());
            claims[mark] = json!("x");
            signed(&claims)
        };
        assert!(forge.verify(&said("nonce")).is_ok(), "{name}");
        for mark in ["at_hash", "c_hash", "s_hash", "events"] {
            forge.refuses(&said(mark), TokenProblem::OtherType);
        }
    }
    for (typ, token_use) in [("Bearer", "id"), ("ID", "access")] {
        let mut claims = with("typ", typ.into());
        claims["token_use"] = token_use.into();
        forge.refuses(&signed(&claims), TokenProblem::OtherType);
    }
}

#[tokio::test]
async fn c6_without_a_profile_what_is_there_still_has_its_type() {
    let forge = Forge::other("RS256").plain();
    let signed = |claims: &Value| forge.sign(forge.header().to_string(), claims.to_string());
    let bare = forge.verify(&signed(&plain_claims())).unwrap();
    assert_eq!((bare.client_id(), bare.token_id(), bare.scope().is_empty()), (None, None, true));
    for name in ["iss", "sub", "aud", "iat", "exp"] {
        let mut claims = plain_claims();
        claims.as_object_mut().unwrap().remove(name);
        forge.refuses(&signed(&claims), TokenProblem::MalformedClaims);
    }
    for (name, value) in [
        ("client_id", json!(1)),
        ("azp", json!(["app"])),
        ("azp", json!(null)),
        ("cid", json!({})),
        ("jti", json!(1)),
        ("scope", json!(["a"])),
        ("scp", json!(1)),
        ("scp", json!([1])),
        ("scp", json!(["a b"])),
        ("scp", json!([""])),
        ("scp", json!("a  b")),
        ("scp", json!({ "a": 1 })),
        ("exp", json!("1800000900")),
        ("sub", json!("")),
    ] {
        forge.refuses(&signed(&with(name, value)), TokenProblem::MalformedClaims);
    }
    let mut contradicting = with("client_id", json!(1));
    contradicting["azp"] = json!("app");
    forge.refuses(&signed(&contradicting), TokenProblem::MalformedClaims);
}

#[tokio::test]
async fn other_names_of_the_client_and_the_scope_count_only_without_a_profile() {
    let forge = Forge::other("RS256").plain();
    let verified = |claims: &Value| forge.verify(&forge.sign(forge.header().to_string(), claims.to_string())).unwrap();
    for name in ["client_id", "azp", "cid"] {
        assert_eq!(verified(&with(name, json!("app"))).client_id().unwrap().as_str(), "app", "{name}");
    }
    let mut both = with("azp", json!("other"));
    both["client_id"] = json!("app");
    assert_eq!(verified(&both).client_id().unwrap().as_str(), "app");
    for (name, value) in
        [("scope", json!("read write")), ("scp", json!("read write")), ("scp", json!(["read", "write"]))]
    {
        assert_eq!(verified(&with(name, value)).scope().to_string(), "read write", "{name}");
    }
    assert!(verified(&with("scp", json!([]))).scope().is_empty());
    let mut both = with("scope", json!("read"));
    both["scp"] = json!(["admin"]);
    assert_eq!(verified(&both).scope().to_string(), "read");

    let strict = Forge::other("RS256");
    for name in ["client_id", "jti"] {
        strict.refuses(&strict.without_claim(name), TokenProblem::MalformedClaims);
    }
    let mut claims = Forge::claims();
    claims.as_object_mut().unwrap().remove("scope");
    claims["scp"] = json!("admin");
    let token = strict.verify(&strict.sign(strict.header().to_string(), claims.to_string())).unwrap();
    assert!(token.scope().is_empty(), "RFC 9068 knows no such claim");
}
