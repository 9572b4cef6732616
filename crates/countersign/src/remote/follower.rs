//! Follows the feed of what has ended at an issuer elsewhere, so that its tokens end here too before they expire.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use countersign_core::{
    authorization_server::{RevocationSettings, WhenStale},
    clock::Clock,
    error::BearerError,
    feed_page::{FeedPage, FeedProblem, MAX_FEED_BYTES},
    names::Issuer,
    reason::Reason,
    token::{AccessToken, revoked::Revoked},
};
use tokio::{
    runtime::Handle,
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{
    fetch::{BasicAuthorization, Fetch},
    kept::PATIENCE,
    metadata::{Problem, check_json, discover},
};

/// How long the issuer is asked to wait for news: short beside the time after which what was heard is stale, and beside
/// the time that an issuer has to end its requests when it is told to end.
const WAIT: Duration = Duration::from_secs(10);

/// How long an issuer is left in peace that did not answer, the first time; each time after that twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest: for so long nothing is heard from an issuer that is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long an issuer is left in peace that was to wait for news, and did not.
const IMPATIENT_PAUSE: Duration = Duration::from_secs(1);

/// How long a client should wait whose token may have ended.
const RETRY: Duration = Duration::from_secs(1);

/// Whom to ask, and as whom.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) issuer: Issuer,
    pub(super) fetch: Arc<dyn Fetch>,
    pub(super) authorization: BasicAuthorization,
}

/// Knows what has ended at an issuer, by a task that asks for news as long as this lives.
pub(crate) struct Follower {
    feed: Arc<Feed>,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct Feed {
    source: Source,
    settings: RevocationSettings,
    clock: Arc<dyn Clock>,
    revoked: Revoked,
    /// The lock is held for a moment, and never across an await.
    place: Mutex<Place>,
    /// Whether the feed was asked for at all, with whatever came of it.
    tried: watch::Sender<bool>,
    /// Whether the log was told that nobody knows any more what has ended.
    told_stale: AtomicBool,
}

/// How far the feed was read, and where.
#[derive(Clone, Debug, Default)]
struct Place {
    /// Forgotten when it does not answer: it may have moved.
    endpoint: Option<String>,
    after: u64,
}

impl Follower {
    /// Begins to follow. Outside of a runtime, where no task can be, it begins with the first token.
    pub(super) fn start(source: Source, settings: RevocationSettings, clock: Arc<dyn Clock>) -> Self {
        let follower = Self { feed: Arc::new(Feed::new(source, settings, clock)), task: Mutex::default() };
        follower.keep_following();
        follower
    }

