//! `private_key_jwt` (RFC 7523): what an assertion must say, and that it says it once.

use std::sync::Arc;

use axum::http::StatusCode;
use countersign::core::{
    client::{ClientKeys, ClientProblem},
    jose::KeyProblem,
    key::{HeldKey, KeyPairAlgorithm},
};
use serde_json::{Value, json};

use super::support::{OF_ITS_OWN, SECRET, SigningClient, add, claims, service, with_assertion};
use crate::store::any_store;
use crate::support::{Answer, ISSUER, NOW, TestApp};

const ID: &str = "signer";

struct Signed {
    app: TestApp,
    key: SigningClient,
}

impl Signed {
    async fn new() -> Self {
        let (app, key) = (TestApp::new().await, SigningClient::new(KeyPairAlgorithm::Es256));
        add(&app.oauth2, service(ID).keys(key.jwks())).await;
        Self { app, key }
    }

    async fn send(&self, assertion: &str) -> Answer {
        self.app.ask(&format!("{OF_ITS_OWN}{}", with_assertion(assertion)), None).await
    }

    async fn refuse(&self, assertion: &str, why: &str) {
        let answer = self.send(assertion).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{why}: {}", answer.body);
        answer.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
    }

    fn with_claim(&self, name: &str, value: Value) -> String {
        let mut claims = claims(ID, "changed");
        claims[name] = value;
        self.key.sign(&self.key.header(), &claims)
    }
}

