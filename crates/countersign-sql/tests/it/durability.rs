//! What was acknowledged is there, whoever went away in between.

use std::task::{Context, Poll, Waker};

use countersign_core::store::{Added, Found, Grants, OwnerRegistry, Redeemed, Standing};
use tokio::task::JoinSet;

use crate::support::{Home, Place, code, grant, in_both_engines, owner, spend};

/// More than one batch of the writer; in the other engine more than there are connections.
const MANY: usize = 1_000;

async fn what_is_acknowledged_is_there_after_reopening(home: Home) {
    let store = home.open().await;
    assert_eq!(store.add_owner(&owner("alice")).await.unwrap(), Added::Yes);
    store.put_one_time(&code("code")).await.unwrap();
    assert_eq!(
        store.redeem(&Standing::Elsewhere, Some(&spend("code")), &grant("g"), None).await.unwrap(),
        Redeemed::Whole
    );
    assert_eq!(store.redeem(&Standing::Elsewhere, None, &grant("ended"), None).await.unwrap(), Redeemed::Whole);
    assert_eq!(store.revoke_grant(&grant("ended").id).await.unwrap(), Found::Yes);
    drop(store);
    let store = home.open().await;
    assert_eq!(store.list_owners(None, 9).await.unwrap(), [owner("alice")]);
    assert_eq!(store.find_grant(&grant("g").id).await.unwrap(), Some(grant("g")));
    assert_eq!(store.find_grant(&grant("ended").id).await.unwrap(), None);
    assert_eq!(
        store.redeem(&Standing::Elsewhere, Some(&spend("code")), &grant("again"), None).await.unwrap(),
        Redeemed::AlreadySpent
    );
}

in_both_engines! {
    what_is_acknowledged_is_there_after_reopening
    many_writes_at_once_are_all_acknowledged_and_present
}

#[tokio::test(flavor = "multi_thread")]
async fn n3_what_is_acknowledged_is_in_the_files_before_anything_is_closed() {
    let place = Place::new();
    let store = place.open().await;
    store.redeem(&Standing::Elsewhere, None, &grant("g"), None).await.unwrap();
    // The files as they stand, as a machine that lost its power finds them.
    let copy = Place::new();
    for suffix in ["", "-wal"] {
        std::fs::copy(format!("{}{suffix}", place.path.display()), format!("{}{suffix}", copy.path.display())).unwrap();
    }
    assert_eq!(copy.open().await.find_grant(&grant("g").id).await.unwrap(), Some(grant("g")));
}

async fn many_writes_at_once_are_all_acknowledged_and_present(home: Home) {
    let (store, many) = (home.open().await, home.of_many(MANY));
    let mut writers = JoinSet::new();
    for i in 0..many {
        let store = store.clone();
        writers.spawn(async move { store.redeem(&Standing::Elsewhere, None, &grant(&i), None).await.unwrap() });
    }
    let results = writers.join_all().await;
    assert_eq!(results.iter().filter(|redeemed| **redeemed == Redeemed::Whole).count(), many);
    let count = home.look("SELECT CAST(count(*) AS TEXT) FROM oauth2_grants").await;
    assert_eq!(count, many.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_disturbs_nobody() {
    let place = Place::new();
    let store = place.open().await;
    for i in 0..RACING {
        let grant = grant(&i);
        let mut write = std::pin::pin!(store.redeem(&Standing::Elsewhere, None, &grant, None));
        // Queued, and then forgotten.
        let queued = write.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(queued, Poll::Pending | Poll::Ready(Ok(_))), "{queued:?}");
    }
    assert_eq!(store.redeem(&Standing::Elsewhere, None, &grant("last"), None).await.unwrap(), Redeemed::Whole);
    drop(store);
    let store = place.open().await;
    for i in 0..RACING {
        assert_eq!(store.find_grant(&grant(&i).id).await.unwrap(), Some(grant(&i)), "what was accepted is written");
    }
}

/// Fewer than the writer's queue takes, so that each is accepted at once.
const RACING: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn the_last_close_writes_the_log_back() {
    let place = Place::new();
    let store = place.open().await;
    let clone = store.clone();
    store.redeem(&Standing::Elsewhere, None, &grant("g"), None).await.unwrap();
    drop(store);
    let wal = format!("{}-wal", place.path.display());
    assert!(std::fs::exists(&wal).unwrap(), "a clone still has it open");
    drop(clone);
    assert!(!std::fs::exists(&wal).unwrap());
    let whole: String = place.raw().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
}
