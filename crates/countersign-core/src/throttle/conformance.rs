//! The tests that every place must pass where failed attempts are counted, with two handles as two processes have them: a
//! function for each fact, and a macro that makes a test of each.
#![expect(clippy::unwrap_used, reason = "a test suite")]
#![expect(missing_docs, reason = "each function is named by the fact that it tests")]

use std::{future::poll_fn, sync::Arc, task::Poll, time::Duration};

use tokio::{task::JoinSet, time::timeout};

use super::{Attempt, Attempts, KNOWN_OF_ACCOUNT, Outcome, Source, Throttle, ThrottleSettings};
use crate::{
    clock::{Timestamp, TurnableClock},
    error::OAuthError,
};

/// Makes a test of each fact that all counters must keep, named by it. The argument is the path of an `async fn()` that
/// returns two handles of the same new counters, and whatever must live as long as they do. Needs tokio with `macros` and
/// `rt-multi-thread`.
#[macro_export]
macro_rules! attempts_conformance {
    ($make:path) => {
        $crate::attempts_conformance! { $make:
            d13_ten_failures_are_free_whoever_counts_them
            d13_a_success_forgets_what_others_counted
            d13_a_known_source_is_known_to_all
            d13_of_many_sources_of_an_account_those_are_known_that_were_good_last
            d15_of_many_wrong_guesses_at_once_ten_are_looked_at
            d15_many_right_ones_at_once_all_pass
            d15_who_goes_while_an_attempt_begins_leaves_nothing_behind
            h5_a_client_that_is_known_is_slowed_as_soon_as_it_has_failed
        }
    };
    ($make:path: $($fact:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $fact() {
            let (one, other, _kept) = $make().await;
            $crate::throttle::conformance::$fact(one, other).await;
        }
    )*};
}

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// What a test may wait for: far longer than it takes, so that only a fault gets there.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many guess at once.
const RACERS: usize = 20;

/// Two servers that share their counters.
struct Rig {
    servers: [Throttle; 2],
    clock: Arc<TurnableClock>,
}

impl Rig {
    fn new(one: impl Attempts, other: impl Attempts) -> Arc<Self> {
        let clock = Arc::new(TurnableClock::at(NOW));
        let server = |attempts: Arc<dyn Attempts>| {
            Throttle::new(Some(ThrottleSettings::default()), Some(attempts), clock.clone())
        };
        Arc::new(Self { servers: [server(Arc::new(one)), server(Arc::new(other))], clock })
    }

    async fn begin(&self, server: usize, from: Source) -> Result<Attempt<'_>, OAuthError> {
        timeout(PATIENCE, self.servers[server % 2].login("alice", from, None)).await.unwrap()
    }

    async fn end(&self, server: usize, from: Source, outcome: Outcome) -> Result<(), OAuthError> {
        self.begin(server, from).await.map(|attempt| attempt.settle(outcome))
    }

    /// Ten that fail, each at the other server than the one before; they are counted when both say so.
    async fn fail_ten_times(&self, from: Source) {
        for number in 0..10 {
            self.end(number, from, Outcome::Failure).await.unwrap();
        }
        for server in 0..2 {
            assert!(matches!(self.begin(server, from).await, Err(OAuthError::Throttled { .. })));
        }
    }

    /// Fails until both refuse: a success that is told in the background forgets what was counted before it.
    async fn fail_until_refused(&self, from: Source) {
        let (mut number, mut refused) = (0, 0);
        while refused < 2 {
            assert!(number < 2 * 10 + 2, "it fails without end");
            refused = if self.end(number, from, Outcome::Failure).await.is_err() { refused + 1 } else { 0 };
            number += 1;
        }
    }

    fn forward(&self, seconds: u64) {
        self.clock.forward(Duration::from_secs(seconds));
    }
}

fn at(number: u8) -> Source {
    Source::of([192, 0, 2, number].into())
}

pub async fn d13_ten_failures_are_free_whoever_counts_them(one: impl Attempts, other: impl Attempts) {
    let rig = Rig::new(one, other);
    rig.fail_ten_times(Source::Unknown).await;
    for (server, delay) in [(0, 30), (1, 60), (0, 120)] {
        let throttled = OAuthError::Throttled { retry_after: Duration::from_secs(delay) };
        assert_eq!(rig.begin(server + 1, Source::Unknown).await.err(), Some(throttled));
        rig.forward(delay);
        rig.end(server, Source::Unknown, Outcome::Failure).await.unwrap();
    }
}

pub async fn d13_a_success_forgets_what_others_counted(one: impl Attempts, other: impl Attempts) {
    let rig = Rig::new(one, other);
    for _ in 0..2 {
        rig.fail_ten_times(Source::Unknown).await;
        rig.forward(30);
        rig.end(0, Source::Unknown, Outcome::Success).await.unwrap();
        // Nobody else gets in while it is under way; once it is counted, ten do at once.
        let mut under_way = Vec::new();
        for server in 0..10 {
            under_way.push(rig.begin(server, Source::Unknown).await.unwrap());
        }
        for attempt in under_way {
            attempt.settle(Outcome::Undecided);
        }
    }
}

