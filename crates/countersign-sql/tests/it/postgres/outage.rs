//! N5: the database goes away, and comes back.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Waker},
    time::{Duration, Instant},
};

use countersign::{HashingSettings, NewUser, OAuth2};
use countersign_core::{
    authorization_server::Request,
    clock::TurnableClock,
    error::OAuthError,
    form::Form,
    names::GrantId,
    password::Argon2Cost,
    store::{Ended, Feed as _, Grants as _, Redeemed, Standing, StoreError},
};
use countersign_sql::Postgres;
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use super::{
    Server, assert_unavailable,
    cable::{Cable, Cut},
};
use crate::{
    cluster::Cluster,
    support::{NOW, grant},
};

/// What a test may wait for: far longer than it takes, so that only a fault gets there.
const PATIENCE: Duration = Duration::from_secs(60);

/// How soon all must be as before, and what waits be over: five seconds (N5) or ten, and what a busy machine adds.
const BACK_WITHIN: Duration = Duration::from_secs(30);

const WRITERS: u32 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn n5_a_database_that_is_away_is_unavailable_and_good_again_as_soon_as_it_is_back() {
    let cluster = Cluster::start();
    let store = Postgres::open(&cluster.database().await).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    let writing = Arc::new(Semaphore::new(0));
    for writer in 0..WRITERS {
        let (store, stop, writing) = (store.clone(), stop.clone(), writing.clone());
        writers.spawn(async move {
            let (mut acknowledged, mut failed) = (HashSet::new(), 0);
            for i in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let grant = grant(&format!("{writer} {i}"));
                match store.redeem(&Standing::Elsewhere, None, &grant, None).await {
                    Ok(Redeemed::Whole) => {
                        if acknowledged.is_empty() {
                            writing.add_permits(1);
                        }
                        acknowledged.insert(grant.id);
                    }
                    Err(StoreError::Unavailable(_)) => {
                        failed += 1;
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    wrong => panic!("{wrong:?}"),
                }
            }
            (acknowledged, failed)
        });
    }
    let heard = store.wait_for_news(0).await;
    drop(writing.acquire_many(WRITERS).await.unwrap());
    for round in 0..3 {
        assert!(store.find_grant(&GrantId::new("nobody's")).await.unwrap().is_none());
        cluster.crash();
        assert_unavailable(&store.find_grant(&GrantId::new("nobody's")).await);
        assert_unavailable(&store.redeem(&Standing::Elsewhere, None, &grant("away"), None).await);
        assert_unavailable(&store.append_feed(&Ended::Token("away".to_owned()), NOW).await);
        cluster.resume();
        let back = Instant::now();
        while store.append_feed(&Ended::Token(round.to_string()), NOW).await.is_err() {
            assert!(back.elapsed() < BACK_WITHIN, "round {round}: it is not back");
        }
    }
    assert!(store.wait_for_news(heard).await > heard, "what was not heard meanwhile counts as news");
    stop.store(true, Ordering::Relaxed);
    let mut failures = 0;
    for (acknowledged, failed) in writers.join_all().await {
        failures += failed;
        assert!(!acknowledged.is_empty());
        for id in acknowledged {
            assert!(store.find_grant(&id).await.unwrap().is_some(), "{id} was acknowledged and is lost");
        }
    }
    assert!(failures > 0, "the writers noticed");
}

#[tokio::test(flavor = "multi_thread")]
async fn n7_whoever_is_killed_at_the_commit_is_not_told_that_it_is_done() {
    let server = Server::new().await;
    server
        .run(
            "CREATE FUNCTION dies() RETURNS trigger LANGUAGE plpgsql AS \
            $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$; \
            CREATE CONSTRAINT TRIGGER dies AFTER INSERT ON oauth2_feed DEFERRABLE INITIALLY DEFERRED \
            FOR EACH ROW EXECUTE FUNCTION dies()",
        )
        .await;
    let ended = Ended::Token("t".to_owned());
    assert_unavailable(&server.store.append_feed(&ended, NOW).await);
    server.run("DROP TRIGGER dies ON oauth2_feed").await;
    assert_eq!(server.store.find_feed(0, 9).await.unwrap(), []);
    server.store.append_feed(&ended, NOW).await.unwrap();
}

