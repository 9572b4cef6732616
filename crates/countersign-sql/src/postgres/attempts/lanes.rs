//! What a process knows of the counters beside what the database does.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use countersign_core::{
    clock::Timestamp,
    throttle::{Counter, Key, MAX_WAITING},
};
use tokio::sync::Semaphore;

use super::LOOK_FOR_EXCESS_AFTER;

/// How many closed counters a process remembers.
const MOST_REMEMBERED: usize = 10_000;

/// What a process knows of the counters beside what the database does.
pub(in crate::postgres) struct Lanes {
    /// Attempts use part of the connections, so that what has nothing to do with them goes on however many guess.
    pub(super) begin: Semaphore,
    pub(super) end: Semaphore,
    pub(super) waiting: Semaphore,
    /// For each counter whom the others wait for who wait in this process.
    turns: Mutex<HashMap<Key, Weak<tokio::sync::Mutex<()>>>>,
    /// Counters that are closed, as was found in this second: who hammers costs the database one question a second.
    closed: Mutex<HashMap<Key, Closed>>,
    pub(super) excess: Excess,
}

/// When to look whether there are more counters and pairs than are kept.
pub(super) struct Excess {
    /// What this process put since it last looked.
    put: AtomicUsize,
}

#[derive(Clone, Copy)]
struct Closed {
    found_at: Timestamp,
    until: Timestamp,
}

impl Lanes {
    pub(in crate::postgres) fn new(connections: usize) -> Self {
        Self {
            begin: Semaphore::new((connections / 2).max(1)),
            end: Semaphore::new((connections / 4).max(1)),
            waiting: Semaphore::new(MAX_WAITING),
            turns: Mutex::default(),
            closed: Mutex::default(),
            excess: Excess::new(),
        }
    }

    /// Whoever has it looks at this counter; what nobody waits for is not kept.
    pub(super) fn turn(&self, key: Key) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&key).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(key, Arc::downgrade(&turn));
        turn
    }

    /// When an attempt may be tried again, if that was found in this second. Attempts that share their last counter, which is of
    /// the account and its source, wait for the same.
    pub(super) fn closed_until(&self, counters: &[Counter], now: Timestamp) -> Option<Timestamp> {
        let known = *self.closed().get(&counters.last()?.key)?;
        (known.found_at == now && now < known.until).then_some(known.until)
    }

    pub(super) fn remember(&self, counters: &[Counter], found_at: Timestamp, until: Timestamp) {
        let Some(last) = counters.last() else { return };
        let mut closed = self.closed();
        if closed.len() >= MOST_REMEMBERED {
            closed.clear();
        }
        closed.insert(last.key, Closed { found_at, until });
    }

    fn closed(&self) -> MutexGuard<'_, HashMap<Key, Closed>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Excess {
    /// Who has just started does not know what others left.
    const fn new() -> Self {
        Self { put: AtomicUsize::new(LOOK_FOR_EXCESS_AFTER) }
    }

    pub(super) fn put(&self, how_many: usize) {
        self.put.fetch_add(how_many, Ordering::Relaxed);
    }

    pub(super) fn is_due(&self) -> bool {
        self.put.load(Ordering::Relaxed) >= LOOK_FOR_EXCESS_AFTER
    }

    /// It was looked for. If as much went as may go at once, there may be more.
    pub(super) fn looked(&self, gone: usize) {
        if gone < LOOK_FOR_EXCESS_AFTER {
            self.put.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_looked_for_at_the_start_and_after_so_many_and_until_all_of_it_is_gone() {
        let excess = Excess::new();
        assert!(excess.is_due(), "others may have left too much");
        excess.looked(LOOK_FOR_EXCESS_AFTER);
        assert!(excess.is_due(), "there may be more");
        excess.looked(LOOK_FOR_EXCESS_AFTER - 1);
        assert!(!excess.is_due());
        excess.put(LOOK_FOR_EXCESS_AFTER - 1);
        assert!(!excess.is_due());
        excess.put(1);
        assert!(excess.is_due());
    }
}
