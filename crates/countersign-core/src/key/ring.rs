//! The keys of one authorization server, as they are at a time: what signs, and all that verifies.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use super::{
    KeyEncryptionKey, KeyRingError, VerifyingKeys,
    rotation::{Times, choose, is_of_newer, is_usable},
};
use crate::{
    clock::Timestamp,
    jose::{self, Algorithm, HmacSecret, JwkSet, SigningKey, VerifyingKey},
    names::KeyId,
    store::{KeyRecord, PrivateKey, RestingAlgorithm, RestingKey},
};

/// The keys of one authorization server. It never changes: where keys do, another ring takes its place.
///
/// A ring of key pairs and a ring of one secret are two things: a MAC key never stands beside published keys, so that
/// no public key can ever pass for a secret (RFC 8725 §2.1, §3.2).
#[derive(Debug)]
pub struct KeyRing {
    algorithm: Algorithm,
    keys: Vec<RingKey>,
    /// Those that only a newer program can use, and their times.
    of_newer: Vec<(KeyId, Times)>,
    /// How long the tokens live that it signs, with the leeway of those who verify them.
    life: Duration,
    /// Another for each ring that takes the place of one.
    number: u64,
}

#[derive(Clone, Debug)]
struct RingKey {
    /// Shared with the ring before: reading a key takes longer than all else.
    keys: Arc<jose::Keys>,
    times: Times,
}

impl KeyRing {
    /// Reads the ring out of records. It signs with `algorithm`, if there is a key of it. Keys that only a newer program can use
    /// are left out.
    ///
    /// # Errors
    /// [`KeyRingError`]: a key cannot be used.
    pub fn read(
        records: &[KeyRecord],
        algorithm: Algorithm,
        encryption: Option<&KeyEncryptionKey>,
    ) -> Result<Self, KeyRingError> {
        let empty = Self { algorithm, keys: Vec::new(), of_newer: Vec::new(), life: Duration::ZERO, number: 0 };
        empty.read_again(records.iter(), encryption)
    }

    /// The ring of one secret.
    ///
    /// # Errors
    /// [`KeyRingError::Key`]: the cryptographic library refuses it.
    pub fn of_secret(secret: &HmacSecret) -> Result<Self, KeyRingError> {
        let keys = Arc::new(jose::load(Algorithm::Hs256, &secret.private_key())?);
        let times = Times { signs_from: Timestamp::from_seconds(i64::MIN), verifies_until: None };
        let keys = vec![RingKey { keys, times }];
        Ok(Self { algorithm: Algorithm::Hs256, keys, of_newer: Vec::new(), life: Duration::ZERO, number: 0 })
    }

    pub(super) fn of_life(self, life: Duration) -> Self {
        Self { life, ..self }
    }

