//! Connections that wait to be used: never more than so many, and none that failed.

use std::{
    error::Error as _,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use countersign_core::{
    meters::{Counted, DatabaseMeters},
    store::StoreError,
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};
use tokio_postgres::Client;

use super::{
    connection::{Connection, Driver, within},
    location::Location,
    query::Problem,
};
use crate::statements;

/// How long somebody waits until another is through with a connection.
pub(super) const WAIT: Duration = Duration::from_secs(5);

/// How long a connection may take to undo what its user left behind.
const RECOVERY: Duration = Duration::from_secs(2);

/// The connections of a store.
pub(super) struct Pool {
    location: Location,
    idle: Mutex<Vec<Connection>>,
    /// One for each connection that may be used at once.
    permits: Arc<Semaphore>,
    reach: Mutex<Reach>,
    meters: DatabaseMeters,
}

/// The right to use a connection.
struct Permit {
    _one: OwnedSemaphorePermit,
    _counted: Counted,
}

/// What became of the last new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// There was none yet.
    Untried,
    Reached,
    Away,
}

impl Pool {
    pub(super) fn new(location: Location) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(location.connections));
        let (idle, reach) = (Mutex::default(), Mutex::new(Reach::Untried));
        Arc::new(Self { location, idle, permits, reach, meters: DatabaseMeters::new() })
    }

    pub(super) const fn location(&self) -> &Location {
        &self.location
    }

    /// A connection: one that waits, or else a new one.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, Problem> {
        let permit = self.permit().await.ok_or_else(|| Problem::Refused(StoreError::unavailable(AllBusy)))?;
        let waiting = self.take();
        let connection = match waiting {
            Some(connection) => connection,
            // It is rare, and large while it lasts: those who wait for a connection that there is do not hold it too.
            None => self.told(Box::pin(Connection::open(&self.location, &self.meters)).await)?,
        };
        Ok(Lease { connection: Some(connection), state: State::Dirty, pool: Arc::clone(self), permit: Some(permit) })
    }

    /// One of those that may be used at once, as soon as there is one, but not for longer than so.
    async fn permit(&self) -> Option<Permit> {
        let all = Arc::clone(&self.permits);
        let one = match Arc::clone(&all).try_acquire_owned() {
            Ok(one) => Some(one),
            Err(_) => {
                let began = Instant::now();
                let one = timeout(WAIT, all.acquire_owned()).await;
                self.meters.waited(began.elapsed());
                one.ok().and_then(Result::ok)
            }
        };
        one.map(|one| Permit { _one: one, _counted: self.meters.used() })
    }

    /// A connection that nobody else uses, without a session of ours; whoever asked polls the driver.
    pub(super) async fn open_bare(&self) -> Result<(Client, Driver), Problem> {
        self.told(Connection::open_bare(&self.location).await)
    }

    /// What became of a new connection, which the log hears where it is another thing than the last time. Of the first of
    /// all, who opens the store hears.
    fn told<T>(&self, opened: Result<T, Problem>) -> Result<T, Problem> {
        if opened.is_err() {
            self.meters.failed();
        }
        let mut reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        match (&opened, *reach) {
            (Ok(_), before) => {
                *reach = Reach::Reached;
                if before == Reach::Away {
                    let host = self.location.place();
                    tracing::info!(event = "database", outcome = "back", host, "the database can be reached again");
                }
            }
            (Err(problem), Reach::Reached) => {
                *reach = Reach::Away;
                let (host, cause) = (self.location.place(), cause(problem));
                tracing::warn!(event = "database", outcome = "away", host, cause, "the database cannot be reached");
            }
            (Err(_), Reach::Untried | Reach::Away) => {}
        }
        drop(reach);
        opened
    }

    /// Ends those that wait: one of them turned out to be lost, and the others are of the same age.
    pub(super) fn forget_idle(&self) {
        self.idle().clear();
    }

    /// The one that was used last, so that those that are not needed stay unused.
    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle();
        idle.retain(|connection| !connection.is_closed());
        idle.pop()
    }

    fn put(&self, connection: Connection) {
        if !connection.is_closed() {
            self.idle().push(connection);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why, with the causes of it.
fn cause(problem: &Problem) -> String {
    let (Problem::Conflict(error) | Problem::Refused(error) | Problem::Lost(error)) = problem;
    let (mut causes, mut next) = (Vec::new(), error.source());
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes.join(": ")
}

#[derive(Debug, thiserror::Error)]
#[error("all connections to the database are busy")]
struct AllBusy;

/// What a connection was left in.
#[derive(PartialEq, Eq)]
enum State {
    /// In no transaction, and waiting for no answer.
    Clean,
    /// Perhaps in a transaction: its user failed, or went away in between.
    Dirty,
    /// Lost, or not to be trusted.
    Bad,
}

/// A connection in use. Whoever drops it without a word has its transaction undone.
pub(super) struct Lease {
    /// Gone only while this is being dropped.
    connection: Option<Connection>,
    state: State,
    pool: Arc<Pool>,
    permit: Option<Permit>,
}

impl Lease {
    /// Says how it went: after this it may be used by others, undone, or thrown away.
    pub(super) fn settle<T>(mut self, result: Result<T, Problem>) -> Result<T, Problem> {
        self.state = match &result {
            Ok(_) => State::Clean,
            Err(Problem::Lost(_)) => State::Bad,
            Err(Problem::Refused(_) | Problem::Conflict(_)) => State::Dirty,
        };
        result
    }
}

impl Deref for Lease {
    type Target = Connection;

    #[expect(clippy::expect_used, reason = "it is taken out by `drop` alone")]
    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("a lease has a connection until it is dropped")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        match self.state {
            State::Clean => self.pool.put(connection),
            State::Bad => {}
            State::Dirty => {
                let (pool, permit) = (Arc::clone(&self.pool), self.permit.take());
                // Without a runtime nobody waits for an answer; the connection is closed, and the database undoes.
                let Ok(runtime) = Handle::try_current() else { return };
                runtime.spawn(async move {
                    if within(RECOVERY, connection.batch(statements::POSTGRES_UNDO)).await.is_ok() {
                        pool.put(connection);
                    }
                    drop(permit);
                });
            }
        }
    }
}
