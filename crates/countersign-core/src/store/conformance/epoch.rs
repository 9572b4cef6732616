//! A store that was put back to an earlier state: what every store must make powerless.

use std::{sync::Arc, time::Duration};

use super::{
    NOW, grant,
    keys::key,
    owner,
    redemption::{CODE, one_time, spend},
    rig::{World, assert_refused, log_in, refresh_token, renew},
};
use crate::{
    authorization_server::Request,
    client::{Authentication, Client},
    clock::Clock,
    error::OAuthError,
    form::Form,
    jose::Algorithm,
    names::{ClientId, GrantId, KeyId},
    reason::Reason,
    store::{
        Ended, Epoch, FeedEntry, HandleHash, KeyRecord, LONGEST_ACCESS_TOKEN, OneTimeKind, OpaqueToken, Origin,
        Redeemed, Remembered, RestingKey, SealedKey, Standing, Store,
    },
};

const USED: OneTimeKind = OneTimeKind::new("used");

fn opaque(handle: &str, descends_from: Origin) -> OpaqueToken {
    let expires_at = NOW.plus(Duration::from_secs(900));
    OpaqueToken { handle: HandleHash::of(handle), descends_from, claims: "{}".to_owned(), expires_at }
}

pub async fn i8_what_was_before_an_epoch_is_powerless(store: Arc<impl Store>) {
    let (alice, own) = (owner("alice"), Client::new(ClientId::new("own"), Authentication::None, NOW));
    store.add_owner(&alice).await.unwrap();
    store.add_client(&own).await.unwrap();
    let tokens = [
        opaque("of a grant", Origin::Grant(GrantId::new("1"))),
        opaque("a client's own", Origin::Client(own.id.clone())),
    ];
    for id in ["1", "2"] {
        let token = (id == "1").then_some(&tokens[0]);
        let redeemed = store.redeem(&Standing::Active, None, &grant(id, &alice.subject), token).await.unwrap();
        assert_eq!(redeemed, Redeemed::Whole);
    }
    store.put_opaque_token(&tokens[1]).await.unwrap();
    store.put_one_time(&one_time("a code")).await.unwrap();
    let (seen, later) = (HandleHash::of("seen"), NOW.plus(Duration::from_secs(60)));
    assert_eq!(store.remember_once(USED, &seen, later, NOW).await.unwrap(), Remembered::First);
    for (id, algorithm) in [("1", Algorithm::Es256), ("2", Algorithm::EdDsa), ("3", Algorithm::Rs256)] {
        store.put_first_key(&key(id, algorithm)).await.unwrap();
    }
    store.seal_key(&KeyId::new("2"), &SealedKey::from_bytes(vec![7; 60])).await.unwrap();
    let before = NOW.minus(Duration::from_secs(9));
    store.withdraw_key(&KeyId::new("3"), before, later).await.unwrap();
    store.append_feed(&Ended::Token("t".to_owned()), later).await.unwrap();
    let known = store.find_feed(0, 9).await.unwrap();
    assert_eq!(known.len(), 2);

    let begun = store.begin_epoch(NOW).await.unwrap();
    let number = NOW.seconds().unsigned_abs() << 20;
    assert_eq!(begun, Epoch { number, grants: 2, opaque_tokens: 2, one_time: 1, keys: 2 });
    for id in ["1", "2"] {
        assert_eq!(store.find_grant(&GrantId::new(id)).await.unwrap(), None);
    }
    for token in &tokens {
        assert_eq!(store.find_opaque_token(&token.handle).await.unwrap(), None);
    }
    assert_eq!(store.find_one_time(CODE, &HandleHash::of("a code"), NOW).await.unwrap(), None);
    let spent = store.redeem(&Standing::Active, Some(&spend("a code")), &grant("3", &alice.subject), None).await;
    assert_eq!(spent.unwrap(), Redeemed::AlreadySpent);
    assert_eq!(store.remember_once(USED, &seen, later, NOW).await.unwrap(), Remembered::Again, "nothing comes twice");
    assert_eq!(store.find_by_subject(&alice.subject).await.unwrap(), Some(alice.clone()));
    assert_eq!(store.find_client(&own.id).await.unwrap(), Some(own));

    let gone = |id, algorithm, at| KeyRecord {
        private_key: RestingKey::Gone,
        verifies_until: Some(at),
        withdrawn_at: Some(at),
        ..key(id, algorithm)
    };
    let keys =
        [gone("1", Algorithm::Es256, NOW), gone("2", Algorithm::EdDsa, NOW), gone("3", Algorithm::Rs256, before)];
    assert_eq!(store.find_keys().await.unwrap(), keys);
    let until = NOW.plus(LONGEST_ACCESS_TOKEN);
    let ended = [Ended::Everything(NOW), Ended::Key(KeyId::new("1")), Ended::Key(KeyId::new("2"))];
    let told = (number..).zip(ended).map(|(number, ended)| FeedEntry { number, ended, until });
    assert_eq!(store.find_feed(0, 9).await.unwrap(), known.into_iter().chain(told).collect::<Vec<_>>());

    // Life goes on, and another epoch is as far again, though its clock is behind.
    let redeemed = store.redeem(&Standing::Active, None, &grant("1", &alice.subject), None).await.unwrap();
    assert_eq!(redeemed, Redeemed::Whole);
    store.append_feed(&Ended::Token("u".to_owned()), later).await.unwrap();
    assert_eq!(store.find_feed(number + 2, 9).await.unwrap()[0].number, number + 3);
    let again = store.begin_epoch(before).await.unwrap();
    assert_eq!(again, Epoch { number: number + 3 + (1 << 32), grants: 1, opaque_tokens: 0, one_time: 0, keys: 0 });
    let last = store.find_feed(number + 3, 9).await.unwrap();
    let [FeedEntry { ended: Ended::Everything(at), .. }] = &last[..] else { panic!("{last:?}") };
    assert_eq!(*at, before);
}

pub async fn i8_an_epoch_is_seen_by_a_server_that_runs(store: Arc<impl Store>) {
    let world = World::new(store, 4).await;
    let (server, old) = (world.server().await, world.server().await);
    let first = log_in(&server).await;
    assert!(old.verify(&first.access_token).await.is_ok());
    let signing = || server.keys().signing_id(world.clock.now()).cloned();
    let signed_before = signing();
    world.store.begin_epoch(world.clock.now()).await.unwrap();
    for server in [&server, &old] {
        server.hear_of_it().await.unwrap();
        let refused = server.verify(&first.access_token).await.unwrap_err();
        assert!([Reason::Revoked, Reason::UnknownKey].contains(&refused.reason()), "{refused:?}");
        let form = Form::parse(b"grant_type=password&username=alice&password=correct+horse&scope=me").unwrap();
        let wait = server.token(Request::new(None, &form)).await.unwrap_err();
        assert!(matches!(wait, OAuthError::TemporarilyUnavailable { .. }), "in the second of the cut: {wait:?}");
    }
    world.clock.forward(Duration::from_secs(1));
    let second = log_in(&server).await;
    for server in [&server, &old] {
        assert!(server.verify(&second.access_token).await.is_ok(), "what comes later is good");
        assert!(server.verify(&first.access_token).await.is_err());
        assert_refused(renew(server, refresh_token(&first)).await, "its grant has ended");
    }
    assert_ne!(signing(), signed_before);
    assert_eq!(server.published_keys().await.unwrap().keys.len(), 1, "and the new one alone is published");
}
