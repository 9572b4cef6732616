//! What every store must keep of clients, and of what they may use once.

use std::{sync::Arc, time::Duration};

use super::{NOW, grant, owner, race};
use crate::{
    client::{
        AllowedScope, Authentication, Client, ClientKeys, ClientSecret, ClientSecretHash, ClientSecrets, ClientStatus,
        KeptSecret, Party, SecretMethods,
    },
    clock::Timestamp,
    grant_record::Grant,
    grant_type::GrantType,
    names::{Audience, ClientId, GrantId, Subject},
    resource_owner::ResourceOwner,
    store::{
        Added, Ended, Found, HandleHash, LONGEST_ACCESS_TOKEN, OneTimeKind, Redeemed, Remembered, Rotated,
        SWEEP_MARGIN, Standing, Store,
    },
    token_format::TokenFormat,
};

const JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn client(id: &str, authentication: Authentication) -> Client {
    Client::new(ClientId::new(id), authentication, NOW)
}

fn by_secret(methods: SecretMethods, secrets: &[(&str, Option<Timestamp>)]) -> Authentication {
    let keep = |(secret, expires_at): &(&str, _)| KeptSecret {
        hash: ClientSecretHash::of(&ClientSecret::new(*secret)),
        expires_at: *expires_at,
    };
    Authentication::Secret { methods, secrets: ClientSecrets::from_kept(secrets.iter().map(keep).collect()).unwrap() }
}

pub async fn clients_come_back_as_they_were_added(store: Arc<impl Store>) {
    assert!(!store.has_clients().await.unwrap());
    let rich = Client {
        name: Some("The \"reports\" of Älice; -- 'n' more".to_owned()),
        party: Party::First,
        grant_types: GrantType::ALL.to_vec(),
        scope: AllowedScope::Only("me read:items".parse().unwrap()),
        audience: vec![Audience::new("https://a.example.com"), Audience::new("https://b.example.com/x?y")],
        serves: vec![Audience::new("https://items.example.com"), Audience::new("urn:orders")],
        token_format: Some(TokenFormat::Opaque),
        status: ClientStatus::Disabled,
        ..client(
            "https://client.example.com/ ~",
            by_secret(SecretMethods::Either, &[("new", None), ("old", Some(NOW)), ("older", Some(NOW))]),
        )
    };
    let clients = [
        client("app", Authentication::None),
        rich,
        Client { scope: AllowedScope::Any, ..client("basic", by_secret(SecretMethods::Basic, &[("a", None)])) },
        Client {
            token_format: Some(TokenFormat::Jwt),
            ..client("post", by_secret(SecretMethods::Post, &[("a", Some(NOW))]))
        },
        client("keys", Authentication::PrivateKeyJwt(ClientKeys::parse(JWKS).unwrap())),
    ];
    for client in &clients {
        assert_eq!(store.add_client(client).await.unwrap(), Added::Yes);
        assert_eq!(store.find_client(&client.id).await.unwrap().as_ref(), Some(client));
    }
    assert!(store.has_clients().await.unwrap());
    let again = Client { scope: AllowedScope::Any, ..clients[0].clone() };
    assert_eq!(store.add_client(&again).await.unwrap(), Added::NameTaken);
    assert_eq!(store.find_client(&again.id).await.unwrap().as_ref(), Some(&clients[0]), "nothing changed");
    assert_eq!(store.find_client(&ClientId::new("App")).await.unwrap(), None);
}

/// Of a store that tells its version.
pub async fn a_version_is_another_after_every_change(store: Arc<impl Store>) {
    let Some(mut last) = store.version() else { return };
    let app = client("app", by_secret(SecretMethods::Basic, &[("a", None)]));
    let kept = |secret: &str| KeptSecret { hash: ClientSecretHash::of(&ClientSecret::new(secret)), expires_at: None };
    let [from, to] = ["a", "b"].map(|secret| ClientSecrets::from_kept(vec![kept(secret)]).unwrap());
    for step in 0..7 {
        match step {
            0 => drop(store.add_client(&app).await.unwrap()),
            1 => drop(store.set_client_status(&app.id, ClientStatus::Disabled, NOW).await.unwrap()),
            2 => drop(store.set_client_status(&app.id, ClientStatus::Active, NOW).await.unwrap()),
            3 => assert_eq!(store.rotate_client_secrets(&app.id, &from, &to).await.unwrap(), Rotated::Yes),
            4 => store.append_feed(&Ended::Token("t".to_owned()), NOW).await.unwrap(),
            5 => drop(store.begin_epoch(NOW).await.unwrap()),
            _ => drop(store.remove_client(&app.id, NOW).await.unwrap()),
        }
        let version = store.version();
        assert!(version.is_some() && version != Some(last), "{step}");
        store.find_client(&app.id).await.unwrap();
        assert_eq!(store.version(), version, "a look changes nothing");
        last = version.unwrap_or(last);
    }
}

