//! PostgreSQL: a pool of connections, and transactions that are tried again where two stood in each other's way.
//!
//! # The order of locks
//! Every transaction takes what it locks in this order, so that none waits for one that waits for it: the row of
//! `oauth2_locks` for names or keys; rows of keys; the owner's queue and row; the client's; grants; one-time things; opaque
//! tokens; and last the row of `oauth2_locks` for the feed. Sweeps take only what nobody holds.
//!
//! Whoever logs in shares the rows of the owner and of the client. Who changes one would wait for as long as any of them share it,
//! and who hammers could hold that off; so all stand in a queue before it (an advisory lock), which nobody overtakes.
//!
//! All is right at READ COMMITTED: what decides is the condition of the statement that writes, which the database looks at
//! again once it has waited for another transaction; and a row that a decision stands on, but does not change, is locked
//! (`FOR SHARE`) by a statement before, so that the decision sees what was committed by then and nothing changes after.

/// Runs a script of several statements in a transaction, again if others stood in its way, and says what it decided. A macro,
/// since the compiler cannot see that the future of an async closure goes from thread to thread.
macro_rules! transaction {
    ($store:expr, $connection:ident => $script:block) => {
        transaction!($store, within OPERATION, $connection => $script)
    };
    ($store:expr, within $time:expr, $connection:ident => $script:block) => {
        $store
            .measured(StoreOperation::Write, $time, async {
                let mut tries = 1..TRIES;
                loop {
                    let lease = $store.begin().await?;
                    let $connection: &Connection = &lease;
                    let decided = async { $script }.await;
                    match Postgres::end(lease, decided).await {
                        Err(Problem::Conflict(_)) if tries.next().is_some() => {}
                        result => break result,
                    }
                }
            })
            .await
    };
}

mod attempts;
mod connection;
mod ending;
mod epoch;
mod location;
mod locks;
mod migrate;
mod news;
mod pool;
mod ports;
mod query;
mod shares;
mod tls;
#[cfg(feature = "sqlite")]
pub(crate) mod transfer;
mod url;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use countersign_core::{
    clock::Timestamp,
    meters::{StoreMeters, StoreOperation},
    store::StoreError,
};

use self::{
    attempts::Lanes,
    connection::{Connection, within},
    location::{Access, Location},
    news::News,
    pool::{Lease, Pool},
    query::Problem,
    shares::Shares,
};
use crate::{
    facts::Decision,
    migrations::Schema,
    open_error::OpenError,
    rows::{self, Read, Value},
    statements,
};

/// How long an operation may take, with all that it waits for.
const OPERATION: Duration = Duration::from_secs(10);

/// How long a look at the feed may take.
const FEED: Duration = Duration::from_secs(2);

/// How long what ends very much may take: all grants of an owner, a part of what a client got, or everything.
const LONG: Duration = Duration::from_secs(10 * 60);

/// How often a transaction is tried that others stand in the way of.
const TRIES: usize = 5;

/// A store in a PostgreSQL database. Clones share it.
///
/// Any number of processes may use the same database: what must happen once happens once, whoever asks. What a method
/// acknowledged is as safe as the database makes a commit; `synchronous_commit`, if it is off, is switched on. Whatever
/// cannot be known, because the database is away, busy for too long, or the connection was lost at the commit, is
/// [`StoreError::Unavailable`]; as soon as the database is back, so is this.
///
/// It connects by itself as needed, ten connections at most (`pool_max_conns` in the URL), and one that listens. It needs a
/// Tokio runtime. A pooler in between must keep to sessions.
#[derive(Clone)]
pub struct Postgres {
    shared: Arc<Shared>,
}

struct Shared {
    pool: Arc<Pool>,
    schema: Schema,
    lanes: Lanes,
    shares: Shares,
    meters: StoreMeters,
    /// From when on somebody wants to hear of it.
    news: OnceLock<News>,
}

impl Postgres {
    /// Whether a URL is of a scheme of PostgreSQL's.
    #[must_use]
    pub fn is_meant_by(url: &str) -> bool {
        location::SCHEMES.iter().any(|scheme| url.starts_with(scheme))
    }

