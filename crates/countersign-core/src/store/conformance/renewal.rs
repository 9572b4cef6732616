//! Grants that can be renewed, opaque tokens, and the feed of what has ended: what every store must keep of them.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{NOW, RACERS, grant, owner, race};
use crate::{
    client::{Authentication, Client, ClientStatus},
    clock::Timestamp,
    grant_record::{Grant, Refresh, Retired},
    names::{ClientId, GrantId, KeyId, Subject},
    password::PasswordHash,
    refresh_token::SealedAnswer,
    resource_owner::OwnerStatus,
    store::{
        Added, CLOCK_AHEAD, Ended, FeedEntry, Found, GRANTS_FORGOTTEN, GRANTS_KEPT, HandleHash, OWNER_CHANGES_TOLD,
        OpaqueToken, Origin, Redeemed, Rotated, SWEEP_MARGIN, Standing, Store,
    },
};

const LEEWAY: Duration = Duration::from_secs(10);

/// A grant whose refresh token is `current`.
fn renewable(id: &str, subject: &Subject, current: &str) -> Grant {
    let refresh = Refresh {
        family: HandleHash::of(&format!("family of {id}")),
        current: HandleHash::of(current),
        expires_at: NOW.plus(Duration::from_secs(3600)),
        retired: Vec::new(),
    };
    Grant { refresh: Some(refresh), ..grant(id, subject) }
}

/// The same, renewed: `current` took the place of `before`.
fn renewed(id: &str, subject: &Subject, before: &str, current: &str) -> Grant {
    let mut grant = renewable(id, subject, current);
    let answer = SealedAnswer::from_bytes((0..=255).collect());
    grant.refresh.as_mut().unwrap().retired.push(Retired { handle: HandleHash::of(before), at: NOW, answer });
    Grant { used_at: NOW.plus(Duration::from_secs(1)), ..grant }
}

/// A token of a grant, or that of the client `own` itself.
fn opaque(handle: &str, grant: Option<&Grant>) -> OpaqueToken {
    OpaqueToken {
        handle: HandleHash::of(handle),
        descends_from: match grant {
            Some(grant) => Origin::Grant(grant.id.clone()),
            None => Origin::Client(ClientId::new("own")),
        },
        claims: r#"{"sub":"ü"}"#.to_owned(),
        expires_at: NOW.plus(Duration::from_secs(900)),
    }
}

fn named(id: &str) -> Client {
    Client::new(ClientId::new(id), Authentication::None, NOW)
}

async fn record(store: &impl Store, grant: &Grant, token: Option<&OpaqueToken>) {
    assert_eq!(store.redeem(&Standing::Elsewhere, None, grant, token).await.unwrap(), Redeemed::Whole);
}

async fn feed(store: &impl Store) -> Vec<FeedEntry> {
    store.find_feed(0, 1000).await.unwrap()
}

pub async fn a_grant_that_can_be_renewed_comes_back_as_it_was_recorded(store: Arc<impl Store>) {
    let alice = Subject::new("alice");
    for grant in [grant("a", &alice), renewable("b", &alice, "1"), renewed("c", &alice, "1", "2")] {
        record(&*store, &grant, None).await;
        assert_eq!(store.find_grant(&grant.id).await.unwrap(), Some(grant));
    }
    let mut several = renewed("b", &alice, "1", "2");
    several.refresh.as_mut().unwrap().retired.extend(renewed("b", &alice, "0", "1").refresh.unwrap().retired);
    assert_eq!(store.rotate_refresh(&HandleHash::of("1"), &several, None).await.unwrap(), Rotated::Yes);
    assert_eq!(store.find_grant(&several.id).await.unwrap(), Some(several));
    record(&*store, &grant("d", &Subject::new("bob")), None).await;
    let ids = async |after: Option<&str>, limit| {
        let found = store.list_grants(&alice, after.map(GrantId::new).as_ref(), limit).await.unwrap();
        found.into_iter().map(|grant| grant.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, 2).await, ["a", "b"]);
    assert_eq!(ids(Some("b"), 2).await, ["c"]);
    assert!(ids(Some("c"), 2).await.is_empty());
}

/// The grant that was used as the `i`-th; its name says nothing of that.
fn used(i: usize, subject: &Subject, access_until: Timestamp) -> Grant {
    let i = u32::try_from(i).unwrap();
    let id = format!("{:08x}", i.wrapping_mul(2_654_435_761));
    Grant { used_at: NOW.plus(Duration::from_secs(i.into())), access_until, ..renewable(&id, subject, &id) }
}

