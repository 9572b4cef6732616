//! Throttling of guesses: what is counted for which attempt at a secret, and how long those who guess wait.
//!
//! An attempt reserves its place in each of its counters before the secret is looked at, and settles after. While it is
//! under way it counts as a failure, so that many at once get no further than one after the other (NIST SP 800-63B-4 §3.2.2).
//!
//! Nobody is locked out for ever: a delay ends, and whoever failed last at an account waits longer than the account does.

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
mod counter;
mod memory;
mod source;
pub mod steps;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use self::counter::FORGOTTEN_AFTER;
pub use self::{
    counter::{Counter, Key, Outcome, Room, Rule, Tally, What},
    memory::MemoryAttempts,
    source::Source,
};
use crate::{
    clock::{Clock, Timestamp},
    error::OAuthError,
    meters::ThrottleMeters,
    names::{ClientId, Subject},
    store::StoreError,
    username::Username,
};

/// The first delay, in seconds.
const FIRST_DELAY: u32 = 30;

/// How often one more failure is forgotten of a source, in seconds.
const SOURCE_PERIOD: u32 = 12;

/// How much longer than an account somebody at most waits who fails at it from one address: so many addresses it takes to
/// keep the account busy.
const STRANGER_FACTOR: u32 = 16;

/// How many questions about tokens that are none of ours a client may ask at once; then so many a second.
const INTROSPECTION_BURST: u32 = 1_000;
const INTROSPECTION_PER_SECOND: u32 = 50;

/// For how long a source is known to be good for an account after a login: 30 days.
pub const KNOWN_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How many sources are known to be good for one account, those that were good last: more than people have. Else whoever has one
/// password and many addresses would move the sources of all others out.
const KNOWN_OF_ACCOUNT: usize = 64;

/// As of an account, of a client, which may be many machines.
const KNOWN_OF_CLIENT: usize = 1_024;

/// How many attempts may wait in one process for others that are under way: more than wait for their passwords to be hashed.
pub const MAX_WAITING: usize = 1024;

/// How long an attempt should stay away for which there is no room to wait.
const NO_ROOM_RETRY: Duration = Duration::from_secs(1);

/// How guesses are slowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottleSettings {
    /// Failures at an account, or of a client from one source, after which each further attempt waits; 10 by default, and
    /// not over 100 (NIST SP 800-63B-4 §3.2.2).
    pub failures_per_account: u32,
    /// Failures of a source at once, over all accounts; then one more every 12 seconds. 50 by default.
    pub failures_per_source: u32,
    /// The longest delay of an account, in whole seconds; 15 minutes by default. Delays double from 30 seconds.
    pub longest_delay: Duration,
    /// How many counters are kept in memory, and how many sources that are known to be good; 100,000 by default, some 20 MB
    /// when full.
    pub counters: usize,
}

impl Default for ThrottleSettings {
    fn default() -> Self {
        Self {
            failures_per_account: 10,
            failures_per_source: 50,
            longest_delay: Duration::from_secs(15 * 60),
            counters: 100_000,
        }
    }
}

/// What an attempt at a secret hears before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has its place in all of its counters, which it must [settle](Attempts::settle).
    Go,
    /// It has none, and may try again at `until`.
    Delayed {
        /// The end of the longest delay.
        until: Timestamp,
        /// Which counter delays somebody for the first time.
        news: Option<What>,
    },
    /// It has none: too many wait already.
    Full,
}

/// A source, and whose secret it is or may be known to be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The name of both.
    pub key: Key,
    /// The name of the account or the client alone, for which there may be other pairs.
    pub whose: Key,
    /// How many pairs of the same are kept, those that were good last. Not 0.
    pub most: usize,
}

