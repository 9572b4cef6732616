//! The one writer: a thread that commits many waiting writes at once, and answers only then.

use std::{path::PathBuf, sync::Arc};

use countersign_core::store::StoreError;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{
    checkpoints::Checkpoints,
    query::store_error,
    threads::{Threads, guarded},
};
use crate::{facts::Decision, open_error::OpenError};

/// How many writes share a commit at most: the longest that one waits for the others.
const BATCH: usize = 256;

/// The queue of the writer.
pub(super) struct Writer(Threads<Box<dyn Job>>);

impl Writer {
    /// A writer to the database that is at `path`.
    pub(super) fn start(mut connection: Connection, path: PathBuf) -> Result<Self, OpenError> {
        let checkpoints = Checkpoints::of(&mut connection, path)?;
        let (mut threads, jobs) = Threads::new();
        threads
            .spawn("countersign-sqlite-write", move || write(connection, checkpoints, jobs))
            .map_err(OpenError::Thread)?;
        Ok(Self(threads))
    }

    /// Writes, whole or not at all, and answers when it is on the disk.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        script: impl FnOnce(&Connection) -> Result<Decision<T>, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.0.ask(Box::new(Request { script: Some(script), outcome: None, answer }), answered).await
    }
}

/// A write that waits, runs, and is answered.
trait Job: Send {
    /// Runs it, and says whether what it wrote stays.
    fn run(&mut self, connection: &Connection) -> Stays;

    /// Tells the caller.
    fn answer(self: Box<Self>, commit: &Result<(), Lost>);
}

#[derive(PartialEq, Eq)]
enum Stays {
    Yes,
    No,
}