pub async fn an_owner_keeps_so_many_grants(store: Arc<impl Store>) {
    const MORE: usize = 300;
    const ALL: usize = GRANTS_KEPT + MORE;
    let [alice, bob] = ["alice", "bob"].map(Subject::new);
    let ids = async || {
        let found = store.list_grants(&alice, None, 2 * ALL).await.unwrap();
        found.into_iter().map(|grant| grant.id).collect::<BTreeSet<_>>()
    };
    record(&*store, &Grant { id: GrantId::new("another's"), ..used(0, &bob, NOW) }, None).await;
    let later = NOW.plus(CLOCK_AHEAD);
    let just_over = later.minus(SWEEP_MARGIN).plus(Duration::from_secs(1));
    let of = |i: usize| used(i, &alice, if i == 1 { just_over } else { NOW });
    for first in (0..ALL).step_by(RACERS) {
        race(|racer| {
            let (store, grant) = (store.clone(), of(first + racer));
            async move { record(&*store, &grant, Some(&opaque(grant.id.as_str(), Some(&grant)))).await }
        })
        .await;
    }
    assert_eq!(ids().await.len(), ALL, "all may have access tokens that are alive");
    let new = |id: &str| Grant { created_at: later, used_at: later, access_until: later, ..renewable(id, &alice, id) };
    record(&*store, &Grant { refresh: None, ..new("bare") }, None).await;
    assert_eq!(ids().await.len(), ALL + 1, "nothing goes for one that cannot be renewed");
    record(&*store, &new("first"), None).await;
    let gone = ALL + 2 - ids().await.len();
    assert!((1..=GRANTS_FORGOTTEN).contains(&gone), "a login stays cheap: {gone}");
    record(&*store, &new("second"), None).await;
    let mut kept: BTreeSet<_> = ["bare", "first", "second"].map(GrantId::new).into();
    kept.extend((MORE + 3..ALL).chain([1]).map(|i| of(i).id));
    assert_eq!(kept.len(), GRANTS_KEPT + 1);
    assert_eq!(ids().await, kept, "the newest, and one that may be alive");
    let (forgotten, newest) = (of(0), of(ALL - 1));
    for (grant, is_there) in [(&forgotten, false), (&newest, true)] {
        let token = store.find_opaque_token(&HandleHash::of(grant.id.as_str())).await.unwrap();
        assert_eq!(token.is_some(), is_there, "its tokens go with it");
    }
    let spent = HandleHash::of(forgotten.id.as_str());
    assert_eq!(store.rotate_refresh(&spent, &forgotten, None).await.unwrap(), Rotated::No);
    // One that is used is not the oldest any more.
    let oldest = of(MORE + 3);
    let again = Grant { used_at: later, ..oldest.clone() };
    let spent = HandleHash::of(oldest.id.as_str());
    assert_eq!(store.rotate_refresh(&spent, &again, None).await.unwrap(), Rotated::Yes);
    record(&*store, &new("third"), None).await;
    let left = ids().await;
    assert!(left.contains(&oldest.id) && !left.contains(&of(MORE + 4).id));
    assert!(store.find_grant(&GrantId::new("another's")).await.unwrap().is_some());
    assert_eq!(feed(&*store).await, [], "nothing that anybody believes has ended");
}

pub async fn n6_a_forgotten_grant_is_told_of_while_a_clock_may_have_been_ahead(store: Arc<impl Store>) {
    let (alice, long_over) = (Subject::new("alice"), NOW.minus(CLOCK_AHEAD));
    for first in (0..GRANTS_KEPT).step_by(RACERS) {
        race(|racer| {
            let (store, grant) = (store.clone(), grant(&(first + racer).to_string(), &alice));
            async move { record(&*store, &grant, None).await }
        })
        .await;
    }
    let untils = [long_over, long_over.plus(Duration::from_secs(1)), NOW.minus(SWEEP_MARGIN)];
    let old: Vec<_> = untils
        .iter()
        .enumerate()
        .map(|(i, until)| Grant { used_at: long_over, access_until: *until, ..grant(&format!("old {i}"), &alice) })
        .collect();
    for grant in &old {
        record(&*store, grant, None).await;
    }
    assert_eq!(feed(&*store).await, []);
    record(&*store, &renewable("new", &alice, "1"), None).await;
    for grant in &old {
        assert_eq!(store.find_grant(&grant.id).await.unwrap(), None);
    }
    let mut told: Vec<_> = feed(&*store).await.into_iter().map(|entry| (entry.until, entry.ended)).collect();
    told.sort_by_key(|(until, _)| *until);
    let expected = old[1..].iter().map(|grant| (grant.access_until, Ended::Grant(grant.id.clone())));
    assert_eq!(told, expected.collect::<Vec<_>>(), "their tokens are good again once the clock is set right");
    assert_eq!(store.list_grants(&alice, None, 2 * GRANTS_KEPT).await.unwrap().len(), GRANTS_KEPT + 1);
}

