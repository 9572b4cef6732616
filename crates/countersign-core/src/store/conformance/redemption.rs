//! What every store must keep of grants as they are recorded, and of the one-time things that are spent for them.

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::{NOW, RACERS, grant, owner, race};
use crate::{
    grant_record::Grant,
    names::{GrantId, Subject},
    password::PasswordHash,
    resource_owner::OwnerStatus,
    store::{Found, HandleHash, OneTime, OneTimeKind, Redeemed, SWEEP_MARGIN, Spend, Standing, Store},
};

pub(super) const CODE: OneTimeKind = OneTimeKind::new("code");

pub(super) fn one_time(handle: &str) -> OneTime {
    OneTime {
        kind: CODE,
        handle: HandleHash::of(handle),
        expires_at: NOW.plus(Duration::from_secs(60)),
        payload: r#"{"scope":"me"}"#.to_owned(),
    }
}

pub(super) fn spend(handle: &str) -> Spend {
    Spend { kind: CODE, handle: HandleHash::of(handle), now: NOW }
}

pub async fn a_grant_is_recorded_and_revoked(store: Arc<impl Store>) {
    // Owners may live in a table that is not the store's: a grant does not need them here.
    let grant = grant("g", &Subject::new("elsewhere"));
    assert_eq!(store.find_grant(&grant.id).await.unwrap(), None);
    assert_eq!(store.redeem(&Standing::Elsewhere, None, &grant, None).await.unwrap(), Redeemed::Whole);
    assert_eq!(store.find_grant(&grant.id).await.unwrap().as_ref(), Some(&grant));
    assert_eq!(store.revoke_grant(&grant.id).await.unwrap(), Found::Yes);
    assert_eq!(store.revoke_grant(&grant.id).await.unwrap(), Found::No);
    assert_eq!(store.find_grant(&grant.id).await.unwrap(), None);
}

pub async fn a18_nothing_is_recorded_once_the_owner_changed(store: Arc<impl Store>) {
    let alice = owner("alice");
    let (first, second) = (PasswordHash::new("first"), PasswordHash::new("second"));
    let code = spend("code");
    let grant = grant("g", &alice.subject);
    store.put_one_time(&one_time("code")).await.unwrap();
    let refused = |standings: Vec<Standing>| {
        let (store, code, grant) = (store.clone(), code.clone(), grant.clone());
        async move {
            for standing in standings {
                for spend in [None, Some(&code)] {
                    assert_eq!(
                        store.redeem(&standing, spend, &grant, None).await.unwrap(),
                        Redeemed::OwnerChanged,
                        "{standing:?}"
                    );
                }
            }
            assert_eq!(store.find_grant(&grant.id).await.unwrap(), None);
            assert!(store.find_one_time(CODE, &code.handle, NOW).await.unwrap().is_some(), "nothing was spent");
        }
    };
    let of = |hash: &PasswordHash| Standing::ActiveWith(hash.clone());
    refused(vec![Standing::Active, of(&first)]).await;
    store.add_owner(&alice).await.unwrap();
    refused(vec![of(&second)]).await;
    store.set_password(&alice.subject, &second, NOW).await.unwrap();
    refused(vec![of(&first)]).await;
    store.set_status(&alice.subject, OwnerStatus::Disabled, NOW).await.unwrap();
    refused(vec![Standing::Active, of(&second)]).await;
    store.set_status(&alice.subject, OwnerStatus::Active, NOW).await.unwrap();
    assert_eq!(store.redeem(&of(&second), Some(&code), &grant, None).await.unwrap(), Redeemed::Whole);
    store.remove_owner(&alice.subject, NOW).await.unwrap();
    assert_eq!(store.redeem(&Standing::Active, None, &grant, None).await.unwrap(), Redeemed::OwnerChanged);
}