/// Why nothing of a batch was written; its callers share it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the writes were not committed")]
struct Lost(#[source] Arc<StoreError>);

impl From<rusqlite::Error> for Lost {
    fn from(problem: rusqlite::Error) -> Self {
        Self(Arc::new(store_error(problem)))
    }
}

struct Request<T, Script> {
    script: Option<Script>,
    outcome: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, Script> Job for Request<T, Script>
where
    T: Send,
    Script: FnOnce(&Connection) -> Result<Decision<T>, StoreError> + Send,
{
    fn run(&mut self, connection: &Connection) -> Stays {
        let (outcome, stays) = match self.script.take().map(|script| script(connection)) {
            Some(Ok(Decision::Keep(value))) => (Some(Ok(value)), Stays::Yes),
            Some(Ok(Decision::Undo(value))) => (Some(Ok(value)), Stays::No),
            Some(Err(problem)) => (Some(Err(problem)), Stays::No),
            None => (None, Stays::No),
        };
        self.outcome = outcome;
        stays
    }

    fn answer(self: Box<Self>, commit: &Result<(), Lost>) {
        let outcome = match (self.outcome, commit) {
            // Its own failure says more than the batch's.
            (Some(Err(problem)), _) => Err(problem),
            (_, Err(lost)) => Err(StoreError::unavailable(lost.clone())),
            (Some(Ok(value)), Ok(())) => Ok(value),
            // It panicked: dropping the sender tells the caller that there is no answer.
            (None, Ok(())) => return,
        };
        // Whoever went away needs no answer.
        let _ = self.answer.send(outcome);
    }
}

/// Works until the queue is closed and empty. Dropping the connection then writes the log back into the file.
fn write(mut connection: Connection, mut checkpoints: Checkpoints, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
    let mut batch = Vec::with_capacity(BATCH);
    while jobs.blocking_recv_many(&mut batch, BATCH) > 0 {
        let commit = commit(&mut connection, &mut batch);
        if let Err(lost) = &commit {
            tracing::error!(event = "store", outcome = "failure", writes = batch.len(), cause = ?lost.0, "writes were not committed");
        }
        for job in batch.drain(..) {
            job.answer(&commit);
        }
        checkpoints.tend(&connection);
    }
    // Its connection closes before the writer's, which is to be the last.
    drop(checkpoints);
}

/// One transaction for all, in which each can fail alone.
fn commit(connection: &mut Connection, batch: &mut [Box<dyn Job>]) -> Result<(), Lost> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in batch {
        let savepoint = transaction.savepoint()?;
        match guarded(|| job.run(&savepoint)) {
            Some(Stays::Yes) => savepoint.commit()?,
            // Rolls back to where this one began.
            Some(Stays::No) | None => drop(savepoint),
        }
        // A full disk or a failing one ends the whole transaction; nothing more may run outside of it.
        if transaction.is_autocommit() {
            return Err(Lost(Arc::new(StoreError::unavailable("the transaction was rolled back"))));
        }
    }
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rusqlite::ErrorCode;

    use super::*;

    const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, parent REFERENCES t DEFERRABLE INITIALLY DEFERRED)";

    fn insert(connection: &Connection, id: i64, parent: Option<i64>) -> Result<Decision<i64>, StoreError> {
        connection.execute("INSERT INTO t VALUES ($1, $2)", (id, parent)).map_err(store_error)?;
        Ok(Decision::Keep(id))
    }

    fn ids(connection: &Connection) -> Vec<i64> {
        let mut statement = connection.prepare("SELECT id FROM t ORDER BY id").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    type Answer = oneshot::Receiver<Result<i64, StoreError>>;

    fn request(
        script: impl FnOnce(&Connection) -> Result<Decision<i64>, StoreError> + Send + 'static,
    ) -> (Box<dyn Job>, Answer) {
        let (answer, answered) = oneshot::channel();
        (Box::new(Request { script: Some(script), outcome: None, answer }), answered)
    }

    /// Commits as the thread does, and gathers what each caller was told: `None` is no answer.
    fn commit_all(
        connection: &mut Connection,
        requests: Vec<(Box<dyn Job>, Answer)>,
    ) -> Vec<Option<Result<i64, StoreError>>> {
        let (mut jobs, answers): (Vec<_>, Vec<_>) = requests.into_iter().unzip();
        let committed = commit(connection, &mut jobs);
        jobs.into_iter().for_each(|job| job.answer(&committed));
        answers.into_iter().map(|mut answer| answer.try_recv().ok()).collect()
    }

    #[test]
    fn in_a_batch_each_fails_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLE).unwrap();
        let told = commit_all(
            &mut connection,
            vec![
                request(|connection| insert(connection, 1, None)),
                request(|connection| insert(connection, 2, None).and_then(|_| insert(connection, 1, None))),
                request(|connection| insert(connection, 3, None).map(|_| Decision::Undo(-3))),
                request(|connection| insert(connection, 4, None).map(|_| panic!("on purpose"))),
                request(|connection| insert(connection, 5, None)),
            ],
        );
        assert!(
            matches!(&told[..], [Some(Ok(1)), Some(Err(StoreError::Unavailable(_))), Some(Ok(-3)), None, Some(Ok(5))]),
            "{told:?}"
        );
        assert_eq!(ids(&connection), [1, 5]);
    }

    #[test]
    fn nobody_is_told_yes_when_the_commit_fails() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLE).unwrap();
        let told = commit_all(
            &mut connection,
            vec![
                request(|connection| insert(connection, 1, None)),
                request(|connection| insert(connection, 2, Some(99))),
            ],
        );
        assert!(told.iter().all(|told| matches!(told, Some(Err(StoreError::Unavailable(_))))), "{told:?}");
        assert_eq!(ids(&connection), [0; 0]);
        assert!(connection.is_autocommit(), "the next batch can begin");
    }

    #[test]
    fn nobody_is_told_yes_when_the_engine_ends_the_transaction() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLE).unwrap();
        let told = commit_all(
            &mut connection,
            vec![
                request(|connection| insert(connection, 1, None)),
                request(|connection| {
                    connection.execute_batch("ROLLBACK").unwrap();
                    Err(StoreError::unavailable("as a full disk does"))
                }),
                request(|connection| insert(connection, 3, None)),
            ],
        );
        assert!(told.iter().all(|told| matches!(told, Some(Err(StoreError::Unavailable(_))))), "{told:?}");
        assert_eq!(ids(&connection), [0; 0]);
    }

    #[tokio::test]
    async fn after_a_panic_the_writer_goes_on() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLE).unwrap();
        let writer = Writer::start(connection, PathBuf::new()).unwrap();
        let lost = writer.write::<()>(|_| panic!("on purpose")).await;
        assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
        assert_eq!(writer.write(|connection| insert(connection, 1, None)).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_database_that_stays_busy_is_unavailable() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Connection::open(dir.path().join("a.db")).unwrap();
        let other = open();
        other.execute_batch(TABLE).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let connection = open();
        connection.busy_timeout(Duration::ZERO).unwrap();
        let writer = Writer::start(connection, dir.path().join("a.db")).unwrap();
        let Err(StoreError::Unavailable(cause)) = writer.write(|connection| insert(connection, 1, None)).await else {
            panic!("written while another had the lock")
        };
        let Some(Lost(cause)) = cause.downcast_ref() else { panic!("{cause:?}") };
        let StoreError::Unavailable(cause) = &**cause else { panic!("{cause:?}") };
        let cause: &rusqlite::Error = cause.downcast_ref().unwrap();
        assert_eq!(cause.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
        other.execute_batch("COMMIT").unwrap();
        assert_eq!(writer.write(|connection| insert(connection, 1, None)).await.unwrap(), 1);
    }
}