pub async fn n1_a_refresh_token_is_rotated_once(store: Arc<impl Store>) {
    let alice = Subject::new("alice");
    record(&*store, &renewable("g", &alice, "first"), None).await;
    let next = |current: &str| renewed("g", &alice, "first", current);
    assert_eq!(store.rotate_refresh(&HandleHash::of("other"), &next("x"), None).await.unwrap(), Rotated::No);
    let outcomes = race(|racer| {
        let (store, next) = (store.clone(), next(&racer.to_string()));
        async move {
            let token = opaque(&format!("token of {racer}"), Some(&next));
            (racer, store.rotate_refresh(&HandleHash::of("first"), &next, Some(&token)).await.unwrap())
        }
    })
    .await;
    let won: Vec<_> = outcomes.iter().filter(|(_, outcome)| *outcome == Rotated::Yes).collect();
    let [(winner, _)] = won[..] else { panic!("{won:?}") };
    let stored = store.find_grant(&GrantId::new("g")).await.unwrap().unwrap();
    assert_eq!(stored, next(&winner.to_string()));
    for racer in 0..RACERS {
        let found = store.find_opaque_token(&HandleHash::of(&format!("token of {racer}"))).await.unwrap();
        assert_eq!(found.is_some(), racer == *winner, "who lost left nothing behind");
    }
}

pub async fn e8_nothing_is_rotated_once_the_grant_has_ended(store: Arc<impl Store>) {
    let alice = Subject::new("alice");
    let (first, second) = (renewable("g", &alice, "1"), renewed("g", &alice, "1", "2"));
    record(&*store, &first, None).await;
    assert_eq!(store.revoke_grant(&first.id).await.unwrap(), Found::Yes);
    let token = opaque("t", Some(&first));
    assert_eq!(store.rotate_refresh(&HandleHash::of("1"), &second, Some(&token)).await.unwrap(), Rotated::No);
    assert_eq!(store.find_grant(&first.id).await.unwrap(), None);
    assert_eq!(store.find_opaque_token(&token.handle).await.unwrap(), None);
    assert_eq!(store.put_opaque_token(&token).await.unwrap(), Found::No);
    assert_eq!(store.revoke_grant(&first.id).await.unwrap(), Found::No);
    assert_eq!(feed(&*store).await.len(), 1, "what ended once is told once");
    // A grant that cannot be renewed is not renewed either.
    record(&*store, &grant("bare", &alice), None).await;
    let bare = renewed("bare", &alice, "1", "2");
    assert_eq!(store.rotate_refresh(&HandleHash::of("1"), &bare, None).await.unwrap(), Rotated::No);
}

pub async fn whatever_ends_grants_tells_the_feed(store: Arc<impl Store>) {
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(owner);
    for owner in [&alice, &bob, &carol] {
        store.add_owner(owner).await.unwrap();
    }
    let mut expected = Vec::new();
    let mut number = 0;
    let steps: [(&str, &Subject); 5] = [
        ("set_password", &alice.subject),
        ("disable", &alice.subject),
        ("remove", &bob.subject),
        ("revoke_grants_of", &carol.subject),
        ("revoke_grant", &carol.subject),
    ];
    let other = renewable("another's", &Subject::new("nobody"), "x");
    record(&*store, &other, None).await;
    for (step, subject) in steps {
        let grant = Grant { access_until: NOW.plus(Duration::from_secs(number)), ..renewable(step, subject, step) };
        record(&*store, &grant, Some(&opaque(step, Some(&grant)))).await;
        match step {
            "set_password" => drop(store.set_password(subject, &PasswordHash::new("new"), NOW).await.unwrap()),
            "disable" => drop(store.set_status(subject, OwnerStatus::Disabled, NOW).await.unwrap()),
            "remove" => drop(store.remove_owner(subject, NOW).await.unwrap()),
            "revoke_grants_of" => assert_eq!(store.revoke_grants_of(subject, NOW).await.unwrap(), 1),
            _ => assert_eq!(store.revoke_grant(&grant.id).await.unwrap(), Found::Yes),
        }
        number += 1;
        expected.push(FeedEntry { number, ended: Ended::Grant(grant.id.clone()), until: grant.access_until });
        if ["set_password", "disable", "remove"].contains(&step) {
            number += 1;
            let until = NOW.plus(OWNER_CHANGES_TOLD);
            expected.push(FeedEntry { number, ended: Ended::Owner(subject.clone()), until });
        }
        assert_eq!(feed(&*store).await, expected, "{step}");
        assert_eq!(store.find_grant(&grant.id).await.unwrap(), None, "{step}");
        assert_eq!(store.find_opaque_token(&HandleHash::of(step)).await.unwrap(), None, "{step}");
    }
    assert_eq!(store.find_grant(&other.id).await.unwrap(), Some(other));
    store.set_status(&alice.subject, OwnerStatus::Active, NOW).await.unwrap();
    let enabled = FeedEntry {
        number: number + 1,
        ended: Ended::Owner(alice.subject.clone()),
        until: NOW.plus(OWNER_CHANGES_TOLD),
    };
    expected.push(enabled);
    assert_eq!(feed(&*store).await, expected, "an owner who is enabled changed too");
    let nobody = Subject::new("nobody at all");
    assert_eq!(store.set_status(&nobody, OwnerStatus::Active, NOW).await.unwrap(), Found::No);
    assert_eq!(store.remove_owner(&nobody, NOW).await.unwrap(), Found::No);
    assert_eq!(store.set_password(&nobody, &PasswordHash::new("x"), NOW).await.unwrap(), Found::No);
    assert_eq!(store.revoke_grants_of(&alice.subject, NOW).await.unwrap(), 0);
    assert_eq!(feed(&*store).await, expected, "nothing changed or ended, nothing is told");
    assert_eq!(store.find_feed(3, 1).await.unwrap(), expected[3..4]);
}

