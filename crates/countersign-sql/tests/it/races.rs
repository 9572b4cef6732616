//! Two handles on one database are as good as two processes: nothing but the database connects them.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use countersign::{HashingSettings, NewUser, OAuth2};
use countersign_core::{
    authorization_server::Request,
    client::{Authentication, Client},
    clock::TurnableClock,
    form::Form,
    key::{KeyRotation, KeySettings, LiveKeys, SigningChoice},
    names::{ClientId, Subject},
    password::Argon2Cost,
    resource_owner::{ResourceOwner, ResourceOwners},
    store::{Added, Clients, Grants, Keys, OwnerRegistry, Redeemed, Remembered, SWEEP_MARGIN, Standing},
};
use tokio::task::JoinSet;

use crate::support::{Home, NOW, Place, code, grant, in_both_engines, owner, spend};

const RACERS: usize = 20;

async fn n1_of_many_redeemers_over_two_handles_one_wins(home: Home) {
    let handles = [home.open().await, home.open().await];
    handles[0].put_one_time(&code("code")).await.unwrap();
    let mut racers = JoinSet::new();
    for racer in 0..RACERS {
        let store = handles[racer % 2].clone();
        racers.spawn(async move {
            store.redeem(&Standing::Elsewhere, Some(&spend("code")), &grant(&racer), None).await.unwrap()
        });
    }
    let results = racers.join_all().await;
    assert_eq!(results.len(), RACERS);
    assert_eq!(results.iter().filter(|redeemed| **redeemed == Redeemed::Whole).count(), 1);
    let mut recorded = 0;
    for racer in 0..RACERS {
        recorded += usize::from(handles[1].find_grant(&grant(&racer).id).await.unwrap().is_some());
    }
    assert_eq!(recorded, 1, "the others left nothing behind");
}

async fn h7_what_is_good_once_is_good_once_over_two_handles(home: Home) {
    let handles = [home.open().await, home.open().await];
    let mut racers = JoinSet::new();
    for racer in 0..RACERS {
        let store = handles[racer % 2].clone();
        let thing = code("assertion");
        racers
            .spawn(async move { store.remember_once(thing.kind, &thing.handle, thing.expires_at, NOW).await.unwrap() });
    }
    let first = racers.join_all().await.into_iter().filter(|remembered| *remembered == Remembered::First).count();
    assert_eq!(first, 1);
}

async fn h9_a_client_and_an_owner_race_for_a_name_over_two_handles(home: Home) {
    let handles = [home.open().await, home.open().await];
    let mut racers = JoinSet::new();
    for racer in 0..RACERS {
        let store = handles[racer % 2].clone();
        racers.spawn(async move {
            let client = Client::new(ClientId::new("app"), Authentication::None, NOW);
            match racer % 4 {
                0 | 1 => store.add_client(&client).await.unwrap(),
                _ => store.add_owner(&ResourceOwner { subject: Subject::new("app"), ..owner("alice") }).await.unwrap(),
            }
        });
    }
    assert_eq!(racers.join_all().await.into_iter().filter(|added| *added == Added::Yes).count(), 1);
}

async fn d22_two_processes_race_for_a_name(home: Home) {
    let handles = [home.open().await, home.open().await];
    let mut racers = JoinSet::new();
    for racer in 0..RACERS {
        let store = handles[racer % 2].clone();
        let owner = ResourceOwner { subject: Subject::new(racer.to_string()), ..owner("alice") };
        racers.spawn(async move { (store.add_owner(&owner).await.unwrap() == Added::Yes).then_some(owner) });
    }
    let winners: Vec<_> = racers.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    for store in &handles {
        assert_eq!(store.find_by_username(&winners[0].username).await.unwrap().as_ref(), Some(&winners[0]));
    }
}

async fn i2_two_servers_that_start_at_once_on_a_new_file_have_one_key(home: Home) {
    for start in 0..home.of_many(100) {
        let home = home.another().await;
        let mut servers = JoinSet::new();
        for _ in 0..2 {
            let opening = home.open();
            servers.spawn(async move {
                let settings = KeySettings {
                    signing: SigningChoice::default(),
                    rotation: KeyRotation::default(),
                    encryption: None,
                    token_life: Duration::from_secs(905),
                };
                let live = LiveKeys::open(&opening.await, settings, &TurnableClock::at(NOW)).await.unwrap();
                live.ring().signing_id(NOW).cloned().unwrap()
            });
        }
        let signing = servers.join_all().await;
        assert_eq!(signing[0], signing[1], "start {start}");
        assert_eq!(home.open().await.find_keys().await.unwrap().len(), 1, "start {start}");
    }
}

