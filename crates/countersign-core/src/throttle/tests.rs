//! The rules of counters, what happens to many attempts at once, and that memory is bounded.

mod accounts;
mod at_once;
mod bounds;
mod clients;
mod rules;
mod sources;

use std::net::IpAddr;

use super::*;
use crate::clock::TurnableClock;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// What a test may wait for: far longer than it takes, so that only a fault gets there.
const PATIENCE: Duration = Duration::from_secs(60);

struct Rig {
    throttle: Throttle,
    memory: Arc<MemoryAttempts>,
    clock: Arc<TurnableClock>,
}

#[derive(Debug)]
struct Shared(Arc<MemoryAttempts>);

#[async_trait]
impl Attempts for Shared {
    async fn begin(&self, counters: &[Counter], clock: &dyn Clock) -> Result<Verdict, StoreError> {
        self.0.begin(counters, clock).await
    }

    fn settle(&self, counters: &[Counter], outcome: Outcome, now: Timestamp) {
        self.0.settle(counters, outcome, now);
    }

    async fn is_known(&self, pair: Pair, now: Timestamp) -> Result<bool, StoreError> {
        self.0.is_known(pair, now).await
    }

    fn know(&self, pair: Pair, now: Timestamp) {
        self.0.know(pair, now);
    }
}

mod in_memory {
    use super::*;

    async fn handles() -> (Shared, Shared, ()) {
        let memory = Arc::new(MemoryAttempts::new(1_000));
        (Shared(memory.clone()), Shared(memory), ())
    }

    crate::attempts_conformance!(handles);
}

impl Rig {
    fn new() -> Self {
        Self::with(ThrottleSettings::default())
    }

    fn with(settings: ThrottleSettings) -> Self {
        let (clock, memory) = (Arc::new(TurnableClock::at(NOW)), Arc::new(MemoryAttempts::new(settings.counters)));
        let throttle = Throttle::new(Some(settings), Some(Arc::new(Shared(memory.clone()))), clock.clone());
        Self { throttle, memory, clock }
    }

    /// One attempt that ends like this, or how long it must wait.
    async fn try_at(&self, name: &str, source: Source, outcome: Outcome) -> Result<(), u64> {
        match self.throttle.login(name, source, None).await {
            Ok(attempt) => {
                attempt.settle(outcome);
                Ok(())
            }
            Err(OAuthError::Throttled { retry_after }) => Err(retry_after.as_secs()),
            Err(other) => panic!("{other:?}"),
        }
    }

    async fn fail(&self, name: &str, source: Source) -> Result<(), u64> {
        self.try_at(name, source, Outcome::Failure).await
    }

    /// Fails until it must wait, and says how often it could and how long that is.
    async fn fail_until_delayed(&self, name: &str, source: Source) -> (usize, u64) {
        for failed in 0..10_000 {
            if let Err(wait) = self.fail(name, source).await {
                return (failed, wait);
            }
        }
        panic!("nothing was delayed");
    }

    fn forward(&self, seconds: u64) {
        self.clock.forward(Duration::from_secs(seconds));
    }
}

fn at(address: &str) -> Source {
    Source::of(address.parse().unwrap())
}

/// The n-th of many addresses, each in a network of its own.
fn numbered(n: u32) -> Source {
    Source::of(IpAddr::V4(n.into()))
}