pub async fn the_feed_is_not_told_of_grants_whose_access_tokens_are_long_over(store: Arc<impl Store>) {
    let second = Duration::from_secs(1);
    for step in ["set_password", "change_password", "disable", "remove", "revoke_grants_of"] {
        let alice = owner(step);
        let (subject, hash) = (&alice.subject, alice.password_hash.as_ref().unwrap());
        assert_eq!(store.add_owner(&alice).await.unwrap(), Added::Yes);
        let ends = [NOW.minus(CLOCK_AHEAD), NOW.minus(CLOCK_AHEAD).plus(second), NOW.plus(second)];
        for until in ends {
            let id = format!("{step} {}", until.seconds());
            let grant = Grant { access_until: until, ..renewable(&id, subject, &id) };
            record(&*store, &grant, Some(&opaque(&id, Some(&grant)))).await;
        }
        let told = feed(&*store).await.len();
        match step {
            "set_password" => drop(store.set_password(subject, &PasswordHash::new("new"), NOW).await.unwrap()),
            "change_password" => {
                let changed = store.change_password(subject, hash, &PasswordHash::new("new"), NOW).await.unwrap();
                assert_eq!(changed, Found::Yes);
            }
            "disable" => drop(store.set_status(subject, OwnerStatus::Disabled, NOW).await.unwrap()),
            "remove" => drop(store.remove_owner(subject, NOW).await.unwrap()),
            _ => assert_eq!(store.revoke_grants_of(subject, NOW).await.unwrap(), 3, "all have ended"),
        }
        let told = feed(&*store).await.split_off(told);
        let grants = told.iter().filter(|entry| matches!(entry.ended, Ended::Grant(_)));
        let mut alive: Vec<_> = grants.map(|entry| entry.until).collect();
        alive.sort();
        assert_eq!(alive, ends[1..], "{step}");
        for until in ends {
            let id = format!("{step} {}", until.seconds());
            assert_eq!(store.find_grant(&GrantId::new(&id)).await.unwrap(), None, "{id}");
            assert_eq!(store.find_opaque_token(&HandleHash::of(&id)).await.unwrap(), None, "{id}");
        }
    }
}

pub async fn a_number_of_the_feed_is_given_once(store: Arc<impl Store>) {
    let all = [
        Ended::Grant(GrantId::new("g")),
        Ended::Token("t".to_owned()),
        Ended::Client(ClientId::new("c"), Timestamp::from_seconds(7)),
        Ended::Key(KeyId::new("k")),
        Ended::Owner(Subject::new("s")),
        Ended::Everything(Timestamp::from_seconds(7)),
        Ended::Other(None),
        Ended::Other(Some(Timestamp::from_seconds(7))),
    ];
    for ended in &all {
        store.append_feed(ended, NOW).await.unwrap();
    }
    let told: Vec<_> = feed(&*store).await.into_iter().map(|entry| entry.ended).collect();
    assert_eq!(told, all);
    let end = NOW.plus(SWEEP_MARGIN);
    assert_eq!(store.sweep(end.minus(Duration::from_secs(1)), LEEWAY, 10).await.unwrap(), 0, "they may still matter");
    for _ in 0..2 {
        assert_eq!(store.sweep(end, LEEWAY, 4).await.unwrap(), 4);
    }
    assert!(feed(&*store).await.is_empty());
    store.append_feed(&all[0], NOW).await.unwrap();
    assert_eq!(feed(&*store).await[0].number, 9, "who follows by number misses nothing");
}

