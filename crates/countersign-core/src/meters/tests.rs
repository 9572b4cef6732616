//! What is counted, held against a recorder that keeps every number.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
};

use metrics::{CounterFn, GaugeFn, HistogramFn, KeyName, Recorder, SharedString, with_local_recorder};

use super::*;
use crate::{
    clock::{Rng, Timestamp},
    error::{GrantProblem, RequestProblem},
    jose::TokenProblem,
    password::{Argon2Cost, HashingPool, HashingSettings, Password},
    token::revoked::Revoked,
};

/// Keeps the value of each counter and gauge, and how often each histogram took one.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<BTreeMap<String, Arc<Number>>>>);

#[derive(Debug, Default)]
struct Number(AtomicU64);

impl CounterFn for Number {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::SeqCst);
    }

    fn absolute(&self, value: u64) {
        self.0.store(value, Ordering::SeqCst);
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and not negative in these tests")]
impl GaugeFn for Number {
    fn increment(&self, value: f64) {
        self.0.fetch_add(value as u64, Ordering::SeqCst);
    }

    fn decrement(&self, value: f64) {
        self.0.fetch_sub(value as u64, Ordering::SeqCst);
    }

    fn set(&self, value: f64) {
        self.0.store(value as u64, Ordering::SeqCst);
    }
}

impl HistogramFn for Number {
    fn record(&self, _: f64) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Kept {
    fn number(&self, key: &Key) -> Arc<Number> {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = [&[key.name().to_owned()], &labels[..]].concat().join(" ");
        self.0.lock().unwrap().entry(name).or_default().clone()
    }

    /// What is not nothing.
    fn told(&self) -> Vec<(String, u64)> {
        let all = self.0.lock().unwrap();
        let told = all.iter().map(|(name, number)| (name.clone(), number.0.load(Ordering::SeqCst)));
        told.filter(|(_, number)| *number > 0).collect()
    }

    #[track_caller]
    fn expect(&self, expected: &[(&str, u64)]) {
        let told = self.told();
        let told: Vec<_> = told.iter().map(|(name, number)| (name.as_str(), *number)).collect();
        assert_eq!(told, expected);
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.number(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.number(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.number(key))
    }
}

#[test]
fn the_values_of_labels_are_those_of_the_types() {
    assert_eq!(GRANT_TYPES, GrantType::ALL.map(GrantType::name));
    for problem in [
        TokenProblem::TooLong,
        TokenProblem::Malformed,
        TokenProblem::CriticalExtension,
        TokenProblem::OtherType,
        TokenProblem::UnknownKey,
        TokenProblem::OtherAlgorithm,
        TokenProblem::BadSignature,
        TokenProblem::Bound,
        TokenProblem::MalformedClaims,
        TokenProblem::OtherIssuer,
        TokenProblem::OtherAudience,
        TokenProblem::Expired,
        TokenProblem::Inactive,
        TokenProblem::Revoked,
        TokenProblem::UnknownToken,
        TokenProblem::NotYetValid,
    ] {
        assert!(VERDICTS.contains(&Reason::from(problem).code()), "{problem:?}");
    }
    let known = |verdict: &&str| *verdict == VALID || Reason::ALL.iter().any(|reason| reason.code() == *verdict);
    assert!(VERDICTS.iter().all(known));
}

#[test]
fn every_end_of_a_token_request_is_counted_once() {
    let kept = Kept::default();
    let meters = with_local_recorder(&kept, TokenMeters::new);
    let ends = [
        OAuthError::InvalidGrant(GrantProblem::Login),
        OAuthError::InvalidClient,
        OAuthError::InvalidScope,
        OAuthError::InvalidRequest(RequestProblem::NotAForm),
        OAuthError::TemporarilyUnavailable { retry_after: Duration::ZERO },
        OAuthError::ServerError,
    ];
    for grant_type in
        [Some(GrantType::Password), Some(GrantType::RefreshToken), Some(GrantType::ClientCredentials), None]
    {
        for end in &ends {
            meters.refused(grant_type, end);
        }
    }
    for grant_type in GrantType::ALL {
        meters.answered(grant_type, Answered::Anew { refresh_token: grant_type != GrantType::ClientCredentials });
    }
    meters.answered(GrantType::RefreshToken, Answered::Again);
    meters.answered(GrantType::RefreshToken, Answered::Stolen);
    kept.expect(&[
        ("countersign_logins_total result=denied", 1),
        ("countersign_logins_total result=error", 1),
        ("countersign_logins_total result=issued", 1),
        ("countersign_logins_total result=refused", 3),
        ("countersign_logins_total result=unavailable", 1),
        ("countersign_refreshes_total result=denied", 1),
        ("countersign_refreshes_total result=error", 1),
        ("countersign_refreshes_total result=refused", 3),
        ("countersign_refreshes_total result=retried", 1),
        ("countersign_refreshes_total result=rotated", 1),
        ("countersign_refreshes_total result=stolen", 1),
        ("countersign_refreshes_total result=unavailable", 1),
        ("countersign_tokens_issued_total grant_type=client_credentials kind=access", 1),
        ("countersign_tokens_issued_total grant_type=password kind=access", 1),
        ("countersign_tokens_issued_total grant_type=password kind=refresh", 1),
        ("countersign_tokens_issued_total grant_type=refresh_token kind=access", 1),
        ("countersign_tokens_issued_total grant_type=refresh_token kind=refresh", 1),
    ]);
}

#[test]
fn every_verdict_is_counted_by_its_reason() {
    let kept = Kept::default();
    let meters = with_local_recorder(&kept, VerificationMeters::new);
    meters.count(&Err(BearerError::InvalidToken(Reason::Expired)));
    meters.count(&Err(BearerError::InvalidToken(Reason::BadSignature)));
    meters.count(&Err(BearerError::InvalidToken(Reason::BadSignature)));
    meters.count(&Err(BearerError::TemporarilyUnavailable { retry_after: Duration::ZERO }));
    kept.expect(&[
        ("countersign_verifications_total result=bad_signature", 2),
        ("countersign_verifications_total result=expired", 1),
        ("countersign_verifications_total result=unavailable", 1),
    ]);
}

/// Randomness that comes when the test says so: until then the hashing thread stands still.
#[derive(Debug)]
struct Held(Mutex<mpsc::Receiver<()>>);

impl Rng for Held {
    fn fill(&self, _: &mut [u8]) {
        self.0.lock().unwrap().recv().unwrap();
    }
}

#[tokio::test]
async fn the_wait_for_a_hash_and_those_that_found_no_room_are_counted() {
    let kept = Kept::default();
    let (release, held) = mpsc::channel();
    let settings = HashingSettings {
        threads: NonZeroUsize::MIN,
        queue: 0,
        ..HashingSettings::of_cost(Argon2Cost::weak_for_tests())
    };
    let pool = with_local_recorder(&kept, || HashingPool::new(settings, Arc::new(Held(Mutex::new(held))))).unwrap();
    let password = || Password::typed("correct horse").unwrap();
    let (first, second) = tokio::join!(pool.hash(password()), async {
        let second = pool.hash(password()).await;
        release.send(()).unwrap();
        second
    });
    assert!(first.is_ok() && second.is_err(), "{second:?}");
    // Who has an answer finds its hash among them.
    kept.expect(&[
        ("countersign_hash_seconds", 1),
        ("countersign_hash_wait_seconds", 1),
        ("countersign_hashes_refused_total", 1),
    ]);
}

#[test]
fn the_feed_lags_by_the_age_of_what_was_heard_last() {
    let (kept, now) = (Kept::default(), Timestamp::from_seconds(1_800_000_000));
    let revoked = with_local_recorder(&kept, Revoked::new);
    revoked.heard_all(now);
    kept.expect(&[]);
    revoked.heard_nothing(now.plus(Duration::from_secs(40)));
    kept.expect(&[("countersign_feed_lag_seconds", 40)]);
    revoked.heard_all(now.plus(Duration::from_secs(41)));
    kept.expect(&[]);
}

#[tokio::test]
async fn a_store_is_measured_whether_it_answers_or_not() {
    let kept = Kept::default();
    let meters = with_local_recorder(&kept, StoreMeters::new);
    assert_eq!(meters.measure(StoreOperation::Read, async { Ok::<_, ()>(1) }).await, Ok(1));
    assert_eq!(meters.measure(StoreOperation::Write, async { Err::<(), _>(2) }).await, Err(2));
    kept.expect(&[
        ("countersign_store_seconds operation=read result=ok", 1),
        ("countersign_store_seconds operation=write result=error", 1),
    ]);
}

#[test]
fn connections_to_a_database_are_counted_as_long_as_they_are_there() {
    let kept = Kept::default();
    let meters = with_local_recorder(&kept, DatabaseMeters::new);
    let (open, another, in_use) = (meters.opened(), meters.opened(), meters.used());
    meters.waited(Duration::ZERO);
    meters.failed();
    kept.expect(&[
        ("countersign_database_connect_failures_total", 1),
        ("countersign_database_connections", 2),
        ("countersign_database_connections_in_use", 1),
        ("countersign_database_wait_seconds", 1),
    ]);
    drop((open, another, in_use));
    kept.expect(&[("countersign_database_connect_failures_total", 1), ("countersign_database_wait_seconds", 1)]);
}
