//! The line before the hashing threads: bounded in length and in time, and honest about how long it is.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Busy, HashingSettings, Job};
use crate::{clock::Stopwatch, meters::HashMeters};

/// Jobs that wait, and the threads that wait for jobs.
pub(super) struct Line {
    queue: Mutex<Queue>,
    wake: Condvar,
    settings: HashingSettings,
    stopwatch: Arc<dyn Stopwatch>,
    meters: HashMeters,
}

struct Queue {
    jobs: VecDeque<Waiting>,
    /// Threads that do nothing: a job for one of them does not wait.
    idle: usize,
    /// How long a thread has been at one job, of late. Nothing before the first.
    usual: Duration,
    state: State,
}

struct Waiting {
    job: Job,
    since: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Ended,
}

/// A job that a thread has taken, and when.
pub(super) struct Taken {
    pub(super) job: Job,
    pub(super) at: Duration,
}

/// The shortest wait that is told of: less cannot be said in whole seconds.
const SHORTEST_RETRY: Duration = Duration::from_secs(1);

/// What the last job weighs in what is usual: some ten jobs, and what was before is forgotten.
const WEIGHT_OF_LAST: u32 = 8;

impl Line {
    pub(super) fn new(settings: HashingSettings, stopwatch: Arc<dyn Stopwatch>) -> Self {
        let idle = settings.threads.get();
        let queue = Queue { jobs: VecDeque::new(), idle, usual: Duration::ZERO, state: State::Open };
        Self { queue: Mutex::new(queue), wake: Condvar::new(), settings, stopwatch, meters: HashMeters::new() }
    }

    /// Puts a job at the end. Those who have waited too long or hung up leave first.
    pub(super) fn put(&self, job: Job) -> Result<(), Busy> {
        let now = self.stopwatch.elapsed();
        let mut queue = self.lock();
        while queue.jobs.front().is_some_and(|first| self.is_overdue(first, now)) {
            queue.jobs.pop_front();
            self.meters.refused();
        }
        if self.is_full(&queue) {
            queue.jobs.retain(|waiting| !waiting.job.is_abandoned());
        }
        if self.is_full(&queue) || queue.state == State::Ended {
            self.meters.refused();
            return Err(self.busy_with(&queue));
        }
        queue.jobs.push_back(Waiting { job, since: now });
        self.meters.waiting(queue.jobs.len());
        self.wake.notify_one();
        Ok(())
    }

    /// The next job that somebody still waits for; `None` when the pool has ended.
    pub(super) fn take(&self) -> Option<Taken> {
        let mut queue = self.lock();
        loop {
            if queue.state == State::Ended {
                return None;
            }
            let Some(first) = queue.jobs.pop_front() else {
                queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            self.meters.waiting(queue.jobs.len());
            let now = self.stopwatch.elapsed();
            if first.job.is_abandoned() {
                continue;
            }
            if self.is_overdue(&first, now) {
                self.meters.refused();
            } else {
                self.meters.waited(now.saturating_sub(first.since));
                queue.idle -= 1;
                return Some(Taken { job: first.job, at: now });
            }
        }
    }

    /// A thread is done with the job that it took then.
    pub(super) fn done(&self, taken_at: Duration) {
        let took = self.stopwatch.elapsed().saturating_sub(taken_at);
        self.meters.hashed(took);
        let mut queue = self.lock();
        queue.idle += 1;
        queue.usual = match queue.usual {
            Duration::ZERO => took,
            usual => (usual * (WEIGHT_OF_LAST - 1) + took) / WEIGHT_OF_LAST,
        };
    }

    /// What is answered to those who cannot be hashed for: to come again when the line of now is worked off.
    pub(super) fn busy(&self) -> Busy {
        self.busy_with(&self.lock())
    }

    /// Lets nobody in any more, sends away who waits, and ends the threads.
    pub(super) fn end(&self) {
        let mut queue = self.lock();
        queue.state = State::Ended;
        queue.jobs.clear();
        self.wake.notify_all();
    }

    fn is_full(&self, queue: &Queue) -> bool {
        queue.jobs.len() >= self.settings.queue + queue.idle
    }

    fn is_overdue(&self, waiting: &Waiting, now: Duration) -> bool {
        now.saturating_sub(waiting.since) > self.settings.longest_wait
    }

    /// In whole seconds, rounded up. Longer than the longest wait nobody stands in line, so that no wait is longer.
    fn busy_with(&self, queue: &Queue) -> Busy {
        let threads = self.settings.threads.get();
        let ahead = queue.jobs.len() + threads.saturating_sub(queue.idle);
        let wait = queue.usual.as_secs_f64() * ahead as f64 / threads as f64;
        let wait = wait.min(self.settings.longest_wait.as_secs_f64()).ceil();
        Busy { retry_after: Duration::try_from_secs_f64(wait).unwrap_or(SHORTEST_RETRY).max(SHORTEST_RETRY) }
    }

    /// A panic while the lock was held cannot have left the queue half changed: nothing in there calls out, but for the time
    /// and to wake who waits.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
