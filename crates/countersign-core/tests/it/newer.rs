//! Beside a newer program on the same store: what it tells, and keeps there, that nobody here knows.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_core::{
    authorization_server::{AuthorizationServer, Request, RevocationSettings, Settings, WhenStale},
    clock::{Clock, Timestamp},
    error::{BearerError, OAuthError},
    form::Form,
    jose::Algorithm,
    key::{KeyPairAlgorithm, KeyState, Made, SigningChoice, states},
    names::{GrantId, KeyId},
    reason::Reason,
    store::{Ended, Feed, Found, KeyRecord, Keys, PrivateKey, RestingAlgorithm, RestingKey},
    token::BearerToken,
};
use serde_json::json;

use crate::support::{Login, NOW, log_of};

const LIFE: Duration = Duration::from_secs(900);

const SECOND: Duration = Duration::from_secs(1);

async fn cannot_know(server: &AuthorizationServer, token: &BearerToken) {
    assert!(server.recall(token.secret().as_bytes()).is_none());
    let refused = server.verify(token).await;
    assert!(matches!(refused, Err(BearerError::TemporarilyUnavailable { .. })), "{refused:?}");
}

async fn with(when_stale: WhenStale) -> Login {
    let revocation = RevocationSettings { when_stale, ..RevocationSettings::default() };
    Login::with_settings(Settings { revocation, ..Settings::default() }).await
}

#[tokio::test]
async fn n8_a_token_that_may_have_ended_in_a_way_nobody_here_knows_is_neither_believed_nor_refused() {
    let login = with(WhenStale::Refuse).await;
    let (seen, unseen) = (login.token().await.unwrap(), login.token().await.unwrap());
    login.server.verify(&seen).await.unwrap();
    // What stops none that expires later stops none of these.
    login.store.append_feed(&Ended::Other(None), NOW.plus(LIFE - SECOND)).await.unwrap();
    login.server.hear_of_it().await.unwrap();
    login.server.verify(&seen).await.unwrap();
    let (heard, log) = log_of(async {
        login.store.append_feed(&Ended::Other(None), NOW.plus(LIFE)).await.unwrap();
        login.server.hear_of_it().await
    })
    .await;
    heard.unwrap();
    assert!(log.contains("event=\"feed\" outcome=\"unknown_kind\" number=2"), "{log}");
    // One that starts later hears the same, and starts.
    let later = login.start(Settings::default()).await.unwrap();
    for server in [&login.server, &later] {
        for token in [&seen, &unseen] {
            cannot_know(server, token).await;
        }
    }
    login.clock.forward(SECOND);
    let after = login.token().await.unwrap();
    for server in [&login.server, &later] {
        server.verify(&after).await.unwrap();
        assert!(server.recall(after.secret().as_bytes()).is_some(), "it is remembered");
    }
}

#[tokio::test]
async fn n8_what_is_said_to_have_been_issued_later_goes_on() {
    let login = with(WhenStale::Refuse).await;
    let before = login.token().await.unwrap();
    login.store.append_feed(&Ended::Other(Some(NOW)), NOW.plus(LIFE * 9)).await.unwrap();
    login.clock.forward(SECOND);
    let after = login.token().await.unwrap();
    cannot_know(&login.server, &before).await;
    login.server.verify(&after).await.unwrap();
    // Another entry says more, and takes nothing back.
    login.store.append_feed(&Ended::Other(Some(NOW.minus(SECOND))), NOW).await.unwrap();
    login.server.hear_of_it().await.unwrap();
    cannot_know(&login.server, &before).await;
    login.server.verify(&after).await.unwrap();
}

#[tokio::test]
async fn n8_what_is_known_to_have_ended_is_heard_beside_what_is_not_known() {
    for when_stale in [WhenStale::Refuse, WhenStale::Accept] {
        let login = with(when_stale).await;
        let (ended, other) = (login.token().await.unwrap(), login.token().await.unwrap());
        let token = login.server.verify(&ended).await.unwrap();
        let grant: GrantId = token.grant_id().unwrap().clone();
        login.store.append_feed(&Ended::Other(None), NOW.plus(LIFE)).await.unwrap();
        login.store.append_feed(&Ended::Grant(grant), NOW.plus(LIFE)).await.unwrap();
        login.server.hear_of_it().await.unwrap();
        let refused = login.server.verify(&ended).await.unwrap_err();
        assert_eq!(refused, BearerError::InvalidToken(Reason::Revoked), "{when_stale:?}");
        match when_stale {
            WhenStale::Refuse => cannot_know(&login.server, &other).await,
            WhenStale::Accept => drop(login.server.verify(&other).await.unwrap()),
        }
    }
}

