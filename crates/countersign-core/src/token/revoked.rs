//! What has ended before its time, kept in memory beside the verifier, and filled by the feed.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::AccessToken;
use crate::{
    asking::{Asking, Since, Turn},
    clock::{Clock, Stopwatch, Timestamp},
    forgetting::Forgetting,
    meters::FeedMeters,
    names::{ClientId, KeyId, Subject},
    store::{Ended, Feed, FeedEntry, SWEEP_MARGIN, StoreError},
};

/// How many entries are read at once.
const PAGE: usize = 1024;

/// How often what no longer matters is forgotten, in seconds: each time costs a look at every entry.
const PRUNE_EVERY: u64 = 60;

/// From when on a read that is given up counts as one that failed; one that is given up before is made again.
const IN_VAIN_AFTER: Duration = Duration::from_millis(500);

/// Before anything was heard.
const NEVER: i64 = i64::MIN;

/// What must not be believed although its signature holds.
///
/// It follows the feed by number. Looking at a token costs a few look-ups in memory, and none while nothing has ended; who
/// looked before needs no other look while nothing more was heard ([`Revoked::generation`]).
pub struct Revoked {
    tables: RwLock<Tables>,
    /// How many entries there are, so that nobody looks where there are none.
    entries: AtomicUsize,
    number: AtomicU64,
    /// How often something was heard. It is counted here: the numbers of a feed that begins anew are lower than before.
    generation: AtomicU64,
    /// That of the last entry about a key.
    key_number: AtomicU64,
    /// The second of which nothing is to be heard any more. None is after a failure: a clock that is set back comes to the
    /// same second again.
    up_to: AtomicI64,
    heard_at: AtomicI64,
    /// When that was by the stopwatch, in nanoseconds.
    heard_after: AtomicU64,
    failed_at: AtomicI64,
    pruned_at: AtomicI64,
    /// One at a time reads the feed.
    reading: Asking,
    stopwatch: Option<Arc<dyn Stopwatch>>,
    forgetting: Forgetting,
    news: watch::Sender<u64>,
    meters: FeedMeters,
}

#[derive(Default)]
struct Tables {
    grants: HashMap<Box<str>, Timestamp>,
    tokens: HashMap<Box<str>, Timestamp>,
    clients: HashMap<Box<str>, Cut>,
    keys: HashMap<Box<str>, Timestamp>,
    owners: HashMap<Box<str>, Change>,
    everything: Option<Cut>,
    /// What of other kinds has ended, up to the latest moments of all.
    other: Option<Cut>,
    /// The highest generation whose change of an owner is not told of any more.
    forgotten: u64,
}

/// The last change of an owner.
#[derive(Clone, Copy)]
struct Change {
    generation: u64,
    until: Timestamp,
}

/// Tokens that were issued up to a moment, all of them or a client's.
#[derive(Clone, Copy)]
struct Cut {
    issued_until: Timestamp,
    until: Timestamp,
}

impl Default for Revoked {
    fn default() -> Self {
        Self::new()
    }
}

impl Revoked {
    /// Nothing was heard yet. When what no longer matters is forgotten, and how old it is what was heard, goes by the clock
    /// alone.
    #[must_use]
    pub fn new() -> Self {
        Self::timed_by(None)
    }

    /// As [`Revoked::new`], beside [a clock's stopwatch](crate::clock::Clock::stopwatch).
    #[must_use]
    pub fn timed_by(stopwatch: Option<Arc<dyn Stopwatch>>) -> Self {
        Self {
            tables: RwLock::default(),
            entries: AtomicUsize::new(0),
            number: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            key_number: AtomicU64::new(0),
            up_to: AtomicI64::new(NEVER),
            heard_at: AtomicI64::new(NEVER),
            heard_after: AtomicU64::new(0),
            failed_at: AtomicI64::new(NEVER),
            pruned_at: AtomicI64::new(NEVER),
            reading: Asking::default(),
            stopwatch: stopwatch.clone(),
            forgetting: Forgetting::timed_by(stopwatch),
            news: watch::Sender::new(0),
            meters: FeedMeters::new(),
        }
    }

    /// Whether a token has ended before its time.
    #[must_use]
    pub fn has_ended(&self, token: &AccessToken) -> bool {
        if self.entries.load(Ordering::Acquire) == 0 {
            return false;
        }
        let tables = self.read();
        token.grant_id().is_some_and(|grant| tables.grants.contains_key(grant.as_str()))
            || token.token_id().is_some_and(|id| tables.tokens.contains_key(id))
            || token.client_id().is_some_and(|client| {
                tables.clients.get(client.as_str()).is_some_and(|cut| token.issued_at() <= cut.issued_until)
            })
            || token.key_id().is_some_and(|key| tables.keys.contains_key(key.as_str()))
            || tables.everything.is_some_and(|cut| token.issued_at() <= cut.issued_until)
    }

