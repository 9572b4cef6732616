//! The keys of a running server: replaced on a schedule, withdrawn, and never older than is good.

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::oneshot;

use super::{
    KeyEncryptionKey, KeyRing, KeyRingError, KeyRotation, MAX_TOKEN_LIFETIME, PUBLISHED_BEFORE, PUBLISHED_KEYS_MAX_AGE,
    SigningChoice, rotation::is_of_newer,
};
use crate::{
    asking::{Asking, Since, Turn},
    clock::{Clock, Timestamp},
    jose::{self, Algorithm, JwkSet},
    names::KeyId,
    store::{Found, KeyRecord, Keys, RestingKey, StoreError, Succession},
};

/// How old the keys in memory are at most when a token is signed or keys are published, while the store answers.
const LOAD_EVERY: Duration = Duration::from_secs(60);

/// How long nobody tries to make the next key again after that failed, as long as there is one to sign with.
const MAKE_AGAIN: Duration = Duration::from_secs(60);

/// How long nobody looks again for a key that was not there a moment ago.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Before anything happened.
const NEVER: i64 = i64::MIN;

/// What a server's keys are, and when they change.
#[derive(Clone, Debug)]
pub struct KeySettings {
    /// What tokens are signed with.
    pub signing: SigningChoice,
    /// When keys are replaced.
    pub rotation: KeyRotation,
    /// What private keys rest under; plain without it.
    pub encryption: Option<KeyEncryptionKey>,
    /// How long access tokens live, with the leeway of those who verify them.
    pub token_life: Duration,
}

impl KeySettings {
    /// How long a key verifies after its last signature.
    fn verifies_after(&self) -> Duration {
        MAX_TOKEN_LIFETIME.max(self.token_life) + LOAD_EVERY
    }
}

/// The keys of a running server. Who reads them never waits; they are replaced whole.
pub struct LiveKeys {
    settings: KeySettings,
    ring: ArcSwap<KeyRing>,
    loaded_at: AtomicI64,
    load_failed_at: AtomicI64,
    make_failed_at: AtomicI64,
    /// The number of the ring that the store was last read for: it has another once keys were dropped since.
    read_number: AtomicU64,
    /// The number of the last entry of the feed that withdrew a key and was heeded.
    heeded: AtomicU64,
    /// Keys of which the feed said that they were withdrawn: an answer of the store may be older. Held while a ring takes
    /// the place of another, and across no await.
    withdrawn: Mutex<HashSet<KeyId>>,
    /// One at a time asks the store.
    asking: Asking,
}

/// The key that signs next, or does already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextKey {
    /// Its name.
    pub id: KeyId,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// Whether it was there before.
    pub made: Made,
}

/// When a key was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// Just now.
    Now,
    /// Before, by this process or another.
    Before,
}

impl LiveKeys {
    /// Reads the keys, making the first where there is none, and encrypts those that rest plain and should not.
    ///
    /// # Errors
    /// [`KeyRingError`]: the store is away, or holds a key that cannot be used. Then nothing was changed.
    pub async fn open(store: &dyn Keys, settings: KeySettings, clock: &dyn Clock) -> Result<Self, KeyRingError> {
        let now = clock.now();
        let algorithm = match &settings.signing {
            SigningChoice::Secret(secret) => return Ok(Self::of(KeyRing::of_secret(secret)?, settings, now)),
            SigningChoice::KeyPair(algorithm) => Algorithm::from(*algorithm),
        };
        let mut records = store.find_keys().await?;
        let mut ring = KeyRing::read(&records, algorithm, settings.encryption.as_ref())?;
        if let Some(encryption) = &settings.encryption {
            seal_plain(store, &records, encryption).await?;
        }
        if records.iter().all(|record| record.algorithm != algorithm) {
            let first = make(algorithm, settings.encryption.as_ref(), now).await?;
            records = store.put_first_key(&first).await?;
            ring = KeyRing::read(&records, algorithm, settings.encryption.as_ref())?;
            told(&records, &first, "made");
        }
        tell_of_newer(&ring);
        let live = Self::of(ring.of_life(settings.token_life), settings, now);
        if live.ring().signing(now).is_none() {
            live.make_next(store, &records, now).await?;
        }
        Ok(live)
    }

