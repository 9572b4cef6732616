//! What the feature `testing` gives: keys that sign anything, and that nobody trusts who was not told to.

use countersign_core::{
    authorization_server::Settings,
    error::BearerError,
    key::{HeldKey, KeyPairAlgorithm, KeySet, VerifyingKeys},
    names::ClientId,
    reason::Reason,
    token::BearerToken,
};
use serde_json::json;

use crate::support::{Login, NOW};

fn encode(bytes: impl AsRef<[u8]>) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(bytes)
}

#[tokio::test]
async fn a_ring_signs_what_a_test_gives_it_and_a_held_key_is_a_stranger() {
    let login = Login::with_settings(Settings::default()).await;
    let keys = login.server.keys();
    let issued = login.token().await.unwrap();
    let payload = issued.secret().split('.').nth(1).unwrap().to_owned();
    let header = json!({ "alg": "ES256", "kid": keys.signing_id(NOW).unwrap().as_str(), "typ": "at+jwt" });
    let input = format!("{}.{payload}", encode(header.to_string()));
    let ours = format!("{input}.{}", encode(keys.sign_for_test(input.as_bytes(), NOW).unwrap()));
    assert!(login.server.verify(&BearerToken::new(ours)).await.is_ok());

    let held = HeldKey::generate(KeyPairAlgorithm::Es256).unwrap();
    let theirs = format!("{input}.{}", encode(held.sign(input.as_bytes()).unwrap()));
    let refused = login.server.verify(&BearerToken::new(theirs)).await.unwrap_err();
    assert_eq!(refused, BearerError::InvalidToken(Reason::BadSignature));
    assert!(keys.find(Some(held.id()), "ES256", NOW).is_none());
    let set = json!({ "keys": [held.public()] }).to_string();
    assert!(KeySet::parse(set.as_bytes()).unwrap().find(Some(held.id()), held.algorithm().name(), NOW).is_some());
    assert!(HeldKey::of_secret(b"short").unwrap().public().is_none(), "a secret is never published");
}

#[tokio::test]
async fn a_test_asks_for_the_clock_and_the_claims() {
    let login = Login::with_settings(Settings::default()).await;
    assert_eq!(login.server.clock_for_test().now(), NOW);
    let (subject, client, scope) = (Login::subject(), ClientId::new("app"), "me".parse().unwrap());
    assert!(login.server.own_claims_for_test(&subject, &client, &scope).await.unwrap().is_empty());
}
