//! The readers: a few threads, each with a connection of its own that cannot write.

use std::sync::{Arc, Mutex, PoisonError};

use countersign_core::store::StoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::threads::{Threads, guarded};
use crate::open_error::OpenError;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// The queue of the readers.
pub(super) struct Readers(Threads<Job>);

impl Readers {
    /// One thread for each connection.
    pub(super) fn start(connections: impl IntoIterator<Item = Connection>) -> Result<Self, OpenError> {
        let (mut threads, jobs) = Threads::new();
        let jobs = Arc::new(Mutex::new(jobs));
        for connection in connections {
            let jobs = Arc::clone(&jobs);
            threads.spawn("countersign-sqlite-read", move || read(&connection, &jobs)).map_err(OpenError::Thread)?;
        }
        Ok(Self(threads))
    }

    /// Reads. A job is one statement, so that what it sees is of one moment.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move |connection: &Connection| {
            // Whoever went away needs no answer.
            let _ = answer.send(query(connection));
        });
        self.0.ask(job, answered).await
    }
}

fn read(connection: &Connection, jobs: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        // The lock is held while waiting: one reader waits for a job, the others for the lock.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(job) = job else { return };
        guarded(|| job(connection));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_read_ends_that_read_alone() {
        let readers = Readers::start([Connection::open_in_memory().unwrap()]).unwrap();
        let lost = readers.read::<()>(|_| panic!("on purpose")).await;
        assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
        assert_eq!(readers.read(|_| Ok(1)).await.unwrap(), 1);
    }
}