    fn of(ring: KeyRing, settings: KeySettings, now: Timestamp) -> Self {
        Self {
            settings,
            read_number: AtomicU64::new(ring.number()),
            ring: ArcSwap::from_pointee(ring),
            loaded_at: AtomicI64::new(now.seconds()),
            load_failed_at: AtomicI64::new(NEVER),
            make_failed_at: AtomicI64::new(NEVER),
            heeded: AtomicU64::new(0),
            withdrawn: Mutex::default(),
            asking: Asking::default(),
        }
    }

    /// The keys as they are now.
    #[must_use]
    pub fn ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// As [`LiveKeys::ring`], for who looks once and awaits nothing meanwhile.
    pub(crate) fn glance(&self) -> impl std::ops::Deref<Target = Arc<KeyRing>> {
        self.ring.load()
    }

    /// Makes sure that there is a key to sign with, that it was not replaced, and that the next one is there in time.
    ///
    /// Costs nothing but a look, but for once a minute. Nobody waits for it who can sign without.
    ///
    /// # Errors
    /// [`KeyRingError`]: there is no key to sign with, or nobody knows whether it is still the one.
    pub async fn keep(&self, store: &dyn Keys, clock: &dyn Clock) -> Result<(), KeyRingError> {
        let now = clock.now();
        if !self.wants_work(now) {
            return Ok(());
        }
        let turn = match self.asking.try_turn() {
            Some(turn) => turn,
            None if self.can_sign(now) => return Ok(()),
            None => self.asking.turn().await,
        };
        if !self.wants_work(clock.now()) {
            return Ok(());
        }
        match self.work(&turn, store, clock).await {
            Err(error) if self.can_sign(clock.now()) => {
                tracing::warn!(event = "key", outcome = "failure", %error, "keys could not be looked after; those in memory are used");
                Ok(())
            }
            done => done,
        }
    }

    /// What others verify with, new enough: read anew after a withdrawal, and never without a key that signs, which whoever
    /// keeps the set would miss. Where nobody can sign any more and nobody has made the next key, it is made here. The store
    /// is asked once a minute, and while there is no such key once a second, however many ask. Nobody waits for it while
    /// another asks but who needs the answer: what is in memory is published meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): the store has been away for too long, or there is no key to sign with.
    pub async fn publish(&self, store: &dyn Keys, clock: &dyn Clock) -> Result<JwkSet, StoreError> {
        self.refresh(store, clock).await?;
        let now = clock.now();
        let ring = self.ring.load();
        match ring.signing(now) {
            Some(_) => Ok(ring.published(now)),
            None => Err(away(KeyRingError::NoKey)),
        }
    }

    async fn refresh(&self, store: &dyn Keys, clock: &dyn Clock) -> Result<(), StoreError> {
        let now = clock.now();
        if self.is_fresh(now) {
            return Ok(());
        }
        let turn = match self.asking.try_turn() {
            Some(turn) => turn,
            // After a withdrawal what took the place of the key is missing.
            None if self.can_sign(now) && self.is_as_read() => return Ok(()),
            None => self.asking.turn().await,
        };
        if self.is_fresh(clock.now()) {
            return Ok(());
        }
        let read = match self.load(&turn, store, clock).await {
            // Whoever withdrew the last may not have come to that yet, or never will.
            Ok(records) if self.ring.load().signing(clock.now()).is_none() => {
                self.make_due(&turn, store, &records, clock.now()).await
            }
            read => read.map(drop),
        };
        match read {
            Err(error) if self.can_sign(clock.now()) => {
                tracing::warn!(event = "key", outcome = "failure", %error, "keys could not be read; those in memory are published");
                Ok(())
            }
            done => done.map_err(away),
        }
    }

    /// Whether what is in memory need not be read anew to be published.
    fn is_fresh(&self, now: Timestamp) -> bool {
        let age = if self.ring.load().signing(now).is_some() { LOAD_EVERY } else { LOOK_AGAIN };
        self.is_as_read() && self.is_younger_than(age, now)
    }

    /// Whether no key was dropped since the store was read: one that took its place may be there.
    fn is_as_read(&self) -> bool {
        self.read_number.load(Ordering::Acquire) == self.ring.load().number()
    }

