//! The tests that every store must pass: a function for each fact, and a macro that makes a test of each.
//!
//! ```no_run
//! mod conformance {
//!     use countersign_core::store::memory::Memory;
//!
//!     /// A store, and whatever must live as long as it does.
//!     async fn store() -> (Memory, ()) {
//!         (Memory::new(), ())
//!     }
//!
//!     countersign_core::store_conformance!(store);
//! }
//! # fn main() {}
//! ```
#![expect(clippy::unwrap_used, reason = "a test suite")]
#![expect(missing_docs, reason = "each function is named by the fact that it tests")]

mod clients;
mod epoch;
mod life;
mod renewal;
pub mod rig;

use std::{collections::HashSet, future::Future, sync::Arc, time::Duration};

use tokio::sync::mpsc;

pub use self::{clients::*, epoch::*};
use super::{
    Added, Ended, Found, HandleHash, KeyRecord, OneTime, OneTimeKind, PrivateKey, RETIRED_KEYS_KEPT, Redeemed,
    RestingKey, SWEEP_MARGIN, SealedKey, Spend, Standing, Store, Succession,
};
use crate::{
    client::Client,
    clock::Timestamp,
    grant_record::Grant,
    jose::Algorithm,
    names::{ClientId, GrantId, KeyId, Subject},
    password::PasswordHash,
    resource_owner::{OwnerStatus, ResourceOwner, Upgraded},
    scope::ScopeToken,
    username::Username,
};

pub use self::{
    life::{
        e_grants_live_as_their_model_says, e3_of_many_uses_at_once_one_successor_lives, e8_revocation_beats_renewal,
    },
    renewal::{
        a_grant_that_can_be_renewed_comes_back_as_it_was_recorded, a_number_of_the_feed_is_given_once,
        an_owner_keeps_so_many_grants, answers_to_retired_refresh_tokens_are_swept,
        e8_nothing_is_rotated_once_the_grant_has_ended, f3_a_clients_own_opaque_tokens_end_with_it,
        n1_a_refresh_token_is_rotated_once, opaque_tokens_end_with_their_grant,
        the_feed_is_not_told_of_grants_whose_access_tokens_are_long_over, whatever_ends_grants_tells_the_feed,
    },
};

/// How many callers race for one thing.
const RACERS: usize = 50;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// Makes a test of each fact that every store must keep, named by it. The argument is the path of an `async fn()` that
/// returns a new store and whatever must live as long as it. Needs tokio with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! store_conformance {
    ($make:path) => {
        $crate::store_conformance! { $make:
            owners_are_found_by_name_and_subject
            d22_a_name_belongs_to_one_owner
            d4_an_upgrade_replaces_only_the_hash_that_was_verified
            owners_are_listed_in_pages
            a_new_password_or_status_ends_the_grants
            d19_a_changed_password_ends_the_grants_and_undoes_no_other_change
            removed_owners_are_gone_with_their_grants
            clients_come_back_as_they_were_added
            clients_are_listed_in_pages
            a_version_is_another_after_every_change
            h9_no_client_has_the_name_of_an_owner
            h9_of_a_client_and_an_owner_who_race_for_a_name_one_wins
            h8_of_many_rotations_at_once_none_is_lost
            h10_a_disabled_or_removed_client_loses_its_grants
            the_first_key_of_an_algorithm_stays
            i2_of_many_next_keys_one_is_stored
            i3_a_next_key_ends_those_whose_place_it_takes
            i5_a_withdrawn_key_is_gone_and_the_feed_tells_it
            i7_only_a_key_that_rests_plain_is_sealed
            keys_that_are_over_are_swept
            a_grant_is_recorded_and_revoked
            a18_nothing_is_recorded_once_the_owner_changed
            n1_a_one_time_thing_is_spent_once
            a20_of_many_redeemers_one_wins
            e14_a_handle_of_one_kind_is_no_other
            what_has_expired_cannot_be_spent_and_is_swept
            h7_of_many_who_come_with_the_same_thing_one_is_first
            h7_what_is_remembered_is_forgotten_when_it_has_expired
            n6_what_a_client_got_while_the_clock_was_ahead_ends_with_it
            a_grant_that_can_be_renewed_comes_back_as_it_was_recorded
            an_owner_keeps_so_many_grants
            n1_a_refresh_token_is_rotated_once
            e8_nothing_is_rotated_once_the_grant_has_ended
            whatever_ends_grants_tells_the_feed
            the_feed_is_not_told_of_grants_whose_access_tokens_are_long_over
            a_number_of_the_feed_is_given_once
            opaque_tokens_end_with_their_grant
            f3_a_clients_own_opaque_tokens_end_with_it
            answers_to_retired_refresh_tokens_are_swept
            i8_what_was_before_an_epoch_is_powerless
            i8_an_epoch_is_seen_by_a_server_that_runs
            e3_of_many_uses_at_once_one_successor_lives
            e8_revocation_beats_renewal
            e_grants_live_as_their_model_says
        }
    };
    ($make:path: $($test:ident)+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            let (store, _lives) = $make().await;
            $crate::store::conformance::$test(::std::sync::Arc::new(store)).await;
        }
    )+};
}

