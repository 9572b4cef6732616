//! Two servers over one database, as two replicas are.

use std::{sync::Arc, time::Duration};

use countersign::{HashingSettings, NewUser, OAuth2};
use countersign_core::{
    authorization_server::Request, clock::TurnableClock, error::OAuthError, form::Form, password::Argon2Cost,
    store::Grants as _, throttle::Source, token::BearerToken,
};
use tokio::time::timeout;

use super::Server;
use crate::support::NOW;

/// What a test may wait for: far longer than it takes, so that only a fault gets there.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two, whose clock stands: what is only done once a second is not done again.
async fn replicas(server: &Server) -> [OAuth2; 2] {
    let clock = Arc::new(TurnableClock::at(NOW));
    let replica = async || {
        let hashing = HashingSettings { cost: Argon2Cost::weak_for_tests(), ..HashingSettings::default() };
        let store = countersign_sql::Postgres::open(&server.url).await.unwrap();
        OAuth2::new(store).clock(clock.clone()).hashing(hashing).build().await.unwrap()
    };
    [replica().await, replica().await]
}

async fn log_in(replica: &OAuth2, password: &str) -> Result<BearerToken, OAuthError> {
    let form = format!("username=alice&password={password}");
    let form = Form::parse(form.as_bytes()).unwrap();
    let request = Request { source: Source::of([192, 0, 2, 7].into()), ..Request::new(None, &form) };
    Ok(replica.server().unwrap().token(request).await?.access_token)
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_what_one_replica_ends_the_other_hears_before_it_asks() {
    let server = Server::new().await;
    let [here, there] = replicas(&server).await;
    here.add_user(NewUser::new("alice").password("correct horse")).await.unwrap();
    let house = tokio::spawn(there.clone().keep_house());
    for disables in [false, true] {
        let issued = log_in(&here, "correct+horse").await.unwrap();
        let token = there.verify(&issued).await.unwrap();
        if disables {
            here.disable_user(token.subject()).await.unwrap();
        } else {
            here.end_grants_of(token.subject()).await.unwrap();
        }
        assert!(here.verify(&issued).await.is_err(), "at once where it was done");
        timeout(PATIENCE, async {
            while there.verify(&issued).await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }
    house.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn n7_guesses_at_two_replicas_are_counted_together() {
    let server = Server::new().await;
    let replicas = replicas(&server).await;
    replicas[0].add_user(NewUser::new("alice").password("correct horse")).await.unwrap();
    for guess in 0..10 {
        assert!(matches!(log_in(&replicas[guess % 2], "wrong").await, Err(OAuthError::InvalidGrant(_))), "{guess}");
    }
    for replica in &replicas {
        assert!(matches!(log_in(replica, "correct+horse").await, Err(OAuthError::Throttled { .. })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m6_a_sweep_touches_no_counter_that_stays() {
    let server = Server::new().await;
    let counters = "INSERT INTO oauth2_attempts (key, kind, kept_until) \
        SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), 'login', 2000000000 + n FROM generate_series(1, 500) AS n";
    server.run(counters).await;
    server.run("INSERT INTO oauth2_known_pairs (key, kept_until) SELECT key, kept_until FROM oauth2_attempts").await;
    assert_eq!(server.store.sweep(NOW, Duration::ZERO, 100).await.unwrap(), 0);
    for table in ["oauth2_attempts", "oauth2_known_pairs"] {
        // A row that was locked has its mark.
        assert_eq!(server.count(&format!("SELECT count(*) FROM {table} WHERE xmax <> '0'")).await, 0, "{table}");
        server.run(&format!("UPDATE {table} SET kept_until = 5")).await;
    }
    assert_eq!(server.store.sweep(NOW, Duration::ZERO, 100).await.unwrap(), 200, "in steps");
}

/// Counting them takes as long as there are many: it is no part of every sweep.
#[tokio::test(flavor = "multi_thread")]
async fn m6_a_process_looks_for_counters_beyond_what_is_kept_when_it_starts_and_not_with_every_sweep() {
    let server = Server::new().await;
    assert_eq!(server.store.sweep(NOW, Duration::ZERO, 100).await.unwrap(), 0);
    let counters = "INSERT INTO oauth2_known_pairs (key, kept_until) \
        SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), 2000000000 + n FROM generate_series(1, 500300) AS n";
    server.run(counters).await;
    assert_eq!(server.store.sweep(NOW, Duration::ZERO, 100).await.unwrap(), 0);
    let started = countersign_sql::Postgres::open(&server.url).await.unwrap();
    assert_eq!(started.sweep(NOW, Duration::ZERO, 100).await.unwrap(), 300, "all at once: it does not look again soon");
    assert_eq!(server.count("SELECT min(kept_until) FROM oauth2_known_pairs").await, 2_000_000_301, "the oldest went");
}