    /// Looks whether a key that is not in the ring of this number, `tried`, came since: at most once a second, and once after a
    /// withdrawal. Says whether there is another ring.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): the store is away, and nobody knows.
    pub(crate) async fn look_again(&self, store: &dyn Keys, tried: u64, clock: &dyn Clock) -> Result<bool, StoreError> {
        let is_another = || self.ring.load().number() != tried;
        let is_known = || is_another() || (self.is_as_read() && self.is_younger_than(LOOK_AGAIN, clock.now()));
        if is_known() {
            return Ok(is_another());
        }
        let turn = self.asking.turn().await;
        if turn.since() == Since::Answered || is_known() {
            return Ok(is_another());
        }
        self.load(&turn, store, clock).await.map_err(away)?;
        Ok(is_another())
    }

    /// Makes the next key now, unless one waits already to take over. It signs once all who verify can know it.
    ///
    /// # Errors
    /// [`KeyRingError`]: the store is away, tokens are signed with a secret, or no key can be made.
    pub async fn rotate(&self, store: &dyn Keys, clock: &dyn Clock) -> Result<NextKey, KeyRingError> {
        if self.ring.load().is_secret() {
            return Err(KeyRingError::Secret);
        }
        let turn = self.asking.turn().await;
        let records = self.load(&turn, store, clock).await?;
        let now = clock.now();
        let algorithm = self.ring.load().algorithm();
        let waits = |record: &&KeyRecord| {
            let is_ours = record.algorithm == algorithm && !is_of_newer(record);
            is_ours && record.withdrawn_at.is_none() && record.signs_from > now
        };
        if let Some(KeyRecord { id, signs_from, .. }) = records.iter().rfind(waits).cloned() {
            return Ok(NextKey { id, algorithm, signs_from, made: Made::Before });
        }
        self.make_next(store, &records, now).await
    }

    /// Withdraws a key: it verifies nothing any more, here from now on, elsewhere once the feed is heard. If it was the one
    /// that signs, the one that waits does, or a new one, at once.
    ///
    /// # Errors
    /// [`KeyRingError`]: the store is away, and it is not known whether it is withdrawn; or no other can be made.
    pub async fn withdraw(&self, store: &dyn Keys, id: &KeyId, clock: &dyn Clock) -> Result<Found, KeyRingError> {
        let now = clock.now();
        let until = now.plus(self.settings.verifies_after());
        if store.withdraw_key(id, now, until).await? == Found::No {
            return Ok(Found::No);
        }
        tracing::warn!(event = "key", outcome = "withdrawn", key = %id, "a key was withdrawn");
        self.drop_keys([id.clone()]);
        if !self.ring.load().is_secret() {
            let turn = self.asking.turn().await;
            self.work(&turn, store, clock).await?;
        }
        Ok(Found::Yes)
    }

    /// Whether keys were withdrawn that are not heeded yet, if the last of which the feed told has this number.
    pub(crate) fn is_heedless(&self, number: u64) -> bool {
        self.heeded.load(Ordering::Acquire) < number
    }

    /// Takes from the feed which keys were withdrawn, up to this number.
    pub(crate) fn heed(&self, number: u64, ids: impl IntoIterator<Item = KeyId>) {
        self.drop_keys(ids);
        self.heeded.fetch_max(number, Ordering::AcqRel);
    }

    fn drop_keys(&self, ids: impl IntoIterator<Item = KeyId>) {
        let mut withdrawn = self.withdrawn.lock().unwrap_or_else(PoisonError::into_inner);
        withdrawn.extend(ids);
        let ring = self.ring.load();
        let left = ring.without(&withdrawn);
        if !left.is_as(&ring) {
            self.ring.store(Arc::new(left));
            tracing::info!(
                event = "key",
                outcome = "dropped",
                "a key that was withdrawn verifies nothing here any more"
            );
        }
    }

    /// Whether the keys were read less than so long ago; a clock that went back knows nothing. A secret has no age.
    fn is_younger_than(&self, age: Duration, now: Timestamp) -> bool {
        let loaded_at = Timestamp::from_seconds(self.loaded_at.load(Ordering::Acquire));
        (loaded_at <= now && now < loaded_at.plus(age)) || self.ring.load().is_secret()
    }