/// Runs `task` many times at once and gathers what each returned.
async fn race<T: Send + 'static, F: Future<Output = T> + Send + 'static>(task: impl Fn(usize) -> F) -> Vec<T> {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    for racer in 0..RACERS {
        let (sender, task) = (sender.clone(), task(racer));
        // Nobody waits for the handle: what counts arrives over the channel, and a lost racer is missed below.
        drop(tokio::spawn(async move { sender.send(task.await).map_err(drop) }));
    }
    drop(sender);
    let mut results = Vec::new();
    while let Some(result) = receiver.recv().await {
        results.push(result);
    }
    assert_eq!(results.len(), RACERS, "a racer was lost");
    results
}

fn owner(name: &str) -> ResourceOwner {
    ResourceOwner {
        subject: Subject::new(format!("subject of {name}")),
        username: Username::parse(name).unwrap(),
        full_name: Some(format!("{name} Wonderland; \"quoted\" 'n' ünïcode")),
        email: None,
        scope: "read:items me".parse().unwrap(),
        status: OwnerStatus::Active,
        password_hash: Some(PasswordHash::new("first")),
    }
}

fn grant(id: &str, subject: &Subject) -> Grant {
    Grant {
        id: GrantId::new(id),
        subject: subject.clone(),
        client_id: ClientId::new(Client::BUILT_IN_ID),
        scope: "me".parse().unwrap(),
        created_at: NOW,
        used_at: NOW,
        access_until: NOW.plus(Duration::from_secs(900)),
        refresh: None,
    }
}

const CODE: OneTimeKind = OneTimeKind::new("code");

fn one_time(handle: &str) -> OneTime {
    OneTime {
        kind: CODE,
        handle: HandleHash::of(handle),
        expires_at: NOW.plus(Duration::from_secs(60)),
        payload: r#"{"scope":"me"}"#.to_owned(),
    }
}

fn spend(handle: &str) -> Spend {
    Spend { kind: CODE, handle: HandleHash::of(handle), now: NOW }
}

pub async fn owners_are_found_by_name_and_subject(store: Arc<impl Store>) {
    let mut bare = owner("bare");
    bare.full_name = None;
    bare.password_hash = None;
    bare.scope = "".parse().unwrap();
    bare.status = OwnerStatus::Disabled;
    bare.email = Some("bare@example.com".to_owned());
    let many = ResourceOwner {
        scope: (0..500).map(|i| ScopeToken::parse(&i.to_string()).unwrap()).collect(),
        ..owner("many")
    };
    for owner in [owner("alice"), bare, many] {
        assert_eq!(store.add_owner(&owner).await.unwrap(), Added::Yes);
        assert_eq!(store.find_by_username(&owner.username).await.unwrap(), Some(owner.clone()));
        assert_eq!(store.find_by_subject(&owner.subject).await.unwrap(), Some(owner));
    }
    assert_eq!(store.find_by_username(&Username::parse("nobody").unwrap()).await.unwrap(), None);
    assert_eq!(store.find_by_subject(&Subject::new("' OR 1=1 --")).await.unwrap(), None);
}

