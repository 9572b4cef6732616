//! Something that an issuer publishes: fetched when it is needed, kept, and refreshed before it runs out.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use async_trait::async_trait;
use countersign_core::{
    clock::{Clock, Timestamp},
    error::BearerError,
};
use tokio::sync::watch;

use super::metadata::Problem;

/// How long an issuer is waited for, all its answers to one question together.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How long something is kept whose issuer does not say: providers that say, say some hours.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The shortest: who says less would be asked at every other request.
const MIN_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The longest: for so long a key verifies that its issuer has taken back.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest that it is kept beyond its lifetime while its issuer is away.
const MAX_GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// And in lifetimes: who gives a short one means to change it soon.
const MAX_GRACE_LIFETIMES: u32 = 24;

/// How long an issuer is left in peace that did not answer.
const RETRY: Duration = Duration::from_secs(10);

/// How often the issuer is asked anew at most because something was not in what it published.
const ASK_ANEW: Duration = Duration::from_secs(30);

/// How something is fetched.
#[async_trait]
pub(super) trait Load: fmt::Debug + Send + Sync + 'static {
    type Item: fmt::Debug + Send + Sync + 'static;

    /// Its name, for the log.
    const NAME: &'static str;

    /// Fetches it; the duration is the lifetime that its issuer gives it.
    async fn load(&self) -> Result<(Self::Item, Option<Duration>), Problem>;
}

/// The one copy of something that an issuer publishes.
///
/// One fetch runs at a time, in a task of its own, so that nobody who goes away ends it for those who wait. The lock is
/// held for a moment, and never across an await.
pub(super) struct Kept<L: Load>(Arc<Inner<L>>);

struct Inner<L: Load> {
    load: L,
    clock: Arc<dyn Clock>,
    state: RwLock<State<L::Item>>,
}

struct State<T> {
    copy: Option<Arc<Published<T>>>,
    /// Ends when the fetch that runs has ended, however it did.
    fetch: Option<watch::Receiver<()>>,
    /// When the last fetch failed, if it did.
    failed: Option<Timestamp>,
    heard: Heard,
    /// How many fetches have begun.
    begun: u64,
    /// When the issuer was last asked because something was not there, and by which fetch.
    asked_anew: Option<(Timestamp, u64)>,
}

/// What the issuer answered since the copy was fetched, in place of a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// Nothing: it was not asked, or is away.
    Silence,
    /// Something that is not taken: it may have taken the copy back.
    Other,
}

/// What was fetched, and when.
#[derive(Debug)]
pub(super) struct Published<T> {
    pub(super) item: T,
    /// By which fetch: seconds are too coarse to tell what came first.
    by: u64,
    fetched: Timestamp,
    lifetime: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    /// Good.
    Fresh,
    /// Good, and to be refreshed in the background.
    Ageing,
    /// Good if its issuer does not answer.
    Old,
    /// Good for nothing.
    Gone,
}

impl<T> Published<T> {
    fn age(&self, now: Timestamp, heard: Heard) -> Age {
        let after = |duration: Duration| now >= self.fetched.plus(duration);
        let grace = match heard {
            Heard::Silence => MAX_GRACE.min(self.lifetime * MAX_GRACE_LIFETIMES),
            Heard::Other => self.lifetime,
        };
        if after(self.lifetime + grace) {
            Age::Gone
        } else if after(self.lifetime) || now < self.fetched {
            Age::Old
        } else if after(self.lifetime * 3 / 4) {
            Age::Ageing
        } else {
            Age::Fresh
        }
    }
}

/// Whether `moment` is less than `duration` ago; a clock that went back has forgotten it.
pub(super) fn is_recent(moment: Timestamp, duration: Duration, now: Timestamp) -> bool {
    moment <= now && now < moment.plus(duration)
}

impl<L: Load> Kept<L> {
    pub(super) fn new(load: L, clock: Arc<dyn Clock>) -> Self {
        let state = State { copy: None, fetch: None, failed: None, heard: Heard::Silence, begun: 0, asked_anew: None };
        Self(Arc::new(Inner { load, clock, state: RwLock::new(state) }))
    }

    /// The copy, fetched if there is none that is good.
    ///
    /// # Errors
    /// [`BearerError::TemporarilyUnavailable`]: there is none, and its issuer does not answer.
    pub(super) async fn find(&self) -> Result<Arc<Published<L::Item>>, BearerError> {
        let now = self.0.clock.now();
        let (copy, age, failed) = {
            let state = self.0.read();
            (state.copy.clone(), state.age(now), state.failed)
        };
        match (copy, age) {
            (Some(copy), Age::Fresh) => return Ok(copy),
            (Some(copy), Age::Ageing) => {
                self.0.refresh(now);
                return Ok(copy);
            }
            (_, age) => {
                // Once its issuer was found to be away, nobody else has to wait to find out.
                if let Some(fetch) = self.0.refresh(now)
                    && (age == Age::Gone || failed.is_none())
                {
                    ended(fetch).await;
                }
            }
        }
        let now = self.0.clock.now();
        let state = self.0.read();
        state.copy.clone().filter(|_| state.age(now) != Age::Gone).ok_or(AWAY)
    }