pub async fn n1_a_one_time_thing_is_spent_once(store: Arc<impl Store>) {
    let subject = Subject::new("elsewhere");
    let thing = one_time("code");
    store.put_one_time(&thing).await.unwrap();
    assert_eq!(store.find_one_time(CODE, &thing.handle, NOW).await.unwrap().as_ref(), Some(&thing));
    let (first, second) = (grant("first", &subject), grant("second", &subject));
    assert_eq!(
        store.redeem(&Standing::Elsewhere, Some(&spend("unknown")), &first, None).await.unwrap(),
        Redeemed::AlreadySpent
    );
    assert_eq!(store.find_grant(&first.id).await.unwrap(), None, "nothing is granted for nothing");
    assert_eq!(store.redeem(&Standing::Elsewhere, Some(&spend("code")), &first, None).await.unwrap(), Redeemed::Whole);
    assert_eq!(
        store.redeem(&Standing::Elsewhere, Some(&spend("code")), &second, None).await.unwrap(),
        Redeemed::AlreadySpent
    );
    assert_eq!(store.find_grant(&second.id).await.unwrap(), None);
    assert_eq!(store.find_one_time(CODE, &thing.handle, NOW).await.unwrap(), None);
}

pub async fn a20_of_many_redeemers_one_wins(store: Arc<impl Store>) {
    store.put_one_time(&one_time("code")).await.unwrap();
    let results = race(|racer| {
        let store = store.clone();
        async move {
            let grant = grant(&racer.to_string(), &Subject::new("elsewhere"));
            let redeemed = store.redeem(&Standing::Elsewhere, Some(&spend("code")), &grant, None).await.unwrap();
            (redeemed, store.find_grant(&grant.id).await.unwrap().is_some())
        }
    })
    .await;
    assert_eq!(results.iter().filter(|result| **result == (Redeemed::Whole, true)).count(), 1);
    let lost = results.iter().filter(|result| **result == (Redeemed::AlreadySpent, false)).count();
    assert_eq!(lost, RACERS - 1, "the others left nothing behind");
}

pub async fn e14_a_handle_of_one_kind_is_no_other(store: Arc<impl Store>) {
    let subject = Subject::new("elsewhere");
    let other = OneTimeKind::new("reset");
    store.put_one_time(&one_time("handle")).await.unwrap();
    assert_eq!(store.find_one_time(other, &HandleHash::of("handle"), NOW).await.unwrap(), None);
    let wrong = Spend { kind: other, ..spend("handle") };
    assert_eq!(
        store.redeem(&Standing::Elsewhere, Some(&wrong), &grant("g", &subject), None).await.unwrap(),
        Redeemed::AlreadySpent
    );
    assert_eq!(
        store.redeem(&Standing::Elsewhere, Some(&spend("handle")), &grant("g", &subject), None).await.unwrap(),
        Redeemed::Whole
    );
}

pub async fn what_has_expired_cannot_be_spent_and_is_swept(store: Arc<impl Store>) {
    let subject = Subject::new("elsewhere");
    let thing = one_time("code");
    store.put_one_time(&thing).await.unwrap();
    let late = Spend { now: thing.expires_at, ..spend("code") };
    assert_eq!(store.find_one_time(CODE, &thing.handle, thing.expires_at).await.unwrap(), None);
    assert_eq!(
        store.redeem(&Standing::Elsewhere, Some(&late), &grant("g", &subject), None).await.unwrap(),
        Redeemed::AlreadySpent
    );

    let ids: HashSet<_> = (0..5).map(|i| format!("old {i}")).collect();
    for id in &ids {
        store.redeem(&Standing::Elsewhere, None, &grant(id, &subject), None).await.unwrap();
    }
    let young = Grant { access_until: NOW.plus(Duration::from_secs(901)), ..grant("young", &subject) };
    store.redeem(&Standing::Elsewhere, None, &young, None).await.unwrap();

    let later = NOW.plus(Duration::from_secs(900)).plus(SWEEP_MARGIN);
    assert_eq!(store.sweep(NOW.plus(SWEEP_MARGIN), Duration::ZERO, 10).await.unwrap(), 0, "nothing has expired yet");
    assert_eq!(
        store.sweep(later, Duration::ZERO, 3).await.unwrap(),
        4,
        "three grants and the code: no more than the limit of each"
    );
    assert_eq!(store.sweep(later, Duration::ZERO, 3).await.unwrap(), 2);
    assert_eq!(store.sweep(later, Duration::ZERO, 3).await.unwrap(), 0);
    assert_eq!(store.find_grant(&young.id).await.unwrap(), Some(young));
    for id in ids {
        assert_eq!(store.find_grant(&GrantId::new(id)).await.unwrap(), None);
    }
}
