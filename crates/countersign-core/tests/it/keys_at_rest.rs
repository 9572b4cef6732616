//! Private keys that rest encrypted: under the operator's key, each for its own name, or the server does not start.

use countersign_core::{
    authorization_server::Settings,
    jose::Algorithm,
    key::{KeyEncryptionKey, KeyRing, KeyRingError, PUBLISHED_BEFORE, UnfitEncryptionKey},
    store::{KeyRecord, Keys, RestingKey},
};

use crate::support::Login;

const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";
const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn key(first: u8) -> KeyEncryptionKey {
    KeyEncryptionKey::new(std::array::from_fn(|i| first.wrapping_add(i as u8))).unwrap()
}

fn encrypted(key: &KeyEncryptionKey) -> Settings {
    Settings { key_encryption: Some(key.clone()), ..Settings::default() }
}

fn sealed(record: &KeyRecord) -> &[u8] {
    let RestingKey::Sealed(sealed) = &record.private_key else { panic!("{record:?}") };
    sealed.as_bytes()
}

#[test]
fn i7_an_encryption_key_is_32_random_bytes() {
    for malformed in ["", "AAEC", &BASE64[1..], &HEX[2..], &HEX.replace('0', "g"), &format!("{BASE64}{BASE64}"), "é"] {
        let refused = KeyEncryptionKey::parse(malformed.as_bytes()).unwrap_err();
        assert_eq!(refused, UnfitEncryptionKey::Malformed, "{malformed}");
    }
    for pattern in ["0".repeat(64), "0123".repeat(16)] {
        assert_eq!(KeyEncryptionKey::parse(pattern.as_bytes()).unwrap_err(), UnfitEncryptionKey::Pattern, "{pattern}");
    }
    let key = KeyEncryptionKey::parse(HEX.as_bytes()).unwrap();
    assert_eq!(format!("{key:?}"), "KeyEncryptionKey([redacted])");
}

#[tokio::test]
async fn i7_hex_and_base64_of_the_same_bytes_are_the_same_key() {
    let [hex, base64] =
        [format!("{HEX}\n"), format!("{BASE64}\r\n")].map(|text| KeyEncryptionKey::parse(text.as_bytes()).unwrap());
    let login = Login::with_settings(encrypted(&hex)).await;
    login.start(encrypted(&base64)).await.unwrap();
    login.start(encrypted(&key(0))).await.unwrap();
}

#[tokio::test]
async fn i7_with_another_key_or_none_a_server_does_not_start_and_changes_nothing() {
    let login = Login::with_settings(encrypted(&key(1))).await;
    // One that rests plain beside it, which a start with the right key would encrypt.
    let plain = Login::with_settings(Settings::default()).await;
    let mut plain = plain.store.find_keys().await.unwrap().remove(0);
    let after = login.store.find_keys().await.unwrap()[0].id.clone();
    plain.algorithm = Algorithm::Es256.into();
    let succession = countersign_core::store::Succession {
        after,
        next: plain,
        signing: None,
        abandoned_before: crate::support::NOW,
        retired_until: crate::support::NOW,
    };
    let before = login.store.put_next_key(&succession).await.unwrap();
    let missing = login.start(Settings::default()).await.unwrap_err();
    assert!(matches!(missing, KeyRingError::NoEncryptionKey), "{missing:?}");
    let wrong = login.start(encrypted(&key(2))).await.unwrap_err();
    assert!(matches!(wrong, KeyRingError::OtherEncryptionKey), "{wrong:?}");
    let other_algorithm = Settings {
        signing: countersign_core::key::SigningChoice::KeyPair(countersign_core::key::KeyPairAlgorithm::EdDsa),
        ..encrypted(&key(2))
    };
    login.start(other_algorithm).await.unwrap_err();
    assert_eq!(login.store.find_keys().await.unwrap(), before);
    login.start(encrypted(&key(1))).await.unwrap();
    let after = login.store.find_keys().await.unwrap();
    assert_eq!(sealed(&after[0]), sealed(&before[0]), "what rests encrypted stays as it is");
    sealed(&after[1]);
}

#[tokio::test]
async fn i7_keys_that_rest_plain_are_encrypted_at_the_next_start_and_sign_on() {
    let login = Login::with_settings(Settings::default()).await;
    let token = login.token().await.unwrap();
    let plain = login.store.find_keys().await.unwrap().remove(0);
    let RestingKey::Plain(private) = &plain.private_key else { panic!("{plain:?}") };
    let server = login.start(encrypted(&key(1))).await.unwrap();
    server.verify(&token).await.unwrap();
    let rests = login.store.find_keys().await.unwrap().remove(0);
    let secret = &private.secret()[private.secret().len() - 32..];
    assert!(!sealed(&rests).windows(8).any(|window| secret.windows(8).any(|part| part == window)), "nothing shows");
    assert_eq!(format!("{:?}", rests.private_key), format!("Sealed(SealedKey({} bytes))", sealed(&rests).len()));
    assert_eq!(KeyRecord { private_key: plain.private_key.clone(), ..rests }, plain, "and nothing else changed");
    // The next key is encrypted from the first.
    server.rotate_keys().await.unwrap();
    sealed(&login.store.find_keys().await.unwrap()[1]);
    login.clock.forward(PUBLISHED_BEFORE);
    server.verify(&Login::token_of(&server).await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn i7_an_encrypted_key_is_good_under_its_own_name_only_and_unchanged() {
    let encryption = key(1);
    let login = Login::with_settings(encrypted(&encryption)).await;
    login.server.rotate_keys().await.unwrap();
    let [first, second] = login.store.find_keys().await.unwrap().try_into().unwrap();
    let read = |record: KeyRecord| KeyRing::read(&[record], Algorithm::Es256, Some(&encryption));
    read(first.clone()).unwrap();
    let swapped = KeyRecord { private_key: second.private_key, ..first.clone() };
    let changed = |at: usize| {
        let mut bytes = sealed(&first).to_vec();
        bytes[at] ^= 1;
        let private_key = RestingKey::Sealed(countersign_core::store::SealedKey::from_bytes(bytes));
        KeyRecord { private_key, ..first.clone() }
    };
    let length = sealed(&first).len();
    let short = RestingKey::Sealed(countersign_core::store::SealedKey::from_bytes(vec![1; 5]));
    let short = KeyRecord { private_key: short, ..first.clone() };
    for unfit in [swapped, changed(0), changed(length / 2), changed(length - 1), short] {
        let refused = read(unfit).unwrap_err();
        assert!(matches!(refused, KeyRingError::OtherEncryptionKey), "{refused:?}");
    }
}

#[tokio::test]
async fn i7_a_plain_key_under_the_name_of_another_is_refused() {
    let login = Login::with_settings(Settings::default()).await;
    login.server.rotate_keys().await.unwrap();
    let [first, second] = login.store.find_keys().await.unwrap().try_into().unwrap();
    let swapped = KeyRecord { private_key: second.private_key, ..first };
    let refused = KeyRing::read(&[swapped], Algorithm::Es256, None).unwrap_err();
    assert!(matches!(refused, KeyRingError::Key(_)), "{refused:?}");
}

#[tokio::test]
async fn i7_a_server_without_the_key_goes_on_with_the_keys_that_it_has() {
    let login = Login::with_settings(Settings::default()).await;
    let other = login.start(encrypted(&key(1))).await.unwrap();
    login.clock.forward(std::time::Duration::from_secs(61));
    other.verify(&login.token().await.unwrap()).await.unwrap();
}
