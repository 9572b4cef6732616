//! Keys that change while the store fails, and how they are published meanwhile.

use std::time::Duration;

use axum::http::StatusCode;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    Found, KeyId, KeyRotation, Memory, OAuth2, StartError,
    core::{
        key::{DEFAULT_ROTATION, Made, PUBLISHED_KEYS_MAX_AGE},
        store::Keys,
    },
};

use crate::{
    faults::Faulty,
    support::{NOW, TestApp},
};

const LOGIN: &str = "username=alice&password=correct+horse&scope=me";
const JWKS: &str = "/.well-known/jwks.json";

/// A token with this key in its header.
fn named(token: &str, key: &str) -> String {
    let header = format!("{{\"alg\":\"ES256\",\"kid\":\"{key}\",\"typ\":\"at+jwt\"}}");
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), token.split_once('.').unwrap().1)
}

#[tokio::test]
async fn l6_a_fault_while_keys_are_replaced_is_a_503_or_nobodys_concern() {
    let mut granted = 0;
    for call in 1.. {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder).await;
        app.forward(DEFAULT_ROTATION.as_secs());
        store.fail_at(call);
        let answer = app.post_token(LOGIN).await;
        if store.is_to_fail() {
            break;
        }
        if answer.status == StatusCode::OK {
            granted += 1;
            app.forward(1);
            app.get_as("/user", answer.json()["access_token"].as_str().unwrap()).await.expect(StatusCode::OK);
        } else {
            answer.expect_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
        }
        assert!(store.store.find_keys().await.unwrap().len() <= 2);
        app.forward(60);
        app.post_token(LOGIN).await.expect(StatusCode::OK);
        assert_eq!(store.store.find_keys().await.unwrap().len(), 2, "the next key is made then: {call}");
    }
    assert!(granted >= 2, "the feed, and the making of the next key: {granted}");
}

#[tokio::test]
async fn i3_a_key_that_cannot_be_made_is_not_tried_with_every_login() {
    let store = Faulty::default();
    let app = TestApp::with(store.clone(), |builder| builder).await;
    app.forward(DEFAULT_ROTATION.as_secs());
    // The feed, the keys, and then the next.
    store.fail_at(3);
    app.post_token(LOGIN).await.expect(StatusCode::OK);
    assert!(!store.is_to_fail());
    app.forward(59);
    app.post_token(LOGIN).await.expect(StatusCode::OK);
    assert_eq!(store.store.find_keys().await.unwrap().len(), 1);
    app.forward(1);
    app.post_token(LOGIN).await.expect(StatusCode::OK);
    assert_eq!(store.store.find_keys().await.unwrap().len(), 2);
}

#[tokio::test]
async fn c23_whether_a_key_is_unknown_is_not_said_while_the_store_is_away() {
    let store = Faulty::default();
    let app = TestApp::with(store.clone(), |builder| builder).await;
    let token = named(&app.token("me").await, "another");
    app.get_as("/any", &token).await.expect_invalid_token();
    app.forward(1);
    // The feed, and then the keys.
    store.fail_at(2);
    app.get_as("/any", &token).await.expect(StatusCode::SERVICE_UNAVAILABLE);
    app.get_as("/any", &token).await.expect(StatusCode::SERVICE_UNAVAILABLE);
    app.forward(1);
    app.get_as("/any", &token).await.expect_invalid_token();
    // Once a second: whoever invents keys keeps nobody busy.
    store.fail_at(1);
    for key in ["one", "two", "three"] {
        app.get_as("/any", &named(&token, key)).await.expect_invalid_token();
    }
    assert!(store.is_to_fail(), "the store is not asked");
}