    /// Whether nobody here can say that a token has not ended: something did of a kind that only a newer program knows, and it
    /// may be this token ([`Ended::Other`]).
    #[must_use]
    pub fn may_have_ended(&self, token: &AccessToken) -> bool {
        if self.entries.load(Ordering::Acquire) == 0 {
            return false;
        }
        let other = self.read().other;
        other.is_some_and(|cut| token.issued_at() <= cut.issued_until && token.expires_at() <= cut.until)
    }

    /// For how long, from `now` on, what a client gets could not be told from what has ended of it; `None` if it can.
    #[must_use]
    pub fn cut_for(&self, client: &ClientId, now: Timestamp) -> Option<Duration> {
        if self.is_empty() {
            return None;
        }
        let tables = self.read();
        let cuts = tables.clients.get(client.as_str()).into_iter().chain(&tables.everything);
        let last = cuts.map(|cut| cut.issued_until).max()?;
        // What is issued in the very second has ended too.
        let seconds = last.seconds().saturating_sub(now.seconds()).saturating_add(1);
        u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
    }

    /// Takes what the feed says next.
    pub fn hear(&self, entries: &[FeedEntry]) {
        let Some(last) = entries.last() else { return };
        let mut tables = self.write();
        // Only who holds the lock counts.
        let generation = self.generation.load(Ordering::Relaxed) + 1;
        for entry in entries {
            tables.take(entry, generation);
            if let Ended::Key(_) = entry.ended {
                self.key_number.fetch_max(entry.number, Ordering::AcqRel);
            }
        }
        self.entries.store(tables.len(), Ordering::Release);
        self.generation.store(generation, Ordering::Release);
        self.meters.keeps(tables.len());
        drop(tables);
        if let Some(FeedEntry { number, until, .. }) =
            entries.iter().rfind(|entry| matches!(entry.ended, Ended::Other(_)))
        {
            tracing::warn!(
                event = "feed",
                outcome = "unknown_kind",
                number,
                until = until.seconds(),
                "something has ended that only a newer program knows: use that here too"
            );
        }
        self.number.fetch_max(last.number, Ordering::AcqRel);
        self.news.send_if_modified(|number| {
            let is_news = *number < last.number;
            *number = last.number.max(*number);
            is_news
        });
    }

    /// Whether an owner has changed since this [generation](Revoked::generation), or may have: what was read of the owner
    /// before it is not good any more.
    #[must_use]
    pub fn has_changed(&self, owner: &Subject, since: u64) -> bool {
        let tables = self.read();
        since < tables.forgotten || tables.owners.get(owner.as_str()).is_some_and(|change| since < change.generation)
    }

    /// Another whenever something was heard. Who read it, and looked then, need not look again while it is the same.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The number of the last entry that was heard.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    /// The number of the last entry about a key; 0 before the first.
    #[must_use]
    pub fn key_number(&self) -> u64 {
        self.key_number.load(Ordering::Acquire)
    }

    /// The keys that were withdrawn: they verify nothing.
    #[must_use]
    pub fn withdrawn_keys(&self) -> Vec<KeyId> {
        self.read().keys.keys().map(|id| KeyId::new(&**id)).collect()
    }

