//! What tokens are signed with, how it rests, and whether it is replaced.

use std::time::Duration;

use countersign::{
    KeyRotation, SigningChoice, Timestamp,
    core::{
        jose::Algorithm,
        key::{KeyRing, KeyState, states},
        store::{KeyRecord, RestingKey},
    },
};

use crate::{
    cli::doctor::finding::{Check, Finding},
    config::{Settings, SigningAlgorithm},
    failure::Failure,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How much later than its rotation a key may go on: it is replaced when somebody asks for a token.
const LATE: Duration = DAY;

pub(super) fn of_settings(settings: &Settings) -> Vec<Finding> {
    let rotation = match settings.key_rotation() {
        KeyRotation::Every(period) => Check::KeyRotation.fine(format!("every {} days", days(period))),
        KeyRotation::Off => Check::KeyRotation.advice("off", "key_rotation = 90; no token is refused for it"),
    };
    match settings.signing_algorithm {
        SigningAlgorithm::Hs256 => vec![
            Check::SigningAlgorithm.advice(
                "HS256, which is for a single process",
                "signing_algorithm = \"ES256\", and no hs256_secret_file",
            ),
            secret(settings),
        ],
        SigningAlgorithm::Es256 | SigningAlgorithm::EdDsa | SigningAlgorithm::Rs256 => {
            vec![Check::SigningAlgorithm.fine("whoever verifies needs the public keys alone"), rotation]
        }
    }
}

/// The rules of strength are those of the start: here they are only told.
fn secret(settings: &Settings) -> Finding {
    match settings.signing() {
        Ok(_) => Check::Hs256Secret.fine("32 bytes at least, no pattern, and none that was published"),
        Err(problem) => Check::Hs256Secret.problem(
            Failure::from(problem).message(),
            "make a secret with `openssl rand -base64 32`, in a file of mode 600",
        ),
    }
}

pub(super) fn in_database(settings: &Settings, keys: &[KeyRecord], now: Timestamp) -> Vec<Finding> {
    let algorithm = match settings.signing() {
        Ok(SigningChoice::KeyPair(algorithm)) => algorithm.into(),
        // A secret rests in no database.
        Ok(SigningChoice::Secret(_)) | Err(_) => return Vec::new(),
    };
    vec![encryption(settings, keys), signing_key(settings, algorithm, keys, now)]
}

fn encryption(settings: &Settings, keys: &[KeyRecord]) -> Finding {
    let plain = keys.iter().filter(|key| matches!(key.private_key, RestingKey::Plain(_))).count();
    match (settings.key_encryption(), plain) {
        (Err(problem), _) => Check::KeyEncryption
            .problem(Failure::from(problem).message(), "set key_encryption_key_file to the file that it was"),
        (Ok(None), 0) => Check::KeyEncryption.fine("there is no private key yet"),
        (Ok(None), _) => Check::KeyEncryption.advice(
            format!("private keys that rest as they are: {plain}"),
            "key_encryption_key_file = \"…\", a file that is kept elsewhere than the database and its backups",
        ),
        (Ok(Some(_)), 0) => Check::KeyEncryption.fine("private keys rest encrypted"),
        (Ok(Some(_)), _) => Check::KeyEncryption.advice(
            format!("private keys that rest as they are: {plain}, though there is a key to encrypt them"),
            "restart the server: it encrypts them",
        ),
    }
}

fn signing_key(settings: &Settings, algorithm: Algorithm, keys: &[KeyRecord], now: Timestamp) -> Finding {
    if let Ok(encryption) = settings.key_encryption()
        && let Err(unreadable) = KeyRing::read(keys, algorithm, encryption.as_ref())
    {
        let change = "set key_encryption_key_file to the file that it was, or give up the keys: `countersign restore --in-place`";
        return Check::SigningKey.problem(unreadable.to_string(), change);
    }
    let life = Duration::from_secs(u64::from(settings.access_token_lifetime.0) + u64::from(settings.leeway.0));
    let states = states(keys, Some(algorithm), life, now);
    let of_newer: Vec<_> = keys.iter().zip(&states).filter(|(_, state)| **state == KeyState::OfNewer).collect();
    if let Some((key, _)) = of_newer.first() {
        return Check::SigningKey.advice(
            format!("keys that only a newer program can use: {}, as {} for {}", of_newer.len(), key.id, key.algorithm),
            "update this program too: what such a key signs is not verified here",
        );
    }
    let signing = keys.iter().zip(states).find(|(_, state)| *state == KeyState::Signing);
    let Some((key, _)) = signing else {
        return Check::SigningKey.fine("there is none yet: the server makes one when it starts");
    };
    let age = Duration::from_secs(now.seconds().saturating_sub(key.signs_from.seconds()).try_into().unwrap_or(0));
    match settings.key_rotation() {
        KeyRotation::Every(period) if age > period + LATE => Check::SigningKey.advice(
            format!(
                "{} has signed for {} days, and should have been replaced after {}",
                key.id,
                days(age),
                days(period)
            ),
            "`countersign key rotate`; the server replaces it with the next token that it issues",
        ),
        _ => Check::SigningKey.fine(format!("{} has signed for {} days", key.id, days(age))),
    }
}

const fn days(duration: Duration) -> u64 {
    duration.as_secs() / DAY.as_secs()
}
