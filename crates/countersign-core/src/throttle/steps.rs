//! The two steps of an attempt, over all of its counters at once. Whoever keeps counters makes each of them atomic.

use super::counter::{Counter, Key, Outcome, Room, Tally, What};
use crate::clock::Timestamp;

/// What one look at all counters of an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It has its place in all of them.
    Go,
    /// It has none yet: what is under way at this counter may turn out to be no failure.
    Wait(Key),
    /// It has none, and may try again at `until`.
    Delayed {
        /// The end of the longest delay.
        until: Timestamp,
        /// Which counter delays somebody for the first time.
        news: Option<What>,
    },
}

/// Begins an attempt in all of its counters, or in none. The tallies are to be kept whatever comes of it.
pub fn begin(counters: &mut [(Counter, Tally)], now: Timestamp) -> Step {
    let (mut closed, mut taken, mut news) = (None, None, None);
    for (counter, tally) in &mut *counters {
        match tally.room(counter.rule, now) {
            Room::Free => {}
            Room::Taken => taken = Some(counter.key),
            Room::Closed(until) => {
                // One is told at a time: what delays beside it is told the next time. A stranger's part is the account's.
                if counter.what != What::StrangePair && news.is_none() && tally.tell() {
                    news = Some(counter.what);
                }
                closed = closed.max(Some(until));
            }
        }
    }
    if let Some(until) = closed {
        return Step::Delayed { until, news };
    }
    if let Some(key) = taken {
        return Step::Wait(key);
    }
    for (_, tally) in counters {
        tally.reserve();
    }
    Step::Go
}

/// Ends an attempt in all of its counters.
pub fn settle(counters: &mut [(Counter, Tally)], outcome: Outcome, now: Timestamp) {
    let mut slowest = 0;
    for (counter, tally) in counters {
        slowest = tally.settle(counter.rule, outcome, now, slowest).max(slowest);
    }
}