async fn n8_many_that_open_a_new_file_at_once_all_succeed(home: Home) {
    for _ in 0..5 {
        let home = home.another().await;
        let mut openers = JoinSet::new();
        for _ in 0..8 {
            openers.spawn(home.open());
        }
        let stores = openers.join_all().await;
        stores[0].add_owner(&owner("alice")).await.unwrap();
        for store in &stores {
            assert_eq!(store.list_owners(None, 9).await.unwrap(), [owner("alice")]);
        }
    }
}

in_both_engines! {
    n1_of_many_redeemers_over_two_handles_one_wins
    h7_what_is_good_once_is_good_once_over_two_handles
    h9_a_client_and_an_owner_race_for_a_name_over_two_handles
    d22_two_processes_race_for_a_name
    i2_two_servers_that_start_at_once_on_a_new_file_have_one_key
    n8_many_that_open_a_new_file_at_once_all_succeed
    a_sweep_beside_writers_takes_only_what_has_expired
    c21_a_user_who_changes_over_another_handle_is_seen_within_a_second
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_waits_for_another_process_and_then_succeeds() {
    let place = Place::new();
    let store = place.open().await;
    let (release, released) = mpsc::channel::<()>();
    let (locked, is_locked) = tokio::sync::oneshot::channel();
    let raw = place.raw();
    let other = std::thread::spawn(move || {
        raw.execute_batch("BEGIN IMMEDIATE").unwrap();
        locked.send(()).unwrap();
        released.recv().unwrap();
        raw.execute_batch("COMMIT").unwrap();
    });
    is_locked.await.unwrap();
    let alice = owner("alice");
    let mut write = std::pin::pin!(store.add_owner(&alice));
    tokio::select! {
        biased;
        added = &mut write => panic!("{added:?} while another process was writing"),
        found = store.find_by_subject(&alice.subject) => assert_eq!(found.unwrap(), None, "reads go on meanwhile"),
    }
    let late = place.open();
    late.await.find_by_subject(&alice.subject).await.unwrap();
    release.send(()).unwrap();
    assert_eq!(write.await.unwrap(), Added::Yes);
    other.join().unwrap();
    assert_eq!(store.find_by_subject(&alice.subject).await.unwrap(), Some(owner("alice")));
}

async fn a_sweep_beside_writers_takes_only_what_has_expired(home: Home) {
    let store = home.open().await;
    let mut tasks = JoinSet::new();
    for i in 0..RACERS {
        let store = store.clone();
        tasks.spawn(async move {
            assert_eq!(store.redeem(&Standing::Elsewhere, None, &grant(&i), None).await.unwrap(), Redeemed::Whole);
            store.sweep(NOW, std::time::Duration::ZERO, 10).await.unwrap()
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<usize>(), 0);
    assert_eq!(
        store.sweep(grant(&0).expires_at().plus(SWEEP_MARGIN), std::time::Duration::ZERO, RACERS + 1).await.unwrap(),
        RACERS
    );
}

async fn c21_a_user_who_changes_over_another_handle_is_seen_within_a_second(home: Home) {
    let clock = Arc::new(TurnableClock::at(NOW));
    let api = async || {
        let hashing = HashingSettings { cost: Argon2Cost::weak_for_tests(), ..HashingSettings::default() };
        OAuth2::new(home.open().await).clock(clock.clone()).hashing(hashing).build().await.unwrap()
    };
    let (here, there) = (api().await, api().await);
    here.add_user(NewUser::new("alice").password("correct horse")).await.unwrap();
    let form = Form::parse(b"username=alice&password=correct+horse").unwrap();
    let issued = here.server().unwrap().token(Request::new(None, &form)).await.unwrap().access_token;
    let token = here.verify(&issued).await.unwrap();
    let is_let_in = async |api: &OAuth2| api.find_active_owner(&token).await.is_ok();
    assert!(is_let_in(&here).await && is_let_in(&there).await);
    there.disable_user(token.subject()).await.unwrap();
    assert!(!is_let_in(&there).await, "at once where it was done");
    clock.forward(Duration::from_secs(1));
    assert!(!is_let_in(&here).await);
    here.enable_user(token.subject()).await.unwrap();
    clock.forward(Duration::from_secs(1));
    assert!(is_let_in(&here).await && is_let_in(&there).await);
    there.remove_user(token.subject()).await.unwrap();
    clock.forward(Duration::from_secs(1));
    assert!(!is_let_in(&here).await);
}