#[tokio::test]
async fn h7_an_assertion_that_says_anything_else_is_refused() {
    let signed = Signed::new().await;
    let now = NOW.seconds();
    for (name, value) in [
        ("aud", json!([ISSUER])),
        ("aud", json!([ISSUER, "https://other.example.com"])),
        ("aud", json!(format!("{ISSUER}/token"))),
        ("aud", json!(format!("{ISSUER}/"))),
        ("aud", json!("HTTPS://api.example.com")),
        ("aud", json!("")),
        ("aud", Value::Null),
        ("iss", json!("another")),
        ("iss", json!(ISSUER)),
        ("iss", Value::Null),
        ("sub", json!("another")),
        ("sub", json!(7)),
        ("exp", json!(now - 5)),
        ("exp", json!(now + 5 * 60 + 6)),
        ("exp", json!(i64::MAX)),
        ("exp", json!(u64::MAX)),
        ("exp", json!((now + 60).to_string())),
        ("exp", Value::Null),
        ("nbf", json!(now + 6)),
        ("nbf", json!("now")),
        ("iat", json!(now + 6)),
        ("iat", json!(null)),
        ("jti", json!("")),
        ("jti", json!(7)),
        ("jti", Value::Null),
    ] {
        signed.refuse(&signed.with_claim(name, value.clone()), &format!("{name} {value}")).await;
    }
    for missing in ["iss", "sub", "aud", "exp", "jti"] {
        let mut claims = claims(ID, "missing");
        claims.as_object_mut().unwrap().remove(missing);
        signed.refuse(&signed.key.sign(&signed.key.header(), &claims), missing).await;
    }
    for (name, value) in [("exp", now - 4), ("exp", now + 5 * 60 + 5), ("nbf", now + 5), ("iat", now + 5)] {
        let mut claims = claims(ID, &format!("{name} {value}"));
        claims[name] = value.into();
        let answer = signed.send(&signed.key.sign(&signed.key.header(), &claims)).await;
        assert_eq!(answer.status, StatusCode::OK, "{name} {value}: {}", answer.body);
    }
    let mut least = claims(ID, "least");
    least.as_object_mut().unwrap().remove("iat");
    signed.send(&signed.key.sign(&signed.key.header(), &least)).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn h7_no_other_type_algorithm_or_key_is_taken() {
    let signed = Signed::new().await;
    let good = claims(ID, "1");
    for typ in ["at+jwt", "application/at+jwt", "dpop+jwt", "logout+jwt", ""] {
        let mut header = signed.key.header();
        header["typ"] = typ.into();
        signed.refuse(&signed.key.sign(&header, &good), typ).await;
    }
    for alg in ["none", "None", "HS256", "RS256", "ES384", ""] {
        let mut header = signed.key.header();
        header["alg"] = alg.into();
        signed.refuse(&signed.key.sign(&header, &good), alg).await;
    }
    let mut critical = signed.key.header();
    critical["crit"] = json!(["exp"]);
    signed.refuse(&signed.key.sign(&critical, &good), "crit").await;
    let mut embedded = signed.key.header();
    let attacker = SigningClient::new(KeyPairAlgorithm::Es256);
    embedded["jwk"] = json!(attacker.0.public());
    signed.refuse(&attacker.sign(&embedded, &good), "a key of the attacker's in the header").await;
    signed.refuse(&attacker.sign(&signed.key.header(), &good), "another key").await;
    // The published key as a secret (RFC 8725 §2.1).
    let public = signed.key.jwks();
    let forger = SigningClient(HeldKey::of_secret(public.as_bytes()).unwrap());
    let mut header = signed.key.header();
    header["alg"] = "HS256".into();
    signed.refuse(&forger.sign(&header, &good), "HS256 with the public key").await;
    let assertion = signed.key.assertion(ID, "2");
    let (input, _) = assertion.rsplit_once('.').unwrap();
    for bad in [format!("{input}."), input.to_owned(), format!("{assertion}A"), String::from("x"), "..".to_owned()] {
        signed.refuse(&bad, &bad).await;
    }
    for typ in [json!("JWT"), json!("jwt"), json!("client-authentication+jwt"), json!("application/jwt")] {
        let mut header = signed.key.header();
        header["typ"] = typ.clone();
        let answer = signed.send(&signed.key.sign(&header, &claims(ID, &typ.to_string()))).await;
        assert_eq!(answer.status, StatusCode::OK, "{typ}: {}", answer.body);
    }
    let mut plain = signed.key.header();
    plain.as_object_mut().unwrap().remove("typ");
    plain.as_object_mut().unwrap().remove("kid");
    signed.send(&signed.key.sign(&plain, &claims(ID, "plain"))).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn h7_an_assertion_is_good_once_and_only_for_its_client() {
    let signed = Signed::new().await;
    add(&signed.app.oauth2, service("other").keys(signed.key.jwks())).await;
    let assertion = signed.key.assertion(ID, "1");
    signed.send(&assertion).await.expect(StatusCode::OK);
    signed.refuse(&assertion, "a replay").await;
    signed.refuse(&signed.key.sign(&signed.key.header(), &expiring("1", 90)), "the same name in another").await;
    signed.send(&signed.key.assertion("other", "1")).await.expect(StatusCode::OK);
    // As long as it could be accepted it is remembered, though another process sweeps whose clock is ahead.
    signed.app.forward(64);
    let server = signed.app.oauth2.server().unwrap();
    let ahead = server.now().plus(std::time::Duration::from_secs(30));
    server.store().sweep(ahead, std::time::Duration::ZERO, 1000).await.unwrap();
    signed.refuse(&assertion, "a late replay").await;
    // Being refused uses nothing up.
    let fresh = signed.key.sign(&signed.key.header(), &expiring("2", 200));
    let body = format!("{OF_ITS_OWN}&client_id=other{}", with_assertion(&fresh));
    signed.app.ask(&body, None).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
    let body = format!("{OF_ITS_OWN}&client_id={ID}{}", with_assertion(&fresh));
    signed.app.ask(&body, None).await.expect(StatusCode::OK);
}

/// Claims with this name that expire so many seconds from now.
fn expiring(token_id: &str, seconds: i64) -> Value {
    let mut claims = claims(ID, token_id);
    claims["exp"] = (NOW.seconds() + seconds).into();
    claims
}

#[tokio::test(flavor = "multi_thread")]
async fn h7_of_many_uses_at_once_in_two_processes_one_passes() {
    // Nothing but the store connects the two.
    let store = any_store().await;
    let apps = [TestApp::with(store.clone(), |builder| builder).await, TestApp::with(store, |builder| builder).await];
    let apps = Arc::new(apps);
    let key = SigningClient::new(KeyPairAlgorithm::EdDsa);
    add(&apps[0].oauth2, service(ID).keys(key.jwks())).await;
    let body = format!("{OF_ITS_OWN}{}", with_assertion(&key.assertion(ID, "1")));
    let uses: Vec<_> = (0..50)
        .map(|i| {
            let (apps, body) = (apps.clone(), body.clone());
            tokio::spawn(async move { apps[i % 2].ask(&body, None).await.status })
        })
        .collect();
    let mut passed = 0;
    for answer in uses {
        match answer.await.unwrap() {
            StatusCode::OK => passed += 1,
            other => assert_eq!(other, StatusCode::UNAUTHORIZED),
        }
    }
    assert_eq!(passed, 1);
}

#[tokio::test]
async fn h7_what_is_missing_or_of_another_type_is_told() {
    let signed = Signed::new().await;
    let assertion = signed.key.assertion(ID, "1");
    for (body, missing) in [
        (format!("&client_assertion={assertion}"), "client_assertion_type"),
        ("&client_assertion_type=x".to_owned(), "client_assertion"),
    ] {
        let answer = signed.app.ask(&format!("{OF_ITS_OWN}{body}"), None).await;
        let answer = answer.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        assert_eq!(answer.json()["detail"][0]["loc"][1], missing);
    }
    let saml = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Asaml2-bearer";
    let body = format!("{OF_ITS_OWN}&client_assertion_type={saml}&client_assertion={assertion}");
    signed.app.ask(&body, None).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
}

#[tokio::test]
async fn h6_an_assertion_is_for_clients_that_registered_keys() {
    let signed = Signed::new().await;
    add(&signed.app.oauth2, service("app").secret(SECRET)).await;
    signed.refuse(&signed.key.assertion("app", "1"), "a client with a secret").await;
    signed.refuse(&signed.key.assertion("nobody", "1"), "an unknown client").await;
    let access = signed.send(&signed.key.assertion(ID, "1")).await.expect(StatusCode::OK).json();
    signed.refuse(access["access_token"].as_str().unwrap(), "an access token of its own").await;
}

#[test]
fn h7_only_public_keys_that_sign_are_registered() {
    let key = SigningClient::new(KeyPairAlgorithm::Es256);
    let public: Value = json!(key.0.public().unwrap());
    let with = |name: &str, value: Value| {
        let mut changed = public.clone();
        changed[name] = value;
        json!({ "keys": [public, changed] }).to_string()
    };
    for (jwks, problem) in [
        (with("d", json!("AAAA")), ClientProblem::Key(KeyProblem::NotPublic)),
        (with("use", json!("enc")), ClientProblem::Key(KeyProblem::OtherUse)),
        (with("alg", json!("ES384")), ClientProblem::Key(KeyProblem::OtherAlgorithm)),
        (with("kty", json!("XX")), ClientProblem::Key(KeyProblem::Unsupported)),
        (with("x5c", json!("the same name")), ClientProblem::Key(KeyProblem::Duplicate)),
        (json!({ "keys": [{ "kty": "oct", "k": "AAAA" }] }).to_string(), ClientProblem::Key(KeyProblem::NotPublic)),
        (json!({ "keys": [] }).to_string(), ClientProblem::NoKey),
        (with("x", json!("A".repeat(17_000))), ClientProblem::KeysTooLong),
    ] {
        assert_eq!(ClientKeys::parse(jwks.clone()), Err(problem), "{jwks}");
    }
    for jwks in ["", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[],\"keys\":[]}", "https://client.example.com/jwks"] {
        assert!(matches!(ClientKeys::parse(jwks), Err(ClientProblem::KeySet(_))), "{jwks}");
    }
    assert!(ClientKeys::parse(key.jwks()).is_ok());
}

#[tokio::test]
async fn every_asymmetric_algorithm_that_the_metadata_names_is_no_secret() {
    let metadata = TestApp::new().await.get("/.well-known/oauth-authorization-server").await.json();
    let methods = json!(["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]);
    assert_eq!(metadata["token_endpoint_auth_methods_supported"], methods);
    let algorithms = json!(["ES256", "ES384", "EdDSA", "RS256", "PS256"]);
    assert_eq!(metadata["token_endpoint_auth_signing_alg_values_supported"], algorithms);
}
