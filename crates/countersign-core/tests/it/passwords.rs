//! Passwords through the hashing pool: what is stored, what logs in, and what it costs.

use std::{num::NonZeroUsize, sync::Arc};

use countersign_core::{
    client::{ClientSecret, ClientSecretHash},
    clock::SeededRng,
    jose::HmacSecret,
    password::{
        Argon2Cost, HashingPool, HashingSettings, MAX_PASSWORD_BYTES, Password, PasswordHash, PasswordPolicy,
        PasswordProblem, PolicyRefusal, Strength, UnsupportedHash, Verification, check_supported, strength,
    },
    store::PrivateKey,
    token::BearerToken,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};

use crate::{golden, support::log_of};

const BCRYPT_10: &str = "$2a$10$WvvTPHKwdBJ3uk0Z37EMR.hLA2W6N9AEBhEgrAOljy2Ae5MtaSIUi"; // of "abc", from passlib's tests
const MALFORMED: &str = include_str!("vectors/malformed_hashes.txt");

fn pool_of(cost: Argon2Cost) -> HashingPool {
    let settings = HashingSettings { threads: NonZeroUsize::MIN, queue: 64, ..HashingSettings::of_cost(cost) };
    HashingPool::new(settings, Arc::new(SeededRng::new(1))).expect("threads")
}

fn pool() -> HashingPool {
    pool_of(Argon2Cost::weak_for_tests())
}

#[track_caller]
fn typed(text: &str) -> Password {
    Password::typed(text).unwrap_or_else(|problem| panic!("{text:?}: {problem}"))
}

async fn verify(pool: &HashingPool, text: &str, hash: &PasswordHash) -> Verification {
    pool.verify(typed(text), Some(hash.clone())).await.expect("room in the queue")
}

fn matches_as_it_is() -> Verification {
    Verification::Matches(Strength::Current)
}

#[tokio::test]
async fn d1_a_new_hash_is_argon2id_of_owasps_cost() {
    let settings = HashingSettings::default();
    assert_eq!(settings.cost, Argon2Cost::OWASP);
    assert_eq!(settings.queue, 32 * settings.threads.get());
    let hash = pool_of(settings.cost).hash(typed("correct horse")).await.expect("room");
    let fields: Vec<&str> = hash.secret().split('$').collect();
    let ["", "argon2id", "v=19", "m=19456,t=2,p=1", salt, tag] = fields[..] else { panic!("{fields:?}") };
    assert_eq!((salt.len(), tag.len()), (22, 43), "16 and 32 bytes in base64 without padding");
    assert_eq!(check_supported(&hash), Ok(()));
    assert_eq!(strength(&hash, settings.cost), Ok(Strength::Current));
    assert!(strength(&PasswordHash::new("$2a$"), settings.cost).is_err());
    assert_eq!(verify(&pool_of(settings.cost), "correct horse", &hash).await, matches_as_it_is());
}

#[tokio::test]
async fn d3_the_same_password_twice_gives_two_hashes() {
    let pool = pool();
    let [one, two] = [pool.hash(typed("correct horse")).await, pool.hash(typed("correct horse")).await];
    assert_ne!(one.expect("room"), two.expect("room"));
}

#[tokio::test]
async fn d4_a_hash_of_another_scheme_or_cost_is_told_when_it_matches() {
    let pool = pool();
    let weaker = pool_of(Argon2Cost::weak_for_tests()).hash(typed("abc")).await.expect("room");
    let owasp = pool_of(Argon2Cost::OWASP);
    for (pool, old) in [(&pool, PasswordHash::new(BCRYPT_10)), (&owasp, weaker)] {
        let before = pool.hashes_computed();
        assert_eq!(strength(&old, Argon2Cost::OWASP), Ok(Strength::Outdated), "which can be known without a password");
        assert_eq!(verify(pool, "abc", &old).await, Verification::Matches(Strength::Outdated));
        assert_eq!(pool.hashes_computed() - before, 1, "whoever may log in pays for the upgrade, and nobody else");
        let new = pool.hash(typed("abc")).await.expect("room");
        assert!(new.secret().starts_with("$argon2id$v=19$"), "{}", new.secret());
        assert_eq!(verify(pool, "abc", &new).await, matches_as_it_is());
        assert_eq!(verify(pool, "abd", &new).await, Verification::Mismatch);
        assert_eq!(verify(pool, "abd", &old).await, Verification::Mismatch, "nothing is told without a match");
    }
}