pub async fn d22_a_name_belongs_to_one_owner(store: Arc<impl Store>) {
    let added = race(|racer| {
        let store = store.clone();
        async move {
            let owner = ResourceOwner { subject: Subject::new(racer.to_string()), ..owner("alice") };
            (store.add_owner(&owner).await.unwrap() == Added::Yes).then_some(owner)
        }
    })
    .await;
    let winners: Vec<_> = added.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1, "one owner gets the name");
    assert_eq!(store.find_by_username(&winners[0].username).await.unwrap().as_ref(), Some(&winners[0]));
    let same_subject = ResourceOwner { subject: winners[0].subject.clone(), ..owner("bob") };
    assert_eq!(store.add_owner(&same_subject).await.unwrap(), Added::NameTaken);
}

pub async fn d4_an_upgrade_replaces_only_the_hash_that_was_verified(store: Arc<impl Store>) {
    let alice = owner("alice");
    store.add_owner(&alice).await.unwrap();
    let hash = PasswordHash::new;
    let upgrade = |from, to| {
        let (store, subject) = (store.clone(), alice.subject.clone());
        async move { store.upgrade_password(&subject, &hash(from), &hash(to)).await.unwrap() }
    };
    assert_eq!(upgrade("another", "second").await, Upgraded::No);
    assert_eq!(upgrade("first", "second").await, Upgraded::Yes);
    assert_eq!(upgrade("first", "third").await, Upgraded::No, "a slower login does not undo it");
    let found = store.find_by_subject(&alice.subject).await.unwrap().unwrap();
    assert_eq!(found.password_hash, Some(hash("second")));
    let unknown = Subject::new("nobody");
    assert_eq!(store.upgrade_password(&unknown, &hash("second"), &hash("x")).await.unwrap(), Upgraded::No);
}

pub async fn owners_are_listed_in_pages(store: Arc<impl Store>) {
    let names = ["alice", "bob", "carol", "dave"];
    for name in names.iter().rev() {
        store.add_owner(&owner(name)).await.unwrap();
    }
    let mut listed = Vec::new();
    let mut last: Option<Username> = None;
    loop {
        let page = store.list_owners(last.as_ref(), 3).await.unwrap();
        let Some(end) = page.last() else { break };
        last = Some(end.username.clone());
        listed.extend(page.into_iter().map(|owner| owner.username.to_string()));
    }
    assert_eq!(listed, names);
}

pub async fn a_new_password_or_status_ends_the_grants(store: Arc<impl Store>) {
    let (alice, bob) = (owner("alice"), owner("bob"));
    for owner in [&alice, &bob] {
        store.add_owner(owner).await.unwrap();
    }
    let of_bob = grant("bob's", &bob.subject);
    assert_eq!(store.redeem(&Standing::Active, None, &of_bob, None).await.unwrap(), Redeemed::Whole);
    let of_alice = grant("alice's", &alice.subject);

    store.redeem(&Standing::Active, None, &of_alice, None).await.unwrap();
    assert_eq!(store.set_password(&alice.subject, &PasswordHash::new("new"), NOW).await.unwrap(), Found::Yes);
    assert_eq!(store.find_grant(&of_alice.id).await.unwrap(), None);
    assert_eq!(store.set_status(&alice.subject, OwnerStatus::Active, NOW).await.unwrap(), Found::Yes);
    store.redeem(&Standing::Active, None, &of_alice, None).await.unwrap();
    assert_eq!(store.set_status(&alice.subject, OwnerStatus::Disabled, NOW).await.unwrap(), Found::Yes);
    assert_eq!(store.find_grant(&of_alice.id).await.unwrap(), None);

    let found = store.find_by_subject(&alice.subject).await.unwrap().unwrap();
    assert_eq!((found.status, found.password_hash), (OwnerStatus::Disabled, Some(PasswordHash::new("new"))));
    assert_eq!(store.find_grant(&of_bob.id).await.unwrap(), Some(of_bob), "another owner's grant stays");
    let nobody = Subject::new("nobody");
    assert_eq!(store.set_password(&nobody, &PasswordHash::new("x"), NOW).await.unwrap(), Found::No);
    assert_eq!(store.set_status(&nobody, OwnerStatus::Disabled, NOW).await.unwrap(), Found::No);
}