#[tokio::test]
async fn i3_published_keys_may_be_kept_for_as_long_as_a_new_one_waits_and_are_never_older() {
    let store = Faulty::default();
    let app = TestApp::with(store.clone(), |builder| builder).await;
    let max_age = PUBLISHED_KEYS_MAX_AGE.as_secs();
    let published = app.get(JWKS).await.expect(StatusCode::OK);
    assert_eq!(published.header("cache-control"), format!("public, max-age={max_age}"));
    let away = |calls| {
        // The feed, and then the keys.
        store.fail_at(calls);
        app.get(JWKS)
    };
    app.forward(59);
    assert_eq!(away(2).await.expect(StatusCode::OK).body, published.body);
    assert!(store.is_to_fail(), "within a minute nobody asks");
    app.forward(max_age - 60);
    assert_eq!(away(2).await.expect(StatusCode::OK).body, published.body, "what is known is said");
    app.forward(1);
    away(2).await.expect_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
    app.get(JWKS).await.expect(StatusCode::SERVICE_UNAVAILABLE);
    app.forward(1);
    assert_eq!(app.get(JWKS).await.expect(StatusCode::OK).body, published.body);
}

#[tokio::test]
async fn i5_keys_of_which_a_withdrawal_left_none_are_a_503_while_the_store_is_away_and_never_an_empty_set() {
    let store = Faulty::default();
    let app = TestApp::with(store.clone(), |builder| builder).await;
    let server = app.oauth2.server().unwrap();
    let leaked = server.keys().signing_id(server.now()).unwrap().clone();
    // By another process, which has not made the next key.
    store.store.withdraw_key(&leaked, NOW, NOW.plus(Duration::from_secs(900))).await.unwrap();
    // The feed; the keys, and then the next.
    for call in [2, 3] {
        app.forward(1);
        store.fail_at(call);
        app.get(JWKS).await.expect_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
        assert!(!store.is_to_fail());
        store.fail_at(1);
        for _ in 0..3 {
            app.get(JWKS).await.expect_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
        }
        assert!(store.is_to_fail(), "whoever asks often keeps nobody busy: {call}");
    }
    app.forward(1);
    store.fail_at(0);
    let published = app.get(JWKS).await.expect(StatusCode::OK).json();
    let keys = published["keys"].as_array().unwrap();
    assert!(keys.len() == 1 && keys[0]["kid"] != leaked.as_str(), "{published}");
    store.fail_at(1);
    assert_eq!(app.get(JWKS).await.expect(StatusCode::OK).json(), published);
    assert!(store.is_to_fail(), "it is read once");
}

#[tokio::test]
async fn i3_a_rotation_that_is_too_fast_keeps_an_api_from_starting() {
    let build = |rotation| OAuth2::new(Memory::new()).key_rotation(rotation).build();
    let refused = build(KeyRotation::Every(Duration::from_secs(3599))).await;
    assert!(matches!(refused, Err(StartError::KeyRotation { shortest: 3600 })), "{refused:?}");
    build(KeyRotation::Every(Duration::from_secs(3600))).await.unwrap();
    build(KeyRotation::Off).await.unwrap();
}

#[tokio::test]
async fn i3_i5_code_rotates_keys_and_withdraws_one_that_leaked() {
    let app = TestApp::new().await;
    let token = app.token("me").await;
    app.get_as("/any", &token).await.expect(StatusCode::OK);
    assert_eq!(app.oauth2.withdraw_key(&KeyId::new("another")).await.unwrap(), Found::No);
    let server = app.oauth2.server().unwrap();
    let leaked = server.keys().signing_id(server.now()).unwrap().clone();
    let next = app.oauth2.rotate_keys().await.unwrap();
    assert_eq!((next.made, next.id == leaked), (Made::Now, false));
    assert_eq!(app.oauth2.rotate_keys().await.unwrap().made, Made::Before);
    app.get_as("/any", &token).await.expect(StatusCode::OK);
    assert_eq!(app.oauth2.withdraw_key(&leaked).await.unwrap(), Found::Yes);
    app.get_as("/any", &token).await.expect_invalid_token();
    assert_eq!(server.keys().signing_id(server.now()), Some(&next.id));
    assert_eq!(app.oauth2.withdraw_key(&leaked).await.unwrap(), Found::No);
}