pub async fn d13_a_known_source_is_known_to_all(one: impl Attempts, other: impl Attempts) {
    let rig = Rig::new(one, other);
    let (home, elsewhere) = (at(1), at(2));
    rig.end(0, home, Outcome::Success).await.unwrap();
    rig.fail_until_refused(elsewhere).await;
    timeout(PATIENCE, async {
        // It may be told in the background.
        while rig.end(1, home, Outcome::Undecided).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert!(rig.begin(1, elsewhere).await.is_err());
}

pub async fn d13_of_many_sources_of_an_account_those_are_known_that_were_good_last(
    one: impl Attempts,
    other: impl Attempts,
) {
    let rig = Rig::new(one, other);
    let is_known = async |pair| rig.servers[1].attempts.is_known(pair, NOW).await.unwrap();
    let log_in = async |name: &str, from: Source, server: usize| {
        let attempt = timeout(PATIENCE, rig.servers[server % 2].login(name, from, None)).await.unwrap().unwrap();
        let pair = attempt.pair.unwrap();
        attempt.settle(Outcome::Success);
        timeout(PATIENCE, async {
            // It may be told in the background.
            while !is_known(pair).await {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        pair
    };
    let other_account = log_in("bob", at(0), 0).await;
    let mut pairs = Vec::new();
    for number in 0..=KNOWN_OF_ACCOUNT {
        rig.forward(1);
        pairs.push(log_in("alice", at(number.try_into().unwrap()), number).await);
    }
    timeout(PATIENCE, async {
        while is_known(pairs[0]).await {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    for pair in pairs.into_iter().skip(1).chain([other_account]) {
        assert!(is_known(pair).await);
    }
}

pub async fn d15_of_many_wrong_guesses_at_once_ten_are_looked_at(one: impl Attempts, other: impl Attempts) {
    let looked_at = race(Rig::new(one, other), Outcome::Failure).await;
    assert_eq!(looked_at, 10);
}

pub async fn d15_many_right_ones_at_once_all_pass(one: impl Attempts, other: impl Attempts) {
    let looked_at = race(Rig::new(one, other), Outcome::Success).await;
    assert_eq!(looked_at, RACERS);
}

/// How many of those who try at once are looked at.
async fn race(rig: Arc<Rig>, outcome: Outcome) -> usize {
    let mut racers = JoinSet::new();
    for number in 0..RACERS {
        let rig = rig.clone();
        racers.spawn(async move {
            let Ok(attempt) = rig.begin(number, Source::Unknown).await else { return 0 };
            tokio::task::yield_now().await;
            attempt.settle(outcome);
            1
        });
    }
    racers.join_all().await.into_iter().sum()
}

pub async fn d15_who_goes_while_an_attempt_begins_leaves_nothing_behind(one: impl Attempts, other: impl Attempts) {
    let rig = Rig::new(one, other);
    for number in 0..RACERS {
        let mut begins = Box::pin(rig.servers[number % 2].login("alice", Source::Unknown, None));
        let _is_pending: bool = poll_fn(|context| Poll::Ready(begins.as_mut().poll(context).is_pending())).await;
    }
    let mut under_way = Vec::new();
    for server in 0..10 {
        under_way.push(rig.begin(server, Source::Unknown).await.unwrap());
    }
}

pub async fn h5_a_client_that_is_known_is_slowed_as_soon_as_it_has_failed(one: impl Attempts, other: impl Attempts) {
    let rig = Rig::new(one, other);
    let ask =
        async |server: usize| timeout(PATIENCE, rig.servers[server % 2].client("app", at(1), None)).await.unwrap();
    ask(0).await.unwrap().settle(Outcome::Success);
    timeout(PATIENCE, async {
        for server in 0.. {
            match ask(server).await {
                Ok(attempt) => attempt.settle(Outcome::Failure),
                Err(refused) => return assert!(matches!(refused, OAuthError::Throttled { .. })),
            }
            // What is told in the background has its turn.
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    rig.forward(24 * 60 * 60);
    ask(1).await.unwrap().settle(Outcome::Success);
}

/// For counters that outlive the process that began an attempt.
pub async fn d15_what_a_process_left_under_way_counts_for_a_minute(one: impl Attempts, other: impl Attempts) {
    let rig = Rig::new(one, other);
    for _ in 0..10 {
        // It neither settles nor is dropped.
        std::mem::forget(rig.begin(0, Source::Unknown).await.unwrap());
    }
    assert!(timeout(Duration::from_millis(300), rig.servers[1].login("alice", Source::Unknown, None)).await.is_err());
    rig.forward(60);
    rig.end(1, Source::Unknown, Outcome::Failure).await.unwrap();
}
