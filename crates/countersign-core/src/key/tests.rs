//! Tests of the key sets of other issuers, and of what a ring tells of itself.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    KeyPairAlgorithm, KeyRing, KeyRotation, KeySet, KeySetProblem, KeySettings, LiveKeys, MAX_KEY_SET_BYTES, MAX_KEYS,
    SigningChoice, SkippedKey, VerifyingKeys,
    rotation::{Times, choose},
};
use crate::{
    clock::{Timestamp, TurnableClock},
    jose::{self, Algorithm, KeyProblem, tests::OtherKey},
    names::KeyId,
    store::{KeyRecord, memory::Memory},
};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn read(document: &Value) -> Result<KeySet, KeySetProblem> {
    KeySet::parse(document.to_string().as_bytes())
}

fn named(mut jwk: Value, name: &str) -> Value {
    jwk["kid"] = json!(name);
    jwk
}

fn found(set: &KeySet, id: Option<&str>, algorithm: &str) -> Option<(String, Algorithm)> {
    let id = id.map(KeyId::new);
    set.find(id.as_ref(), algorithm, NOW).map(|key| (key.id().as_str().to_owned(), key.algorithm()))
}

#[test]
fn c23_what_is_no_key_set_or_too_large_is_not_read() {
    for malformed in
        ["", "[]", "{}", "{\"keys\":{}}", "{\"keys\":null}", "<html>", "{\"keys\":[],\"keys\":[]}", "{\"keys\":[]}x"]
    {
        assert_eq!(KeySet::parse(malformed.as_bytes()).err(), Some(KeySetProblem::Malformed), "{malformed}");
    }
    let padded = |bytes: usize| format!("{{\"keys\":[]}}{}", " ".repeat(bytes - 11));
    assert_eq!(KeySet::parse(padded(MAX_KEY_SET_BYTES + 1).as_bytes()).err(), Some(KeySetProblem::TooLarge));
    assert!(KeySet::parse(padded(MAX_KEY_SET_BYTES).as_bytes()).unwrap().is_empty());
    assert_eq!(read(&json!({ "keys": vec![1; MAX_KEYS + 1] })).err(), Some(KeySetProblem::TooManyKeys));
    assert_eq!(read(&json!({ "keys": vec![1; MAX_KEYS] })).unwrap().skipped().len(), MAX_KEYS);
    let deep = format!("{{\"keys\":[],\"x\":{}{}}}", "[".repeat(200), "]".repeat(200));
    assert_eq!(KeySet::parse(deep.as_bytes()).err(), Some(KeySetProblem::Malformed));
}