pub async fn d19_a_changed_password_ends_the_grants_and_undoes_no_other_change(store: Arc<impl Store>) {
    let (alice, bob) = (owner("alice"), owner("bob"));
    let (of_alice, of_bob) = (grant("alice's", &alice.subject), grant("bob's", &bob.subject));
    for (owner, grant) in [(&alice, &of_alice), (&bob, &of_bob)] {
        store.add_owner(owner).await.unwrap();
        assert_eq!(store.redeem(&Standing::Active, None, grant, None).await.unwrap(), Redeemed::Whole);
    }
    let change = |subject: &Subject, from, to| {
        let (store, subject) = (store.clone(), subject.clone());
        let (from, to) = (PasswordHash::new(from), PasswordHash::new(to));
        async move { store.change_password(&subject, &from, &to, NOW).await.unwrap() }
    };
    assert_eq!(change(&alice.subject, "another", "second").await, Found::No);
    assert_eq!(change(&Subject::new("nobody"), "first", "second").await, Found::No);
    assert_eq!(store.find_grant(&of_alice.id).await.unwrap().as_ref(), Some(&of_alice), "nothing changed");
    assert_eq!(change(&alice.subject, "first", "second").await, Found::Yes);
    assert_eq!(change(&alice.subject, "first", "third").await, Found::No, "a slower change does not undo it");
    let found = store.find_by_subject(&alice.subject).await.unwrap().unwrap();
    assert_eq!(found.password_hash, Some(PasswordHash::new("second")));
    assert_eq!(store.find_grant(&of_alice.id).await.unwrap(), None);
    let feed = store.find_feed(0, 10).await.unwrap();
    let told = [Ended::Grant(of_alice.id), Ended::Owner(alice.subject)];
    assert_eq!(feed.into_iter().map(|entry| entry.ended).collect::<Vec<_>>(), told);
    assert_eq!(store.find_grant(&of_bob.id).await.unwrap(), Some(of_bob), "another owner's grant stays");
}

pub async fn removed_owners_are_gone_with_their_grants(store: Arc<impl Store>) {
    let alice = owner("alice");
    store.add_owner(&alice).await.unwrap();
    let grant = grant("alice's", &alice.subject);
    assert_eq!(store.redeem(&Standing::Active, None, &grant, None).await.unwrap(), Redeemed::Whole);
    assert_eq!(store.remove_owner(&alice.subject, NOW).await.unwrap(), Found::Yes);
    assert_eq!(store.remove_owner(&alice.subject, NOW).await.unwrap(), Found::No);
    assert_eq!(store.find_by_username(&alice.username).await.unwrap(), None);
    assert_eq!(store.find_grant(&grant.id).await.unwrap(), None);
    let again = ResourceOwner { subject: Subject::new("another subject"), ..alice };
    assert_eq!(store.add_owner(&again).await.unwrap(), Added::Yes, "the name is free again");
}

fn key(id: &(impl ToString + ?Sized), algorithm: Algorithm) -> KeyRecord {
    let id = KeyId::new(id.to_string());
    KeyRecord {
        private_key: PrivateKey::from_pkcs8(id.as_str().repeat(20)).into(),
        id,
        algorithm: algorithm.into(),
        signs_from: NOW,
        verifies_until: None,
        withdrawn_at: None,
    }
}