    /// Changes whenever something was heard.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.load(Ordering::Acquire)
    }

    /// Whether nothing has ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the feed was last heard to its end; `None` before the first time.
    #[must_use]
    pub fn heard_at(&self) -> Option<Timestamp> {
        Some(self.heard_at.load(Ordering::Acquire)).filter(|at| *at != NEVER).map(Timestamp::from_seconds)
    }

    /// How long before `now` that was, in whole seconds. A clock that went back does not make it younger: it is then as
    /// old as the clock went back, or as the stopwatch tells if that is more.
    #[must_use]
    pub fn staleness(&self, now: Timestamp) -> Option<Duration> {
        let by_clock = now.seconds().abs_diff(self.heard_at()?.seconds());
        let since = self.elapsed().saturating_sub(self.heard_after.load(Ordering::Acquire));
        Some(Duration::from_secs(by_clock.max(Duration::from_nanos(since).as_secs())))
    }

    /// What the stopwatch shows, in nanoseconds: 0 without one.
    fn elapsed(&self) -> u64 {
        self.stopwatch.as_ref().map_or(0, |stopwatch| stopwatch.elapsed().as_nanos().try_into().unwrap_or(u64::MAX))
    }

    /// Says that the feed was heard to its end.
    pub fn heard_all(&self, now: Timestamp) {
        self.heard_all_since(now, self.elapsed());
    }

    /// As it was at `now`, when the stopwatch showed so much.
    fn heard_all_since(&self, now: Timestamp, elapsed: u64) {
        // Who reads both meanwhile has the older of one of them.
        self.heard_after.store(elapsed, Ordering::Release);
        self.heard_at.store(now.seconds(), Ordering::Release);
        self.up_to.store(now.seconds(), Ordering::Release);
        self.meters.lags(Duration::ZERO);
        // Also where the clock went back.
        if now.seconds().abs_diff(self.pruned_at.load(Ordering::Relaxed)) >= PRUNE_EVERY {
            self.pruned_at.store(now.seconds(), Ordering::Relaxed);
            self.prune(now);
        }
    }

    /// Says that the feed could not be read.
    pub fn heard_nothing(&self, now: Timestamp) {
        self.failed_at.store(now.seconds(), Ordering::Release);
        self.up_to.store(NEVER, Ordering::Release);
        self.meters.lags(self.staleness(now).unwrap_or(Duration::MAX));
    }

    /// Reads the feed to its end unless that was done, or failed, within this second. Whoever waits while another reads is
    /// served by what is read after it came, and waits for nothing else once a read has failed; while the last one has, nobody
    /// waits for another's.
    ///
    /// # Errors
    /// [`StoreError`]: the store is away; [`Revoked::staleness`] tells for how long nothing was heard, and so it does where
    /// it was another's read that failed.
    pub async fn keep_up(&self, feed: &dyn Feed, clock: &dyn Clock) -> Result<(), StoreError> {
        let now = clock.now();
        if self.is_up_to(now) || self.failed_at.load(Ordering::Acquire) == now.seconds() {
            return Ok(());
        }
        let turn = if self.has_failed() {
            let Some(turn) = self.reading.try_turn() else { return Ok(()) };
            turn
        } else {
            self.reading.turn().await
        };
        if turn.since() != Since::Nothing || self.is_up_to(clock.now()) {
            return Ok(());
        }
        self.follow(&turn, feed, clock).await
    }

    /// Reads the feed to its end: who has just ended something does, before saying so. Whoever waits while another reads is
    /// served by what is read after it came.
    ///
    /// # Errors
    /// [`StoreError`]: the store is away.
    pub async fn catch_up(&self, feed: &dyn Feed, clock: &dyn Clock) -> Result<(), StoreError> {
        let turn = self.reading.turn().await;
        match turn.since() {
            Since::Nothing => self.follow(&turn, feed, clock).await,
            Since::Answered => Ok(()),
            Since::InVain => Err(StoreError::unavailable("the feed could not be read a moment ago")),
        }
    }

    /// Whether nothing is to be heard in this second any more.
    pub(crate) fn is_up_to(&self, now: Timestamp) -> bool {
        self.up_to.load(Ordering::Acquire) == now.seconds()
    }

    /// Whether the last read did.
    fn has_failed(&self) -> bool {
        self.up_to.load(Ordering::Acquire) == NEVER && self.failed_at.load(Ordering::Acquire) != NEVER
    }

    async fn follow(&self, turn: &Turn<'_>, feed: &dyn Feed, clock: &dyn Clock) -> Result<(), StoreError> {
        let mut question =
            Question { revoked: self, turn, clock, at: clock.now(), since: self.elapsed(), is_open: true };
        let read = self.hear_to_the_end(feed).await;
        question.close(&read);
        read
    }

    async fn hear_to_the_end(&self, feed: &dyn Feed) -> Result<(), StoreError> {
        loop {
            let entries = feed.find_feed(self.number(), PAGE).await?;
            self.hear(&entries);
            if entries.len() < PAGE {
                return Ok(());
            }
        }
    }

    fn prune(&self, now: Timestamp) {
        let reached = self.forgetting.reaches(now);
        let mut tables = self.write();
        let still = |until: Timestamp| until.plus(SWEEP_MARGIN) > reached;
        tables.grants.retain(|_, until| still(*until));
        tables.tokens.retain(|_, until| still(*until));
        tables.clients.retain(|_, cut| still(cut.until));
        tables.keys.retain(|_, until| still(*until));
        tables.everything = tables.everything.filter(|cut| still(cut.until));
        tables.other = tables.other.filter(|cut| still(cut.until));
        let gone =
            tables.owners.extract_if(|_, change| !still(change.until)).map(|(_, change)| change.generation).max();
        tables.forgotten = tables.forgotten.max(gone.unwrap_or_default());
        self.entries.store(tables.len(), Ordering::Release);
        self.meters.keeps(tables.len());
    }

    /// No method leaves the tables half changed, so what a panicking thread held is still whole.
    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One to the feed, which is given up when whoever asks goes away. What is heard is as old as the question.