    /// Whether there is a key to sign with, and it cannot have been replaced meanwhile.
    fn can_sign(&self, now: Timestamp) -> bool {
        self.ring.load().signing(now).is_some() && self.is_younger_than(PUBLISHED_KEYS_MAX_AGE, now)
    }

    fn wants_work(&self, now: Timestamp) -> bool {
        !self.is_younger_than(LOAD_EVERY, now) || self.wants_next(now)
    }

    /// Whether it is time to make the next key: the newest has signed for so long, or another should have taken its place
    /// and is not there, or there is none.
    fn wants_next(&self, now: Timestamp) -> bool {
        let ring = self.ring.load();
        if ring.is_secret() {
            return false;
        }
        let failed_at = Timestamp::from_seconds(self.make_failed_at.load(Ordering::Acquire));
        if ring.signing(now).is_some() && failed_at <= now && now < failed_at.plus(MAKE_AGAIN) {
            return false;
        }
        ring.newest(now).is_none_or(|newest| match self.settings.rotation {
            _ if newest.verifies_until.is_some() => true,
            KeyRotation::Every(period) => newest.signs_from.plus(period) <= now.plus(PUBLISHED_BEFORE),
            KeyRotation::Off => false,
        })
    }

    /// Reads the keys, and makes the next if it is time.
    async fn work(&self, turn: &Turn<'_>, store: &dyn Keys, clock: &dyn Clock) -> Result<(), KeyRingError> {
        let records = self.load(turn, store, clock).await?;
        self.make_due(turn, store, &records, clock.now()).await
    }

    /// Makes the next key if it is time.
    async fn make_due(
        &self,
        turn: &Turn<'_>,
        store: &dyn Keys,
        records: &[KeyRecord],
        now: Timestamp,
    ) -> Result<(), KeyRingError> {
        if !self.wants_next(now) {
            return Ok(());
        }
        let made = self.make_next(store, records, now).await;
        if made.is_err() {
            self.make_failed_at.store(now.seconds(), Ordering::Release);
            turn.tell(&made);
        }
        made.map(drop)
    }

    /// Reads the keys, unless that has failed within this second, or while the turn was waited for.
    async fn load(&self, turn: &Turn<'_>, store: &dyn Keys, clock: &dyn Clock) -> Result<Vec<KeyRecord>, KeyRingError> {
        let now = clock.now();
        if turn.since() == Since::InVain || self.load_failed_at.load(Ordering::Acquire) == now.seconds() {
            return Err(StoreError::unavailable("the keys could not be read a moment ago").into());
        }
        let before = self.ring.load().number();
        let loaded = match store.find_keys().await {
            Ok(records) => self.install(&records, before, now).map(|()| records),
            Err(error) => Err(error.into()),
        };
        if loaded.is_err() {
            self.load_failed_at.store(clock.now().seconds(), Ordering::Release);
        }
        turn.tell(&loaded);
        loaded
    }

    /// Takes what the store has; `before` is the number of the ring that there was when it was asked.
    fn install(&self, records: &[KeyRecord], before: u64, now: Timestamp) -> Result<(), KeyRingError> {
        let withdrawn = self.withdrawn.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = self.ring.load();
        let left = records.iter().filter(|record| !withdrawn.contains(&record.id));
        let next = ring.read_again(left, self.settings.encryption.as_ref())?;
        let number = if next.is_as(&ring) {
            ring.number()
        } else {
            let number = next.number();
            tell_of_newer(&next);
            self.ring.store(Arc::new(next));
            number
        };
        // If keys were dropped meanwhile, the answer may be older than what took their place.
        if ring.number() == before {
            self.read_number.store(number, Ordering::Release);
        }
        self.loaded_at.store(now.seconds(), Ordering::Release);
        Ok(())
    }

