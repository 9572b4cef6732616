//! Many attempts at once: no more are looked at than one after the other.

use std::pin::pin;

use tokio::task::JoinSet;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn d15_of_five_hundred_wrong_guesses_at_once_ten_are_looked_at() {
    let rig = Arc::new(Rig::new());
    let mut tasks = JoinSet::new();
    for number in 0..500 {
        let rig = rig.clone();
        tasks.spawn(async move {
            let Ok(attempt) = rig.throttle.login("alice", numbered(number), None).await else { return 0 };
            tokio::task::yield_now().await;
            attempt.settle(Outcome::Failure);
            1
        });
    }
    let looked_at: usize = tokio::time::timeout(PATIENCE, tasks.join_all()).await.unwrap().into_iter().sum();
    assert_eq!(looked_at, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn d15_right_ones_at_once_all_pass() {
    let rig = Arc::new(Rig::new());
    for _ in 0..9 {
        rig.fail("alice", at("192.0.2.1")).await.unwrap();
    }
    let mut tasks = JoinSet::new();
    for _ in 0..500 {
        let rig = rig.clone();
        tasks.spawn(async move {
            let attempt = rig.throttle.login("alice", at("192.0.2.1"), None).await.unwrap();
            tokio::task::yield_now().await;
            attempt.settle(Outcome::Success);
        });
    }
    tokio::time::timeout(PATIENCE, tasks.join_all()).await.unwrap();
}

#[tokio::test]
async fn d15_a_request_that_is_dropped_counts_for_no_account_and_leaves_nobody_asleep() {
    let rig = Rig::new();
    let under_way: Vec<_> = futures(&rig, 10).await;
    let mut waiting = pin!(rig.throttle.login("alice", Source::Unknown, None));
    assert!(is_pending(&mut waiting).await, "all ten may turn out to be wrong");
    // One that is dropped while it waits leaves no place behind.
    let mut hung_up = Box::pin(rig.throttle.login("alice", Source::Unknown, None));
    assert!(is_pending(&mut hung_up.as_mut()).await);
    drop(hung_up);
    drop(under_way);
    let waited = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    waited.settle(Outcome::Undecided);
    assert!(rig.memory.is_empty(), "no reservation is left, and no failure");
}

#[tokio::test]
async fn d15_sources_pay_for_requests_that_are_dropped_and_known_pairs_do_not() {
    let rig = Rig::new();
    let (proxy, home) = (at("192.0.2.1"), at("198.51.100.7"));
    rig.try_at("alice", home, Outcome::Success).await.unwrap();
    for _ in 0..200 {
        drop(rig.throttle.login("alice", home, None).await.unwrap());
    }
    for account in 0..50 {
        drop(rig.throttle.login(&format!("user-{account}"), proxy, None).await.unwrap());
    }
    rig.fail("somebody", proxy).await.unwrap_err();
    rig.try_at("alice", home, Outcome::Success).await.unwrap();
}

#[tokio::test]
async fn d15_no_more_wait_than_there_is_room_for() {
    let rig = Rig::new();
    let under_way: Vec<_> = futures(&rig, 10).await;
    let mut waiting = Vec::new();
    for _ in 0..1_024 {
        let mut attempt = Box::pin(rig.throttle.login("alice", Source::Unknown, None));
        assert!(is_pending(&mut attempt.as_mut()).await);
        waiting.push(attempt);
    }
    let full = OAuthError::TemporarilyUnavailable { retry_after: NO_ROOM_RETRY };
    assert_eq!(rig.throttle.login("alice", Source::Unknown, None).await.err(), Some(full));
    waiting.pop();
    let mut attempt = Box::pin(rig.throttle.login("alice", Source::Unknown, None));
    assert!(is_pending(&mut attempt.as_mut()).await, "a place was given back");
    drop(under_way);
}

/// So many attempts that are under way.
async fn futures(rig: &Rig, number: usize) -> Vec<Attempt<'_>> {
    let mut under_way = Vec::new();
    for _ in 0..number {
        under_way.push(rig.throttle.login("alice", Source::Unknown, None).await.unwrap());
    }
    under_way
}

async fn is_pending(future: &mut (impl Future + Unpin)) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending()))
        .await
}