struct Question<'a> {
    revoked: &'a Revoked,
    turn: &'a Turn<'a>,
    clock: &'a dyn Clock,
    at: Timestamp,
    /// What the stopwatch showed.
    since: u64,
    is_open: bool,
}

impl Question<'_> {
    fn close<T, E>(&mut self, read: &Result<T, E>) {
        self.is_open = false;
        match read {
            Ok(_) => self.revoked.heard_all_since(self.at, self.since),
            Err(_) => self.revoked.heard_nothing(self.clock.now()),
        }
        self.turn.tell(read);
    }
}

impl Drop for Question<'_> {
    /// A store that hangs longer than those who ask have patience would otherwise never be known to be away.
    fn drop(&mut self) {
        let waited = Duration::from_nanos(self.revoked.elapsed().saturating_sub(self.since));
        if self.is_open && waited >= IN_VAIN_AFTER {
            self.close(&Err::<(), ()>(()));
        }
    }
}

impl Tables {
    /// What was heard before is heard again by who begins anew, and takes nothing back.
    fn take(&mut self, entry: &FeedEntry, generation: u64) {
        let until = entry.until;
        let (table, name) = match &entry.ended {
            Ended::Grant(id) => (&mut self.grants, id.as_str()),
            Ended::Token(id) => (&mut self.tokens, id.as_str()),
            // Key rings and key sets hear of it later, or never.
            Ended::Key(id) => (&mut self.keys, id.as_str()),
            Ended::Client(id, issued_until) => {
                let cut = Cut { issued_until: *issued_until, until };
                let known = self.clients.entry(id.as_str().into()).or_insert(cut);
                *known = known.or_later(cut);
                return;
            }
            Ended::Everything(issued_until) => {
                let cut = Cut { issued_until: *issued_until, until };
                self.everything = Some(self.everything.map_or(cut, |known| known.or_later(cut)));
                // Any owner may have changed.
                self.forgotten = generation;
                return;
            }
            Ended::Other(issued_until) => {
                let cut = Cut { issued_until: issued_until.unwrap_or(Timestamp::from_seconds(i64::MAX)), until };
                self.other = Some(self.other.map_or(cut, |known| known.or_later(cut)));
                // Or changed.
                self.forgotten = generation;
                return;
            }
            Ended::Owner(subject) => {
                let known = self.owners.entry(subject.as_str().into()).or_insert(Change { generation, until });
                *known = Change { generation, until: known.until.max(until) };
                return;
            }
        };
        let known = table.entry(name.into()).or_insert(until);
        *known = until.max(*known);
    }

    fn len(&self) -> usize {
        let named = self.grants.len() + self.tokens.len() + self.clients.len() + self.keys.len() + self.owners.len();
        named + usize::from(self.everything.is_some()) + usize::from(self.other.is_some())
    }
}

impl Cut {
    fn or_later(self, other: Self) -> Self {
        Self { issued_until: self.issued_until.max(other.issued_until), until: self.until.max(other.until) }
    }
}