#[test]
fn c17_keys_that_cannot_be_used_are_skipped_and_told() {
    let good = named(OtherKey::p384().jwk(), "good");
    let mut private = named(OtherKey::p384().jwk(), "private");
    private["d"] = json!("AAAA");
    let mut encryption = named(OtherKey::rsa().jwk(), "encryption");
    encryption["use"] = json!("enc");
    let mut weak = named(OtherKey::rsa().jwk(), "weak");
    weak["e"] = json!("Aw");
    let secret =
        json!({ "kty": "oct", "kid": "secret", "alg": "HS256", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0" });
    let strange = json!({ "kty": "AKP", "kid": "strange", "alg": "ML-DSA-44", "pub": "AAAA" });
    let set = read(&json!({ "keys": [private, encryption, weak, secret, strange, 7, good], "more": 1 })).unwrap();
    assert_eq!((set.len(), found(&set, Some("good"), "ES384")), (1, Some(("good".to_owned(), Algorithm::Es384))));
    let skipped = |id: Option<&str>, problem| SkippedKey { id: id.map(KeyId::new), problem };
    assert_eq!(
        set.skipped(),
        [
            skipped(Some("private"), KeyProblem::NotPublic),
            skipped(Some("encryption"), KeyProblem::OtherUse),
            skipped(Some("weak"), KeyProblem::Weak),
            skipped(Some("secret"), KeyProblem::NotPublic),
            skipped(Some("strange"), KeyProblem::Unsupported),
            skipped(None, KeyProblem::Malformed),
        ]
    );
    for id in ["private", "encryption", "weak", "secret", "strange"] {
        assert_eq!(found(&set, Some(id), "HS256"), None, "{id}");
    }
}

#[test]
fn c1_no_secret_ever_stands_in_a_key_set() {
    for secret in [
        json!({ "kty": "oct", "alg": "HS256", "kid": "x" }),
        json!({ "kty": "oct", "alg": "HS256", "kid": "x", "n": "AQAB", "e": "AQAB", "x": "AAAA" }),
        named(json!({ "kty": "RSA", "alg": "HS256", "n": OtherKey::rsa().jwk()["n"], "e": "AQAB" }), "x"),
    ] {
        let set = read(&json!({ "keys": [secret] })).unwrap();
        assert!(set.is_empty() && set.known(NOW).is_empty(), "{set:?}");
    }
}

#[test]
fn c4_a_key_is_found_by_its_name_and_its_algorithm() {
    let (first, second) = (OtherKey::p384().jwk(), OtherKey::p384().jwk());
    let set = read(&json!({ "keys": [
        named(first, "a"), named(OtherKey::rsa().jwk(), "a"), named(second.clone(), "a"), named(second, "b"),
    ] }))
    .unwrap();
    let a = |algorithm| Some(("a".to_owned(), algorithm));
    assert_eq!(set.len(), 4, "an RSA key without `alg` is two");
    assert_eq!(set.skipped(), [SkippedKey { id: Some(KeyId::new("a")), problem: KeyProblem::Duplicate }]);
    assert_eq!(found(&set, Some("a"), "ES384"), a(Algorithm::Es384));
    assert_eq!(found(&set, Some("a"), "RS256"), a(Algorithm::Rs256));
    assert_eq!(found(&set, Some("a"), "PS256"), a(Algorithm::Ps256));
    assert_eq!(found(&set, Some("a"), "none"), a(Algorithm::Es384), "which then refuses the algorithm");
    assert_eq!(found(&set, Some("A"), "ES384"), None);
    assert_eq!(found(&set, Some(""), "ES384"), None);
}

#[test]
fn c4_without_a_name_only_the_single_key_of_its_algorithm_is_meant() {
    let (one, other) = (named(OtherKey::p384().jwk(), "1"), named(OtherKey::p384().jwk(), "2"));
    let rsa = OtherKey::rsa().jwk();
    let set = read(&json!({ "keys": [one, rsa] })).unwrap();
    assert_eq!(found(&set, None, "ES384"), Some(("1".to_owned(), Algorithm::Es384)));
    assert!(found(&set, None, "RS256").is_some());
    for algorithm in ["ES256", "HS256", "none", ""] {
        assert_eq!(found(&set, None, algorithm), None, "{algorithm}");
    }
    let set = read(&json!({ "keys": [one, other, rsa] })).unwrap();
    assert_eq!(found(&set, None, "ES384"), None, "nobody tries keys one by one");
}

#[test]
fn the_same_set_is_the_same_generation_and_another_is_not() {
    let (one, other) = (named(OtherKey::p384().jwk(), "1"), named(OtherKey::p384().jwk(), "1"));
    let generation = |keys: &[&Value]| read(&json!({ "keys": keys })).unwrap().generation(NOW);
    assert_eq!(generation(&[&one]), generation(&[&one]));
    assert_ne!(generation(&[&one]), generation(&[&other]));
    assert_ne!(generation(&[&one]), generation(&[]));
    assert_ne!(generation(&[&one]), generation(&[&one, &other]));
}

#[test]
fn i1_the_generation_of_a_ring_changes_when_a_key_retires() {
    let retires = NOW.plus(Duration::from_secs(60));
    let record = |verifies_until| {
        let (id, private_key) = jose::generate(Algorithm::Es256).unwrap();
        KeyRecord {
            id,
            algorithm: Algorithm::Es256.into(),
            private_key: private_key.into(),
            signs_from: NOW,
            verifies_until,
            withdrawn_at: None,
        }
    };
    let (old, new) = (record(Some(retires)), record(None));
    let ring = KeyRing::read(&[old.clone(), new.clone()], Algorithm::Es256, None).unwrap();
    assert_eq!(ring.known(NOW).len(), 2);
    assert!(ring.find(Some(&old.id), "ES256", NOW).is_some());
    assert_eq!(ring.known(retires), [(&new.id, Algorithm::Es256)]);
    assert!(ring.find(Some(&old.id), "ES256", retires).is_none());
    assert_ne!(ring.generation(retires), ring.generation(NOW));
    assert!(ring.find(None, "ES256", retires).is_none(), "our own tokens name their key");
}

#[test]
fn i3_the_newest_key_signs_whose_time_has_come_and_that_outlives_what_it_signs() {
    const LIFE: Duration = Duration::from_secs(905);
    let times = |name: &'static str, signs_from: i64, verifies_until: Option<i64>| {
        let at = |seconds: i64| Timestamp::from_seconds(NOW.seconds() + seconds);
        (name, Times { signs_from: at(signs_from), verifies_until: verifies_until.map(at) })
    };
    for (keys, expected) in [
        (vec![], None),
        (vec![times("retired", -9, Some(0))], None),
        (vec![times("only", 0, None)], Some("only")),
        (vec![times("old", -9, None), times("new", 0, None), times("next", 1, None)], Some("new")),
        (vec![times("new", -1, None), times("old", -9, None)], Some("new")),
        // The one before was withdrawn: what waits is better than what cannot verify to the end.
        (vec![times("ends soon", -9, Some(904)), times("waits", 1, None), times("later", 2, None)], Some("waits")),
        (vec![times("ends in time", -9, Some(905)), times("waits", 1, None)], Some("ends in time")),
        (vec![times("ends soon", -9, Some(904)), times("retired", 1, Some(-1))], Some("ends soon")),
    ] {
        let chosen = choose(keys.iter().map(|(name, times)| (name, *times)), LIFE, NOW);
        assert_eq!(chosen.copied(), expected, "{keys:?}");
    }
}

#[tokio::test]
async fn i5_an_answer_of_the_store_that_is_older_than_the_feed_brings_no_key_back() {
    let (store, clock) = (Memory::new(), TurnableClock::at(NOW));
    let settings = KeySettings {
        signing: SigningChoice::default(),
        rotation: KeyRotation::default(),
        encryption: None,
        token_life: Duration::from_secs(905),
    };
    let live = LiveKeys::open(&store, settings, &clock).await.unwrap();
    let withdrawn = live.ring().signing_id(NOW).cloned().unwrap();
    live.heed(1, [withdrawn.clone()]);
    assert!(live.ring().find(Some(&withdrawn), "ES256", NOW).is_none());
    let later = NOW.plus(Duration::from_secs(60));
    clock.forward(Duration::from_secs(60));
    live.keep(&store, &clock).await.unwrap();
    assert_eq!(live.ring().known(later).len(), 1, "another was made");
    assert!(live.ring().find(Some(&withdrawn), "ES256", later).is_none());
    assert!(!live.is_heedless(1) && live.is_heedless(2));
}

#[test]
fn every_key_pair_is_found_by_its_algorithm_and_no_other_algorithm_has_one() {
    for pair in KeyPairAlgorithm::ALL {
        assert_eq!(KeyPairAlgorithm::find(pair.into()), Some(pair));
    }
    for algorithm in [Algorithm::Es384, Algorithm::Ps256, Algorithm::Hs256] {
        assert_eq!(KeyPairAlgorithm::find(algorithm), None, "{algorithm}");
    }
    let SigningChoice::KeyPair(default) = SigningChoice::default() else { panic!("a secret by default") };
    assert_eq!(default, KeyPairAlgorithm::ALL[0]);
}

proptest::proptest! {
    #[test]
    fn no_document_panics(document in "\\PC{0,200}|\\{\"keys\":\\[\\{\"kty\":\"(RSA|EC|OKP)\",\"(n|x|crv)\":\"[A-Za-z0-9_-]{0,40}\",\"(e|y)\":\"[A-Za-z0-9_-]{0,9}\"\\}\\]\\}") {
        if let Ok(set) = KeySet::parse(document.as_bytes()) {
            proptest::prop_assert!(set.is_empty());
        }
    }
}
