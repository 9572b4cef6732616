//! Tests of many who want to know at once what has ended, while the feed takes its time, or never answers.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{sync::Semaphore, task::JoinSet, time};

use crate::{
    clock::{Clock, Stopwatch, Timestamp, TurnableClock},
    store::{Ended, Epoch, Feed, FeedEntry, StoreError, memory::Memory},
    token::revoked::Revoked,
};

const NOW: Timestamp = Timestamp::from_seconds(super::NOW);

const SECOND: Duration = Duration::from_secs(1);

/// How long a feed takes that does not answer.
const HANGS: Duration = Duration::from_secs(2);

/// A feed of which each answer is under way until a test lets it come, or for some time if it never does.
#[derive(Debug)]
struct Held {
    asked: AtomicUsize,
    is_away: AtomicBool,
    gate: Semaphore,
    store: Memory,
}

impl Held {
    fn new() -> Self {
        let (asked, is_away, gate) = (AtomicUsize::new(0), AtomicBool::new(false), Semaphore::new(0));
        Self { asked, is_away, gate, store: Memory::new() }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn ends(&self, token: &str) {
        self.store.append_feed(&Ended::Token(token.to_owned()), NOW).await.unwrap();
    }
}

#[async_trait]
impl Feed for Held {
    async fn find_feed(&self, after: u64, limit: usize) -> Result<Vec<FeedEntry>, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.is_away.load(Ordering::SeqCst) {
            time::sleep(HANGS).await;
            return Err(StoreError::unavailable("canary"));
        }
        let answer = self.store.find_feed(after, limit).await;
        self.gate.acquire().await.unwrap().forget();
        answer
    }

    async fn append_feed(&self, ended: &Ended, until: Timestamp) -> Result<(), StoreError> {
        self.store.append_feed(ended, until).await
    }

    async fn begin_epoch(&self, now: Timestamp) -> Result<Epoch, StoreError> {
        self.store.begin_epoch(now).await
    }
}

/// Shows the time of the runtime, which stands still while anybody has anything to do.
#[derive(Debug)]
struct OfRuntime(time::Instant);

impl Clock for OfRuntime {
    fn now(&self) -> Timestamp {
        NOW.plus(self.0.elapsed())
    }
}

/// Shows so many seconds.
#[derive(Debug, Default)]
struct Turned(AtomicU64);