/// Where failures are counted: in the memory of this process, or where several replicas share them.
///
/// To add one, keep a [`Tally`] by [`Key`], as its [bytes](Tally::to_bytes) if need be, and change all tallies of an attempt in
/// one atomic step: [`steps::begin`] and [`steps::settle`], with the counters in their order. A tally that
/// [is forgotten](Tally::is_forgotten) can go. [`MemoryAttempts`] is a complete one. Run the conformance suite against it
/// (module `conformance`, feature `testing`).
#[async_trait]
pub trait Attempts: fmt::Debug + Send + Sync + 'static {
    /// Reserves a place in all of `counters`, or in none. While one of them is [taken](Room::Taken) by what is under way,
    /// this waits. Dropped while it waits, it leaves nothing behind.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): it cannot be known now.
    async fn begin(&self, counters: &[Counter], clock: &dyn Clock) -> Result<Verdict, StoreError>;

    /// Whether all of `counters` are as if they had never been, where that is cheaper to know than it is to begin: then nothing is
    /// reserved. `None`, the default: it is not. For secrets that nobody finds by trying; those who ask at once are all looked
    /// at.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): it cannot be known now.
    async fn are_clean(&self, counters: &[Counter], now: Timestamp) -> Result<Option<bool>, StoreError> {
        let _ = (counters, now);
        Ok(None)
    }

    /// Counts an attempt that failed where nothing was reserved. It must not block.
    fn fail(&self, counters: &[Counter], now: Timestamp) {
        let _ = (counters, now);
    }

    /// Ends an attempt that began. It must not block: what is away for a moment is told in the background.
    fn settle(&self, counters: &[Counter], outcome: Outcome, now: Timestamp);

    /// Whether somebody logged in to this account from this source in the last 30 days.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): it cannot be known now.
    async fn is_known(&self, pair: Pair, now: Timestamp) -> Result<bool, StoreError>;

    /// Somebody logged in to this account from this source. Of the pairs of the same account [the newest](Pair::most) stay. It must
    /// not block.
    fn know(&self, pair: Pair, now: Timestamp);
}

/// Slows guesses, if it is on.
#[derive(Clone, Debug)]
pub(crate) struct Throttle {
    settings: Option<ThrottleSettings>,
    attempts: Arc<dyn Attempts>,
    clock: Arc<dyn Clock>,
    meters: ThrottleMeters,
    /// Whether it was said that nobody knows where requests come from.
    has_warned: Arc<AtomicBool>,
}