pub async fn clients_are_listed_in_pages(store: Arc<impl Store>) {
    let names = ["B", "a", "b", "c"];
    for name in names.iter().rev() {
        store.add_client(&client(name, Authentication::None)).await.unwrap();
    }
    let mut listed = Vec::new();
    let mut last: Option<ClientId> = None;
    loop {
        let page = store.list_clients(last.as_ref(), 3).await.unwrap();
        let Some(end) = page.last() else { break };
        last = Some(end.id.clone());
        listed.extend(page.into_iter().map(|client| client.id.to_string()));
    }
    assert_eq!(listed, names);
}

pub async fn h9_no_client_has_the_name_of_an_owner(store: Arc<impl Store>) {
    let alice = owner("alice");
    store.add_owner(&alice).await.unwrap();
    let like_alice = client(alice.subject.as_str(), Authentication::None);
    assert_eq!(store.add_client(&like_alice).await.unwrap(), Added::NameTaken);
    assert_eq!(store.find_client(&like_alice.id).await.unwrap(), None);
    assert_eq!(store.add_client(&client("app", Authentication::None)).await.unwrap(), Added::Yes);
    let like_app = ResourceOwner { subject: Subject::new("app"), ..owner("bob") };
    assert_eq!(store.add_owner(&like_app).await.unwrap(), Added::NameTaken);
    assert_eq!(store.find_by_username(&like_app.username).await.unwrap(), None);
    assert_eq!(store.remove_client(&ClientId::new("app"), NOW).await.unwrap(), Found::Yes);
    assert_eq!(store.add_owner(&like_app).await.unwrap(), Added::Yes, "the name is free again");
    assert_eq!(store.add_client(&client("app", Authentication::None)).await.unwrap(), Added::NameTaken);
}

pub async fn h9_of_a_client_and_an_owner_who_race_for_a_name_one_wins(store: Arc<impl Store>) {
    let added = race(|racer| {
        let store = store.clone();
        async move {
            let owner = ResourceOwner { subject: Subject::new("app"), ..owner("alice") };
            match racer % 2 {
                0 => store.add_client(&client("app", Authentication::None)).await.unwrap(),
                _ => store.add_owner(&owner).await.unwrap(),
            }
        }
    })
    .await;
    assert_eq!(added.into_iter().filter(|added| *added == Added::Yes).count(), 1);
}

pub async fn h8_of_many_rotations_at_once_none_is_lost(store: Arc<impl Store>) {
    let secrets = |authentication| match authentication {
        Authentication::Secret { secrets, .. } => secrets,
        other => panic!("{other:?}"),
    };
    let app = client("app", by_secret(SecretMethods::Basic, &[("first", None)]));
    store.add_client(&app).await.unwrap();
    let first = secrets(app.authentication.clone());
    let to = |racer: usize| first.rotated(&ClientSecret::new(racer.to_string()), Duration::from_secs(60), NOW).unwrap();
    let rotated = race(|racer| {
        let (store, from, to) = (store.clone(), first.clone(), to(racer));
        async move {
            let id = ClientId::new("app");
            (store.rotate_client_secrets(&id, &from, &to).await.unwrap() == Rotated::Yes).then_some(to)
        }
    })
    .await;
    let winners: Vec<_> = rotated.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1, "the others are told, and read again");
    let found = store.find_client(&app.id).await.unwrap().unwrap();
    assert_eq!(secrets(found.authentication), winners[0]);
    for other in [client("page", Authentication::None), client("nobody", Authentication::None)] {
        if other.id.as_str() == "page" {
            store.add_client(&other).await.unwrap();
        }
        assert_eq!(store.rotate_client_secrets(&other.id, &first, &to(0)).await.unwrap(), Rotated::No);
    }
}

