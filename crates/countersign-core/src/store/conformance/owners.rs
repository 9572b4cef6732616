//! What every store must keep of owners, and what ends with their changes.

use std::sync::Arc;

use super::{NOW, grant, owner, race};
use crate::{
    names::Subject,
    password::PasswordHash,
    resource_owner::{OwnerStatus, ResourceOwner, Upgraded},
    scope::ScopeToken,
    store::{Added, Ended, Found, Redeemed, Standing, Store},
    username::Username,
};

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
