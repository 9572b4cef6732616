//! The rules of counters, what happens to many attempts at once, and that memory is bounded.

use std::{
    net::{IpAddr, Ipv4Addr},
    pin::pin,
    sync::Mutex,
};

use proptest::prelude::*;
use tokio::task::JoinSet;

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

#[tokio::test]
async fn d13_ten_failures_are_free_and_then_delays_double_to_fifteen_minutes() {
    let rig = Rig::new();
    assert_eq!(rig.fail_until_delayed("alice", Source::Unknown).await, (10, 30));
    for next in [60, 120, 240, 480, 900, 900] {
        let wait = rig.fail("alice", Source::Unknown).await.unwrap_err();
        rig.forward(wait - 1);
        assert_eq!(rig.fail("alice", Source::Unknown).await, Err(1), "not a second earlier");
        rig.forward(1);
        assert_eq!(rig.fail("alice", Source::Unknown).await, Ok(()));
        assert_eq!(rig.fail("alice", Source::Unknown).await, Err(next), "one attempt for each delay");
    }
    assert_eq!(rig.fail("bob", Source::Unknown).await, Ok(()), "another account");
    rig.forward(24 * 60 * 60);
    assert_eq!(rig.fail_until_delayed("alice", Source::Unknown).await, (10, 30), "a day forgets");
}

#[tokio::test]
async fn d13_a_success_forgets_the_failures_of_the_account() {
    let rig = Rig::new();
    for _ in 0..9 {
        rig.fail("alice", Source::Unknown).await.unwrap();
    }
    rig.try_at("alice", Source::Unknown, Outcome::Success).await.unwrap();
    assert_eq!(rig.fail_until_delayed("alice", Source::Unknown).await, (10, 30));
    rig.forward(30);
    rig.try_at("alice", Source::Unknown, Outcome::Undecided).await.unwrap();
    rig.try_at("alice", Source::Unknown, Outcome::Success).await.unwrap();
    assert_eq!(rig.fail_until_delayed("alice", Source::Unknown).await, (10, 30));
    assert_eq!(rig.memory.len(), 1);
}

#[tokio::test]
async fn d13_what_was_never_looked_at_is_no_failure() {
    let rig = Rig::new();
    for _ in 0..100 {
        rig.try_at("alice", at("192.0.2.1"), Outcome::Undecided).await.unwrap();
    }
    assert!(rig.memory.is_empty());
}