#[tokio::test]
async fn d5_a_malformed_hash_is_a_failed_login_and_never_a_panic() {
    let pool = pool();
    for hash in MALFORMED.lines().filter(|line| !line.starts_with('#')) {
        let before = pool.hashes_computed();
        assert_eq!(verify(&pool, "password", &PasswordHash::new(hash)).await, Verification::Malformed, "{hash}");
        assert_eq!(pool.hashes_computed() - before, 1, "{hash}");
    }
}

#[tokio::test]
async fn d5_a_malformed_hash_is_logged_without_its_bytes() {
    let hash = PasswordHash::new("$2b$31$n4Uy0eSnMfvnESYL.bLwuuj0U/ETSsoTpRT9GVk05bektyVVa5xnI");
    let (verified, lines) = log_of(verify(&pool(), "password", &hash)).await;
    assert_eq!(verified, Verification::Malformed);
    assert_eq!(lines.lines().count(), 1, "{lines}");
    assert!(lines.contains("ERROR") && lines.contains("a cost of 4 to 16"), "{lines}");
    assert!(!lines.contains("n4Uy0eSn") && !lines.contains("$2b$") && !lines.contains("xnI"), "{lines}");
}

#[tokio::test]
async fn d6_no_two_passwords_equal_in_72_bytes_both_log_in() {
    let pool = pool();
    let (seventy_two, one, other) = ("a".repeat(72), "a".repeat(72) + "b", "a".repeat(72) + "c");
    let new = pool.hash(typed(&one)).await.expect("room");
    assert_eq!(verify(&pool, &one, &new).await, matches_as_it_is());
    assert_eq!(verify(&pool, &other, &new).await, Verification::Mismatch);
    assert_eq!(verify(&pool, &seventy_two, &new).await, Verification::Mismatch);
    // Of 72 letters a; a truncating bcrypt would take each of the three.
    let imported = PasswordHash::new("$2b$04$CCCCCCCCCCCCCCCCCCCCC.mDyzbhj.9K0apb9O/AGMWwoLXiYAu6u");
    let before = pool.hashes_computed();
    for refused in [&one, &other] {
        assert_eq!(verify(&pool, refused, &imported).await, Verification::Mismatch);
    }
    assert_eq!(pool.hashes_computed() - before, 2, "and each costs a hash");
    assert!(matches!(verify(&pool, &seventy_two, &imported).await, Verification::Matches(Strength::Outdated)));
}

#[tokio::test]
async fn d7_a_password_is_verified_exactly_as_it_was_typed() {
    let pool = pool();
    let lengths = [1, 8, 64, 128, 1000, 1023].map(|length| "x".repeat(length - 1) + "y");
    let special = [" leading", "trailing ", " ", "Capital", "🦀 with 🐎", "密码", "tab-free"].map(str::to_owned);
    for password in lengths.iter().chain(&special) {
        let hash = pool.hash(typed(password)).await.expect("room");
        assert_eq!(verify(&pool, password, &hash).await, matches_as_it_is(), "{password:?}");
        let mut changed = password.clone();
        changed.pop();
        changed.push('z');
        let longer = format!("{password}x");
        let others = [changed, longer, password.trim().to_owned(), password.to_uppercase()];
        for other in others.iter().filter(|other| !other.is_empty() && *other != password) {
            assert_eq!(verify(&pool, other, &hash).await, Verification::Mismatch, "{other:?} for {password:?}");
        }
    }
    assert_eq!(Password::typed("with\0nul").expect_err("NUL"), PasswordProblem::Disallowed);
}

#[tokio::test]
async fn d8_one_password_typed_on_two_keyboards_logs_in() {
    let pool = pool();
    let hash = pool.hash(typed("caf\u{e9} au lait")).await.expect("room");
    assert_eq!(verify(&pool, "cafe\u{301} au lait", &hash).await, matches_as_it_is());
    assert_eq!(verify(&pool, "caf\u{e9}\u{a0}au\u{3000}lait", &hash).await, matches_as_it_is());
    assert_eq!(verify(&pool, "cafe au lait", &hash).await, Verification::Mismatch);
    let ligature = pool.hash(typed("\u{fb01}sh")).await.expect("room");
    assert_eq!(verify(&pool, "fish", &ligature).await, Verification::Mismatch);
}

#[test]
fn d8_preparation_agrees_with_the_golden_rows() {
    let prepare = |input: &str| Password::typed(input).ok().map(|password| password.secret().to_owned());
    golden::check("OpaqueString", prepare, |_: &str| false, 0);
}

