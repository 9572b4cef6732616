//! Keys that are replaced and withdrawn, by two servers over one store: nothing but the store connects them.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_core::{
    authorization_server::{AuthorizationServer, Request, Settings},
    clock::{Clock, Timestamp},
    error::BearerError,
    jose::Algorithm,
    key::{
        DEFAULT_ROTATION, KeyPairAlgorithm, KeyRotation, KeySet, KeyState, MAX_TOKEN_LIFETIME, Made, PUBLISHED_BEFORE,
        PUBLISHED_KEYS_MAX_AGE, SigningChoice, states,
    },
    names::KeyId,
    reason::Reason,
    store::{Found, KeyRecord, Keys},
    token::{
        BearerToken,
        verify::{Expected, Profile, verify},
    },
};
use serde_json::Value;

use crate::support::{Login, NOW};

/// The life of a token and the leeway, as they are by default.
const LIFE: Duration = Duration::from_secs(905);

const SECOND: Duration = Duration::from_secs(1);

const UNKNOWN_KEY: BearerError = BearerError::InvalidToken(Reason::UnknownKey);

fn key_id(token: &BearerToken) -> KeyId {
    let header = URL_SAFE_NO_PAD.decode(token.secret().split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    KeyId::new(header["kid"].as_str().unwrap())
}

async fn published(server: &AuthorizationServer) -> Vec<KeyId> {
    server.published_keys().await.unwrap().keys.iter().map(countersign_core::jose::Jwk::key_id).collect()
}

/// What each key is for now, in the order in which they came.
async fn states_now(login: &Login) -> Vec<KeyState> {
    states(&login.store.find_keys().await.unwrap(), Some(Algorithm::Es256), LIFE, login.clock.now())
}

async fn keys(login: &Login) -> Vec<KeyRecord> {
    login.store.find_keys().await.unwrap()
}

fn signing_with(algorithm: KeyPairAlgorithm) -> Settings {
    Settings { signing: SigningChoice::KeyPair(algorithm), ..Settings::default() }
}

/// Two servers over one store, each as sure of itself as the other.
async fn two() -> (Login, AuthorizationServer) {
    let login = Login::with_settings(Settings::default()).await;
    let other = login.start(Settings::default()).await.unwrap();
    (login, other)
}

#[tokio::test]
async fn i3_a_key_is_published_long_before_it_signs_and_stays_until_its_last_token_has_expired() {
    let (login, other) = two().await;
    let first = key_id(&login.token().await.unwrap());
    login.clock.forward(DEFAULT_ROTATION - PUBLISHED_BEFORE - SECOND);
    login.token().await.unwrap();
    assert_eq!(keys(&login).await.len(), 1, "its time has not come");
    login.clock.forward(SECOND);
    login.token().await.unwrap();
    let [_, next] = keys(&login).await.try_into().unwrap();
    let made_at = login.clock.now();
    assert_eq!(next.signs_from, made_at.plus(PUBLISHED_BEFORE));
    assert!(PUBLISHED_BEFORE >= 2 * PUBLISHED_KEYS_MAX_AGE, "an answer of ours may be old, and another's copy of it");
    assert_eq!(states_now(&login).await, [KeyState::Signing, KeyState::Next]);

    // The other server publishes it within a minute, though nobody told it.
    login.clock.forward(Duration::from_secs(60));
    for server in [&login.server, &other] {
        assert_eq!(published(server).await, [first.clone(), next.id.clone()]);
    }
    login.clock.forward(PUBLISHED_BEFORE - Duration::from_secs(61));
    let last = Login::token_of(&other).await.unwrap();
    assert_eq!(key_id(&last), first, "the old one signs to its last second");
    login.clock.forward(SECOND);
    for server in [&login.server, &other] {
        assert_eq!(key_id(&Login::token_of(server).await.unwrap()), next.id);
    }
    assert_eq!(states_now(&login).await, [KeyState::Verifying, KeyState::Signing]);
    login.clock.forward(Duration::from_secs(900));
    for server in [&login.server, &other] {
        server.verify(&last).await.unwrap();
    }
    // A process with other settings may have issued tokens that live for a day.
    let retired_at = keys(&login).await[0].verifies_until.unwrap();
    assert!(retired_at >= next.signs_from.plus(MAX_TOKEN_LIFETIME));
    login.clock.forward(Duration::from_secs((retired_at.seconds() - login.clock.now().seconds()).unsigned_abs()));
    for server in [&login.server, &other] {
        assert_eq!(published(server).await, std::slice::from_ref(&next.id));
    }
    assert_eq!(states_now(&login).await, [KeyState::Retired, KeyState::Signing]);
}

/// A service elsewhere that keeps the published keys for as long as it may, and asks for none in between.
#[derive(Default)]
struct Elsewhere(Mutex<Option<(Timestamp, Arc<KeySet>)>>);

impl Elsewhere {
    async fn verify(&self, token: &BearerToken, asked: &AuthorizationServer, clock: &dyn Clock) {
        let is_good = |at: &Timestamp| clock.now() < at.plus(PUBLISHED_KEYS_MAX_AGE);
        let kept = self.0.lock().unwrap().clone().filter(|(at, _)| is_good(at));
        let keys = match kept {
            Some((_, keys)) => keys,
            None => {
                let at = clock.now();
                let published = serde_json::to_vec(&asked.published_keys().await.unwrap()).unwrap();
                let keys = Arc::new(KeySet::parse(&published).unwrap());
                *self.0.lock().unwrap() = Some((at, keys.clone()));
                keys
            }
        };
        let (issuer, audience) = (asked.issuer(), asked.audience());
        let leeway = Duration::from_secs(5);
        verify(token, Expected { keys: &*keys, profile: Profile::Rfc9068, issuer, audience, leeway }, clock).unwrap();
    }
}

/// Logins at one server, verified at the other, while the clock goes past all that happens to keys in a rotation.
#[tokio::test(flavor = "multi_thread")]
async fn i3_no_login_and_no_verification_fails_while_keys_are_replaced() {
    const LOGINS: usize = 1_200;
    const CLOCK_EVERY: usize = 8;
    let (login, other) = two().await;
    // From well before the next key is made until the old one has retired, in steps that no server can count on.
    login.clock.forward(DEFAULT_ROTATION - PUBLISHED_BEFORE - Duration::from_secs(600));
    let old_token = login.token().await.unwrap();
    let (login, other, done) = (Arc::new(login), Arc::new(other), Arc::new(AtomicUsize::new(0)));
    let elsewhere = Arc::new(Elsewhere::default());
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let (login, other, done, elsewhere) = (login.clone(), other.clone(), done.clone(), elsewhere.clone());
        tasks.spawn(async move {
            let mut kinds = std::collections::HashSet::new();
            for turn in 0..LOGINS / 8 {
                let (issuer, verifier) =
                    if (task + turn) % 2 == 0 { (&login.server, &*other) } else { (&*other, &login.server) };
                let token = Login::token_of(issuer).await.unwrap();
                for server in [verifier, issuer, verifier] {
                    server.verify(&token).await.unwrap();
                }
                elsewhere.verify(&token, verifier, &*login.clock).await;
                kinds.insert(key_id(&token));
                if done.fetch_add(1, Ordering::SeqCst) % CLOCK_EVERY == 0 {
                    login.clock.forward(Duration::from_secs(7 + (turn as u64 * 5) % 23));
                }
            }
            kinds
        });
    }
    let mut kinds = std::collections::HashSet::new();
    while let Some(of_task) = tasks.join_next().await {
        kinds.extend(of_task.unwrap());
    }
    assert_eq!(keys(&login).await.len(), 2, "two servers made one key");
    assert_eq!(kinds.len(), 2, "the clock went past the change");
    let expired = login.server.verify(&old_token).await.unwrap_err();
    assert_eq!(expired, BearerError::InvalidToken(Reason::Expired), "its key is still there to say so");
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_many_token_requests_at_two_servers_make_one_next_key() {
    let (login, other) = two().await;
    login.clock.forward(DEFAULT_ROTATION);
    let servers = Arc::new([login.server, other]);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..50 {
        let servers = servers.clone();
        tasks.spawn(async move { Login::token_of(&servers[task % 2]).await.unwrap() });
    }
    let tokens = tasks.join_all().await;
    let stored = login.store.find_keys().await.unwrap();
    assert_eq!(stored.len(), 2);
    assert!(tokens.iter().all(|token| key_id(token) == stored[0].id), "nobody signs with what nobody knows");
}

#[tokio::test]
async fn i3_keys_are_not_replaced_where_that_is_off() {
    let settings = || Settings { key_rotation: KeyRotation::Off, ..Settings::default() };
    let login = Login::with_settings(settings()).await;
    login.clock.forward(100 * DEFAULT_ROTATION);
    login.token().await.unwrap();
    login.start(settings()).await.unwrap();
    assert_eq!(keys(&login).await.len(), 1);
    let next = login.server.rotate_keys().await.unwrap();
    assert_eq!((next.made, keys(&login).await.len()), (Made::Now, 2), "but when somebody says so");
}

#[tokio::test]
async fn i3_a_key_that_waits_is_the_next_one_for_whoever_asks_again() {
    let (login, other) = two().await;
    let next = login.server.rotate_keys().await.unwrap();
    assert_eq!((next.made, next.signs_from), (Made::Now, NOW.plus(PUBLISHED_BEFORE)));
    let again = other.rotate_keys().await.unwrap();
    assert_eq!((again.made, &again.id), (Made::Before, &next.id));
    assert_eq!(keys(&login).await.len(), 2);
}

#[tokio::test]
async fn i3_a_server_that_only_issues_signs_with_the_next_key_as_soon_as_it_is_due() {
    let (login, other) = two().await;
    let next = login.server.rotate_keys().await.unwrap();
    login.clock.forward(PUBLISHED_BEFORE - SECOND);
    assert_ne!(key_id(&Login::token_of(&other).await.unwrap()), next.id);
    login.clock.forward(SECOND);
    assert_eq!(key_id(&Login::token_of(&other).await.unwrap()), next.id);
    let login_rotates_again = login.server.rotate_keys().await.unwrap();
    login.clock.forward(PUBLISHED_BEFORE);
    assert_eq!(key_id(&Login::token_of(&other).await.unwrap()), login_rotates_again.id);
}

#[tokio::test]
async fn i3_a_token_of_a_key_that_came_since_is_believed_and_revoked_as_any() {
    let (login, other) = two().await;
    let first = login.token().await.unwrap();
    other.verify(&first).await.unwrap();
    let next = login.server.rotate_keys().await.unwrap();
    login.clock.forward(PUBLISHED_BEFORE);
    let (believed, revoked) = (login.token().await.unwrap(), login.token().await.unwrap());
    assert_eq!(key_id(&believed), next.id);
    let form = format!("token={}", revoked.secret());
    let form = countersign_core::form::Form::parse(form.as_bytes()).unwrap();
    other.revoke(Request::new(None, &form)).await.unwrap();
    other.verify(&believed).await.unwrap();
    let refused = other.verify(&revoked).await.unwrap_err();
    assert_eq!(refused, BearerError::InvalidToken(Reason::Revoked));
}

#[tokio::test]
async fn i5_what_a_withdrawn_key_signed_is_refused_here_at_once_and_elsewhere_within_a_second() {
    let (login, other) = two().await;
    let token = login.token().await.unwrap();
    for server in [&login.server, &other] {
        // Twice, so that it is remembered.
        server.verify(&token).await.unwrap();
        server.verify(&token).await.unwrap();
    }
    let leaked = key_id(&token);
    assert_eq!(login.server.withdraw_key(&KeyId::new("another")).await.unwrap(), Found::No);
    assert_eq!(login.server.withdraw_key(&leaked).await.unwrap(), Found::Yes);
    assert_eq!(login.server.withdraw_key(&leaked).await.unwrap(), Found::No, "it is withdrawn already");
    assert_eq!(login.server.verify(&token).await.unwrap_err(), UNKNOWN_KEY);
    assert_eq!(states_now(&login).await, [KeyState::Withdrawn, KeyState::Signing]);

    login.clock.forward(SECOND);
    assert_eq!(other.verify(&token).await.unwrap_err(), UNKNOWN_KEY);
    let [_, replacement] = keys(&login).await.try_into().unwrap();
    assert_eq!(replacement.signs_from, NOW);
    for issuer in [&login.server, &other] {
        let new = Login::token_of(issuer).await.unwrap();
        assert_eq!(key_id(&new), replacement.id, "it signs at once");
        for server in [&login.server, &other] {
            server.verify(&new).await.unwrap();
            assert_eq!(published(server).await, std::slice::from_ref(&replacement.id));
        }
    }
    assert_eq!(keys(&login).await.len(), 2, "one was made, not one a server");
}

#[tokio::test]
async fn i5_a_server_that_only_publishes_or_only_issues_hears_of_a_withdrawal_too() {
    for publishes in [true, false] {
        let (login, other) = two().await;
        let token = login.token().await.unwrap();
        login.server.withdraw_key(&key_id(&token)).await.unwrap();
        login.clock.forward(SECOND);
        if publishes {
            let [_, replacement] = keys(&login).await.try_into().unwrap();
            assert_eq!(published(&other).await, [replacement.id]);
        } else {
            assert_ne!(key_id(&Login::token_of(&other).await.unwrap()), key_id(&token));
        }
    }
}

#[tokio::test]
async fn i5_who_heard_of_a_withdrawal_knows_the_next_key_though_the_keys_were_read_in_the_same_second() {
    for (asked, algorithm) in [
        ("the set", KeyPairAlgorithm::Es256),
        // A key is left that signs here; the next one of the others is to be published all the same.
        ("the set", KeyPairAlgorithm::EdDsa),
        ("a token", KeyPairAlgorithm::Es256),
    ] {
        let login = Login::with_settings(Settings::default()).await;
        let other = login.start(signing_with(algorithm)).await.unwrap();
        let leaked = key_id(&login.token().await.unwrap());
        login.server.withdraw_key(&leaked).await.unwrap();
        let new = login.token().await.unwrap();
        other.hear_of_it().await.unwrap();
        if asked == "a token" {
            other.verify(&new).await.unwrap();
        } else {
            let set = published(&other).await;
            assert!(set.contains(&key_id(&new)) && !set.contains(&leaked), "{algorithm:?}: {set:?}");
        }
    }
}

#[tokio::test]
async fn i5_who_publishes_makes_the_next_key_where_nobody_else_did() {
    let (login, other) = two().await;
    let leaked = key_id(&login.token().await.unwrap());
    // And then whoever withdrew it ended.
    login.store.withdraw_key(&leaked, NOW, NOW.plus(MAX_TOKEN_LIFETIME)).await.unwrap();
    for server in [&other, &login.server] {
        server.hear_of_it().await.unwrap();
        let set = published(server).await;
        let [_, next] = keys(&login).await.try_into().unwrap();
        assert_eq!(set, [next.id]);
    }
}

#[tokio::test]
async fn i5_the_key_that_waits_takes_the_place_of_the_one_that_is_withdrawn() {
    let (login, other) = two().await;
    let leaked = key_id(&login.token().await.unwrap());
    let next = login.server.rotate_keys().await.unwrap();
    other.withdraw_key(&leaked).await.unwrap();
    login.clock.forward(SECOND);
    for server in [&login.server, &other] {
        let token = Login::token_of(server).await.unwrap();
        assert_eq!(key_id(&token), next.id);
        other.verify(&token).await.unwrap();
    }
    assert_eq!(states_now(&login).await, [KeyState::Withdrawn, KeyState::Signing]);
}

#[tokio::test]
async fn i5_without_the_key_that_waits_the_one_that_signs_goes_on_until_another_can() {
    let (login, other) = two().await;
    let first = key_id(&login.token().await.unwrap());
    let leaked = login.server.rotate_keys().await.unwrap();
    login.clock.forward(Duration::from_secs(300));
    other.withdraw_key(&leaked.id).await.unwrap();
    let waits = [KeyState::Signing, KeyState::Withdrawn, KeyState::Next];
    assert_eq!(states_now(&login).await, waits);
    // Until the second last moment of the old key, and beyond the time at which the withdrawn one would have signed.
    login.clock.forward(PUBLISHED_BEFORE - SECOND);
    let token = login.token().await.unwrap();
    assert_eq!(key_id(&token), first);
    login.clock.forward(SECOND);
    assert_eq!(key_id(&login.token().await.unwrap()), keys(&login).await[2].id);
    login.clock.forward(Duration::from_secs(898));
    other.verify(&token).await.unwrap();
}

#[tokio::test]
async fn i5_once_all_keys_are_withdrawn_whoever_signs_next_makes_one() {
    let (login, other) = two().await;
    let next = login.server.rotate_keys().await.unwrap();
    let first = key_id(&login.token().await.unwrap());
    // By nobody who would make another: as a process that ends in between.
    for id in [&first, &next.id] {
        login.store.withdraw_key(id, NOW, NOW.plus(MAX_TOKEN_LIFETIME)).await.unwrap();
    }
    login.clock.forward(SECOND);
    let tokens = [Login::token_of(&other).await.unwrap(), login.token().await.unwrap()];
    let [_, _, made] = keys(&login).await.try_into().unwrap();
    assert_eq!(tokens.map(|token| key_id(&token)), [made.id.clone(), made.id.clone()]);
    login.store.withdraw_key(&made.id, NOW, NOW).await.unwrap();
    let started = login.start(Settings::default()).await.unwrap();
    assert_eq!(keys(&login).await.len(), 4, "a server that starts makes one too");
    Login::token_of(&started).await.unwrap();
    assert_eq!(keys(&login).await.len(), 4);
}

#[tokio::test]
async fn another_algorithm_signs_at_once_and_the_keys_of_the_one_before_verify_on() {
    let (login, es256) = two().await;
    let old = login.token().await.unwrap();
    let rs256 = login.start(signing_with(KeyPairAlgorithm::Rs256)).await.unwrap();
    let new = Login::token_of(&rs256).await.unwrap();
    let [first, second] = keys(&login).await.try_into().unwrap();
    assert_eq!([key_id(&old), key_id(&new)], [first.id.clone(), second.id.clone()]);
    assert_eq!(second.algorithm, Algorithm::Rs256);
    login.clock.forward(SECOND);
    // A process of the old settings that still runs believes the new ones, too.
    for server in [&rs256, &es256] {
        for token in [&old, &new] {
            server.verify(token).await.unwrap();
        }
    }
    let back = login.start(Settings::default()).await.unwrap();
    assert_eq!(key_id(&Login::token_of(&back).await.unwrap()), first.id, "the key that was there signs again");
    back.verify(&new).await.unwrap();
    assert_eq!(keys(&login).await.len(), 2);
}

#[tokio::test]
async fn keys_of_an_algorithm_that_nobody_uses_any_more_retire_with_the_next_rotation() {
    let login = Login::with_settings(signing_with(KeyPairAlgorithm::EdDsa)).await;
    login.clock.forward(MAX_TOKEN_LIFETIME + SECOND);
    let es256 = login.start(Settings::default()).await.unwrap();
    login.clock.forward(DEFAULT_ROTATION);
    Login::token_of(&es256).await.unwrap();
    let ends: Vec<_> = keys(&login).await.iter().map(|key| key.verifies_until.is_some()).collect();
    assert_eq!(ends, [true, true, false]);
    // One who comes back to the algorithm signs with a key that stays.
    login.clock.forward(2 * MAX_TOKEN_LIFETIME);
    let back = login.start(signing_with(KeyPairAlgorithm::EdDsa)).await.unwrap();
    let made = key_id(&Login::token_of(&back).await.unwrap());
    assert_eq!(keys(&login).await.last().map(|key| (key.id.clone(), key.verifies_until)), Some((made, None)));
}

#[tokio::test]
async fn a_clock_that_goes_back_signs_with_a_key_that_verifies() {
    let (login, other) = two().await;
    login.server.rotate_keys().await.unwrap();
    login.clock.forward(PUBLISHED_BEFORE);
    login.token().await.unwrap();
    login.clock.back(2 * PUBLISHED_BEFORE);
    assert!(login.clock.now() < Timestamp::from_seconds(NOW.seconds()));
    let token = login.token().await.unwrap();
    other.verify(&token).await.unwrap();
    assert_eq!(keys(&login).await.len(), 2);
}
