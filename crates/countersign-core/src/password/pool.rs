//! The hashing pool: a few threads of their own and a bounded queue, so that logins never stall the server.

mod line;
mod settings;

use std::{
    fmt,
    hint::black_box,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use thiserror::Error;
use tokio::sync::oneshot;
use tracing::Instrument;

use self::line::{Line, Taken};
pub use self::settings::{HashingPriority, HashingSettings, memory_limit};
use super::{
    Argon2Cost, Password, PasswordHash, UnsupportedHash,
    argon2::{Hasher, OutOfMemory, SALT_BYTES},
    scheme::Stored,
    stored::Comparison,
};
use crate::{
    clock::{Rng, Stopwatch, System},
    meters::SPANS,
};

/// What came of comparing a password with a stored hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// It is the password.
    Matches(Strength),
    /// It is not, or there is no such user.
    Mismatch,
    /// The stored hash cannot be verified. To the outside this is a mismatch; the log says why.
    Malformed,
}

/// Whether a stored hash is what a new one would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// It is of the current scheme and cost.
    Current,
    /// It is of another scheme or cost, and should be replaced by a new hash of the same password.
    Outdated,
}

/// There is no room in the queue, or the wait in it was too long, or there is no memory, or the pool has ended: nothing is
/// known about the password.
///
/// The answer to it is 503 with `Retry-After`, never a failed login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many passwords are waiting to be hashed")]
pub struct Busy {
    /// When it is worth trying again, in whole seconds: those who wait now will have been answered, if hashing goes on as fast
    /// as it did of late.
    pub retry_after: Duration,
}

/// Threads that hash passwords. Share it behind an `Arc`; when it is dropped, what waits is [`Busy`] and the threads end.
///
/// Memory: each thread keeps that of one hash of the current cost. A stored hash of another cost takes its own while it is
/// verified, at most 256 MiB, and gives it back.
///
/// Time: an unknown user, a wrong password and an unreadable hash cost one hash each, of the current cost. A wrong password
/// against a hash that still awaits its upgrade costs what that hash says.
pub struct HashingPool {
    shared: Arc<Shared>,
    /// Never joined, since a drop must not wait; tests do.
    threads: Vec<thread::JoinHandle<()>>,
}

impl HashingPool {
    /// Starts the threads. `rng` gives the salts; how long somebody waits goes by the system's stopwatch.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn new(settings: HashingSettings, rng: Arc<dyn Rng>) -> io::Result<Self> {
        Self::timed_by(System::stopwatch(), settings, rng)
    }

    /// As [`HashingPool::new`], with another stopwatch: for tests.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn timed_by(stopwatch: Arc<dyn Stopwatch>, settings: HashingSettings, rng: Arc<dyn Rng>) -> io::Result<Self> {
        let line = Line::new(settings, stopwatch);
        let shared = Arc::new(Shared { line, rng, hashes_computed: AtomicU64::new(0) });
        let mut pool = Self { shared, threads: Vec::new() };
        for number in 1..=settings.threads.get() {
            let shared = Arc::clone(&pool.shared);
            let mut worker = Worker { shared, cost: settings.cost, hasher: Hasher::new(settings.cost) };
            let thread = thread::Builder::new().name(format!("countersign-hash-{number}"));
            pool.threads.push(thread.spawn(move || {
                settings.priority.take();
                worker.run();
            })?);
        }
        Ok(pool)
    }

    /// Hashes a new password at the current cost.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, Busy> {
        self.ask(|reply| Job::Hash { password, reply }).await?.map_err(|OutOfMemory| self.busy())
    }

    /// Compares a password with a stored hash; `None` stands for a user who does not exist and costs the same.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn verify(&self, password: Password, stored: Option<PasswordHash>) -> Result<Verification, Busy> {
        let answer = self.ask(|reply| Job::Verify { password, stored, reply }).await?;
        answer.map_err(|OutOfMemory| self.busy())?.or_else(|reason| {
            tracing::error!(event = "hash", outcome = "failure", %reason, "a stored password hash cannot be verified: its user cannot log in");
            Ok(Verification::Malformed)
        })
    }

    /// How many hashes were computed so far, of any scheme: equal cost can be proven without a stopwatch.
    #[must_use]
    pub fn hashes_computed(&self) -> u64 {
        self.shared.hashes_computed.load(Ordering::SeqCst)
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, Busy> {
        let (reply, answer) = oneshot::channel();
        self.shared.line.put(job(reply))?;
        answer.instrument(tracing::trace_span!(target: SPANS, "hash")).await.map_err(|_| self.busy())
    }

    fn busy(&self) -> Busy {
        self.shared.line.busy()
    }
}

