//! Counters in the memory of this process: bounded, and gone when it ends.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use indexmap::IndexMap;
use tokio::sync::Notify;

use super::{
    Attempts, KNOWN_FOR, MAX_WAITING, Pair, Verdict,
    counter::{Counter, Key, Outcome, Room, Rule, Tally},
    steps::{self, Step},
};
use crate::{
    clock::{Clock, Timestamp},
    store::StoreError,
};

/// How many entries are looked at for the one that may go.
const SAMPLE: usize = 8;

/// How many are looked at for one that delays nobody, before one goes that does.
const LONG_SAMPLE: usize = 256;

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
    /// By account, the sources that are known to be good for it, with the last login from there, which was the last of all at the
    /// end; and how many there are in all.
    known: IndexMap<Key, Vec<(Key, Timestamp)>>,
    pairs: usize,
    most: usize,
    hand: Hand,
}

struct Entry {
    rule: Rule,
    tally: Tally,
    /// Those who wait for what is under way.
    waiting: Option<Arc<Notify>>,
}

impl MemoryAttempts {
    /// Room for `most` counters, and for as many sources that are known to be good.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let (counters, known) = (IndexMap::new(), IndexMap::new());
        let inner = Inner { counters, known, pairs: 0, most: most.max(1), hand: Hand(0) };
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
                    Ok(verdict) => return Ok(verdict),
                    Err(notify) => {
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

    async fn is_known(&self, pair: Pair, now: Timestamp) -> Result<bool, StoreError> {
        let inner = self.lock();
        let mut of_same = inner.known.get(&pair.whose).into_iter().flatten();
        Ok(of_same.any(|(key, since)| *key == pair.key && now < since.plus(KNOWN_FOR)))
    }

    fn know(&self, pair: Pair, now: Timestamp) {
        self.lock().know(pair, now);
    }
}

impl Inner {
    /// The counters with their tallies; of one that nobody has heard of, an empty one.
    fn tallies(&self, counters: &[Counter]) -> Vec<(Counter, Tally)> {
        let tally = |counter: &Counter| self.counters.get(&counter.key).map(|entry| entry.tally).unwrap_or_default();
        counters.iter().map(|counter| (*counter, tally(counter))).collect()
    }

    /// Begins an attempt in all of its counters, or in none; or says whom to wait for.
    fn look(&mut self, counters: &[Counter], now: Timestamp) -> Result<Verdict, Arc<Notify>> {
        let mut tallies = self.tallies(counters);
        let step = steps::begin(&mut tallies, now);
        // Those that are there first: what is reserved does not go to make room for the others.
        tallies.retain(|(counter, tally)| match self.counters.get_mut(&counter.key) {
            Some(entry) => {
                entry.tally = *tally;
                false
            }
            None => true,
        });
        match step {
            Step::Go => {}
            Step::Delayed { until, news } => return Ok(Verdict::Delayed { until, news }),
            // Nothing is under way where nobody has heard of it.
            Step::Wait(key) => match self.counters.get_mut(&key) {
                Some(entry) => return Err(entry.waiting.get_or_insert_default().clone()),
                None => return Ok(Verdict::Full),
            },
        }
        for (counter, tally) in tallies {
            self.make_room(now);
            self.counters.insert(counter.key, Entry { rule: counter.rule, tally, waiting: None });
        }
        Ok(Verdict::Go)
    }

    fn settle(&mut self, counters: &[Counter], outcome: Outcome, now: Timestamp) {
        let mut tallies = self.tallies(counters);
        steps::settle(&mut tallies, outcome, now);
        for (counter, mut tally) in tallies {
            let Some(entry) = self.counters.get_mut(&counter.key) else { continue };
            entry.tally = tally;
            // While it is still taken, nobody who waits would find anything else.
            if tally.room(counter.rule, now) != Room::Taken
                && let Some(waiting) = entry.waiting.take()
            {
                waiting.notify_waiters();
            }
            if tally.is_forgotten(counter.rule, now) {
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

    fn know(&mut self, pair: Pair, now: Timestamp) {
        let mut of_same = self.known.swap_remove(&pair.whose).unwrap_or_else(|| Vec::with_capacity(1));
        self.pairs -= of_same.len();
        of_same.retain(|(key, _)| *key != pair.key);
        if of_same.len() >= pair.most.min(self.most) {
            of_same.remove(0);
        }
        of_same.push((pair.key, now));
        self.pairs += of_same.len();
        if self.pairs > self.most {
            self.forget_oldest_of_a_few();
        }
        self.known.insert(pair.whose, of_same);
    }

    /// Forgets the source that was good longest ago, of a few accounts.
    fn forget_oldest_of_a_few(&mut self) {
        let Self { known, pairs, hand, .. } = self;
        let sample = (0..SAMPLE).map(|_| hand.next(known.len()));
        let first = |at: &usize| known.get_index(*at).and_then(|(_, of_same)| of_same.first()).map(|(_, since)| *since);
        let Some(at) = sample.min_by_key(first) else { return };
        let Some((_, of_same)) = known.get_index_mut(at) else { return };
        of_same.remove(0);
        *pairs -= 1;
        if of_same.is_empty() {
            known.swap_remove_index(at);
        }
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
