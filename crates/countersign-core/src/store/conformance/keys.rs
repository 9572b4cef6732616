//! What every store must keep of signing keys.

use std::{sync::Arc, time::Duration};

use super::{NOW, RACERS, race};
use crate::{
    clock::Timestamp,
    jose::Algorithm,
    names::KeyId,
    store::{Ended, Found, KeyRecord, PrivateKey, RETIRED_KEYS_KEPT, RestingKey, SealedKey, Store, Succession},
};

pub(super) fn key(id: &(impl ToString + ?Sized), algorithm: Algorithm) -> KeyRecord {
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
