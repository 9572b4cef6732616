//! One counter of failures: what it counts, when it delays, and what it forgets. Nothing here waits or shares.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::clock::Timestamp;

/// After how long without a failure one of [`Rule::Growing`] or [`Rule::Following`] is forgotten, in seconds: a day.
pub(super) const FORGOTTEN_AFTER: u32 = 24 * 60 * 60;

/// How far clocks of processes may be apart that count together, in seconds.
const CLOCKS_APART: i64 = 60;

/// Doublings beyond which every delay is the longest.
const MAX_DOUBLINGS: u32 = 31;

/// What a counter counts failures of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// An account, from wherever nobody has logged in to it.
    Account,
    /// An account, from a source that is known to be good for it.
    KnownPair,
    /// An account, from a source that is not.
    StrangePair,
    /// A source, over all accounts and clients.
    Source,
    /// A client, from one source.
    Client,
    /// What a client asks the introspection endpoint about.
    Introspection,
}

impl What {
    /// The code for the log.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Account | Self::KnownPair | Self::StrangePair => "account",
            Self::Source => "source",
            Self::Client => "client",
            Self::Introspection => "introspection",
        }
    }
}

/// The name of a counter: 128 bits of a hash, so that no name that somebody typed is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key([u8; 16]);

impl Key {
    /// The counter of `what`, for what `parts` name: all but the last are of a fixed length.
    pub(super) fn of(what: What, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new().chain_update([what as u8]);
        for part in parts {
            hash.update(part);
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        Self(key)
    }

    /// The bytes, for those who keep counters elsewhere.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// When a counter delays. Times are in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// After `free` failures one attempt at a time, with a delay before each that doubles from `first` to `longest`. A
    /// success forgets all failures.
    Growing {
        /// How many failures nothing follows.
        free: u32,
        /// The first delay.
        first: u32,
        /// The longest.
        longest: u32,
    },
    /// Twice as long as the longest delay of the counters before it in the same attempt; and however long that is,
    /// doubling from `first`. So whoever fails here leaves the next turn to others. A success forgets all failures.
    Following {
        /// What its own delays double from.
        first: u32,
        /// The longest.
        longest: u32,
    },
    /// `burst` failures at once, and then `refill` more each `period`. Successes change nothing.
    Leaky {
        /// How many failures it holds.
        burst: u32,
        /// How many leak away each period.
        refill: u32,
        /// How long a period is.
        period: u32,
    },
}

/// A counter of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// What it counts, for the log.
    pub what: What,
    /// Its name.
    pub key: Key,
    /// When it delays.
    pub rule: Rule,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The secret was right.
    Success,
    /// It was wrong.
    Failure,
    /// Whoever made it hung up before there was an answer, and so has learned nothing. It has cost work all the same.
    Abandoned,
    /// It was never looked at: the store was away, or the queue was full.
    Undecided,
}

/// Whether a counter lets another attempt begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It does.
    Free,
    /// What is under way may turn out to be no failure: then it does.
    Taken,
    /// Not before this moment.
    Closed(Timestamp),
}

/// The state of a counter. An attempt under way counts as a failure until it turns out to be none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Failures; of [`Rule::Leaky`] times its period.
    level: u32,
    /// How long to wait after the last failure.
    delay: u32,
    /// The last failure; of [`Rule::Leaky`] the last look.
    last: i64,
    under_way: u32,
    told: bool,
}

impl Tally {
    /// The length of a tally as bytes.
    pub const LENGTH: usize = 21;

