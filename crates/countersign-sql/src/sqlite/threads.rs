//! Threads that work off a queue, and are waited for at the end.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread::{self, JoinHandle},
};

use countersign_core::store::StoreError;
use tokio::sync::{mpsc, oneshot};

/// How many requests wait in a queue; whoever comes later waits to get into it.
const QUEUE: usize = 1024;

/// A queue and the threads that work it off. When it is dropped, they finish what is in it and end.
pub(super) struct Threads<Job> {
    /// Gone only while this is being dropped.
    queue: Option<mpsc::Sender<Job>>,
    handles: Vec<JoinHandle<()>>,
}

impl<Job: Send + 'static> Threads<Job> {
    /// A queue without threads, and the end at which they work.
    pub(super) fn new() -> (Self, mpsc::Receiver<Job>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self { queue: Some(sender), handles: Vec::new() }, receiver)
    }

    pub(super) fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.handles.push(thread::Builder::new().name(name.to_owned()).spawn(work)?);
        Ok(())
    }

    /// Queues a job for which nobody waits; where the queue is full or has ended, it is not done.
    pub(super) fn offer(&self, job: Job) {
        if let Some(queue) = &self.queue {
            let _ = queue.try_send(job);
        }
    }

    /// Queues a job and waits for what it sends to `answer`. It is done even if the caller goes away.
    pub(super) async fn ask<T>(
        &self,
        job: Job,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let queue = self.queue.as_ref().ok_or_else(|| StoreError::unavailable(NoAnswer))?;
        queue.send(job).await.map_err(|_| StoreError::unavailable(NoAnswer))?;
        answer.await.unwrap_or_else(|_| Err(StoreError::unavailable(NoAnswer)))
    }
}

impl<Job> Drop for Threads<Job> {
    fn drop(&mut self) {
        self.queue = None;
        for handle in self.handles.drain(..) {
            // A panic in a job was caught and logged; one outside of a job has been printed.
            let _ = handle.join();
        }
    }
}

/// The job panicked, or its thread is gone.
#[derive(Debug, thiserror::Error)]
#[error("the database thread gave no answer")]
struct NoAnswer;

/// Runs a job so that its panic ends nothing else. `None` if it panicked: whatever it owned is dropped.
pub(super) fn guarded<T>(job: impl FnOnce() -> T) -> Option<T> {
    let logged = |_: Box<dyn Any + Send>| {
        tracing::error!(event = "store", outcome = "failure", "a job on a database thread panicked");
    };
    catch_unwind(AssertUnwindSafe(job)).map_err(logged).ok()
}