pub async fn h10_a_disabled_or_removed_client_loses_its_grants(store: Arc<impl Store>) {
    let subject = Subject::new("elsewhere");
    let [app, page] = ["app", "page"].map(|id| client(id, Authentication::None));
    let granted = |id: &str, client: &Client| Grant { client_id: client.id.clone(), ..grant(id, &subject) };
    for client in [&app, &page] {
        store.add_client(client).await.unwrap();
    }
    let (of_app, of_page) = (granted("app's", &app), granted("page's", &page));
    for grant in [&of_app, &of_page] {
        assert_eq!(store.redeem(&Standing::Elsewhere, None, grant, None).await.unwrap(), Redeemed::Whole);
    }
    assert_eq!(store.set_client_status(&app.id, ClientStatus::Active, NOW).await.unwrap(), Found::Yes);
    assert!(store.find_grant(&of_app.id).await.unwrap().is_some(), "what is active stays so");
    assert_eq!(store.set_client_status(&app.id, ClientStatus::Disabled, NOW).await.unwrap(), Found::Yes);
    assert_eq!(store.find_grant(&of_app.id).await.unwrap(), None);
    assert_eq!(store.find_client(&app.id).await.unwrap().map(|found| found.status), Some(ClientStatus::Disabled));
    assert_eq!(store.find_grant(&of_page.id).await.unwrap(), Some(of_page.clone()), "another client's grant stays");
    let late = async |grant: &Grant| store.redeem(&Standing::Elsewhere, None, grant, None).await.unwrap();
    assert_eq!(late(&of_app).await, Redeemed::OwnerChanged, "a login under way leaves nothing behind");
    assert_eq!(store.set_client_status(&app.id, ClientStatus::Active, NOW).await.unwrap(), Found::Yes);
    assert_eq!(store.find_client(&app.id).await.unwrap(), Some(app.clone()));

    assert_eq!(store.remove_client(&page.id, NOW).await.unwrap(), Found::Yes);
    assert_eq!(store.remove_client(&page.id, NOW).await.unwrap(), Found::No);
    assert_eq!(store.find_client(&page.id).await.unwrap(), None);
    assert_eq!(store.find_grant(&of_page.id).await.unwrap(), None);
    assert_eq!(late(&of_page).await, Redeemed::OwnerChanged, "nor does it for one that was removed");
    assert_eq!(store.set_client_status(&page.id, ClientStatus::Disabled, NOW).await.unwrap(), Found::No);
    assert!(store.has_clients().await.unwrap());
    store.remove_client(&app.id, NOW).await.unwrap();
    assert!(!store.has_clients().await.unwrap());
}

pub async fn h7_of_many_who_come_with_the_same_thing_one_is_first(store: Arc<impl Store>) {
    let (kind, expires_at) = (OneTimeKind::new("assertion"), NOW.plus(Duration::from_secs(60)));
    let results = race(|_| {
        let store = store.clone();
        async move { store.remember_once(kind, &HandleHash::of("handle"), expires_at, NOW).await.unwrap() }
    })
    .await;
    assert_eq!(results.iter().filter(|result| **result == Remembered::First).count(), 1);
    for other in [(kind, "another"), (OneTimeKind::new("proof"), "handle")] {
        let (kind, handle) = other;
        let remembered = store.remember_once(kind, &HandleHash::of(handle), expires_at, NOW).await.unwrap();
        assert_eq!(remembered, Remembered::First, "{handle}");
    }
}

pub async fn h7_what_is_remembered_is_forgotten_when_it_has_expired(store: Arc<impl Store>) {
    let (kind, handle) = (OneTimeKind::new("assertion"), HandleHash::of("handle"));
    let at = |seconds| NOW.plus(Duration::from_secs(seconds));
    let remember = |expires_at, now| {
        let store = store.clone();
        async move { store.remember_once(kind, &handle, expires_at, now).await.unwrap() }
    };
    assert_eq!(remember(at(60), NOW).await, Remembered::First);
    assert_eq!(remember(at(90), at(59)).await, Remembered::Again);
    assert_eq!(remember(at(90), at(60)).await, Remembered::First, "the second look did not prolong it");
    assert_eq!(remember(at(99), at(89)).await, Remembered::Again, "and it counts anew");
    assert_eq!(store.sweep(at(89).plus(SWEEP_MARGIN), Duration::ZERO, 10).await.unwrap(), 0);
    assert_eq!(store.sweep(at(90).plus(SWEEP_MARGIN), Duration::ZERO, 10).await.unwrap(), 1);
}

/// A clock that was ahead was set right: what the client got before is from a time that has not come.
pub async fn n6_what_a_client_got_while_the_clock_was_ahead_ends_with_it(store: Arc<impl Store>) {
    let hour = Duration::from_secs(3600);
    for (id, status) in [("disabled", Some(ClientStatus::Disabled)), ("removed", None)] {
        let before = store.find_feed(0, 10).await.unwrap().len();
        let client = client(id, Authentication::None);
        store.add_client(&client).await.unwrap();
        let subject = Subject::new(format!("of {id}"));
        for (name, used_at) in [("early", NOW), ("late", NOW.plus(hour))] {
            let id = GrantId::new(format!("{id} {name}"));
            let grant = Grant { id, client_id: client.id.clone(), used_at, ..grant("g", &subject) };
            assert_eq!(store.redeem(&Standing::Elsewhere, None, &grant, None).await.unwrap(), Redeemed::Whole);
        }
        match status {
            Some(status) => store.set_client_status(&client.id, status, NOW).await.unwrap(),
            None => store.remove_client(&client.id, NOW).await.unwrap(),
        };
        let told = store.find_feed(0, 10).await.unwrap().split_off(before);
        let [entry] = &told[..] else { panic!("{told:?}") };
        assert_eq!(entry.ended, Ended::Client(client.id.clone(), NOW.plus(hour)));
        assert_eq!(entry.until, NOW.plus(hour).plus(LONGEST_ACCESS_TOKEN));
    }
}
