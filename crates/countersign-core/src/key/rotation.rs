//! When keys are replaced, and which of them signs: by their times alone.

use std::time::Duration;

use super::KeyPairAlgorithm;
use crate::{
    clock::Timestamp,
    jose::Algorithm,
    store::{KeyRecord, RestingAlgorithm, RestingKey},
};

/// How long others may keep our published keys (`max-age` of the JWK set), and how old what we publish may be while the
/// store is away: short enough that a new key is known soon, long enough that nobody asks with every token.
pub const PUBLISHED_KEYS_MAX_AGE: Duration = Duration::from_secs(5 * 60);

/// How far the clocks of two machines may be apart at most: the longest leeway there is.
const CLOCKS_APART: Duration = Duration::from_secs(60);

/// How long a new key is published before it signs: one answer of ours may be old, and another's copy of it too.
pub const PUBLISHED_BEFORE: Duration =
    Duration::from_secs(2 * PUBLISHED_KEYS_MAX_AGE.as_secs() + CLOCKS_APART.as_secs());

/// The longest life of an access token: a token cannot be called back without asking somebody, so a day is generous
/// (RFC 9700 §2.2.1). An old key verifies for so long after its last signature, whatever the lifetime was that a process
/// with other settings gave its tokens.
pub const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// How often keys are replaced by default: the quarter of a year after which a leaked one is worth nothing.
pub const DEFAULT_ROTATION: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Whether keys are replaced by themselves (RFC 9700 §2.6), and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRotation {
    /// A key signs for so long, and is then replaced by the next one.
    Every(Duration),
    /// Only when somebody says so.
    Off,
}

impl Default for KeyRotation {
    /// Every 90 days.
    fn default() -> Self {
        Self::Every(DEFAULT_ROTATION)
    }
}

/// What a key is for at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is published, and will sign.
    Next,
    /// It signs.
    Signing,
    /// It verifies what it signed.
    Verifying,
    /// Its time is over.
    Retired,
    /// It was withdrawn.
    Withdrawn,
    /// Only a newer program on the same store can use it.
    OfNewer,
}

/// From when on a key signs, and until when it verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) signs_from: Timestamp,
    pub(super) verifies_until: Option<Timestamp>,
}

impl Times {
    pub(super) const fn of(record: &KeyRecord) -> Self {
        Self { signs_from: record.signs_from, verifies_until: record.verifies_until }
    }

    pub(super) fn is_in_use(self, now: Timestamp) -> bool {
        self.verifies_until.is_none_or(|until| now < until)
    }

    fn is_due(self, now: Timestamp) -> bool {
        self.signs_from <= now
    }

    /// Whether it verifies to the end what it signs now.
    fn outlives(self, life: Duration, now: Timestamp) -> bool {
        self.verifies_until.is_none_or(|until| now.plus(life) <= until)
    }
}

/// Which key signs a token of this `life`, of those that are in use: the newest whose time has come.
///
/// Where there is none, the one whose time comes first does: our clock went back, or the one before it was withdrawn. The
/// last resort is a key that verifies what it signs for a while, though not to its end.
pub(super) fn choose<'t, T>(
    keys: impl Iterator<Item = (&'t T, Times)> + Clone,
    life: Duration,
    now: Timestamp,
) -> Option<&'t T> {
    let in_use = keys.filter(|(_, times)| times.is_in_use(now));
    let due = in_use.clone().filter(|(_, times)| times.is_due(now));
    let newest = due.clone().filter(|(_, times)| times.outlives(life, now)).max_by_key(|(_, times)| times.signs_from);
    let first = || in_use.filter(|(_, times)| !times.is_due(now)).min_by_key(|(_, times)| times.signs_from);
    newest.or_else(first).or_else(|| due.max_by_key(|(_, times)| times.signs_from)).map(|(key, _)| key)
}

/// What each of these keys is for, where tokens of this `life` are signed with `signing`; `None` if with a secret.
#[must_use]
pub fn states(records: &[KeyRecord], signing: Option<Algorithm>, life: Duration, now: Timestamp) -> Vec<KeyState> {
    let is_ours = |record: &KeyRecord| signing.is_some_and(|signing| record.algorithm == signing);
    let candidates = records.iter().filter(|record| is_ours(record) && is_usable(record) && !is_of_newer(record));
    let chosen = choose(candidates.map(|record| (record, Times::of(record))), life, now).map(|record| &record.id);
    let state = |record: &KeyRecord| match Times::of(record) {
        _ if !is_usable(record) => KeyState::Withdrawn,
        times if !times.is_in_use(now) => KeyState::Retired,
        _ if is_of_newer(record) => KeyState::OfNewer,
        _ if chosen == Some(&record.id) => KeyState::Signing,
        times if !times.is_due(now) => KeyState::Next,
        _ => KeyState::Verifying,
    };
    records.iter().map(state).collect()
}

/// Whether only a newer program can use the key: of an algorithm that nobody here signs with, or not to be read here. A secret
/// among key pairs is none of these.
pub(super) fn is_of_newer(record: &KeyRecord) -> bool {
    let is_known = match record.algorithm {
        RestingAlgorithm::Known(algorithm) => {
            algorithm == Algorithm::Hs256 || KeyPairAlgorithm::find(algorithm).is_some()
        }
        RestingAlgorithm::Other(_) => false,
    };
    !is_known || record.private_key == RestingKey::Other
}

/// Whether there is still a key: one that was withdrawn is none.
pub(super) fn is_usable(record: &KeyRecord) -> bool {
    record.withdrawn_at.is_none() && record.private_key != RestingKey::Gone
}