    /// Connects to the database, which must be there, and brings its tables up to date.
    ///
    /// Takes a URL: `postgres://user:password@host:5432/name`. Every host but this machine is spoken to over TLS, and its
    /// certificate and name are checked; `sslrootcert=/path` names the certificates to trust in the place of the system's,
    /// `sslmode=require` wants TLS also here, and `sslmode=disable` nowhere. `password_file=/path` names a file that has the
    /// password, so that the URL need not.
    ///
    /// # Errors
    /// [`OpenError`]: nothing was opened. A newer program's schema is never touched, and only used if it lets this program
    /// work beside it ([`Postgres::schema`]).
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let pool = Pool::new(Location::parse(url, Access::Write)?);
        let lease = lease_to_open(&pool).await?;
        // Where it fails, its transaction is undone.
        let schema = migrate::migrate(&lease).await?;
        lease.settle(Ok(())).map_err(migrate::database)?;
        Ok(Self::start(pool, schema))
    }

    /// Connects to look into a database while its server runs or not: nothing is made, no table changes, and every write is
    /// refused ([`StoreError::Unavailable`]), by the database itself.
    ///
    /// # Errors
    /// As of [`Postgres::open`]; [`OpenError::OlderSchema`].
    pub async fn open_to_look(url: &str) -> Result<Self, OpenError> {
        let pool = Pool::new(Location::parse(url, Access::Look)?);
        let lease = lease_to_open(&pool).await?;
        let schema = migrate::check(&lease).await?;
        lease.settle(Ok(())).map_err(migrate::database)?;
        Ok(Self::start(pool, schema))
    }

    fn start(pool: Arc<Pool>, schema: Schema) -> Self {
        schema.tell();
        let connections = pool.location().connections;
        let (lanes, shares) = (Lanes::new(connections), Shares::new(connections));
        let shared = Shared { pool, schema, lanes, shares, meters: StoreMeters::new(), news: OnceLock::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Which version the tables had when they were opened.
    #[must_use]
    pub fn schema(&self) -> Schema {
        self.shared.schema
    }

    /// The newest moment at which a grant was used or a client registered: no clock that is right is behind it.
    ///
    /// Looks at every grant, and takes its time: whoever asks may have put the database back just now, and nothing of it is in
    /// memory.
    ///
    /// # Errors
    /// [`StoreError`]: it cannot be known now.
    pub async fn find_newest_moment(&self) -> Result<Option<Timestamp>, StoreError> {
        self.measured(StoreOperation::Read, LONG, async {
            let lease = self.begin().await?;
            let newest = newest_moment(&lease).await.map(Decision::Undo);
            Self::end(lease, newest).await
        })
        .await
    }

    /// The record that a statement finds.
    async fn find_one<T: Send>(
        &self,
        sql: &'static str,
        values: &[Value],
        read: Read<T>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.find_all(sql, values, read).await?.into_iter().next())
    }

    /// The records that a statement finds.
    async fn find_all<T: Send>(
        &self,
        sql: &'static str,
        values: &[Value],
        read: Read<T>,
    ) -> Result<Vec<T>, StoreError> {
        if values.iter().any(cannot_be_kept) {
            return Ok(Vec::new());
        }
        self.measured(StoreOperation::Read, OPERATION, self.read(sql, values, read)).await
    }

    async fn read<T>(&self, sql: &'static str, values: &[Value], read: Read<T>) -> Result<Vec<T>, Problem> {
        match self.read_once(sql, values, read).await {
            // The connection may have been lost while nobody used it. A read can be done twice.
            Err(Problem::Lost(_)) => {
                self.shared.pool.forget_idle();
                self.read_once(sql, values, read).await
            }
            result => result,
        }
    }

    async fn read_once<T>(&self, sql: &'static str, values: &[Value], read: Read<T>) -> Result<Vec<T>, Problem> {
        let lease = self.shared.pool.lease().await?;
        let result = lease.all(sql, values, read).await;
        lease.settle(result)
    }

    /// How many rows a statement changed that is a transaction of its own.
    async fn execute(&self, sql: &'static str, values: &[Value]) -> Result<usize, StoreError> {
        self.measured(StoreOperation::Write, OPERATION, async {
            let mut tries = 1..TRIES;
            loop {
                let lease = self.shared.pool.lease().await?;
                let result = lease.execute(sql, values).await;
                match lease.settle(result) {
                    Err(Problem::Conflict(_)) if tries.next().is_some() => {}
                    result => break result,
                }
            }
        })
        .await
    }

    /// A connection in a new transaction.
    async fn begin(&self) -> Result<Lease, Problem> {
        let lease = self.shared.pool.lease().await?;
        match lease.batch(statements::POSTGRES_BEGIN).await {
            // It may have been lost while nobody used it, and nothing was written yet.
            Err(problem @ Problem::Lost(_)) => drop(lease.settle::<()>(Err(problem))),
            begun => return begun.map(|()| lease),
        }
        self.shared.pool.forget_idle();
        let lease = self.shared.pool.lease().await?;
        lease.batch(statements::POSTGRES_BEGIN).await?;
        Ok(lease)
    }

    /// Ends a transaction as its script decided.
    async fn end<T>(lease: Lease, decided: Result<Decision<T>, Problem>) -> Result<T, Problem> {
        let result = match decided {
            // If the connection is lost here, nobody knows what became of it, and nobody is told that it is done.
            Ok(Decision::Keep(value)) => lease.batch(statements::POSTGRES_COMMIT).await.map(|()| value),
            Ok(Decision::Undo(value)) => lease.batch(statements::POSTGRES_UNDO).await.map(|()| value),
            Err(problem) => Err(problem),
        };
        lease.settle(result)
    }

    /// What comes of an operation, counted and timed, unless it takes too long. It is kept in one place from the beginning:
    /// each future that it is handed to would hold it once more, for each who waits for a connection.
    fn measured<T>(
        &self,
        operation: StoreOperation,
        time: Duration,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> impl Future<Output = Result<T, StoreError>> {
        let work = Box::pin(work);
        self.shared.meters.measure(operation, async move {
            let done = within(time, work).await;
            // Where one connection is dead, those that wait are too.
            if let Err(Problem::Lost(_)) = done {
                self.shared.pool.forget_idle();
            }
            done.map_err(StoreError::from)
        })
    }
}

async fn newest_moment(connection: &Connection) -> Result<Option<Timestamp>, Problem> {
    connection.batch(statements::POSTGRES_TAKE_TIME).await?;
    let newest = connection.all(statements::FIND_NEWEST_MOMENT, &[], rows::newest_moment).await?;
    Ok(newest.into_iter().flatten().next())
}

async fn lease_to_open(pool: &Arc<Pool>) -> Result<Lease, OpenError> {
    pool.lease().await.map_err(|problem| OpenError::Connect {
        place: pool.location().place(),
        source: StoreError::from(problem).into(),
    })
}

/// PostgreSQL keeps no text with this character in it: what is named so is not there.
fn cannot_be_kept(value: &Value) -> bool {
    matches!(value, Value::Text(text) if text.contains('\0'))
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("location", self.shared.pool.location()).finish_non_exhaustive()
    }
}