impl Drop for HashingPool {
    fn drop(&mut self) {
        self.shared.line.end();
    }
}

impl fmt::Debug for HashingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashingPool").field("hashes_computed", &self.hashes_computed()).finish_non_exhaustive()
    }
}

/// A question to the pool and where its answer goes.
enum Job {
    Hash {
        password: Password,
        reply: oneshot::Sender<Result<PasswordHash, OutOfMemory>>,
    },
    Verify {
        password: Password,
        stored: Option<PasswordHash>,
        reply: oneshot::Sender<Result<Result<Verification, UnsupportedHash>, OutOfMemory>>,
    },
    #[cfg(test)]
    Panic {
        reply: oneshot::Sender<()>,
    },
}

impl Job {
    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Hash { reply, .. } => reply.is_closed(),
            Self::Verify { reply, .. } => reply.is_closed(),
            #[cfg(test)]
            Self::Panic { reply } => reply.is_closed(),
        }
    }
}

struct Shared {
    line: Line,
    rng: Arc<dyn Rng>,
    hashes_computed: AtomicU64,
}

struct Worker {
    shared: Arc<Shared>,
    cost: Argon2Cost,
    hasher: Hasher,
}

impl Worker {
    fn run(&mut self) {
        while let Some(Taken { job, at }) = self.shared.line.take() {
            // The asker of a job that panics finds the reply dropped, and that is `Busy`.
            if catch_unwind(AssertUnwindSafe(|| self.answer(job, at))).is_err() {
                tracing::error!(
                    event = "hash",
                    outcome = "failure",
                    "hashing a password panicked: its asker is told to try again"
                );
                self.hasher = Hasher::new(self.cost);
                self.shared.line.done(at);
            }
        }
    }

    fn answer(&mut self, job: Job, taken_at: Duration) {
        match job {
            Job::Hash { password, reply } => {
                let answer = self.hash(&password);
                self.tell(reply, answer, taken_at);
            }
            Job::Verify { password, stored, reply } => {
                let answer = self.verify(&password, stored.as_ref());
                self.tell(reply, answer, taken_at);
            }
            #[cfg(test)]
            Job::Panic { .. } => panic!("a test wants to see this"),
        }
    }

    /// Counts first: who has heard the answer finds it among the figures. An asker who hung up meanwhile is no error.
    fn tell<T>(&self, asker: oneshot::Sender<T>, answer: T, taken_at: Duration) {
        self.shared.line.done(taken_at);
        drop(asker.send(answer));
    }

    fn hash(&mut self, password: &Password) -> Result<PasswordHash, OutOfMemory> {
        let mut salt = [0; SALT_BYTES];
        self.shared.rng.fill(&mut salt);
        self.count();
        self.hasher.hash(password.secret().as_bytes(), &salt)
    }

    /// Each way through here computes one hash.
    fn verify(
        &mut self,
        password: &Password,
        stored: Option<&PasswordHash>,
    ) -> Result<Result<Verification, UnsupportedHash>, OutOfMemory> {
        let stored = match stored.map(Stored::parse) {
            Some(Ok(stored)) => stored,
            Some(Err(reason)) => return self.hash_in_vain(password).map(|()| Err(reason)),
            None => return self.hash_in_vain(password).map(|()| Ok(Verification::Mismatch)),
        };
        match stored.compare(password, &mut self.hasher)? {
            Comparison::Equal => {
                self.count();
                Ok(Ok(Verification::Matches(stored.strength(self.cost))))
            }
            Comparison::Different => {
                self.count();
                Ok(Ok(Verification::Mismatch))
            }
            Comparison::NotComputed => self.hash_in_vain(password).map(|()| Ok(Verification::Mismatch)),
        }
    }

    /// Costs what a comparison with a hash of the current cost does.
    fn hash_in_vain(&mut self, password: &Password) -> Result<(), OutOfMemory> {
        self.count();
        black_box(self.hasher.hash(password.secret().as_bytes(), &[0; SALT_BYTES])?);
        Ok(())
    }

    fn count(&self) {
        self.shared.hashes_computed.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests;