#[tokio::test]
async fn d9_an_overlong_password_costs_no_hash() {
    let pool = pool();
    assert_eq!(Password::typed(&"a".repeat(1 << 20)).expect_err("too long"), PasswordProblem::TooLong);
    assert_eq!(Password::typed(&"a".repeat(MAX_PASSWORD_BYTES + 1)).expect_err("too long"), PasswordProblem::TooLong);
    assert_eq!(pool.hashes_computed(), 0);
    let policy = PasswordPolicy::default();
    assert_eq!(policy.check(&typed("gfqzkwv"), &[]), Err(PolicyRefusal::TooShort { minimum: 8 }));
    assert_eq!(policy.check(&typed(&"gfqzkwvu".repeat(8)), &[]), Ok(()));
    // Shorter ones that came by import still log in.
    let short = pool.hash(typed("gfq")).await.expect("room");
    assert_eq!(verify(&pool, "gfq", &short).await, matches_as_it_is());
}

#[tokio::test]
async fn d12_an_unknown_user_a_wrong_password_and_a_malformed_hash_cost_the_same() {
    let pool = pool();
    let known = pool.hash(typed("correct horse")).await.expect("room");
    for (stored, outcome) in [
        (None, Verification::Mismatch),
        (Some(known), Verification::Mismatch),
        (Some(PasswordHash::new("!")), Verification::Malformed),
    ] {
        let before = pool.hashes_computed();
        assert_eq!(pool.verify(typed("wrong horse"), stored.clone()).await, Ok(outcome));
        assert_eq!(pool.hashes_computed() - before, 1, "{stored:?}");
    }
}

#[tokio::test]
async fn d23_a_stored_cost_out_of_bounds_is_refused() {
    let pool = pool();
    for hash in [
        "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$QWLzI4TY9HkL2ZTLc8g6SinwdhZewYrzz9zxCo0bkGY",
        "$2b$31$n4Uy0eSnMfvnESYL.bLwuuj0U/ETSsoTpRT9GVk05bektyVVa5xnI",
        "$scrypt$ln=1,r=8,p=524288$c29tZXNhbHQ$QWLzI4TY9HkL2ZTLc8g6SinwdhZewYrzz9zxCo0bkGY",
    ] {
        let hash = PasswordHash::new(hash);
        assert!(matches!(check_supported(&hash), Err(UnsupportedHash::OutOfBounds { .. })), "{hash:?}");
        assert_eq!(verify(&pool, "password", &hash).await, Verification::Malformed);
    }
    assert_eq!(pool.hashes_computed(), 3, "each cost one of the current cost, and no more");
}

assert_not_impl_any!(Password: std::fmt::Display, serde::Serialize, PartialEq, AsRef<str>);
assert_not_impl_any!(PasswordHash: std::fmt::Display, serde::Serialize, AsRef<str>);
assert_not_impl_any!(BearerToken: std::fmt::Display, serde::Serialize, AsRef<str>);
assert_not_impl_any!(ClientSecret: std::fmt::Display, serde::Serialize, AsRef<str>, PartialEq);
assert_not_impl_any!(ClientSecretHash: std::fmt::Display, serde::Serialize);
assert_not_impl_any!(HmacSecret: std::fmt::Display, serde::Serialize);
assert_not_impl_any!(PrivateKey: std::fmt::Display, serde::Serialize);
assert_impl_all!(HashingPool: Send, Sync);
assert_impl_all!(Password: Send, Sync, Clone);

#[test]
fn l5_secrets_are_not_shown() {
    assert_eq!(format!("{:?}", typed("correct horse")), "Password([redacted])");
    assert_eq!(format!("{:#?}", PasswordHash::new(BCRYPT_10)), "PasswordHash([redacted])");
    assert_eq!(format!("{:?}", pool()), "HashingPool { hashes_computed: 0, .. }");
    assert_eq!(format!("{:?}", BearerToken::new("canary")), "BearerToken([redacted])");
    assert_eq!(format!("{:?}", ClientSecret::new("canary")), "ClientSecret([redacted])");
    assert_eq!(format!("{:?}", ClientSecretHash::of(&ClientSecret::new("canary"))), "ClientSecretHash([redacted])");
    assert_eq!(format!("{:?}", PrivateKey::from_pkcs8(*b"canary")), "PrivateKey([redacted])");
}
