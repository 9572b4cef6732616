//! What is counted, timed and traced: every name in one table, and the handles that were resolved from it once.
//!
//! Handles are made when a server is opened, by the recorder that is installed then ([`metrics`]); without one they do
//! nothing. No name, address or client is ever a label: each label has the values that the table says, and no others.
//!
//! To add a meter: a line in the table, a handle, and its panel in `contrib/grafana/countersign.json`.

mod database;

use std::{
    future::Future,
    time::{Duration, Instant},
};

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Unit, with_recorder};
use tracing::Instrument;

pub use self::database::{Counted, DatabaseMeters};
use crate::{
    error::{BearerError, OAuthError},
    grant_type::GrantType,
    reason::Reason,
    token::AccessToken,
};

/// The target of the spans that are for traces and not for the log: `request`, and in it `hash` and `store`.
pub const SPANS: &str = "countersign::spans";

/// Something that is counted or timed.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    /// Its name, with its unit and, of a counter, `_total` at the end, as is the custom with Prometheus.
    pub name: &'static str,
    /// How it is measured.
    pub kind: MeterKind,
    /// What it tells, in one sentence.
    pub help: &'static str,
    /// Its labels, each with all values that it can have.
    pub labels: &'static [(&'static str, &'static [&'static str])],
}

/// How something is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MeterKind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Seconds, each counted in the first of these buckets that it is not above.
    Histogram(&'static [f64]),
}