    /// What the issuer publishes now, because something was not in `used` that was there at `since`, if anybody says when;
    /// `None` if it was asked less than 30 seconds ago, not before `since`, and that is what it said.
    ///
    /// # Errors
    /// [`BearerError::TemporarilyUnavailable`]: the issuer does not answer, or may not be asked yet, so nobody knows.
    pub(super) async fn find_anew(
        &self,
        used: &Arc<Published<L::Item>>,
        since: Option<Timestamp>,
    ) -> Result<Option<Arc<Published<L::Item>>>, BearerError> {
        let now = self.0.clock.now();
        let fetch = {
            let mut state = self.0.write();
            if let Some(newer) = state.newer_than(used) {
                return Ok(Some(newer));
            }
            match state.running() {
                Some(fetch) => fetch,
                None => match state.asked_anew {
                    Some((when, by)) if is_recent(when, ASK_ANEW, now) => {
                        if used.by < by {
                            return Err(AWAY);
                        }
                        if since.is_none_or(|since| since <= used.fetched) {
                            return Ok(None);
                        }
                        let left = when.plus(ASK_ANEW).seconds().abs_diff(now.seconds());
                        return Err(BearerError::TemporarilyUnavailable { retry_after: Duration::from_secs(left) });
                    }
                    _ => {
                        let fetch = self.0.begin(&mut state);
                        state.asked_anew = Some((now, state.begun));
                        fetch
                    }
                },
            }
        };
        ended(fetch).await;
        self.0.read().newer_than(used).map(Some).ok_or(AWAY)
    }
}

/// Nobody knows; try again when the issuer is asked again.
const AWAY: BearerError = BearerError::TemporarilyUnavailable { retry_after: RETRY };

/// Waits for a fetch to end: for its task to let go of the sender.
async fn ended(mut fetch: watch::Receiver<()>) {
    while fetch.changed().await.is_ok() {}
}

impl<T> State<T> {
    fn age(&self, now: Timestamp) -> Age {
        self.copy.as_ref().map_or(Age::Gone, |copy| copy.age(now, self.heard))
    }

    fn newer_than(&self, used: &Arc<Published<T>>) -> Option<Arc<Published<T>>> {
        self.copy.as_ref().filter(|copy| !Arc::ptr_eq(copy, used)).cloned()
    }

    /// The fetch that runs, if one does.
    fn running(&self) -> Option<watch::Receiver<()>> {
        self.fetch.as_ref().filter(|fetch| fetch.has_changed().is_ok()).cloned()
    }
}

impl<L: Load> Inner<L> {
    fn read(&self) -> RwLockReadGuard<'_, State<L::Item>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State<L::Item>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fetch that runs, or a new one; none if the last has failed a moment ago.
    fn refresh(self: &Arc<Self>, now: Timestamp) -> Option<watch::Receiver<()>> {
        let mut state = self.write();
        if let Some(fetch) = state.running() {
            return Some(fetch);
        }
        if state.failed.is_some_and(|failed| is_recent(failed, RETRY, now)) {
            None
        } else {
            Some(self.begin(&mut state))
        }
    }

    fn begin(self: &Arc<Self>, state: &mut State<L::Item>) -> watch::Receiver<()> {
        let (running, fetch) = watch::channel(());
        state.fetch = Some(fetch.clone());
        state.begun += 1;
        let (this, by) = (self.clone(), state.begun);
        tokio::spawn(async move {
            this.fetch(by).await;
            drop(running);
        });
        fetch
    }

    async fn fetch(&self, by: u64) {
        let began = self.clock.now();
        let loaded = tokio::time::timeout(PATIENCE, self.load.load()).await.unwrap_or(Err(Problem::TooLong));
        match loaded {
            Ok((item, lifetime)) => {
                let lifetime = lifetime.unwrap_or(DEFAULT_LIFETIME).clamp(MIN_LIFETIME, MAX_LIFETIME);
                tracing::debug!(event = "fetch", outcome = "success", what = L::NAME, seconds = lifetime.as_secs());
                let mut state = self.write();
                state.copy = Some(Arc::new(Published { item, by, fetched: began, lifetime }));
                state.failed = None;
                state.heard = Heard::Silence;
            }
            Err(problem) => {
                let cause = std::error::Error::source(&problem).map(ToString::to_string);
                let has_copy = self.read().copy.is_some();
                tracing::warn!(
                    event = "fetch", outcome = "failure", what = L::NAME, %problem, cause, has_copy,
                    "the issuer was asked in vain"
                );
                let mut state = self.write();
                state.failed = Some(self.clock.now());
                if !problem.is_silence() {
                    state.heard = Heard::Other;
                }
            }
        }
    }
}

impl<L: Load> fmt::Debug for Kept<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("load", &self.0.load).field("copy", &self.0.read().copy).finish_non_exhaustive()
    }
}