impl fmt::Debug for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revoked({} entries, up to {})", self.len(), self.number())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use async_trait::async_trait;

    use super::*;
    use crate::{
        clock::TurnableClock,
        store::{Epoch, memory::Memory},
    };

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    /// A store that answers only the second time.
    #[derive(Debug, Default)]
    struct Slow {
        asked: AtomicUsize,
        store: Memory,
    }

    #[async_trait]
    impl Feed for Slow {
        async fn find_feed(&self, after: u64, limit: usize) -> Result<Vec<FeedEntry>, StoreError> {
            if self.asked.fetch_add(1, Ordering::SeqCst) == 0 {
                poll_fn(|_| Poll::<()>::Pending).await;
            }
            self.store.find_feed(after, limit).await
        }

        async fn append_feed(&self, ended: &Ended, until: Timestamp) -> Result<(), StoreError> {
            self.store.append_feed(ended, until).await
        }

        async fn begin_epoch(&self, now: Timestamp) -> Result<Epoch, StoreError> {
            self.store.begin_epoch(now).await
        }
    }

    #[tokio::test]
    async fn who_goes_away_while_the_feed_is_read_keeps_nobody_from_reading_it() {
        let (revoked, feed, clock) = (Revoked::new(), Slow::default(), TurnableClock::at(NOW));
        feed.append_feed(&Ended::Token("t".to_owned()), NOW).await.unwrap();
        {
            let mut given_up = pin!(revoked.keep_up(&feed, &clock));
            assert!(given_up.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        revoked.keep_up(&feed, &clock).await.unwrap();
        assert_eq!((revoked.len(), revoked.heard_at()), (1, Some(NOW)));
    }

    #[test]
    fn i8_in_the_second_in_which_the_store_was_put_back_nobody_gets_anything() {
        let (revoked, client) = (Revoked::new(), ClientId::new("any"));
        assert_eq!(revoked.cut_for(&client, NOW), None);
        let until = NOW.plus(Duration::from_secs(900));
        revoked.hear(&[FeedEntry { number: 1, ended: Ended::Everything(NOW), until }]);
        assert_eq!(revoked.len(), 1);
        let second = Duration::from_secs(1);
        for (now, cut_for) in [(NOW.minus(second), Some(2 * second)), (NOW, Some(second)), (NOW.plus(second), None)] {
            assert_eq!(revoked.cut_for(&client, now), cut_for, "{now:?}");
        }
        for (now, entries) in
            [(until.plus(SWEEP_MARGIN).minus(Duration::from_secs(1)), 1), (until.plus(SWEEP_MARGIN), 0)]
        {
            revoked.prune(now);
            assert_eq!(revoked.len(), entries, "{now:?}");
        }
        assert_eq!(revoked.cut_for(&client, NOW), None);
    }

    #[test]
    fn n8_what_only_a_newer_program_knows_may_have_changed_any_owner_and_is_forgotten_in_the_end() {
        let (revoked, owner) = (Revoked::new(), Subject::new("a"));
        let before = revoked.generation();
        revoked.hear(&[FeedEntry { number: 1, ended: Ended::Other(None), until: NOW }]);
        assert!(revoked.has_changed(&owner, before) && !revoked.has_changed(&owner, revoked.generation()));
        for (now, entries) in [(NOW.plus(SWEEP_MARGIN).minus(Duration::from_secs(1)), 1), (NOW.plus(SWEEP_MARGIN), 0)] {
            revoked.prune(now);
            assert_eq!(revoked.len(), entries, "{now:?}");
        }
    }

    #[test]
    fn n6_a_clock_that_went_back_makes_nothing_fresh() {
        let revoked = Revoked::new();
        assert_eq!(revoked.staleness(NOW), None);
        revoked.heard_all(NOW);
        for apart in [0, 3600] {
            let apart = Duration::from_secs(apart);
            assert_eq!(revoked.staleness(NOW.plus(apart)), Some(apart));
            assert_eq!(revoked.staleness(NOW.minus(apart)), Some(apart));
        }
    }

    /// Shows that no time passes.
    #[derive(Debug)]
    struct Stands;

    impl Stopwatch for Stands {
        fn elapsed(&self) -> Duration {
            Duration::ZERO
        }
    }

    #[test]
    fn n6_what_has_ended_is_not_forgotten_because_the_clock_was_set_forward() {
        let day = Duration::from_secs(24 * 60 * 60);
        let ended = FeedEntry { number: 1, ended: Ended::Token("t".to_owned()), until: NOW };
        for (revoked, left) in [(Revoked::timed_by(Some(Arc::new(Stands))), 1), (Revoked::new(), 0)] {
            revoked.heard_all(NOW);
            revoked.hear(std::slice::from_ref(&ended));
            revoked.heard_all(NOW.plus(day));
            assert_eq!(revoked.len(), left);
        }
    }

    #[test]
    fn a_clock_that_went_back_keeps_nothing_from_being_forgotten() {
        let (revoked, hour) = (Revoked::new(), Duration::from_secs(60 * 60));
        revoked.heard_all(NOW.plus(hour * 48));
        revoked.hear(&[FeedEntry { number: 1, ended: Ended::Token("t".to_owned()), until: NOW }]);
        revoked.heard_all(NOW.plus(hour));
        assert_eq!(revoked.len(), 0);
    }
}
