//! What the pool does when it is full, left alone, broken or gone.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::mpsc,
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

struct Gated {
    pool: HashingPool,
    arrived: mpsc::Receiver<()>,
    gate: mpsc::Sender<()>,
}

impl Gated {
    fn new(threads: usize, queue: usize) -> Self {
        let (arrive, arrived) = mpsc::channel();
        let (gate, opened) = mpsc::channel();
        let rng = Gate { arrived: Mutex::new(arrive), opened: Mutex::new(opened) };
        let pool = HashingPool::new(settings(threads, queue), Arc::new(rng)).expect("threads");
        Self { pool, arrived, gate }
    }
}

/// Asks once; nobody is woken by the answer.
fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn settings(threads: usize, queue: usize) -> HashingSettings {
    let threads = NonZeroUsize::new(threads).expect("some");
    HashingSettings { threads, queue, cost: Argon2Cost::weak_for_tests() }
}

fn password() -> Password {
    Password::typed("correct horse").expect("a password")
}

fn small_pool() -> HashingPool {
    HashingPool::new(settings(1, 4), Arc::new(SeededRng::new(1))).expect("threads")
}

#[tokio::test]
async fn m2_what_does_not_fit_the_queue_is_busy_and_never_hashed() {
    let Gated { pool, arrived, gate } = &Gated::new(2, 16);
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
    let Gated { pool, arrived, gate } = &Gated::new(1, 2);
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
    let Gated { pool, arrived, gate } = &Gated::new(1, 0);
    let mut first = pin!(pool.hash(password()));
    assert!(poll(first.as_mut()).is_pending());
    arrived.recv().expect("the thread");
    assert_eq!(pool.verify(password(), None).await, Err(BUSY));
    gate.send(()).expect("open");
    assert!(first.await.is_ok());
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
    assert_eq!(shared.put(Job::Panic { reply }), Err(BUSY), "an ended pool takes no job");
}