    /// The ring that takes the place of this one, once the store's keys are `records`.
    pub(super) fn read_again<'r>(
        &self,
        records: impl Iterator<Item = &'r KeyRecord>,
        encryption: Option<&KeyEncryptionKey>,
    ) -> Result<Self, KeyRingError> {
        let known: HashMap<_, _> = self.keys.iter().map(|key| (key.id(), key)).collect();
        let (of_newer, ours): (Vec<_>, Vec<_>) =
            records.filter(|record| is_usable(record)).partition(|record| is_of_newer(record));
        let of_newer = of_newer.into_iter().map(|record| (record.id.clone(), Times::of(record))).collect();
        let keys = ours.into_iter().map(|record| {
            let keys = match known.get(&record.id) {
                Some(known) => known.keys.clone(),
                None => Arc::new(load(record, encryption)?),
            };
            Ok(RingKey { keys, times: Times::of(record) })
        });
        let keys = keys.collect::<Result<Vec<_>, KeyRingError>>()?;
        Ok(Self { keys, of_newer, number: self.number + 1, ..*self })
    }

    /// The ring that takes the place of this one once some keys are gone.
    pub(super) fn without(&self, gone: &HashSet<KeyId>) -> Self {
        let keys = self.keys.iter().filter(|key| !gone.contains(key.id())).cloned().collect();
        let of_newer = self.of_newer.iter().filter(|(id, _)| !gone.contains(id)).cloned().collect();
        Self { keys, of_newer, number: self.number + 1, ..*self }
    }

    /// Whether both have the same keys with the same times.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        let all = |ring: &Self| ring.keys.iter().map(|key| (key.id().clone(), key.times)).collect::<Vec<_>>();
        all(self) == all(other) && self.of_newer == other.of_newer
    }

    /// Whether there is a key that only a newer program can use.
    pub(crate) const fn has_of_newer(&self) -> bool {
        !self.of_newer.is_empty()
    }

    /// Whether this is one, and in use.
    pub(crate) fn is_of_newer(&self, id: &KeyId, now: Timestamp) -> bool {
        self.of_newer.iter().any(|(known, times)| known == id && times.is_in_use(now))
    }

    /// Which ring it is: of two that a server has one after the other, another.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// The key that signs a token now: the newest of the algorithm whose time has come. There is none where all were
    /// withdrawn, or their time is over.
    pub(crate) fn signing(&self, now: Timestamp) -> Option<&SigningKey> {
        let ours = self.keys.iter().filter(|key| key.keys.signing.algorithm() == self.algorithm);
        choose(ours.map(|key| (key, key.times)), self.life, now).map(|key| &key.keys.signing)
    }

    /// The name of the key that signs now, if one does.
    #[must_use]
    pub fn signing_id(&self, now: Timestamp) -> Option<&KeyId> {
        self.signing(now).map(|key| &key.id)
    }

    /// The newest key of the algorithm, and its times.
    pub(super) fn newest(&self, now: Timestamp) -> Option<Times> {
        let ours = self.keys.iter().filter(|key| key.keys.signing.algorithm() == self.algorithm);
        ours.map(|key| key.times).rfind(|times| times.is_in_use(now))
    }

    fn in_use(&self, now: Timestamp) -> impl Iterator<Item = &jose::Keys> {
        self.keys.iter().filter(move |key| key.times.is_in_use(now)).map(|key| &*key.keys)
    }

    /// What others verify our tokens with, those that will be signed soon among them: public members only (RFC 7517).
    #[must_use]
    pub fn published(&self, now: Timestamp) -> JwkSet {
        JwkSet { keys: self.in_use(now).filter_map(|keys| keys.public.clone()).collect() }
    }

    /// The algorithm that signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether it is one secret, of which nothing is published and nothing rests.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.algorithm == Algorithm::Hs256
    }
}

impl RingKey {
    fn id(&self) -> &KeyId {
        self.keys.verifying.id()
    }
}

/// The key of a record, decrypted if it rests so.
fn load(record: &KeyRecord, encryption: Option<&KeyEncryptionKey>) -> Result<jose::Keys, KeyRingError> {
    let opened: PrivateKey;
    let private = match &record.private_key {
        RestingKey::Plain(key) => key,
        RestingKey::Sealed(sealed) => {
            let key = encryption.ok_or(KeyRingError::NoEncryptionKey)?;
            opened = key.open(&record.id, sealed).ok_or(KeyRingError::OtherEncryptionKey)?;
            &opened
        }
        RestingKey::Gone | RestingKey::Other => return Err(jose::KeyProblem::Malformed.into()),
    };
    let RestingAlgorithm::Known(algorithm) = record.algorithm else {
        return Err(jose::KeyProblem::Unsupported.into());
    };
    let keys = jose::load(algorithm, private)?;
    // RFC 8725 §3.2: a secret and published keys never share a validator.
    if keys.public.is_none() {
        return Err(KeyRingError::SecretAmongKeyPairs);
    }
    // A key of another name would sign tokens that nobody can verify.
    if keys.signing.id != record.id {
        return Err(jose::KeyProblem::Malformed.into());
    }
    Ok(keys)
}

impl VerifyingKeys for KeyRing {
    /// The key of exactly this name, unless it has retired: our tokens all name theirs.
    fn find(&self, id: Option<&KeyId>, _: &str, now: Timestamp) -> Option<&VerifyingKey> {
        let id = id?;
        self.in_use(now).map(|keys| &keys.verifying).find(|key| key.id() == id)
    }

    fn known(&self, now: Timestamp) -> Vec<(&KeyId, Algorithm)> {
        self.in_use(now).map(|keys| (keys.verifying.id(), keys.verifying.algorithm())).collect()
    }

    /// The number of the ring and how many of its keys have retired: a ring in memory changes in no other way.
    fn generation(&self, now: Timestamp) -> u64 {
        let retired = self.keys.iter().filter(|key| !key.times.is_in_use(now)).count() as u64;
        (self.number << u32::BITS) + retired
    }
}