/// An attempt begins with a commit, and ends with another, which nobody waits for.
#[tokio::test(flavor = "multi_thread")]
async fn d13_a_failure_whose_commit_is_lost_is_counted_once() {
    for cut in [Cut::After, Cut::Before] {
        let server = Server::new().await;
        let cable = Cable::to(&server.url).await;
        let store = Postgres::open(&cable.url).await.unwrap();
        let hashing = HashingSettings { cost: Argon2Cost::weak_for_tests(), ..HashingSettings::default() };
        let clock = Arc::new(TurnableClock::at(NOW));
        let api = OAuth2::new(store).clock(clock).hashing(hashing).build().await.unwrap();
        api.add_user(NewUser::new("alice").password("correct horse")).await.unwrap();
        let form = Form::parse(b"username=alice&password=wrong").unwrap();
        let guess = async || api.server().unwrap().token(Request::new(None, &form)).await.err().unwrap();
        cable.cut(2, cut);
        assert!(matches!(guess().await, OAuthError::InvalidGrant(_)), "{cut:?}");
        // It asks what became of its transaction, or tells it again.
        timeout(PATIENCE, cable.until_said(&[b"txid_status", b"COMMIT"])).await.unwrap();
        let counted = "SELECT count(*) FROM oauth2_attempts WHERE get_byte(tally, 3) > 0 AND get_byte(tally, 19) = 0";
        server.until(counted).await;
        for left in 1..10 {
            assert!(matches!(guess().await, OAuthError::InvalidGrant(_)), "{cut:?}: one of ten, and {left} more");
        }
        assert!(matches!(guess().await, OAuthError::Throttled { .. }), "{cut:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_were_lost_while_nobody_used_them_are_not_noticed() {
    let server = Server::new().await;
    let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for id in ["1", "2", "3"] {
        assert!(server.count(others).await > 0, "there was a connection to lose");
        server.store.redeem(&Standing::Elsewhere, None, &grant(id), None).await.unwrap();
        assert!(server.count(others).await > 0);
        assert!(server.store.find_grant(&GrantId::new(id)).await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_never_given_back_is_waited_for_a_while_only() {
    let server = Server::new().await;
    server.run("BEGIN; SELECT FROM oauth2_locks WHERE name = 'feed' FOR UPDATE").await;
    let ended = Ended::Token("t".to_owned());
    let began = Instant::now();
    assert_unavailable(&server.store.append_feed(&ended, NOW).await);
    assert!(began.elapsed() < BACK_WITHIN, "{:?}", began.elapsed());
    server.run("COMMIT").await;
    server.store.append_feed(&ended, NOW).await.unwrap();
    assert_eq!(server.store.find_feed(0, 9).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_disturbs_nobody() {
    /// More than there are connections.
    const CALLERS: usize = 30;
    let server = Server::new().await;
    server.run("BEGIN; SELECT FROM oauth2_locks WHERE name = 'feed' FOR UPDATE").await;
    for _ in 0..CALLERS {
        let ended = Ended::Token("forgotten".to_owned());
        let call = tokio::time::timeout(Duration::from_millis(30), server.store.append_feed(&ended, NOW));
        assert!(!matches!(call.await, Ok(Ok(_))), "given up in the middle of its transaction");
    }
    let grant = grant("g");
    let mut call = std::pin::pin!(server.store.redeem(&Standing::Elsewhere, None, &grant, None));
    let _ = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    server.run("COMMIT").await;
    server.store.append_feed(&Ended::Token("last".to_owned()), NOW).await.unwrap();
    let told = server.store.find_feed(0, 99).await.unwrap();
    assert_eq!(told.into_iter().map(|entry| entry.ended).collect::<Vec<_>>(), [Ended::Token("last".to_owned())]);
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%' ";
    server.until(&format!("SELECT CASE count WHEN 0 THEN 1 ELSE 0 END::bigint FROM ({open}) AS open")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_adds_to_the_feed_is_heard() {
    let server = Server::new().await;
    let other = Postgres::open(&server.url).await.unwrap();
    let heard = server.store.wait_for_news(0).await;
    assert!(heard > 0, "what came before is news");
    let quiet = tokio::time::timeout(Duration::from_millis(50), server.store.wait_for_news(heard)).await;
    assert!(quiet.is_err(), "nothing has happened");
    other.append_feed(&Ended::Token("t".to_owned()), NOW).await.unwrap();
    assert!(server.store.wait_for_news(heard).await > heard);
    assert_eq!(server.store.find_feed(0, 9).await.unwrap().len(), 1, "heard, and there");
}