    /// For those who keep it elsewhere.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..4].copy_from_slice(&self.level.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.delay.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.last.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.under_way.to_be_bytes());
        bytes[20] = self.told.into();
        bytes
    }

    /// What [`Tally::to_bytes`] made; `None` of any other bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LENGTH] = bytes.try_into().ok()?;
        let number = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        let mut last = [0; 8];
        last.copy_from_slice(&bytes[8..16]);
        Some(Self {
            level: u32::from_be_bytes(number(0)),
            delay: u32::from_be_bytes(number(4)),
            last: i64::from_be_bytes(last),
            under_way: u32::from_be_bytes(number(16)),
            told: match bytes[20] {
                0 => false,
                1 => true,
                _ => return None,
            },
        })
    }

    /// Forgets what is under way: those who made it have gone without a word.
    pub const fn abandon(&mut self) {
        self.under_way = 0;
    }

    /// When it will be as if it had never been, if nothing is under way and nothing happens.
    #[must_use]
    pub fn forgotten_at(&self, rule: Rule) -> Timestamp {
        let rest = match rule {
            Rule::Growing { .. } | Rule::Following { .. } => FORGOTTEN_AFTER,
            Rule::Leaky { refill, .. } => self.level.div_ceil(refill.max(1)),
        };
        Timestamp::from_seconds(self.last).plus(seconds(rest))
    }

    /// Whether another attempt may begin at `now`.
    pub fn room(&mut self, rule: Rule, now: Timestamp) -> Room {
        self.turn_to(rule, now);
        let closed = |wait: u32| Room::Closed(Timestamp::from_seconds(self.last).plus(seconds(wait)));
        let rest = |room: u32| if self.under_way < room { Room::Free } else { Room::Taken };
        match rule {
            Rule::Growing { .. } | Rule::Following { .. } if now < self.opens_at() => closed(self.delay),
            // It has no turns of its own: the counters before it have.
            Rule::Following { .. } => Room::Free,
            Rule::Growing { free, .. } => rest(free.saturating_sub(self.level).max(1)),
            Rule::Leaky { burst, refill, period } => {
                let room = burst.saturating_mul(period).saturating_sub(self.level);
                match room / period {
                    0 => closed((period - room).div_ceil(refill)),
                    attempts => rest(attempts),
                }
            }
        }
    }

    /// Begins an attempt.
    pub const fn reserve(&mut self) {
        self.under_way = self.under_way.saturating_add(1);
    }

    /// Ends an attempt; `slowest` is the longest delay, in seconds, that it brought to the counters before this one.
    /// Says how long the delay is that this one brings.
    pub fn settle(&mut self, rule: Rule, outcome: Outcome, now: Timestamp, slowest: u32) -> u32 {
        self.under_way = self.under_way.saturating_sub(1);
        self.turn_to(rule, now);
        match (outcome, rule) {
            (Outcome::Undecided, _)
            | (Outcome::Success, Rule::Leaky { .. })
            | (Outcome::Abandoned, Rule::Growing { .. } | Rule::Following { .. }) => return 0,
            (Outcome::Success, Rule::Growing { .. } | Rule::Following { .. }) => self.forget(),
            (Outcome::Failure, Rule::Growing { free, first, longest }) => {
                self.fail(1, now);
                self.delay = self.level.checked_sub(free).map_or(0, |beyond| doubled(first, beyond).min(longest));
            }
            (Outcome::Failure, Rule::Following { first, longest }) if slowest > 0 => {
                self.fail(1, now);
                self.delay = doubled(first, self.level).max(slowest.saturating_mul(2)).min(longest);
            }
            (Outcome::Failure, Rule::Following { .. }) => {}
            (Outcome::Failure | Outcome::Abandoned, Rule::Leaky { period, .. }) => self.fail(period, now),
        }
        self.delay
    }

    /// Whether it is as if it had never been.
    pub fn is_forgotten(&mut self, rule: Rule, now: Timestamp) -> bool {
        self.turn_to(rule, now);
        self.level == 0 && self.under_way == 0
    }

    /// Whether an attempt of it is under way.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        self.under_way > 0
    }

    /// How much would be lost with it: whether it delays now, how many failures it counts, and when it last did.
    pub fn weight(&mut self, rule: Rule, now: Timestamp) -> (bool, u32, i64) {
        let delays = matches!(self.room(rule, now), Room::Closed(_));
        let failures = match rule {
            Rule::Leaky { period, .. } => self.level.div_ceil(period),
            Rule::Growing { .. } | Rule::Following { .. } => self.level,
        };
        (delays, failures, self.last)
    }

    /// Whether this is the first time since it was forgotten that somebody is told that it delays.
    pub const fn tell(&mut self) -> bool {
        !std::mem::replace(&mut self.told, true)
    }

    const fn fail(&mut self, by: u32, now: Timestamp) {
        self.level = self.level.saturating_add(by);
        self.last = now.seconds();
    }

    const fn forget(&mut self) {
        self.level = 0;
        self.delay = 0;
        self.told = false;
    }

    fn opens_at(&self) -> Timestamp {
        Timestamp::from_seconds(self.last).plus(seconds(self.delay))
    }

    /// Lets time do its work. A clock that went back does not make a delay longer than it is; but clocks of processes that count
    /// together are not quite the same, and between them no time passes twice.
    fn turn_to(&mut self, rule: Rule, now: Timestamp) {
        let now = now.seconds();
        if self.last.saturating_sub(now) > CLOCKS_APART {
            self.last = now;
        }
        let passed = u32::try_from(now.saturating_sub(self.last).max(0)).unwrap_or(u32::MAX);
        match rule {
            Rule::Growing { .. } | Rule::Following { .. } if passed >= FORGOTTEN_AFTER => self.forget(),
            Rule::Growing { .. } | Rule::Following { .. } => {}
            Rule::Leaky { refill, .. } => {
                self.last = self.last.max(now);
                self.level = self.level.saturating_sub(passed.saturating_mul(refill));
                if self.level == 0 {
                    self.forget();
                }
            }
        }
    }
}

const fn doubled(first: u32, times: u32) -> u32 {
    let times = if times < MAX_DOUBLINGS { times } else { MAX_DOUBLINGS };
    first.saturating_mul(1 << times)
}

const fn seconds(whole: u32) -> Duration {
    Duration::from_secs(whole as u64)
}
