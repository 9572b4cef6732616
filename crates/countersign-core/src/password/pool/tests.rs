//! What the pool does when it is full, left alone, broken or gone.

use std::{
    future::Future,
    num::NonZeroUsize,
    pin::{Pin, pin},
    sync::{Mutex, mpsc},
    task::{Context, Poll, Waker},
};

use super::*;
use crate::clock::SeededRng;

/// Holds each thread that asks for a salt until the test lets it go on.
#[derive(Debug)]
struct Gate {
    arrived: Mutex<mpsc::Sender<()>>,
    opened: Mutex<mpsc::Receiver<()>>,
}

impl Rng for Gate {
    fn fill(&self, _: &mut [u8]) {
        let _ = self.arrived.lock().expect("no panic").send(());
        // An error means that the gate is open for good.
        let _ = self.opened.lock().expect("no panic").recv();
    }
}

/// A stopwatch that stands still until a test turns it.
#[derive(Debug, Default)]
struct Turned(AtomicU64);

impl Turned {
    fn forward(&self, milliseconds: u64) {
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

impl Stopwatch for Turned {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

struct Gated {
    pool: HashingPool,
    arrived: mpsc::Receiver<()>,
    gate: mpsc::Sender<()>,
    stopwatch: Arc<Turned>,
}

impl Gated {
    fn new(threads: usize, queue: usize) -> Self {
        Self::with(settings(threads, queue))
    }

    fn with(settings: HashingSettings) -> Self {
        let (arrive, arrived) = mpsc::channel();
        let (gate, opened) = mpsc::channel();
        let rng = Gate { arrived: Mutex::new(arrive), opened: Mutex::new(opened) };
        let stopwatch = Arc::new(Turned::default());
        let pool = HashingPool::timed_by(stopwatch.clone(), settings, Arc::new(rng)).expect("threads");
        Self { pool, arrived, gate, stopwatch }
    }
}

/// Asks once; nobody is woken by the answer.
fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn settings(threads: usize, queue: usize) -> HashingSettings {
    let threads = NonZeroUsize::new(threads).expect("some");
    HashingSettings { threads, queue, ..HashingSettings::of_cost(Argon2Cost::weak_for_tests()) }
}

/// The answer where the line is short.
const BUSY: Busy = Busy { retry_after: Duration::from_secs(1) };

fn password() -> Password {
    Password::typed("correct horse").expect("a password")
}

fn small_pool() -> HashingPool {
    HashingPool::new(settings(1, 4), Arc::new(SeededRng::new(1))).expect("threads")
}

#[tokio::test]
async fn m2_what_does_not_fit_the_queue_is_busy_and_never_hashed() {
    let Gated { pool, arrived, gate, .. } = &Gated::new(2, 16);
    let mut occupying = Vec::new();
    for _ in 0..2 {
        let mut hash = Box::pin(pool.hash(password()));
        assert!(poll(hash.as_mut()).is_pending());
        arrived.recv().expect("a thread");
        occupying.push(hash);
    }
    let (mut busy, mut waiting) = (0, Vec::new());
    for _ in 0..1_000 {
        let mut login = Box::pin(pool.verify(password(), None));
        match poll(login.as_mut()) {
            Poll::Ready(answer) => {
                assert_eq!(answer, Err(BUSY));
                busy += 1;
            }
            Poll::Pending => waiting.push(login),
        }
    }
    assert_eq!((busy, waiting.len()), (984, 16));
    assert_eq!(pool.hashes_computed(), 0, "both threads stand at the gate");
    for hash in occupying {
        gate.send(()).expect("open");
        assert!(hash.await.is_ok());
    }
    for login in waiting {
        assert_eq!(login.await, Ok(Verification::Mismatch));
    }
    assert_eq!(pool.hashes_computed(), 18);
    assert!(BUSY.retry_after >= Duration::from_secs(1), "Retry-After is in whole seconds");
}

#[tokio::test]
async fn m2_a_caller_who_hung_up_is_not_hashed_for_and_leaves_their_place() {
    let Gated { pool, arrived, gate, .. } = &Gated::new(1, 2);
    let mut first = pin!(pool.hash(password()));
    assert!(poll(first.as_mut()).is_pending());
    arrived.recv().expect("the thread");
    for _ in 0..2 {
        let mut hung_up = Box::pin(pool.verify(password(), None));
        assert!(poll(hung_up.as_mut()).is_pending());
    }
    // The queue is full of callers who are gone, so there is room.
    let mut patient = pin!(pool.verify(password(), None));
    assert!(poll(patient.as_mut()).is_pending());
    let mut abandoned = Box::pin(pool.verify(password(), None));
    assert!(poll(abandoned.as_mut()).is_pending());
    drop(abandoned);
    gate.send(()).expect("open");
    assert!(first.await.is_ok());
    assert_eq!(patient.await, Ok(Verification::Mismatch));
    assert_eq!(pool.verify(password(), None).await, Ok(Verification::Mismatch));
    assert_eq!(pool.hashes_computed(), 3, "the first, the patient one and the last");
}

#[tokio::test]
async fn m2_without_a_queue_only_an_idle_thread_takes_a_job() {
    let Gated { pool, arrived, gate, .. } = &Gated::new(1, 0);
    let mut first = pin!(pool.hash(password()));
    assert!(poll(first.as_mut()).is_pending());
    arrived.recv().expect("the thread");
    assert_eq!(pool.verify(password(), None).await, Err(BUSY));
    gate.send(()).expect("open");
    assert!(first.await.is_ok());
}

#[tokio::test]
async fn m2_who_waited_too_long_is_busy_and_not_hashed_for() {
    let Gated { pool, arrived, gate, stopwatch } = &Gated::new(1, 4);
    let mut first = pin!(pool.hash(password()));
    assert!(poll(first.as_mut()).is_pending());
    arrived.recv().expect("the thread");
    let mut too_long = pin!(pool.verify(password(), None));
    assert!(poll(too_long.as_mut()).is_pending());
    stopwatch.forward(1);
    let mut just_so_long = pin!(pool.verify(password(), None));
    assert!(poll(just_so_long.as_mut()).is_pending());
    stopwatch.forward(5_000);
    gate.send(()).expect("open");
    assert!(first.await.is_ok(), "what a thread has begun it finishes");
    assert_eq!(just_so_long.await, Ok(Verification::Mismatch));
    assert!(matches!(too_long.await, Err(Busy { .. })));
    assert_eq!(pool.hashes_computed(), 2);
}

#[tokio::test]
async fn m2_who_waited_too_long_leaves_when_the_next_comes() {
    let Gated { pool, arrived, gate, stopwatch } = &Gated::new(1, 1);
    let mut first = pin!(pool.hash(password()));
    assert!(poll(first.as_mut()).is_pending());
    arrived.recv().expect("the thread");
    let mut too_long = pin!(pool.verify(password(), None));
    assert!(poll(too_long.as_mut()).is_pending());
    stopwatch.forward(5_001);
    let mut next = pin!(pool.verify(password(), None));
    assert!(poll(next.as_mut()).is_pending(), "there is room");
    assert_eq!(poll(too_long.as_mut()), Poll::Ready(Err(BUSY)), "though no thread is free");
    gate.send(()).expect("open");
    assert!(first.await.is_ok());
    assert_eq!(next.await, Ok(Verification::Mismatch));
}

/// The time to wait that is told when four wait and one is hashed for, each of which takes 3.05 seconds.
async fn told_of_five_times_three_seconds_and_some(longest_wait: u64) -> Duration {
    let settings = HashingSettings { longest_wait: Duration::from_secs(longest_wait), ..settings(1, 4) };
    let Gated { pool, arrived, gate, stopwatch } = &Gated::with(settings);
    let mut first = pin!(pool.hash(password()));
    assert!(poll(first.as_mut()).is_pending());
    arrived.recv().expect("the thread");
    stopwatch.forward(3_050);
    let mut second = pin!(pool.hash(password()));
    assert!(poll(second.as_mut()).is_pending());
    gate.send(()).expect("open");
    // The thread is at the second, so that it is done with the first.
    arrived.recv().expect("the thread");
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let mut login = Box::pin(pool.verify(password(), None));
        assert!(poll(login.as_mut()).is_pending());
        waiting.push(login);
    }
    let busy = pool.verify(password(), None).await.expect_err("no room");
    gate.send(()).expect("open");
    busy.retry_after
}

#[tokio::test]
async fn m2_the_time_to_wait_is_that_of_the_line_and_no_longer_than_anybody_stands_in_it() {
    assert_eq!(told_of_five_times_three_seconds_and_some(60).await, Duration::from_secs(16));
    assert_eq!(told_of_five_times_three_seconds_and_some(7).await, Duration::from_secs(7));
}

#[test]
fn m2_the_time_to_wait_counts_threads_and_what_a_hash_took_of_late() {
    let stopwatch = Arc::new(Turned::default());
    let settings = HashingSettings { longest_wait: Duration::from_secs(60), ..settings(2, 8) };
    let line = Line::new(settings, stopwatch.clone());
    let mut askers = Vec::new();
    let mut put = || {
        let (reply, asker) = oneshot::channel();
        askers.push(asker);
        line.put(Job::Panic { reply }).expect("room");
    };
    let told = |seconds| Busy { retry_after: Duration::from_secs(seconds) };
    assert_eq!(line.busy(), told(1), "nothing is known yet");
    put();
    let taken = line.take().expect("a job");
    stopwatch.forward(4_000);
    line.done(taken.at);
    for _ in 0..5 {
        put();
    }
    let working = [line.take().expect("a job"), line.take().expect("a job")];
    assert_eq!(line.busy(), told(10), "two at work and three in line, 4 seconds each, on two threads");
    stopwatch.forward(20_000);
    line.done(working[0].at);
    assert_eq!(line.busy(), told(12), "one and three, 6 seconds each");
}

/// Notes how nice each thread is that asks for a salt.
#[cfg(target_os = "linux")]
#[derive(Debug, Default)]
struct Niceness(Mutex<Vec<i32>>);

#[cfg(target_os = "linux")]
impl Niceness {
    fn of_this_thread() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("Linux");
        let (_, fields) = stat.rsplit_once(") ").expect("a name");
        fields.split(' ').nth(16).expect("its niceness, proc_pid_stat(5)").parse().expect("a number")
    }
}

#[cfg(target_os = "linux")]
impl Rng for Niceness {
    fn fill(&self, _: &mut [u8]) {
        self.0.lock().expect("no panic").push(Self::of_this_thread());
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn m2_hashing_threads_are_nicer_than_the_rest_as_far_as_it_is_set() {
    let rest = Niceness::of_this_thread();
    for (priority, steps) in [
        (HashingPriority::Normal, 0),
        (HashingPriority::Below(7), 7),
        (settings(1, 1).priority, 5),
        (HashingPriority::Below(u8::MAX), 40),
    ] {
        let noted = Arc::new(Niceness::default());
        let settings = HashingSettings { priority, ..settings(1, 1) };
        let pool = HashingPool::new(settings, noted.clone()).expect("threads");
        pool.hash(password()).await.expect("room");
        assert_eq!(*noted.0.lock().expect("no panic"), [(rest + steps).min(19)], "{priority:?}");
        assert_eq!(Niceness::of_this_thread(), rest);
    }
}

#[tokio::test]
async fn m2_a_foreign_cost_leaves_no_memory_behind() {
    let mut hasher = Hasher::new(Argon2Cost::weak_for_tests());
    hasher.hash(b"x", &[0; SALT_BYTES]).expect("memory");
    let foreign = Hasher::new(Argon2Cost::OWASP).hash(b"correct horse", &[0; SALT_BYTES]).expect("memory");
    let stored = Stored::parse(&foreign).expect("well formed");
    assert_eq!(stored.compare(&password(), &mut hasher).expect("memory"), Comparison::Equal);
    assert_eq!(hasher.kept_kib(), 64);
}

#[tokio::test]
async fn m2_a_panic_in_a_job_is_busy_for_its_asker_and_the_pool_lives_on() {
    let pool = small_pool();
    assert_eq!(pool.ask(|reply| Job::Panic { reply }).await, Err(BUSY));
    assert_eq!(pool.verify(password(), None).await, Ok(Verification::Mismatch));
    let hash = pool.hash(password()).await.expect("room");
    assert_eq!(pool.verify(password(), Some(hash)).await, Ok(Verification::Matches(Strength::Current)));
}

#[tokio::test]
async fn m2_a_dropped_pool_ends_its_threads() {
    let mut pool = small_pool();
    assert_eq!(pool.verify(password(), None).await, Ok(Verification::Mismatch));
    let names: Vec<_> = pool.threads.iter().map(|thread| thread.thread().name().map(str::to_owned)).collect();
    assert_eq!(names, [Some("countersign-hash-1".to_owned())]);
    let threads = std::mem::take(&mut pool.threads);
    let shared = Arc::clone(&pool.shared);
    drop(pool);
    for thread in threads {
        thread.join().expect("a quiet end");
    }
    let (reply, _answer) = oneshot::channel();
    assert_eq!(shared.line.put(Job::Panic { reply }), Err(BUSY), "an ended pool takes no job");
}