fn succession(after: &str, next: KeyRecord) -> Succession {
    Succession {
        after: KeyId::new(after),
        next,
        signing: None,
        abandoned_before: NOW.minus(Duration::from_secs(60)),
        retired_until: NOW.plus(Duration::from_secs(900)),
    }
}

/// The names of the keys, and until when each verifies.
async fn ends(store: &impl Store) -> Vec<(String, Option<Timestamp>)> {
    let keys = store.find_keys().await.unwrap();
    keys.into_iter().map(|key| (key.id.to_string(), key.verifies_until)).collect()
}

fn end(id: &str, verifies_until: Option<Timestamp>) -> (String, Option<Timestamp>) {
    (id.to_owned(), verifies_until)
}

pub async fn the_first_key_of_an_algorithm_stays(store: Arc<impl Store>) {
    assert_eq!(store.find_keys().await.unwrap(), []);
    let rings = race(|racer| {
        let store = store.clone();
        async move { store.put_first_key(&key(&racer, Algorithm::Es256)).await.unwrap() }
    })
    .await;
    let stored = store.find_keys().await.unwrap();
    assert_eq!(stored.len(), 1, "two processes that start at once end with one key");
    assert!(rings.iter().all(|ring| *ring == stored), "and both know it");

    let eddsa = KeyRecord {
        verifies_until: Some(NOW),
        signs_from: NOW.plus(Duration::from_secs(1)),
        private_key: RestingKey::Sealed(SealedKey::from_bytes(vec![9; 40])),
        ..key(&99, Algorithm::EdDsa)
    };
    let both = store.put_first_key(&eddsa).await.unwrap();
    assert_eq!(both, [stored[0].clone(), eddsa]);
}

pub async fn i2_of_many_next_keys_one_is_stored(store: Arc<impl Store>) {
    let never = store.put_next_key(&succession("first", key("lonely", Algorithm::Es256))).await.unwrap();
    assert_eq!(never, [], "after a key that is not there comes none");
    store.put_first_key(&key("first", Algorithm::Es256)).await.unwrap();
    store.put_first_key(&key("other", Algorithm::EdDsa)).await.unwrap();
    let rings = race(|racer| {
        let store = store.clone();
        let next =
            KeyRecord { signs_from: NOW.plus(Duration::from_secs(racer as u64)), ..key(&racer, Algorithm::Es256) };
        async move { store.put_next_key(&succession("first", next)).await.unwrap() }
    })
    .await;
    let stored = store.find_keys().await.unwrap();
    assert_eq!(stored.len(), 3, "of {RACERS} processes one makes the next key");
    assert!(rings.iter().all(|ring| *ring == stored), "and all know it");
    let again = store.put_next_key(&succession("first", key("late", Algorithm::Es256))).await.unwrap();
    assert_eq!(again, stored, "a key has come since");
}

pub async fn i3_a_next_key_ends_those_whose_place_it_takes(store: Arc<impl Store>) {
    let long_ago = NOW.minus(Duration::from_secs(61));
    store.put_first_key(&key("1", Algorithm::Es256)).await.unwrap();
    store.put_first_key(&KeyRecord { signs_from: long_ago, ..key("abandoned", Algorithm::Rs256) }).await.unwrap();
    store.put_first_key(&key("another's", Algorithm::EdDsa)).await.unwrap();
    let later = KeyRecord { signs_from: NOW.minus(Duration::from_secs(9)), ..key("2", Algorithm::Es256) };
    let second = succession("1", later.clone());
    let stored = store.put_next_key(&second).await.unwrap();
    assert_eq!(stored.last(), Some(&later), "keys are in the order in which they came");
    let until = Some(second.retired_until);
    assert_eq!(ends(&*store).await, [end("1", until), end("abandoned", until), end("another's", None), end("2", None)]);

    let third = Succession {
        signing: Some(KeyId::new("1")),
        retired_until: NOW.plus(Duration::from_secs(1800)),
        ..succession("2", key("3", Algorithm::Es256))
    };
    store.withdraw_key(&KeyId::new("2"), NOW, NOW).await.unwrap();
    store.put_next_key(&third).await.unwrap();
    let prolonged = Some(third.retired_until);
    assert_eq!(
        ends(&*store).await,
        [end("1", prolonged), end("abandoned", until), end("another's", None), end("2", Some(NOW)), end("3", None)],
        "the one that signs goes on, and the one that was withdrawn stays so"
    );
}

