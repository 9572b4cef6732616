//! Time and randomness come in here, as values; nothing else reads the system's.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// A moment, in whole seconds since 1970-01-01T00:00:00Z: the `NumericDate` of RFC 7519 §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `seconds` after the epoch.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since the epoch.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// This moment and `duration` more, in whole seconds; stays at the last representable moment.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add_unsigned(duration.as_secs()))
    }

    /// This moment less `duration`, in whole seconds; stays at the first representable moment.
    #[must_use]
    pub const fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub_unsigned(duration.as_secs()))
    }
}

/// Where the time comes from.
///
/// ```
/// use countersign_core::clock::{Clock, Timestamp};
///
/// #[derive(Debug)]
/// struct Noon;
///
/// impl Clock for Noon {
///     fn now(&self) -> Timestamp {
///         Timestamp::from_seconds(43_200)
///     }
/// }
/// # assert_eq!(Noon.now().seconds(), 43_200);
/// ```
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// How time passes beside this clock, whatever it is set to; `None`, the default, if it passes as the clock shows.
    ///
    /// With one, a clock that is set forward by mistake and back again undoes no revocation: what has expired is not
    /// forgotten for good sooner than time has passed.
    fn stopwatch(&self) -> Option<Arc<dyn Stopwatch>> {
        None
    }
}

/// How time passes, whatever anybody sets the clocks to: for how long something takes or waits.
pub trait Stopwatch: fmt::Debug + Send + Sync + 'static {
    /// The time since a moment of its own. It never goes back.
    fn elapsed(&self) -> Duration;
}

/// Where unpredictable bytes come from: salts, identifiers, tokens.
///
/// Private keys are the exception: the cryptographic library makes those from the operating system's generator itself.
pub trait Rng: fmt::Debug + Send + Sync + 'static {
    /// Fills `bytes` with bytes that nobody can predict.
    fn fill(&self, bytes: &mut [u8]);
}

/// `N` unpredictable bytes as base64url without padding (RFC 4648 §5).
#[must_use]
pub fn random_id<const N: usize>(rng: &dyn Rng) -> String {
    let mut bytes = [0; N];
    rng.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The operating system's clock and its cryptographic random number generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl System {
    /// The system as a shared clock.
    #[must_use]
    pub fn clock() -> Arc<dyn Clock> {
        Arc::new(Self)
    }

    /// A shared stopwatch of the system's, which begins now.
    #[must_use]
    pub fn stopwatch() -> Arc<dyn Stopwatch> {
        Arc::new(SystemStopwatch(Instant::now()))
    }

    /// The system as a shared source of randomness.
    #[must_use]
    pub fn rng() -> Arc<dyn Rng> {
        Arc::new(Self)
    }
}

impl Clock for System {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the place that may")]
        let now = SystemTime::now();
        // A clock before 1970 is wrong, and the epoch is the safe reading of it: nothing issued then is valid for long.
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }

    fn stopwatch(&self) -> Option<Arc<dyn Stopwatch>> {
        Some(Self::stopwatch())
    }
}

#[derive(Debug)]
struct SystemStopwatch(Instant);

impl Stopwatch for SystemStopwatch {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Rng for System {
    fn fill(&self, bytes: &mut [u8]) {
        #[expect(clippy::disallowed_methods, reason = "this is the place that may")]
        let filled = aws_lc_rs::rand::fill(bytes);
        // Without randomness there is no safe way to go on, and no caller could find one.
        #[expect(clippy::expect_used, reason = "a secret made of anything else would be no secret")]
        filled.expect("the operating system gives random bytes");
    }
}

#[cfg(any(test, feature = "testing"))]
pub use for_tests::{SeededRng, TurnableClock};

#[cfg(any(test, feature = "testing"))]
mod for_tests {
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

    use sha2::{Digest, Sha256};

    use super::{Clock, Duration, Rng, Timestamp};

    /// A clock that stands still until a test turns it.
    #[derive(Debug)]
    pub struct TurnableClock(AtomicI64);

    impl TurnableClock {
        /// A clock standing at `now`.
        #[must_use]
        pub const fn at(now: Timestamp) -> Self {
            Self(AtomicI64::new(now.seconds()))
        }

        /// Turns the clock forward.
        pub fn forward(&self, by: Duration) {
            self.0.store(self.now().plus(by).seconds(), Ordering::SeqCst);
        }

        /// Turns the clock back.
        pub fn back(&self, by: Duration) {
            self.0.store(self.now().minus(by).seconds(), Ordering::SeqCst);
        }
    }

    impl Clock for TurnableClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(self.0.load(Ordering::SeqCst))
        }
    }

    /// Bytes that look random and are the same in every run: SHA-256 of a seed and a counter. For tests only.
    #[derive(Debug)]
    pub struct SeededRng {
        seed: u64,
        counter: AtomicU64,
    }

    impl SeededRng {
        /// The sequence that belongs to `seed`.
        #[must_use]
        pub const fn new(seed: u64) -> Self {
            Self { seed, counter: AtomicU64::new(0) }
        }
    }

    impl Rng for SeededRng {
        fn fill(&self, bytes: &mut [u8]) {
            for chunk in bytes.chunks_mut(32) {
                let block = Sha256::new()
                    .chain_update(self.seed.to_be_bytes())
                    .chain_update(self.counter.fetch_add(1, Ordering::SeqCst).to_be_bytes())
                    .finalize();
                chunk.copy_from_slice(&block[..chunk.len()]);
            }
        }
    }
}