/// Whose secret is tried, for the log; the name that was typed is never in it.
#[derive(Clone, Copy, Debug)]
enum Whose<'a> {
    Owner(Option<&'a Subject>),
    Client(Option<&'a ClientId>),
}

impl Throttle {
    /// Counts in `attempts`, or in the memory of this process.
    pub(crate) fn new(
        settings: Option<ThrottleSettings>,
        attempts: Option<Arc<dyn Attempts>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let in_memory = || Arc::new(MemoryAttempts::new(settings.map_or(1, |settings| settings.counters))) as Arc<_>;
        Self {
            settings,
            attempts: attempts.unwrap_or_else(in_memory),
            clock,
            meters: ThrottleMeters::new(),
            has_warned: Arc::default(),
        }
    }

    /// An attempt at the password of an account, by its name as it is stored, or as it was typed if there is no such
    /// account; `subject` is its owner, for the log.
    ///
    /// From a source that is known to be good for the account, what others do does not count. Other attempts count for
    /// the account and for the source. An account that does not exist fares as one that does.
    ///
    /// # Errors
    /// - [`OAuthError::Throttled`]: it must wait.
    /// - [`OAuthError::TemporarilyUnavailable`]: too many wait, or it cannot be known.
    pub(crate) async fn login(
        &self,
        name: &str,
        source: Source,
        subject: Option<&Subject>,
    ) -> Result<Attempt<'_>, OAuthError> {
        let Some(settings) = self.settings else { return Ok(Attempt::uncounted(self)) };
        // Blanks around a name are nobody's, and get nobody a counter of their own.
        let canonical = Username::parse(name.trim());
        let name = canonical.as_ref().map_or(name, Username::as_str).as_bytes();
        let account = Counter { what: What::Account, key: Key::of(What::Account, &[name]), rule: growing(settings) };
        let Some(network) = source.network() else {
            self.warn_of_unknown_source();
            return self.begin(vec![account], None, source, Whose::Owner(subject)).await;
        };
        let pair = |what, place: [u8; 16]| Key::of(what, &[account.key.as_bytes(), &place]);
        let known = Counter { what: What::KnownPair, key: pair(What::KnownPair, network), rule: growing(settings) };
        let good = Pair { key: known.key, whose: account.key, most: KNOWN_OF_ACCOUNT };
        let counters = if self.attempts.is_known(good, self.clock.now()).await? {
            vec![known]
        } else {
            // One customer of a provider has many networks, and must not take the turns of all others.
            let (what, site) = (What::StrangePair, source.site().unwrap_or(network));
            // The pair follows the account, so it stands behind it.
            vec![
                account,
                of_source(settings, network),
                Counter { what, key: pair(what, site), rule: following(settings) },
            ]
        };
        self.begin(counters, Some(good), source, Whose::Owner(subject)).await
    }

    /// An attempt at the secret or the key of a client, by the name that was sent; `client` is the one of this name, for
    /// the log.
    ///
    /// It counts for the source, and for the client at this source: not for the client over all sources. Nobody finds 256
    /// random bits, or a private key, by trying; but a stranger who can stop a client stops everything that it does. So where a
    /// client has proven itself before, what others do at its source does not count: it may be the server of a page where
    /// strangers type passwords.
    ///
    /// # Errors
    /// As of [`Throttle::login`].
    pub(crate) async fn client(
        &self,
        id: &str,
        source: Source,
        client: Option<&ClientId>,
    ) -> Result<Attempt<'_>, OAuthError> {
        let Some(settings) = self.settings else { return Ok(Attempt::uncounted(self)) };
        let Some(network) = source.network() else {
            self.warn_of_unknown_source();
            return Ok(Attempt::uncounted(self));
        };
        let (what, key) = (What::Client, Key::of(What::Client, &[&network, id.as_bytes()]));
        let own = Counter { what, key, rule: growing(settings) };
        let good = Pair { key, whose: Key::of(what, &[id.as_bytes()]), most: KNOWN_OF_CLIENT };
        let now = self.clock.now();
        let counters = match self.attempts.is_known(good, now).await? {
            true if self.attempts.are_clean(&[own], now).await? == Some(true) => {
                return Ok(Attempt { throttle: self, counters: vec![own], pair: None, place: Place::None });
            }
            true => vec![own],
            false => vec![own, of_source(settings, network)],
        };
        self.begin(counters, Some(good), source, Whose::Client(client)).await
    }

    /// A question of a client to the introspection endpoint (RFC 7662 §4, "token scanning attacks"). It fails if what it is
    /// about is no token of ours.
    ///
    /// # Errors
    /// As of [`Throttle::login`].
    pub(crate) async fn introspection(&self, client: &ClientId, source: Source) -> Result<Attempt<'_>, OAuthError> {
        if self.settings.is_none() {
            return Ok(Attempt::uncounted(self));
        }
        let (what, key) = (What::Introspection, Key::of(What::Introspection, &[client.as_str().as_bytes()]));
        let rule = Rule::Leaky { burst: INTROSPECTION_BURST, refill: INTROSPECTION_PER_SECOND, period: 1 };
        self.begin(vec![Counter { what, key, rule }], None, source, Whose::Client(Some(client))).await
    }

    /// Says once what is not counted where nobody knows the source.
    fn warn_of_unknown_source(&self) {
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                event = "throttle",
                outcome = "no_source",
                "nobody knows where requests come from: serve with axum's ConnectInfo, or guesses at passwords are \
                 counted by account alone, and those at client secrets not at all"
            );
        }
    }

    async fn begin(
        &self,
        counters: Vec<Counter>,
        pair: Option<Pair>,
        source: Source,
        whose: Whose<'_>,
    ) -> Result<Attempt<'_>, OAuthError> {
        match self.attempts.begin(&counters, &*self.clock).await? {
            Verdict::Go => Ok(Attempt { throttle: self, counters, pair, place: Place::Reserved }),
            Verdict::Full => Err(OAuthError::TemporarilyUnavailable { retry_after: NO_ROOM_RETRY }),
            Verdict::Delayed { until, news } => {
                let meter = match counters.first().map(|counter| counter.what) {
                    Some(What::Client) => &self.meters.client,
                    Some(What::Introspection) => &self.meters.introspection,
                    _ => &self.meters.login,
                };
                meter.increment(1);
                if let Some(what) = news {
                    tell(what, source, whose);
                }
                let wait = until.seconds().saturating_sub(self.clock.now().seconds()).max(1);
                Err(OAuthError::Throttled { retry_after: Duration::from_secs(wait.unsigned_abs()) })
            }
        }
    }
}