impl MeterKind {
    /// The name of the type in Prometheus' text.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

macro_rules! meters {
    ($($(#[doc = $help:literal])+ $constant:ident: $kind:expr, $name:literal $(, $label:literal = $values:expr)*;)+) => {
        $($(#[doc = $help])+ const $constant: Meter =
            Meter { name: $name, kind: $kind, help: concat!($($help),+).trim_ascii_start(), labels: &[$(($label, $values)),*] };)+

        /// Every meter of the library, in the order of the reference page.
        pub const ALL: &[Meter] = &[$($constant),+];
    };
}

use MeterKind::{Counter as COUNTER, Gauge as GAUGE, Histogram as HISTOGRAM};

/// Of one password hash, which is some milliseconds, and of the wait for it.
const HASH_BUCKETS: &[f64] = &[0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];

/// Of a store beside us or in the next room: microseconds to seconds.
const STORE_BUCKETS: &[f64] = &[0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Of a wait for others, which is given up after five seconds.
const WAIT_BUCKETS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

const GRANT_TYPES: &[&str] = &["password", "refresh_token", "client_credentials"];

/// What a token turns out to be: good, or why not, by the codes of [`Reason`].
const VERDICTS: &[&str] = &[
    VALID,
    Reason::TooLong.code(),
    Reason::Malformed.code(),
    Reason::CriticalExtension.code(),
    Reason::OtherType.code(),
    Reason::UnknownKey.code(),
    Reason::OtherAlgorithm.code(),
    Reason::BadSignature.code(),
    Reason::Bound.code(),
    Reason::MalformedClaims.code(),
    Reason::Inactive.code(),
    Reason::UnknownToken.code(),
    Reason::OtherIssuer.code(),
    Reason::OtherAudience.code(),
    Reason::Expired.code(),
    Reason::Revoked.code(),
    Reason::NotYetValid.code(),
    Reason::Unavailable.code(),
];

const VALID: &str = "valid";

meters! {
    /// Requests for a login by name and password, by what came of them.
    LOGINS: COUNTER, "countersign_logins_total",
        "result" = &["issued", "denied", "throttled", "refused", "unavailable", "error"];
    /// Uses of refresh tokens, by what came of them.
    REFRESHES: COUNTER, "countersign_refreshes_total",
        "result" = &["rotated", "retried", "stolen", "denied", "throttled", "refused", "unavailable", "error"];
    /// Tokens that were handed out for the first time.
    TOKENS_ISSUED: COUNTER, "countersign_tokens_issued_total",
        "grant_type" = GRANT_TYPES, "kind" = &["access", "refresh"];
    /// Attempts at a password, at a client's secret or key, or at the introspection of tokens, that were not looked at because
    /// too many failed before.
    THROTTLED: COUNTER, "countersign_throttled_total", "what" = &["login", "client", "introspection"];
    /// Access tokens that were looked at, by what they turned out to be.
    VERIFICATIONS: COUNTER, "countersign_verifications_total", "result" = VERDICTS;
    /// Signed access tokens that were looked for among those verified before.
    SEEN_TOKENS: COUNTER, "countersign_verification_cache_total", "result" = &["hit", "miss"];
    /// How long hashing or comparing one password took.
    HASH: HISTOGRAM(HASH_BUCKETS), "countersign_hash_seconds";
    /// How long a password waited for a hashing thread.
    HASH_WAIT: HISTOGRAM(HASH_BUCKETS), "countersign_hash_wait_seconds";
    /// Passwords that wait to be hashed.
    HASH_QUEUE: GAUGE, "countersign_hash_queue_length";
    /// Passwords that were not hashed because the queue was full, or because they had waited for as long as one may: their
    /// requests were answered 503.
    HASHES_REFUSED: COUNTER, "countersign_hashes_refused_total";
    /// How old what was heard last of the feed was, when it was last looked for.
    FEED_LAG: GAUGE, "countersign_feed_lag_seconds";
    /// What has ended before its time and is kept in memory until it would have expired.
    REVOKED: GAUGE, "countersign_revoked_entries";
    /// How long the store took, waiting and committing included.
    STORE: HISTOGRAM(STORE_BUCKETS), "countersign_store_seconds",
        "operation" = &["read", "write"], "result" = &["ok", "error"];
    /// Connections to PostgreSQL that are open, without the one that listens.
    DATABASE_CONNECTIONS: GAUGE, "countersign_database_connections";
    /// Connections to PostgreSQL that are in use, or about to be opened for it.
    DATABASE_CONNECTIONS_IN_USE: GAUGE, "countersign_database_connections_in_use";
    /// How long somebody waited for a connection to PostgreSQL because all were in use; beyond the last bucket are those who
    /// gave up.
    DATABASE_WAIT: HISTOGRAM(WAIT_BUCKETS), "countersign_database_wait_seconds";
    /// Connections to PostgreSQL that could not be opened.
    DATABASE_FAILURES: COUNTER, "countersign_database_connect_failures_total";
    /// Connections that are open, upgraded ones and those that read the metrics among them.
    CONNECTIONS: GAUGE, "countersign_connections";
    /// How often there was no place for a connection: all were taken, so that whoever came had to wait (`full`), or its source
    /// had as many as it may, so that it was closed (`refused`).
    CONNECTIONS_HELD_UP: COUNTER, "countersign_connections_held_up_total", "result" = &["full", "refused"];
}

impl Meter {
    /// The handle that counts, for these values of its labels, in their order.
    pub fn counter(&self, values: &[&str]) -> Counter {
        with_recorder(|recorder| {
            recorder.describe_counter(self.name.into(), None, self.help.into());
            recorder.register_counter(&self.key(values), &METADATA)
        })
    }

    /// The handle that goes up and down.
    pub fn gauge(&self, values: &[&str]) -> Gauge {
        with_recorder(|recorder| {
            recorder.describe_gauge(self.name.into(), None, self.help.into());
            recorder.register_gauge(&self.key(values), &METADATA)
        })
    }

    /// The handle that takes seconds.
    pub fn histogram(&self, values: &[&str]) -> Histogram {
        with_recorder(|recorder| {
            recorder.describe_histogram(self.name.into(), Some(Unit::Seconds), self.help.into());
            recorder.register_histogram(&self.key(values), &METADATA)
        })
    }

    fn key(&self, values: &[&str]) -> Key {
        let labels = self.labels.iter().zip(values);
        Key::from_parts(
            self.name,
            labels.map(|((name, _), value)| Label::new(*name, (*value).to_owned())).collect::<Vec<_>>(),
        )
    }
}

static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// What is counted of token requests.
#[derive(Debug)]
pub(crate) struct TokenMeters {
    logins: Outcomes,
    refreshes: Outcomes,
    rotated: Counter,
    retried: Counter,
    stolen: Counter,
    /// By the place of the grant type in [`GrantType::ALL`]: access tokens and refresh tokens.
    issued: Vec<[Counter; 2]>,
}

/// How requests end that get nothing, or a login.
#[derive(Debug)]
struct Outcomes {
    issued: Counter,
    denied: Counter,
    throttled: Counter,
    refused: Counter,
    unavailable: Counter,
    error: Counter,
}

/// What a token request was answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// An access token, and a refresh token if that is said.
    Anew { refresh_token: bool },
    /// What it was answered with before.
    Again,
    /// A refusal, because the refresh token was used up.
    Stolen,
}

impl TokenMeters {
    pub(crate) fn new() -> Self {
        let issued =
            |grant_type: GrantType| ["access", "refresh"].map(|kind| TOKENS_ISSUED.counter(&[grant_type.name(), kind]));
        Self {
            logins: Outcomes::of(&LOGINS, Some("issued")),
            refreshes: Outcomes::of(&REFRESHES, None),
            rotated: REFRESHES.counter(&["rotated"]),
            retried: REFRESHES.counter(&["retried"]),
            stolen: REFRESHES.counter(&["stolen"]),
            issued: GrantType::ALL.into_iter().map(issued).collect(),
        }
    }

    /// Counts a request that got tokens, or whose token was stolen.
    pub(crate) fn answered(&self, grant_type: GrantType, answered: Answered) {
        match (grant_type, answered) {
            (_, Answered::Stolen) => self.stolen.increment(1),
            (_, Answered::Again) => self.retried.increment(1),
            (GrantType::Password, Answered::Anew { .. }) => self.logins.issued.increment(1),
            (GrantType::RefreshToken, Answered::Anew { .. }) => self.rotated.increment(1),
            (_, Answered::Anew { .. }) => {}
        }
        let place = GrantType::ALL.iter().position(|known| *known == grant_type);
        if let (Answered::Anew { refresh_token }, Some([access, refresh])) =
            (answered, place.map(|at| &self.issued[at]))
        {
            access.increment(1);
            refresh.increment(u64::from(refresh_token));
        }
    }

    /// Counts a request that got nothing.
    pub(crate) fn refused(&self, grant_type: Option<GrantType>, error: &OAuthError) {
        match grant_type {
            Some(GrantType::Password) => self.logins.count(error),
            Some(GrantType::RefreshToken) => self.refreshes.count(error),
            _ => {}
        }
    }
}

impl Outcomes {
    fn of(meter: &Meter, issued: Option<&str>) -> Self {
        Self {
            issued: issued.map_or_else(Counter::noop, |issued| meter.counter(&[issued])),
            denied: meter.counter(&["denied"]),
            throttled: meter.counter(&["throttled"]),
            refused: meter.counter(&["refused"]),
            unavailable: meter.counter(&["unavailable"]),
            error: meter.counter(&["error"]),
        }
    }

    fn count(&self, error: &OAuthError) {
        let counter = match error {
            OAuthError::InvalidGrant(_) => &self.denied,
            OAuthError::Throttled { .. } => &self.throttled,
            OAuthError::TemporarilyUnavailable { .. } => &self.unavailable,
            OAuthError::ServerError => &self.error,
            _ => &self.refused,
        };
        counter.increment(1);
    }
}

/// What is counted of access tokens that are verified.
#[derive(Debug)]
pub struct VerificationMeters {
    valid: Counter,
    /// By the place of the reason in [`Reason::ALL`].
    refused: Vec<Counter>,
}

impl VerificationMeters {
    /// The handles, of the recorder that is installed now.
    #[must_use]
    pub fn new() -> Self {
        let known = |reason: &Reason| VERDICTS.contains(&reason.code());
        let refused = Reason::ALL.iter().map(|reason| match known(reason) {
            true => VERIFICATIONS.counter(&[reason.code()]),
            false => Counter::noop(),
        });
        Self { valid: VERIFICATIONS.counter(&[VALID]), refused: refused.collect() }
    }

    /// Counts a verification of a good token.
    pub(crate) fn valid(&self) {
        self.valid.increment(1);
    }

    /// Counts a verification: one more of a number that is known already.
    pub fn count(&self, verified: &Result<AccessToken, BearerError>) {
        match verified {
            Ok(_) => self.valid(),
            Err(error) => {
                let place = Reason::ALL.iter().position(|reason| *reason == error.reason());
                if let Some(counter) = place.and_then(|at| self.refused.get(at)) {
                    counter.increment(1);
                }
            }
        }
    }
}

impl Default for VerificationMeters {
    fn default() -> Self {
        Self::new()
    }
}

/// What is counted of the memory of verified tokens.
#[derive(Debug)]
pub(crate) struct CacheMeters {
    pub(crate) hit: Counter,
    pub(crate) miss: Counter,
}

impl CacheMeters {
    pub(crate) fn new() -> Self {
        let [hit, miss] = ["hit", "miss"].map(|result| SEEN_TOKENS.counter(&[result]));
        Self { hit, miss }
    }
}

/// What is counted of attempts that must wait.
#[derive(Clone, Debug)]
pub(crate) struct ThrottleMeters {
    pub(crate) login: Counter,
    pub(crate) client: Counter,
    pub(crate) introspection: Counter,
}

impl ThrottleMeters {
    pub(crate) fn new() -> Self {
        let [login, client, introspection] =
            ["login", "client", "introspection"].map(|what| THROTTLED.counter(&[what]));
        Self { login, client, introspection }
    }
}

/// What is measured of the hashing of passwords.
#[derive(Debug)]
pub(crate) struct HashMeters {
    time: Histogram,
    wait: Histogram,
    queue: Gauge,
    refused: Counter,
}

impl HashMeters {
    pub(crate) fn new() -> Self {
        Self {
            time: HASH.histogram(&[]),
            wait: HASH_WAIT.histogram(&[]),
            queue: HASH_QUEUE.gauge(&[]),
            refused: HASHES_REFUSED.counter(&[]),
        }
    }

    /// So many wait.
    #[expect(clippy::cast_precision_loss, reason = "a queue is not that long")]
    pub(crate) fn waiting(&self, length: usize) {
        self.queue.set(length as f64);
    }

    /// One had waited for so long when a thread took it.
    pub(crate) fn waited(&self, time: Duration) {
        self.wait.record(time);
    }

    /// One was hashed.
    pub(crate) fn hashed(&self, time: Duration) {
        self.time.record(time);
    }

    /// There was no room for one.
    pub(crate) fn refused(&self) {
        self.refused.increment(1);
    }
}

/// What is measured of the feed.
#[derive(Debug)]
pub(crate) struct FeedMeters {
    lag: Gauge,
    entries: Gauge,
}

impl FeedMeters {
    pub(crate) fn new() -> Self {
        Self { lag: FEED_LAG.gauge(&[]), entries: REVOKED.gauge(&[]) }
    }

    /// What was heard last is so old.
    pub(crate) fn lags(&self, age: Duration) {
        self.lag.set(age);
    }

    /// So much is kept.
    #[expect(clippy::cast_precision_loss, reason = "what fits into memory is exact enough")]
    pub(crate) fn keeps(&self, entries: usize) {
        self.entries.set(entries as f64);
    }
}

/// What is measured of connections.
#[derive(Debug)]
pub struct ConnectionMeters {
    open: Gauge,
    full: Counter,
    refused: Counter,
}

impl ConnectionMeters {
    /// The handles, of the recorder that is installed now.
    #[must_use]
    pub fn new() -> Self {
        let [full, refused] = ["full", "refused"].map(|result| CONNECTIONS_HELD_UP.counter(&[result]));
        Self { open: CONNECTIONS.gauge(&[]), full, refused }
    }

    /// One was opened.
    pub fn opened(&self) {
        self.open.increment(1.0);
    }

    /// One was closed.
    pub fn closed(&self) {
        self.open.decrement(1.0);
    }

    /// All places are taken.
    pub fn full(&self) {
        self.full.increment(1);
    }

    /// One was closed because its source had as many as it may.
    pub fn refused(&self) {
        self.refused.increment(1);
    }
}

impl Default for ConnectionMeters {
    fn default() -> Self {
        Self::new()
    }
}

/// What is measured of a store. Every store that is to be seen measures itself by this.
#[derive(Debug)]
pub struct StoreMeters {
    reads: [Histogram; 2],
    writes: [Histogram; 2],
}

/// What a store is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreOperation {
    /// It changes nothing.
    Read,
    /// It changes something, or tries to.
    Write,
}

impl StoreOperation {
    const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl StoreMeters {
    /// The handles, of the recorder that is installed now.
    #[must_use]
    pub fn new() -> Self {
        let of = |operation: StoreOperation| ["ok", "error"].map(|result| STORE.histogram(&[operation.name(), result]));
        Self { reads: of(StoreOperation::Read), writes: of(StoreOperation::Write) }
    }

    /// Does the work, and measures it: for the meters, and as a span of a trace.
    ///
    /// # Errors
    /// As of the work.
    pub async fn measure<T, E>(
        &self,
        operation: StoreOperation,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let began = Instant::now();
        let done = work.instrument(tracing::trace_span!(target: SPANS, "store", operation = operation.name())).await;
        let [ok, error] = match operation {
            StoreOperation::Read => &self.reads,
            StoreOperation::Write => &self.writes,
        };
        let histogram = if done.is_ok() { ok } else { error };
        histogram.record(began.elapsed());
        done
    }
}

impl Default for StoreMeters {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