impl Stopwatch for Turned {
    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// What has come of something, if it has.
fn come<T>(future: &mut Pin<&mut impl Future<Output = T>>) -> Option<T> {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

#[tokio::test(start_paused = true)]
async fn n5_while_the_feed_hangs_nobody_waits_for_more_than_one_read_of_it() {
    for catches_up in [false, true] {
        let (revoked, feed) = (Arc::new(Revoked::new()), Arc::new(Held::new()));
        let clock = Arc::new(OfRuntime(time::Instant::now()));
        revoked.heard_all(NOW);
        feed.is_away.store(true, Ordering::SeqCst);
        let mut asking = JoinSet::new();
        for _ in 0..10 {
            time::sleep(SECOND).await;
            let (revoked, feed, clock) = (revoked.clone(), feed.clone(), clock.clone());
            asking.spawn(async move {
                let began = time::Instant::now();
                let heard = if catches_up {
                    revoked.catch_up(&*feed, &*clock).await
                } else {
                    revoked.keep_up(&*feed, &*clock).await
                };
                (began.elapsed(), heard.is_ok())
            });
        }
        let waited = asking.join_all().await;
        assert!(waited.iter().all(|(waited, _)| *waited <= HANGS), "{waited:?}");
        assert!((2..=5).contains(&feed.asked()), "{} times", feed.asked());
        let unheard = waited.iter().filter(|(_, is_ok)| !is_ok).count();
        // Who only keeps up goes by how old it is what was heard; only who reads tells of the failure.
        assert_eq!(unheard, if catches_up { 10 } else { feed.asked() });
        assert_eq!(revoked.heard_at(), Some(NOW));
    }
}

#[tokio::test(start_paused = true)]
async fn n5_a_read_that_failed_is_not_made_again_within_the_second_by_who_keeps_up() {
    let (revoked, feed, clock) = (Revoked::new(), Held::new(), OfRuntime(time::Instant::now()));
    feed.is_away.store(true, Ordering::SeqCst);
    assert!(revoked.catch_up(&feed, &clock).await.is_err());
    for (pause, asked) in [(0, 1), (999, 1), (1, 2)] {
        time::sleep(Duration::from_millis(pause)).await;
        assert_eq!(revoked.keep_up(&feed, &clock).await.is_err(), asked == 2);
        assert_eq!(feed.asked(), asked, "after {pause} ms");
    }
}

#[tokio::test]
async fn f4_those_who_wait_share_the_next_read_and_take_no_answer_to_a_question_from_before_they_came() {
    let (revoked, feed, clock) = (Revoked::new(), Held::new(), TurnableClock::at(NOW));
    let mut first = pin!(revoked.catch_up(&feed, &clock));
    assert!(come(&mut first).is_none());
    feed.ends("a").await;
    let (mut second, mut third) = (pin!(revoked.catch_up(&feed, &clock)), pin!(revoked.catch_up(&feed, &clock)));
    assert!(come(&mut second).is_none() && come(&mut third).is_none());
    clock.forward(SECOND);
    let mut keeps_up = pin!(revoked.keep_up(&feed, &clock));
    assert!(come(&mut keeps_up).is_none());
    feed.gate.add_permits(1);
    assert!(come(&mut first).unwrap().is_ok());
    assert_eq!((revoked.len(), revoked.heard_at()), (0, Some(NOW)), "what was heard is as old as the question");
    assert!(come(&mut second).is_none(), "the answer may be older than what has ended");
    feed.ends("b").await;
    let mut last = pin!(revoked.catch_up(&feed, &clock));
    assert!(come(&mut last).is_none());
    clock.forward(SECOND);
    feed.gate.add_permits(1);
    assert!(come(&mut second).unwrap().is_ok());
    assert_eq!((revoked.len(), feed.asked(), revoked.heard_at()), (1, 2, Some(NOW.plus(SECOND))));
    assert!(come(&mut third).unwrap().is_ok() && come(&mut keeps_up).unwrap().is_ok());
    assert_eq!(feed.asked(), 2, "one read is for all who waited");
    assert!(come(&mut last).is_none(), "but for who came after");
    feed.gate.add_permits(1);
    assert!(come(&mut last).unwrap().is_ok());
    assert_eq!((revoked.len(), feed.asked()), (2, 3));
}

#[tokio::test]
async fn f4_who_keeps_up_takes_an_answer_of_the_same_second_and_no_older_one() {
    for (passes, asked) in [(Duration::ZERO, 1), (SECOND, 2)] {
        let (revoked, feed, clock) = (Revoked::new(), Held::new(), TurnableClock::at(NOW));
        let mut first = pin!(revoked.keep_up(&feed, &clock));
        assert!(come(&mut first).is_none());
        clock.forward(passes);
        let mut second = pin!(revoked.keep_up(&feed, &clock));
        assert!(come(&mut second).is_none());
        feed.gate.add_permits(2);
        assert!(come(&mut first).unwrap().is_ok() && come(&mut second).unwrap().is_ok());
        assert_eq!((feed.asked(), revoked.heard_at()), (asked, Some(clock.now())));
    }
}

#[tokio::test]
async fn n5_who_goes_away_while_it_reads_stops_nobody_and_serves_nobody() {
    let (revoked, feed, clock) = (Revoked::new(), Held::new(), TurnableClock::at(NOW));
    let (mut second, mut third) = (pin!(revoked.catch_up(&feed, &clock)), pin!(revoked.keep_up(&feed, &clock)));
    {
        let mut gone = pin!(revoked.catch_up(&feed, &clock));
        assert!(come(&mut gone).is_none() && come(&mut second).is_none() && come(&mut third).is_none());
    }
    feed.ends("a").await;
    assert!(come(&mut second).is_none());
    assert_eq!((feed.asked(), revoked.heard_at()), (2, None));
    feed.gate.add_permits(1);
    assert!(come(&mut second).unwrap().is_ok() && come(&mut third).unwrap().is_ok());
    assert_eq!((revoked.len(), feed.asked()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn n6_what_was_heard_before_the_clock_went_back_is_not_fresh_again_when_it_comes_there_again() {
    let (stopwatch, clock, feed) = (Arc::new(Turned::default()), TurnableClock::at(NOW), Held::new());
    let revoked = Revoked::timed_by(Some(stopwatch.clone()));
    feed.gate.add_permits(1);
    revoked.catch_up(&feed, &clock).await.unwrap();
    assert!(revoked.is_up_to(NOW));
    feed.is_away.store(true, Ordering::SeqCst);
    let hour = Duration::from_secs(60 * 60);
    clock.back(hour);
    assert_eq!(revoked.staleness(clock.now()), Some(hour));
    assert!(revoked.keep_up(&feed, &clock).await.is_err());
    clock.forward(hour);
    stopwatch.0.store(hour.as_secs(), Ordering::SeqCst);
    assert_eq!((revoked.staleness(clock.now()), revoked.is_up_to(clock.now())), (Some(hour), false));
    clock.forward(hour);
    assert_eq!(revoked.staleness(clock.now()), Some(hour), "by the clock, too");
}

#[tokio::test]
async fn n5_a_read_that_is_given_up_after_long_failed_and_then_nobody_waits_for_another_s() {
    let (stopwatch, clock, feed) = (Arc::new(Turned::default()), TurnableClock::at(NOW), Held::new());
    let revoked = Revoked::timed_by(Some(stopwatch.clone()));
    let (mut keeps_up, mut catches_up) = (pin!(revoked.keep_up(&feed, &clock)), pin!(revoked.catch_up(&feed, &clock)));
    {
        let mut gone = pin!(revoked.keep_up(&feed, &clock));
        assert!(come(&mut gone).is_none() && come(&mut keeps_up).is_none() && come(&mut catches_up).is_none());
        stopwatch.0.store(1, Ordering::SeqCst);
        clock.forward(SECOND);
    }
    assert!(come(&mut keeps_up).unwrap().is_ok() && come(&mut catches_up).unwrap().is_err());
    assert_eq!((feed.asked(), revoked.heard_at()), (1, None));

    assert!(come(&mut pin!(revoked.keep_up(&feed, &clock))).unwrap().is_ok(), "not again within the second");
    clock.forward(SECOND);
    let (mut next, mut beside) = (pin!(revoked.keep_up(&feed, &clock)), pin!(revoked.keep_up(&feed, &clock)));
    assert!(come(&mut next).is_none());
    assert!(come(&mut beside).unwrap().is_ok());
    feed.gate.add_permits(1);
    assert!(come(&mut next).unwrap().is_ok());
    assert_eq!((feed.asked(), revoked.heard_at()), (2, Some(clock.now())));

    clock.forward(SECOND);
    let (mut next, mut beside) = (pin!(revoked.keep_up(&feed, &clock)), pin!(revoked.keep_up(&feed, &clock)));
    assert!(come(&mut next).is_none() && come(&mut beside).is_none(), "it answers again");
    feed.gate.add_permits(1);
    assert!(come(&mut next).unwrap().is_ok() && come(&mut beside).unwrap().is_ok());
    assert_eq!(feed.asked(), 3);
}