pub async fn opaque_tokens_end_with_their_grant(store: Arc<impl Store>) {
    let alice = Subject::new("alice");
    assert_eq!(store.add_client(&named("own")).await.unwrap(), Added::Yes);
    let grant = renewable("g", &alice, "1");
    let (first, second, own) = (opaque("1", Some(&grant)), opaque("2", Some(&grant)), opaque("own", None));
    record(&*store, &grant, Some(&first)).await;
    for token in [&second, &own] {
        assert_eq!(store.put_opaque_token(token).await.unwrap(), Found::Yes);
    }
    for token in [&first, &second, &own] {
        assert_eq!(store.find_opaque_token(&token.handle).await.unwrap().as_ref(), Some(token));
    }
    assert_eq!(store.revoke_opaque_token(&second.handle).await.unwrap(), Found::Yes);
    assert_eq!(store.revoke_opaque_token(&second.handle).await.unwrap(), Found::No);
    assert_eq!(store.find_opaque_token(&second.handle).await.unwrap(), None);
    assert!(store.find_opaque_token(&first.handle).await.unwrap().is_some());
    store.revoke_grant(&grant.id).await.unwrap();
    assert_eq!(store.find_opaque_token(&first.handle).await.unwrap(), None);
    assert!(store.find_opaque_token(&own.handle).await.unwrap().is_some(), "a client's own has no grant to end with");
    // It, and what the feed says of the grant.
    assert_eq!(store.sweep(own.expires_at.plus(SWEEP_MARGIN), LEEWAY, 10).await.unwrap(), 2);
    assert_eq!(store.find_opaque_token(&own.handle).await.unwrap(), None);
}

pub async fn f3_a_clients_own_opaque_tokens_end_with_it(store: Arc<impl Store>) {
    let id = ClientId::new("own");
    let other = OpaqueToken { descends_from: Origin::Client(ClientId::new("other")), ..opaque("other", None) };
    assert_eq!(store.put_opaque_token(&opaque("1", None)).await.unwrap(), Found::No, "there is no such client");
    for name in ["own", "other"] {
        assert_eq!(store.add_client(&named(name)).await.unwrap(), Added::Yes);
    }
    assert_eq!(store.put_opaque_token(&other).await.unwrap(), Found::Yes);
    for step in ["disabled", "removed"] {
        let token = opaque(step, None);
        assert_eq!(store.put_opaque_token(&token).await.unwrap(), Found::Yes, "{step}");
        let ended = match step {
            "disabled" => store.set_client_status(&id, ClientStatus::Disabled, NOW).await,
            _ => store.remove_client(&id, NOW).await,
        };
        assert_eq!(ended.unwrap(), Found::Yes, "{step}");
        assert_eq!(store.find_opaque_token(&token.handle).await.unwrap(), None, "{step}");
        assert_eq!(store.put_opaque_token(&token).await.unwrap(), Found::No, "{step}");
        store.set_client_status(&id, ClientStatus::Active, NOW).await.unwrap();
    }
    assert!(store.find_opaque_token(&other.handle).await.unwrap().is_some(), "another's stays");
}

pub async fn answers_to_retired_refresh_tokens_are_swept(store: Arc<impl Store>) {
    let alice = Subject::new("alice");
    record(&*store, &renewable("g", &alice, "1"), None).await;
    let next = renewed("g", &alice, "1", "2");
    store.rotate_refresh(&HandleHash::of("1"), &next, None).await.unwrap();
    assert_eq!(store.sweep(NOW.plus(LEEWAY).minus(Duration::from_secs(1)), LEEWAY, 10).await.unwrap(), 0);
    assert_eq!(store.find_grant(&next.id).await.unwrap(), Some(next.clone()));
    assert_eq!(store.sweep(NOW.plus(LEEWAY), LEEWAY, 10).await.unwrap(), 1);
    let mut bare = next;
    bare.refresh.as_mut().unwrap().retired.clear();
    assert_eq!(store.find_grant(&bare.id).await.unwrap(), Some(bare), "and nothing else of it");
    assert_eq!(store.sweep(NOW.plus(LEEWAY), LEEWAY, 10).await.unwrap(), 0);
}