/// A key as only a newer program can use it.
fn of_newer(algorithm: RestingAlgorithm, private_key: RestingKey) -> KeyRecord {
    KeyRecord {
        id: KeyId::new("newer"),
        algorithm,
        private_key,
        signs_from: NOW,
        verifies_until: None,
        withdrawn_at: None,
    }
}

/// A token as a newer program may sign it, for all that anybody here can tell.
async fn signed_by_newer(login: &Login, algorithm: &str) -> BearerToken {
    let header = json!({ "alg": algorithm, "kid": "newer", "typ": "at+jwt" }).to_string();
    let token = login.token().await.unwrap();
    let (_, rest) = token.secret().split_once('.').unwrap();
    BearerToken::new(format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header)))
}

fn state(records: &[KeyRecord], now: Timestamp) -> KeyState {
    let place = records.iter().position(|record| record.id.as_str() == "newer").unwrap();
    states(records, Some(Algorithm::Es256), LIFE, now)[place]
}

#[tokio::test]
async fn n8_a_key_that_only_a_newer_program_can_use_keeps_nobody_from_signing_and_verifying() {
    let plain = || RestingKey::from(PrivateKey::from_pkcs8(*b"of another form"));
    for (algorithm, rests, alg) in [
        (RestingAlgorithm::Other("ES512".to_owned()), plain(), "ES512"),
        // Known, and signed with by others alone.
        (Algorithm::Es384.into(), plain(), "ES384"),
        (Algorithm::Ps256.into(), plain(), "PS256"),
        (Algorithm::EdDsa.into(), RestingKey::Other, "EdDSA"),
    ] {
        let login = Login::with_settings(Settings::default()).await;
        let ours = login.token().await.unwrap();
        let theirs = signed_by_newer(&login, alg).await;
        let unknown = login.server.verify(&theirs).await.unwrap_err();
        assert_eq!(unknown, BearerError::InvalidToken(Reason::UnknownKey), "there is no such key yet");
        login.store.put_first_key(&of_newer(algorithm, rests)).await.unwrap();
        let (later, log) = log_of(login.start(Settings::default())).await;
        let later = later.unwrap();
        assert!(log.contains("event=\"key\" outcome=\"unknown_kind\""), "{log}");
        login.clock.forward(Duration::from_secs(60));
        for server in [&login.server, &later] {
            server.verify(&ours).await.unwrap();
            server.verify(&Login::token_of(server).await.unwrap()).await.unwrap();
            assert_eq!(server.published_keys().await.unwrap().keys.len(), 1, "{alg}");
            // It may be good.
            cannot_know(server, &theirs).await;
            let form = Form::parse(format!("token={}", theirs.secret()).as_bytes()).unwrap();
            let refused = server.revoke(Request::new(None, &form)).await;
            assert!(matches!(refused, Err(OAuthError::TemporarilyUnavailable { .. })), "{refused:?}");
        }
        let records = login.store.find_keys().await.unwrap();
        assert_eq!(state(&records, login.clock.now()), KeyState::OfNewer);
        // It is withdrawn like any other, and then its tokens are nobody's.
        assert_eq!(login.server.withdraw_key(&KeyId::new("newer")).await.unwrap(), Found::Yes);
        login.clock.forward(SECOND);
        for server in [&login.server, &later] {
            let refused = server.verify(&theirs).await.unwrap_err();
            assert_eq!(refused, BearerError::InvalidToken(Reason::UnknownKey));
        }
        let records = login.store.find_keys().await.unwrap();
        assert_eq!(state(&records, login.clock.now()), KeyState::Withdrawn);
    }
}

#[tokio::test]
async fn n8_where_the_only_key_is_of_a_newer_program_another_is_made() {
    let settings = Settings { signing: SigningChoice::KeyPair(KeyPairAlgorithm::EdDsa), ..Settings::default() };
    let login = Login::with_settings(settings).await;
    let waits = NOW.plus(LIFE);
    let newer = KeyRecord { signs_from: waits, ..of_newer(Algorithm::Es256.into(), RestingKey::Other) };
    login.store.put_first_key(&newer).await.unwrap();
    let server = login.start(Settings::default()).await.unwrap();
    server.verify(&Login::token_of(&server).await.unwrap()).await.unwrap();
    assert_eq!(login.store.find_keys().await.unwrap().len(), 3);
    assert!(server.keys().signing_id(login.clock.now()).is_some_and(|id| *id != newer.id));
    assert_eq!(server.rotate_keys().await.unwrap().made, Made::Now, "that one waits for nobody here");
}