    /// Makes a key that takes the place of all others of its algorithm: at once where none can sign, or else once all who
    /// verify can know it. Of several processes that do this at once, one has its key stored.
    async fn make_next(
        &self,
        store: &dyn Keys,
        records: &[KeyRecord],
        now: Timestamp,
    ) -> Result<NextKey, KeyRingError> {
        let (algorithm, signing, before) = {
            let ring = self.ring.load();
            (ring.algorithm(), ring.signing(now).map(|key| key.id.clone()), ring.number())
        };
        let signs_from = if signing.is_some() { now.plus(PUBLISHED_BEFORE) } else { now };
        let next = make(algorithm, self.settings.encryption.as_ref(), signs_from).await?;
        let last = records.iter().rfind(|record| record.algorithm == algorithm);
        let records = match last {
            None => store.put_first_key(&next).await?,
            Some(last) => {
                // A process that signs with another algorithm would have replaced its keys by then.
                let abandoned_before = match self.settings.rotation {
                    KeyRotation::Every(period) => now.minus(period).minus(MAX_TOKEN_LIFETIME),
                    KeyRotation::Off => Timestamp::from_seconds(NEVER),
                };
                let retired_until = signs_from.plus(self.settings.verifies_after());
                let (after, next) = (last.id.clone(), next.clone());
                let succession = Succession { after, next, signing, abandoned_before, retired_until };
                store.put_next_key(&succession).await?
            }
        };
        self.install(&records, before, now)?;
        let made = if told(&records, &next, "rotated") { Made::Now } else { Made::Before };
        let newest = records.iter().rfind(|record| record.algorithm == algorithm).ok_or(KeyRingError::NoKey)?;
        Ok(NextKey { id: newest.id.clone(), algorithm, signs_from: newest.signs_from, made })
    }
}

/// Says that there are keys that only a newer program can use.
fn tell_of_newer(ring: &KeyRing) {
    if ring.has_of_newer() {
        tracing::warn!(
            event = "key",
            outcome = "unknown_kind",
            "there are keys that only a newer program can use: what they sign cannot be verified here"
        );
    }
}

/// Says that a key was made, if it is among those of the store.
fn told(records: &[KeyRecord], key: &KeyRecord, outcome: &'static str) -> bool {
    let is_there = records.iter().any(|record| record.id == key.id);
    if is_there {
        tracing::info!(event = "key", outcome, key = %key.id, algorithm = %key.algorithm,
            signs_from = key.signs_from.seconds(), "there is a new key");
    }
    is_there
}

/// Encrypts the keys that rest plain.
async fn seal_plain(
    store: &dyn Keys,
    records: &[KeyRecord],
    encryption: &KeyEncryptionKey,
) -> Result<(), KeyRingError> {
    for record in records {
        let RestingKey::Plain(key) = &record.private_key else { continue };
        if store.seal_key(&record.id, &encryption.seal(&record.id, key)?).await? == Found::Yes {
            tracing::info!(event = "key", outcome = "sealed", key = %record.id, "a key that rested plain is encrypted");
        }
    }
    Ok(())
}

/// Makes a key, on a thread of its own: for some algorithms that takes longer than others should wait.
async fn make(
    algorithm: Algorithm,
    encryption: Option<&KeyEncryptionKey>,
    signs_from: Timestamp,
) -> Result<KeyRecord, KeyRingError> {
    let (answer, answered) = oneshot::channel();
    let making = move || {
        // Whoever went away needs no key.
        let _ = answer.send(jose::generate(algorithm));
    };
    thread::Builder::new().name("countersign-key".to_owned()).spawn(making).map_err(KeyRingError::Thread)?;
    let (id, private) = answered.await.map_err(|_| jose::KeyProblem::Refused)??;
    let private_key = match encryption {
        Some(encryption) => RestingKey::Sealed(encryption.seal(&id, &private)?),
        None => private.into(),
    };
    let algorithm = algorithm.into();
    Ok(KeyRecord { id, algorithm, private_key, signs_from, verifies_until: None, withdrawn_at: None })
}

/// Keys that cannot be read are as good as none: nobody knows.
fn away(error: KeyRingError) -> StoreError {
    match error {
        KeyRingError::Store(error) => error,
        KeyRingError::NoKey => StoreError::unavailable(error),
        other => StoreError::corrupt(other),
    }
}

impl fmt::Debug for LiveKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveKeys").field("ring", &self.ring.load()).finish_non_exhaustive()
    }
}