    /// Starts the task, unless it runs: it ends with the runtime in which it was started.
    fn keep_following(&self) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            *task = Some(runtime.spawn(follow(self.feed.clone())));
        }
    }

    /// Whether a verified token has not ended before its time.
    ///
    /// # Errors
    /// - [`BearerError::InvalidToken`]: it has ([`Reason::Revoked`]).
    /// - [`BearerError::TemporarilyUnavailable`]: nobody knows, by the [`RevocationSettings`].
    pub(super) async fn check(&self, token: &AccessToken) -> Result<(), BearerError> {
        let Feed { revoked, settings, .. } = &*self.feed;
        if revoked.heard_at().is_none() {
            self.keep_following();
            self.feed.first_try().await;
        }
        if revoked.has_ended(token) {
            return Err(BearerError::InvalidToken(Reason::Revoked));
        }
        // What only a newer program knows cannot be known here.
        if settings.when_stale == WhenStale::Refuse && revoked.may_have_ended(token) {
            return Err(BearerError::TemporarilyUnavailable { retry_after: RETRY });
        }
        if !self.feed.is_stale() {
            return Ok(());
        }
        self.keep_following();
        if settings.allow(self.staleness()) {
            return Ok(());
        }
        Err(BearerError::TemporarilyUnavailable { retry_after: RETRY })
    }

    /// How long ago the feed was last read to its end.
    pub(crate) fn staleness(&self) -> Option<Duration> {
        self.feed.revoked.staleness(self.feed.clock.now())
    }

    /// Reads the feed to its end.
    ///
    /// # Errors
    /// [`BearerError::TemporarilyUnavailable`]: the issuer does not answer; the log says how.
    pub(crate) async fn hear_now(&self) -> Result<(), BearerError> {
        loop {
            match self.feed.read(Duration::ZERO).await {
                Ok(page) if page.is_full() => {}
                Ok(_) => return Ok(()),
                Err(_) => return Err(BearerError::TemporarilyUnavailable { retry_after: RETRY }),
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Feed { source, settings, revoked, .. } = &*self.feed;
        f.debug_struct("Follower")
            .field("source", source)
            .field("settings", settings)
            .field("revoked", revoked)
            .finish_non_exhaustive()
    }
}

/// Asks for news, for ever.
async fn follow(feed: Arc<Feed>) {
    let (mut wait, mut pause) = (Duration::ZERO, FIRST_PAUSE);
    loop {
        let began = Instant::now();
        match feed.read(wait).await {
            Ok(page) => {
                // Who has nothing to tell was to wait with saying so.
                if page.entries.is_empty() && began.elapsed() < wait / 2 {
                    sleep(IMPATIENT_PAUSE).await;
                }
                wait = if page.is_full() { Duration::ZERO } else { feed.patience_of_issuer() };
                pause = FIRST_PAUSE;
            }
            Err(_) => {
                sleep(pause).await;
                // What was missed is wanted at once.
                wait = Duration::ZERO;
                pause = LONGEST_PAUSE.min(pause * 2);
            }
        }
    }
}

impl Feed {
    fn new(source: Source, settings: RevocationSettings, clock: Arc<dyn Clock>) -> Self {
        Self {
            source,
            settings,
            revoked: Revoked::timed_by(clock.stopwatch()),
            clock,
            place: Mutex::default(),
            tried: watch::Sender::new(false),
            told_stale: AtomicBool::new(false),
        }
    }

    /// For how long the issuer may wait for news, so that silence does not make stale what was heard.
    fn patience_of_issuer(&self) -> Duration {
        let shortest = Duration::from_secs(1);
        Duration::from_secs(self.settings.max_staleness.as_secs() / 2).clamp(shortest, WAIT)
    }

    /// Waits until the feed was asked for once, so that who comes first is not refused because nobody was asked yet.
    async fn first_try(&self) {
        // An issuer that takes longer than that is away.
        let _ = timeout(PATIENCE, self.tried.subscribe().wait_for(|tried| *tried)).await;
    }

    fn is_stale(&self) -> bool {
        self.revoked.staleness(self.clock.now()).is_none_or(|staleness| staleness > self.settings.max_staleness)
    }

    /// Reads the next page, for which the issuer may wait for so long, and takes it.
    async fn read(&self, wait: Duration) -> Result<FeedPage, Problem> {
        let place = self.place().clone();
        let read = self.fetch(&place, wait).await;
        match &read {
            Ok((endpoint, page)) => self.take(&place, endpoint, page),
            Err(problem) => self.tell_of(problem),
        }
        self.tried.send_replace(true);
        read.map(|(_, page)| page)
    }

    async fn fetch(&self, place: &Place, wait: Duration) -> Result<(String, FeedPage), Problem> {
        let Source { issuer, fetch, authorization } = &self.source;
        let endpoint = match &place.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => {
                let discovered = timeout(PATIENCE, discover(issuer, &**fetch)).await;
                let (metadata, _) = discovered.map_err(|_| Problem::TooLong)??;
                metadata.revocation_feed_endpoint(issuer)?.to_owned()
            }
        };
        let separator = if endpoint.contains('?') { '&' } else { '?' };
        let url = format!("{endpoint}{separator}after={}&wait={}", place.after, wait.as_secs());
        let patience = wait + PATIENCE;
        let fetched = timeout(patience, fetch.get_as(&url, authorization, MAX_FEED_BYTES, patience)).await;
        let fetched = check_json(fetched.map_err(|_| Problem::TooLong)??, MAX_FEED_BYTES)?;
        let page = FeedPage::parse(&fetched.body)?;
        // Who is told the same for ever would ask for ever.
        if !page.entries.is_empty() && page.next == place.after {
            return Err(Problem::Feed(FeedProblem::Malformed));
        }
        Ok((endpoint, page))
    }

    fn take(&self, from: &Place, endpoint: &str, page: &FeedPage) {
        self.revoked.hear(&page.entries);
        let mut place = self.place();
        place.endpoint = Some(endpoint.to_owned());
        // Who read beside us may be further.
        if place.after == from.after {
            place.after = page.next;
        }
        drop(place);
        if page.is_full() {
            return;
        }
        self.revoked.heard_all(self.clock.now());
        if self.told_stale.swap(false, Ordering::Relaxed) {
            tracing::info!(event = "feed", outcome = "fresh", issuer = %self.source.issuer,
                "it is known again what has ended at the issuer");
        }
    }

    fn tell_of(&self, problem: &Problem) {
        self.place().endpoint = None;
        self.revoked.heard_nothing(self.clock.now());
        let cause = std::error::Error::source(problem).map(ToString::to_string);
        let staleness = self.revoked.staleness(self.clock.now()).map(|staleness| staleness.as_secs());
        tracing::warn!(event = "feed", outcome = "failure", issuer = %self.source.issuer, %problem, cause, staleness,
            "the feed of what has ended cannot be read");
        if self.is_stale() && !self.told_stale.swap(true, Ordering::Relaxed) {
            tracing::error!(event = "feed", outcome = "stale", issuer = %self.source.issuer, staleness,
                when_stale = ?self.settings.when_stale, "nobody knows any more what has ended at the issuer");
        }
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