/// For an hour, every second, before anybody else can.
#[tokio::test]
async fn d13_who_hammers_from_one_address_does_not_keep_the_owner_out() {
    let rig = Rig::new();
    let (attacker, mut let_in, mut looked_at) = (at("203.0.113.9"), Vec::new(), 0);
    for second in 0..3_600 {
        looked_at += usize::from(rig.fail("alice", attacker).await.is_ok());
        // The owner's right password is not said, so that the attack goes on: that it would be looked at is enough.
        match rig.throttle.login("alice", at("198.51.100.7"), None).await {
            Ok(attempt) => {
                attempt.settle(Outcome::Undecided);
                let_in.push(second);
            }
            Err(OAuthError::Throttled { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
        rig.forward(1);
    }
    assert!(looked_at < 20, "{looked_at}");
    for ten_minutes in 0..3 {
        let window = ten_minutes * 1_200..(ten_minutes + 1) * 1_200;
        assert!(let_in.iter().any(|second| window.contains(second)), "never in {window:?}");
    }
    let (longest, _) = let_in.windows(2).map(|pair| (pair[1] - pair[0], pair[0])).max().unwrap();
    // Its turn, and the second of the attacker.
    assert!(longest <= 901, "the owner waits {longest} seconds");
    rig.try_at("alice", at("198.51.100.7"), Outcome::Success).await.unwrap_or(());
}

/// Each of them gets at most a dozen turns a day, so that many are needed to take all.
#[tokio::test]
async fn d13_a_few_addresses_do_not_keep_the_owner_out_for_a_day() {
    let rig = Rig::new();
    let attackers: Vec<_> = (1..=3).map(numbered).collect();
    let mut let_in = 0;
    for _ in 0..24 * 60 {
        for attacker in &attackers {
            let _ = rig.fail("alice", *attacker).await;
        }
        let owner = rig.try_at("alice", at("198.51.100.7"), Outcome::Undecided).await;
        let_in += usize::from(owner.is_ok());
        rig.forward(60);
    }
    assert!(let_in > 12 * 60, "for {let_in} minutes of a day");
}

#[tokio::test]
async fn d13_a_known_source_is_not_slowed_by_strangers_nor_they_by_it() {
    let rig = Rig::new();
    let home = at("198.51.100.7");
    rig.try_at("alice", home, Outcome::Success).await.unwrap();
    rig.fail_until_delayed("alice", at("203.0.113.9")).await;
    for _ in 0..50 {
        rig.try_at("alice", home, Outcome::Success).await.unwrap();
    }
    assert!(rig.fail("alice", at("203.0.113.9")).await.is_err(), "no success at home resets what strangers did");
    assert_eq!(rig.fail_until_delayed("alice", home).await, (10, 30), "guesses at home count there");
    assert!(rig.fail("bob", home).await.is_ok());
    rig.forward(30);
    rig.try_at("alice", home, Outcome::Success).await.unwrap();
    assert_eq!(rig.fail_until_delayed("alice", home).await, (10, 30));
    // For thirty days after the last login.
    rig.forward(30 * 24 * 60 * 60 - 31);
    rig.fail_until_delayed("alice", at("203.0.113.9")).await;
    rig.try_at("alice", home, Outcome::Undecided).await.unwrap();
    rig.forward(31);
    rig.fail_until_delayed("alice", at("203.0.113.10")).await;
    rig.try_at("alice", home, Outcome::Undecided).await.unwrap_err();
}

#[tokio::test]
async fn d13_many_accounts_with_few_tries_each_are_slowed_by_source() {
    let rig = Rig::new();
    let source = at("203.0.113.9");
    let mut looked_at = 0;
    for account in 0..1_000 {
        looked_at += usize::from(rig.fail(&format!("user{account}"), source).await.is_ok());
    }
    assert_eq!(looked_at, 50);
    assert_eq!(rig.fail("another", source).await, Err(12));
    assert_eq!(rig.fail("another", at("203.0.113.10")).await, Ok(()));
    rig.try_at("nobody", source, Outcome::Success).await.unwrap_err();
    for _ in 0..3 {
        rig.forward(12);
        rig.fail("another", source).await.unwrap();
        assert_eq!(rig.fail("another", source).await, Err(12));
    }
}

#[tokio::test]
async fn d14_spellings_of_a_name_share_a_counter() {
    let rig = Rig::new();
    for (number, name) in ["bob", "BOB", "bob ", "ｂｏｂ", "\tBoB"].into_iter().cycle().take(10).enumerate() {
        assert_eq!(rig.fail(name, numbered(number as u32)).await, Ok(()), "{name}");
    }
    for name in ["bob", "BOB", "bob ", "ｂｏｂ"] {
        assert_eq!(rig.fail(name, at("192.0.2.1")).await, Err(30), "{name}");
    }
    // What is no name at all has a counter too.
    assert_eq!(rig.fail_until_delayed("no name\u{0}", Source::Unknown).await, (10, 30));
    assert_eq!(rig.fail("no name\u{1}", Source::Unknown).await, Ok(()));
}

#[tokio::test]
async fn d17_addresses_of_one_network_are_one_source() {
    let rig = Rig::new();
    let mut looked_at = 0;
    for host in 0..1_u32 << 16 {
        let source = at(&format!("2001:db8:1:2:{:x}:{:x}::1", host >> 8, host & 0xFF));
        looked_at += usize::from(rig.fail(&format!("user{host}"), source).await.is_ok());
    }
    assert_eq!(looked_at, 50);
    assert_eq!(rig.fail("another", at("2001:db8:1:3::1")).await, Ok(()), "the next network");
    assert_eq!(at("2001:db8:1:3::1").site(), at("2001:db8:1:ffff::1").site());
    assert_ne!(at("2001:db8:1::1").site(), at("2001:db8:2::1").site());
    assert_ne!(at("192.0.2.1").site(), at("192.0.2.2").site());
    // A translator of addresses (RFC 6052) is not one source.
    assert_eq!(at("64:ff9b::192.0.2.1").network(), at("192.0.2.1").network());
    let mapped = at("::ffff:192.0.2.1");
    assert_eq!(mapped, at("192.0.2.1"));
    assert_eq!(Source::Address("::ffff:192.0.2.1".parse().unwrap()).network(), mapped.network());
    assert_ne!(at("192.0.2.1").network(), at("192.0.2.2").network());
    assert_eq!((Source::Unknown.network(), Source::Unknown.to_string()), (None, "unknown".to_owned()));
}

#[tokio::test]
async fn d13_one_customer_with_many_networks_does_not_keep_the_owner_out() {
    let rig = Rig::new();
    for turn in 0..24 * 60 {
        rig.clock.forward(Duration::from_secs(60));
        for network in 0..32 {
            let _ = rig.fail("alice", at(&format!("2001:db8:1:{:x}::1", (turn * 32 + network) % 0xFFFF))).await;
        }
    }
    let mut waited = 0;
    while rig.throttle.login("alice", at("198.51.100.1"), None).await.is_err() {
        rig.clock.forward(Duration::from_secs(60));
        let _ = rig.fail("alice", at(&format!("2001:db8:1:{waited:x}::2"))).await;
        waited += 1;
        assert!(waited <= 15, "the longest delay");
    }
}

#[tokio::test]
async fn h5_a_client_that_has_proven_itself_is_not_slowed_by_what_strangers_do_at_its_source() {
    let rig = Rig::new();
    let backend = at("192.0.2.1");
    rig.throttle.client("web", backend, None).await.unwrap().settle(Outcome::Success);
    for user in 0..60 {
        let _ = rig.fail(&format!("user{user}"), backend).await;
    }
    assert!(rig.fail("another", backend).await.is_err(), "the source is closed");
    for _ in 0..100 {
        rig.throttle.client("web", backend, None).await.unwrap().settle(Outcome::Success);
    }
    assert!(rig.throttle.client("other", backend, None).await.is_err(), "who was never there waits with the rest");
}

#[tokio::test]
async fn h5_a_client_is_slowed_at_one_source_and_not_everywhere() {
    let rig = Rig::new();
    let fail = async |id: &str, source| match rig.throttle.client(id, source, None).await {
        Ok(attempt) => {
            attempt.settle(Outcome::Failure);
            Ok(())
        }
        Err(error) => Err(error),
    };
    for _ in 0..10 {
        fail("api", at("203.0.113.9")).await.unwrap();
    }
    let retry_after = Duration::from_secs(30);
    assert_eq!(fail("api", at("203.0.113.9")).await, Err(OAuthError::Throttled { retry_after }));
    fail("api", at("203.0.113.10")).await.unwrap();
    fail("other", at("203.0.113.9")).await.unwrap();
    for client in 0..39 {
        fail(&format!("client {client}"), at("203.0.113.9")).await.unwrap();
    }
    let retry_after = Duration::from_secs(12);
    assert_eq!(fail("one more", at("203.0.113.9")).await, Err(OAuthError::Throttled { retry_after }));
    assert_eq!(rig.fail("alice", at("203.0.113.9")).await, Err(12), "logins count with them");
    for _ in 0..100 {
        fail("api", Source::Unknown).await.unwrap();
    }
}

#[tokio::test]
async fn h5_that_secrets_are_not_counted_without_a_source_is_told_once() {
    let (quiet, rig) = (Rig::new(), Rig::new());
    let told = Told::default();
    let writer = told.clone();
    let log = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let _log = tracing::subscriber::set_default(log);
    quiet.throttle.client("api", at("203.0.113.9"), None).await.unwrap().settle(Outcome::Failure);
    assert_eq!(told.count("nobody knows"), 0);
    for _ in 0..3 {
        rig.throttle.client("api", Source::Unknown, None).await.unwrap().settle(Outcome::Failure);
        rig.fail("alice", Source::Unknown).await.unwrap();
    }
    assert_eq!(told.count("nobody knows where requests come from"), 1);
}

/// What was logged.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Told {
    fn count(&self, words: &str) -> usize {
        String::from_utf8_lossy(&self.0.lock().unwrap()).matches(words).count()
    }
}

impl std::io::Write for Told {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn f10_a_client_asks_about_a_thousand_strange_tokens_at_once_and_then_fifty_a_second() {
    let rig = Rig::new();
    let ask = async |client: &str, outcome| {
        let attempt = rig.throttle.introspection(&ClientId::new(client), Source::Unknown).await;
        attempt.map(|attempt| attempt.settle(outcome)).is_ok()
    };
    let mut looked_at = 0;
    for _ in 0..10_000 {
        assert!(ask("other", Outcome::Success).await);
        looked_at += usize::from(ask("api", Outcome::Failure).await);
    }
    assert_eq!(looked_at, 1_000);
    rig.forward(1);
    looked_at = 0;
    for _ in 0..100 {
        looked_at += usize::from(ask("api", Outcome::Failure).await);
    }
    assert_eq!(looked_at, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn d15_of_five_hundred_wrong_guesses_at_once_ten_are_looked_at() {
    let rig = Arc::new(Rig::new());
    let mut tasks = JoinSet::new();
    for number in 0..500 {
        let rig = rig.clone();
        tasks.spawn(async move {
            let Ok(attempt) = rig.throttle.login("alice", numbered(number), None).await else { return 0 };
            tokio::task::yield_now().await;
            attempt.settle(Outcome::Failure);
            1
        });
    }
    let looked_at: usize = tokio::time::timeout(PATIENCE, tasks.join_all()).await.unwrap().into_iter().sum();
    assert_eq!(looked_at, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn d15_right_ones_at_once_all_pass() {
    let rig = Arc::new(Rig::new());
    for _ in 0..9 {
        rig.fail("alice", at("192.0.2.1")).await.unwrap();
    }
    let mut tasks = JoinSet::new();
    for _ in 0..500 {
        let rig = rig.clone();
        tasks.spawn(async move {
            let attempt = rig.throttle.login("alice", at("192.0.2.1"), None).await.unwrap();
            tokio::task::yield_now().await;
            attempt.settle(Outcome::Success);
        });
    }
    tokio::time::timeout(PATIENCE, tasks.join_all()).await.unwrap();
}

#[tokio::test]
async fn d15_a_request_that_is_dropped_counts_for_no_account_and_leaves_nobody_asleep() {
    let rig = Rig::new();
    let under_way: Vec<_> = futures(&rig, 10).await;
    let mut waiting = pin!(rig.throttle.login("alice", Source::Unknown, None));
    assert!(is_pending(&mut waiting).await, "all ten may turn out to be wrong");
    // One that is dropped while it waits leaves no place behind.
    let mut hung_up = Box::pin(rig.throttle.login("alice", Source::Unknown, None));
    assert!(is_pending(&mut hung_up.as_mut()).await);
    drop(hung_up);
    drop(under_way);
    let waited = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    waited.settle(Outcome::Undecided);
    assert!(rig.memory.is_empty(), "no reservation is left, and no failure");
}

#[tokio::test]
async fn d15_sources_pay_for_requests_that_are_dropped_and_known_pairs_do_not() {
    let rig = Rig::new();
    let (proxy, home) = (at("192.0.2.1"), at("198.51.100.7"));
    rig.try_at("alice", home, Outcome::Success).await.unwrap();
    for _ in 0..200 {
        drop(rig.throttle.login("alice", home, None).await.unwrap());
    }
    for account in 0..50 {
        drop(rig.throttle.login(&format!("user-{account}"), proxy, None).await.unwrap());
    }
    rig.fail("somebody", proxy).await.unwrap_err();
    rig.try_at("alice", home, Outcome::Success).await.unwrap();
}

#[tokio::test]
async fn d15_no_more_wait_than_there_is_room_for() {
    let rig = Rig::new();
    let under_way: Vec<_> = futures(&rig, 10).await;
    let mut waiting = Vec::new();
    for _ in 0..1_024 {
        let mut attempt = Box::pin(rig.throttle.login("alice", Source::Unknown, None));
        assert!(is_pending(&mut attempt.as_mut()).await);
        waiting.push(attempt);
    }
    let full = OAuthError::TemporarilyUnavailable { retry_after: NO_ROOM_RETRY };
    assert_eq!(rig.throttle.login("alice", Source::Unknown, None).await.err(), Some(full));
    waiting.pop();
    let mut attempt = Box::pin(rig.throttle.login("alice", Source::Unknown, None));
    assert!(is_pending(&mut attempt.as_mut()).await, "a place was given back");
    drop(under_way);
}

/// So many attempts that are under way.
async fn futures(rig: &Rig, number: usize) -> Vec<Attempt<'_>> {
    let mut under_way = Vec::new();
    for _ in 0..number {
        under_way.push(rig.throttle.login("alice", Source::Unknown, None).await.unwrap());
    }
    under_way
}

async fn is_pending(future: &mut (impl Future + Unpin)) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending()))
        .await
}

#[tokio::test]
async fn d13_a_clock_that_steps_locks_nobody_out_for_longer_than_the_longest_delay() {
    for step in [3_600_u64, 40 * 24 * 3_600] {
        let rig = Rig::new();
        for _ in 0..6 {
            let (_, wait) = rig.fail_until_delayed("alice", Source::Unknown).await;
            rig.forward(wait);
        }
        rig.fail_until_delayed("alice", Source::Unknown).await;
        rig.clock.back(Duration::from_secs(step));
        let wait = rig.fail("alice", Source::Unknown).await.unwrap_err();
        assert!(wait <= 900, "{wait}");
        rig.forward(wait);
        rig.fail("alice", Source::Unknown).await.unwrap();
        rig.clock.forward(Duration::from_secs(step));
        rig.fail("alice", Source::Unknown).await.unwrap();
        rig.clock.back(Duration::from_secs(step));
        assert!(rig.fail("alice", Source::Unknown).await.map_or_else(|wait| wait <= 900, |()| true));
    }
    let rig = Rig::new();
    for account in 0..50 {
        rig.fail(&account.to_string(), at("192.0.2.1")).await.unwrap();
    }
    rig.clock.back(Duration::from_secs(3_600));
    assert_eq!(rig.fail("alice", at("192.0.2.1")).await, Err(12));
}

#[tokio::test]
async fn m6_a_million_sources_fit_and_who_delays_still_does() {
    let rig = Rig::with(ThrottleSettings { counters: 10_000, ..ThrottleSettings::default() });
    let active: Vec<_> = (0..100).map(|n| numbered(0xF000_0000 + n)).collect();
    for source in &active {
        for account in 0..50 {
            // Counters of clients, whose failures make no other than their source's heavy.
            let attempt = rig.throttle.client(&account.to_string(), *source, None).await.unwrap();
            attempt.settle(Outcome::Failure);
        }
    }
    for _ in 0..10 {
        rig.throttle.client("owner", numbered(0), None).await.unwrap().settle(Outcome::Failure);
    }
    for n in 1..=1_000_000 {
        let counters = [of_source(ThrottleSettings::default(), u128::to_be_bytes(n))];
        assert_eq!(rig.memory.begin(&counters, &*rig.clock).await.unwrap(), Verdict::Go);
        rig.memory.settle(&counters, Outcome::Failure, NOW);
        assert!(rig.memory.len() <= 10_000);
    }
    for source in active {
        assert!(rig.throttle.client("another", source, None).await.is_err(), "{source}");
    }
    assert!(rig.throttle.client("owner", numbered(0), None).await.is_err());
}

#[tokio::test]
async fn m6_what_has_expired_goes_first_and_known_sources_are_bounded_too() {
    let rig = Rig::with(ThrottleSettings { counters: 8, ..ThrottleSettings::default() });
    for n in 0..8 {
        rig.fail(&format!("old{n}"), Source::Unknown).await.unwrap();
        rig.fail(&format!("old{n}"), Source::Unknown).await.unwrap();
    }
    rig.forward(24 * 60 * 60);
    for n in 0..8 {
        rig.fail(&format!("new{n}"), Source::Unknown).await.unwrap();
    }
    assert_eq!(rig.memory.len(), 8);
    for n in 0..8 {
        for _ in 0..9 {
            rig.fail(&format!("new{n}"), Source::Unknown).await.unwrap();
        }
        assert!(rig.fail(&format!("new{n}"), Source::Unknown).await.is_err(), "none of the new went");
    }
    let pair = |n: u8| {
        let key = |what| Key::of(what, &[&[n]]);
        Pair { key: key(What::KnownPair), whose: key(What::Account), most: 64 }
    };
    for n in 0..100 {
        rig.memory.know(pair(n), NOW.plus(Duration::from_secs(n.into())));
    }
    let mut known = 0;
    for n in 0..100 {
        known += usize::from(rig.memory.is_known(pair(n), NOW).await.unwrap());
    }
    assert_eq!(known, 8);
    assert!(rig.memory.is_known(pair(99), NOW).await.unwrap());
    // Many sources of one account take the places of its own first.
    for n in 100..200 {
        rig.memory.know(Pair { whose: pair(99).whose, most: 4, ..pair(n) }, NOW.plus(Duration::from_secs(n.into())));
    }
    let mut others = 0;
    for n in 0..99 {
        others += usize::from(rig.memory.is_known(pair(n), NOW).await.unwrap());
    }
    assert_eq!(others, 4, "those that it needs, and no more");
    assert!(!rig.memory.is_known(pair(99), NOW).await.unwrap());
}

#[tokio::test]
async fn d13_of_many_sources_of_a_client_those_are_known_that_were_good_last() {
    let rig = Rig::new();
    let from = |n: usize| Source::of(Ipv4Addr::from(u32::try_from(n).unwrap()).into());
    let mut pairs = Vec::new();
    for n in 0..=KNOWN_OF_CLIENT {
        let attempt = rig.throttle.client("app", from(n), None).await.unwrap();
        pairs.push(attempt.pair.unwrap());
        attempt.settle(Outcome::Success);
        // The first is good again and again.
        rig.throttle.client("app", from(0), None).await.unwrap().settle(Outcome::Success);
    }
    for (n, pair) in pairs.into_iter().enumerate() {
        assert_eq!(rig.memory.is_known(pair, NOW).await.unwrap(), n != 1, "{n}");
    }
}

#[tokio::test]
async fn m6_one_that_delays_stays_though_others_count_more() {
    let rig = Rig::with(ThrottleSettings { counters: 8, ..ThrottleSettings::default() });
    let rule = Rule::Growing { free: 1, first: 30, longest: 900 };
    let delaying = [Counter { what: What::Account, key: Key::of(What::Account, &[b"alice"]), rule }];
    let fail = async |counters: &[Counter]| {
        let verdict = rig.memory.begin(counters, &*rig.clock).await.unwrap();
        if verdict == Verdict::Go {
            rig.memory.settle(counters, Outcome::Failure, NOW);
        }
        verdict
    };
    fail(&delaying).await;
    for n in 0..100_u128 {
        let busy = [of_source(ThrottleSettings::default(), n.to_be_bytes())];
        for _ in 0..5 {
            assert_eq!(fail(&busy).await, Verdict::Go);
        }
    }
    assert!(matches!(fail(&delaying).await, Verdict::Delayed { .. }));
}

fn rules() -> impl Strategy<Value = Rule> {
    prop_oneof![
        (1..20_u32, 1..60_u32, 60..3_600_u32).prop_map(|(free, first, longest)| Rule::Growing { free, first, longest }),
        (1..60_u32, 60..3_600_u32).prop_map(|(first, longest)| Rule::Following { first, longest }),
        (1..100_u32, 1..60_u32, 1..60_u32).prop_map(|(burst, refill, period)| Rule::Leaky { burst, refill, period }),
    ]
}

proptest! {
    /// Whatever happens, and however the clock goes: nobody waits longer than the longest delay from now, and a minute if the
    /// clock went back by less.
    #[test]
    fn d13_no_delay_is_longer_than_the_longest(
        rule in rules(),
        steps in prop::collection::vec((0..3_u8, -4_000..4_000_i64, 0..2_000_u32), 0..200),
    ) {
        let (mut tally, mut now) = (Tally::default(), NOW);
        let longest = match rule {
            Rule::Growing { longest, .. } | Rule::Following { longest, .. } => longest,
            Rule::Leaky { refill, period, .. } => period.div_ceil(refill),
        };
        for (outcome, passed, slowest) in steps {
            now = Timestamp::from_seconds(now.seconds() + passed);
            match tally.room(rule, now) {
                Room::Free => {
                    tally.reserve();
                    let outcome = [Outcome::Success, Outcome::Failure, Outcome::Undecided][usize::from(outcome)];
                    tally.settle(rule, outcome, now, slowest);
                }
                Room::Taken => prop_assert!(false, "nothing is under way"),
                Room::Closed(until) => {
                    prop_assert!(until > now && until <= now.plus(Duration::from_secs(60 + u64::from(longest))));
                }
            }
        }
    }

    /// However many are begun at once: those that fail are no more than one after the other could have been.
    #[test]
    fn a_tally_survives_as_bytes_and_is_forgotten_when_it_says(
        rule in rules(),
        failures in 1..60_usize,
        under_way in 0..3_usize,
    ) {
        let mut tally = Tally::default();
        for _ in 0..failures {
            tally.reserve();
            tally.settle(rule, Outcome::Failure, NOW, 30);
        }
        for _ in 0..under_way {
            tally.reserve();
        }
        prop_assert_eq!(Tally::from_bytes(&tally.to_bytes()), Some(tally));
        prop_assert_eq!(Tally::from_bytes(&tally.to_bytes()[1..]), None);
        tally.abandon();
        let at = tally.forgotten_at(rule);
        prop_assert!(tally.is_forgotten(rule, at));
    }

    #[test]
    fn d15_parallel_failures_are_no_more_than_the_free_ones(rule in rules(), asked in 1..200_usize) {
        let mut tally = Tally::default();
        let mut begun = 0;
        while begun < asked && tally.room(rule, NOW) == Room::Free {
            tally.reserve();
            begun += 1;
        }
        let most = match rule {
            Rule::Growing { free, .. } => free as usize,
            Rule::Leaky { burst, .. } => burst as usize,
            Rule::Following { .. } => usize::MAX,
        };
        prop_assert_eq!(begun, asked.min(most));
        for _ in 0..begun {
            tally.settle(rule, Outcome::Failure, NOW, 0);
        }
        let is_free = tally.room(rule, NOW) == Room::Free;
        prop_assert_eq!(is_free, begun < most);
    }
}
