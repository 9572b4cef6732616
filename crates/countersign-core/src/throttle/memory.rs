//! Counters in the memory of this process: bounded, and gone when it ends.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use indexmap::IndexMap;
use tokio::sync::Notify;

use super::{
    Attempts, Verdict,
    counter::{Counter, Key, Outcome, Room, Rule, Tally, What},
};
use crate::{
    clock::{Clock, Timestamp},
    store::StoreError,
};

/// How many attempts may wait for others that are under way: more than wait for their passwords to be hashed.
const MAX_WAITING: usize = 1024;

/// How many entries are looked at for the one that may go.
const SAMPLE: usize = 8;

/// How many are looked at for one that delays nobody, before one goes that does.
const LONG_SAMPLE: usize = 256;

/// For how long a source is known to be good for an account after a login: 30 days.
const KNOWN_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Counters in memory, so many and no more.
///
/// When there is room no more, one goes that has been forgotten, or else the one of a few that would be missed least: one
/// that delays somebody now goes only when all of them do.
pub struct MemoryAttempts {
    inner: Mutex<Inner>,
    waiting: AtomicUsize,
}

struct Inner {
    counters: IndexMap<Key, Entry>,
    /// Sources that are known to be good for an account, with the last login from there.
    known: IndexMap<Key, Timestamp>,
    most: usize,
    hand: Hand,
}

struct Entry {
    rule: Rule,
    tally: Tally,
    /// Those who wait for what is under way.
    waiting: Option<Arc<Notify>>,
}

/// What one look at all counters of an attempt came to.
enum Look {
    Decided(Verdict),
    Wait(Arc<Notify>),
}

impl MemoryAttempts {
    /// Room for `most` counters, and for as many sources that are known to be good.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let inner = Inner { counters: IndexMap::new(), known: IndexMap::new(), most: most.max(1), hand: Hand(0) };
        Self { inner: Mutex::new(inner), waiting: AtomicUsize::new(0) }
    }

    /// How many counters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().counters.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A panic while the lock was held cannot have left it half changed: nothing in there calls out.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those who wait, which is given back however the waiting ends.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        if waiting.fetch_add(1, Ordering::SeqCst) < MAX_WAITING {
            return Some(Self(waiting));
        }
        waiting.fetch_sub(1, Ordering::SeqCst);
        None
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Attempts for MemoryAttempts {
    async fn begin(&self, counters: &[Counter], clock: &dyn Clock) -> Result<Verdict, StoreError> {
        let mut place = None;
        loop {
            let turn: Arc<Notify>;
            let notified = {
                let mut inner = self.lock();
                match inner.look(counters, clock.now()) {
                    Look::Decided(verdict) => return Ok(verdict),
                    Look::Wait(notify) => {
                        turn = notify;
                        // Made while the lock is held, so that no end falls between the look and the waiting.
                        turn.notified()
                    }
                }
            };
            if place.is_none() {
                let Some(taken) = Place::take(&self.waiting) else { return Ok(Verdict::Full) };
                place = Some(taken);
            }
            notified.await;
        }
    }

    fn settle(&self, counters: &[Counter], outcome: Outcome, now: Timestamp) {
        self.lock().settle(counters, outcome, now);
    }

    async fn is_known(&self, pair: Key, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.lock().known.get(&pair).is_some_and(|since| now < since.plus(KNOWN_FOR)))
    }

    fn know(&self, pair: Key, now: Timestamp) {
        self.lock().know(pair, now);
    }
}

impl Inner {
    /// Begins an attempt in all of its counters, or in none.
    fn look(&mut self, counters: &[Counter], now: Timestamp) -> Look {
        let (mut closed, mut taken, mut news) = (None, None, None);
        for counter in counters {
            let Some(entry) = self.counters.get_mut(&counter.key) else { continue };
            match entry.tally.room(counter.rule, now) {
                Room::Free => {}
                Room::Taken => taken = Some(counter.key),
                Room::Closed(until) => {
                    // One is told at a time: what delays beside it is told the next time. A stranger's part is the account's.
                    if counter.what != What::StrangePair && news.is_none() && entry.tally.tell() {
                        news = Some(counter.what);
                    }
                    closed = closed.max(Some(until));
                }
            }
        }
        if let Some(until) = closed {
            return Look::Decided(Verdict::Delayed { until, news });
        }
        if let Some(entry) = taken.and_then(|key| self.counters.get_mut(&key)) {
            return Look::Wait(entry.waiting.get_or_insert_default().clone());
        }
        // Those that are there first: what is reserved does not go to make room for the others.
        let mut new = Vec::new();
        for counter in counters {
            match self.counters.get_mut(&counter.key) {
                Some(entry) => entry.tally.reserve(),
                None => new.push(counter),
            }
        }
        for counter in new {
            self.make_room(now);
            let mut tally = Tally::default();
            tally.reserve();
            self.counters.insert(counter.key, Entry { rule: counter.rule, tally, waiting: None });
        }
        Look::Decided(Verdict::Go)
    }

    fn settle(&mut self, counters: &[Counter], outcome: Outcome, now: Timestamp) {
        let mut slowest = 0;
        for counter in counters {
            let Some(entry) = self.counters.get_mut(&counter.key) else { continue };
            slowest = entry.tally.settle(counter.rule, outcome, now, slowest).max(slowest);
            // While it is still taken, nobody who waits would find anything else.
            if entry.tally.room(counter.rule, now) != Room::Taken
                && let Some(waiting) = entry.waiting.take()
            {
                waiting.notify_waiters();
            }
            if entry.tally.is_forgotten(counter.rule, now) {
                self.counters.swap_remove(&counter.key);
            }
        }
    }

    /// Sees to it that one more counter fits.
    fn make_room(&mut self, now: Timestamp) {
        if self.counters.len() < self.most {
            return;
        }
        let mut least: Option<(usize, (bool, u32, i64))> = None;
        for looked_at in 0..self.counters.len().min(LONG_SAMPLE) {
            let at = self.hand.next(self.counters.len());
            let entry = &mut self.counters[at];
            // What is under way would be missed when it ends.
            if !entry.tally.is_under_way() {
                let weight = entry.tally.weight(entry.rule, now);
                if weight.1 == 0 {
                    self.counters.swap_remove_index(at);
                    return;
                }
                if least.is_none_or(|(_, lightest)| weight < lightest) {
                    least = Some((at, weight));
                }
            }
            // Further than a few only for one that delays nobody.
            if looked_at + 1 >= SAMPLE && least.is_some_and(|(_, (delays, ..))| !delays) {
                break;
            }
        }
        if let Some((at, _)) = least {
            self.counters.swap_remove_index(at);
        }
    }

    fn know(&mut self, pair: Key, now: Timestamp) {
        let Self { known, most, hand, .. } = self;
        if known.len() >= *most && !known.contains_key(&pair) {
            let sample = (0..SAMPLE).map(|_| hand.next(known.len()));
            if let Some(oldest) = sample.min_by_key(|at| known[*at]) {
                known.swap_remove_index(oldest);
            }
        }
        known.insert(pair, now);
    }
}

/// Where the next entry is looked at that may go.
struct Hand(usize);

impl Hand {
    /// Goes round `length` entries, one at a time.
    fn next(&mut self, length: usize) -> usize {
        self.0 = (self.0 + 1) % length.max(1);
        self.0
    }
}

impl fmt::Debug for MemoryAttempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryAttempts").field("counters", &self.len()).finish_non_exhaustive()
    }
}