pub async fn i5_a_withdrawn_key_is_gone_and_the_feed_tells_it(store: Arc<impl Store>) {
    let (id, until) = (KeyId::new("1"), NOW.plus(Duration::from_secs(900)));
    assert_eq!(store.withdraw_key(&id, NOW, until).await.unwrap(), Found::No);
    assert_eq!(store.find_feed(0, 9).await.unwrap(), [], "nothing was there, and nothing is told");
    store.put_first_key(&key("1", Algorithm::Es256)).await.unwrap();
    let other = key("other", Algorithm::EdDsa);
    store.put_first_key(&other).await.unwrap();
    let answers = race(|_| {
        let (store, id) = (store.clone(), id.clone());
        async move { store.withdraw_key(&id, NOW, until).await.unwrap() }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| **answer == Found::Yes).count(), 1, "it is withdrawn once");
    let gone = KeyRecord {
        private_key: RestingKey::Gone,
        verifies_until: Some(NOW),
        withdrawn_at: Some(NOW),
        ..key("1", Algorithm::Es256)
    };
    assert_eq!(store.find_keys().await.unwrap(), [gone, other]);
    let told = store.find_feed(0, 9).await.unwrap();
    let told: Vec<_> = told.into_iter().map(|entry| (entry.ended, entry.until)).collect();
    assert_eq!(told, [(Ended::Key(id), until)]);
}

pub async fn i7_only_a_key_that_rests_plain_is_sealed(store: Arc<impl Store>) {
    let [sealed, other] = [1, 2].map(|byte| SealedKey::from_bytes(vec![byte; 60]));
    let [plain, withdrawn] = ["plain", "withdrawn"].map(KeyId::new);
    store.put_first_key(&key("plain", Algorithm::Es256)).await.unwrap();
    store.put_first_key(&key("withdrawn", Algorithm::EdDsa)).await.unwrap();
    store.withdraw_key(&withdrawn, NOW, NOW).await.unwrap();
    assert_eq!(store.seal_key(&plain, &sealed).await.unwrap(), Found::Yes);
    for id in [&plain, &withdrawn, &KeyId::new("nobody's")] {
        assert_eq!(store.seal_key(id, &other).await.unwrap(), Found::No, "{id}");
    }
    let keys = store.find_keys().await.unwrap();
    let resting: Vec<_> = keys.iter().map(|key| key.private_key.clone()).collect();
    assert_eq!(resting, [RestingKey::Sealed(sealed), RestingKey::Gone]);
}

pub async fn keys_that_are_over_are_swept(store: Arc<impl Store>) {
    let over = KeyRecord { verifies_until: Some(NOW), ..key("over", Algorithm::Es256) };
    store.put_first_key(&over).await.unwrap();
    store.put_first_key(&key("signs", Algorithm::EdDsa)).await.unwrap();
    let last = NOW.plus(RETIRED_KEYS_KEPT);
    let sweep = |now| store.sweep(now, Duration::ZERO, 9);
    assert_eq!(sweep(last.minus(Duration::from_secs(1))).await.unwrap(), 0, "it can be looked at for a while");
    assert_eq!(sweep(last).await.unwrap(), 1);
    assert_eq!(ends(&*store).await, [end("signs", None)]);
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