/// Once for each counter that delays somebody, until it is forgotten.
fn tell(what: What, source: Source, whose: Whose<'_>) {
    let (subject, client) = match whose {
        Whose::Owner(subject) => (subject.map(Subject::as_str), None),
        Whose::Client(client) => (None, client.map(ClientId::as_str)),
    };
    let what = what.code();
    tracing::warn!(event = "throttle", outcome = "delayed", what, %source, subject, client, "guesses are slowed");
}

fn growing(settings: ThrottleSettings) -> Rule {
    let longest = longest(settings);
    Rule::Growing { free: settings.failures_per_account.max(1), first: FIRST_DELAY.min(longest), longest }
}

fn following(settings: ThrottleSettings) -> Rule {
    let longest = longest(settings);
    let first = FIRST_DELAY.min(longest);
    Rule::Following { first, longest: longest.saturating_mul(STRANGER_FACTOR).min(FORGOTTEN_AFTER) }
}

fn longest(settings: ThrottleSettings) -> u32 {
    u32::try_from(settings.longest_delay.as_secs()).unwrap_or(u32::MAX).clamp(1, FORGOTTEN_AFTER)
}

fn of_source(settings: ThrottleSettings, network: [u8; 16]) -> Counter {
    let burst = settings.failures_per_source.max(1);
    let rule = Rule::Leaky { burst, refill: 1, period: SOURCE_PERIOD };
    Counter { what: What::Source, key: Key::of(What::Source, &[&network]), rule }
}

/// An attempt that is under way. Dropped, because nobody waits for its end any more, it was abandoned: what is wrong is settled
/// before it is answered, so that who hangs up has heard nothing. An account does not pay for that, since those who hang up
/// may be its owner behind an impatient proxy; the source does.
#[derive(Debug)]
#[must_use]
pub(crate) struct Attempt<'a> {
    throttle: &'a Throttle,
    counters: Vec<Counter>,
    /// The account and the source, if a success makes this known to be good for that.
    pair: Option<Pair>,
    place: Place,
}

/// Whether an attempt has a place in its counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Reserved,
    None,
}

impl<'a> Attempt<'a> {
    const fn uncounted(throttle: &'a Throttle) -> Self {
        Self { throttle, counters: Vec::new(), pair: None, place: Place::None }
    }

    /// Says how it ended.
    pub(crate) fn settle(mut self, outcome: Outcome) {
        self.end(outcome);
    }

    /// As [`Attempt::settle`], for an attempt that is refused as `invalid_grant` if and only if the secret is wrong.
    pub(crate) fn settle_with<T>(self, result: &Result<T, OAuthError>) {
        self.settle(match result {
            Ok(_) => Outcome::Success,
            Err(OAuthError::InvalidGrant(_)) => Outcome::Failure,
            Err(_) => Outcome::Undecided,
        });
    }

    fn end(&mut self, outcome: Outcome) {
        let counters = std::mem::take(&mut self.counters);
        if counters.is_empty() {
            return;
        }
        let now = self.throttle.clock.now();
        match (self.place, outcome) {
            (Place::Reserved, _) => self.throttle.attempts.settle(&counters, outcome, now),
            (Place::None, Outcome::Failure) => self.throttle.attempts.fail(&counters, now),
            (Place::None, _) => {}
        }
        if let (Some(pair), Outcome::Success) = (self.pair, outcome) {
            self.throttle.attempts.know(pair, now);
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.end(Outcome::Abandoned);
    }
}
