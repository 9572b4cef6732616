//! SQLite: a file, one thread that writes to it, one that writes its log back, and a few that read.

mod backup;
mod checkpoints;
mod connection;
mod ending;
mod epoch;
mod file;
mod location;
mod migrate;
mod ports;
mod query;
mod readers;
mod threads;
#[cfg(feature = "postgres")]
pub(crate) mod transfer;
mod version;
mod writer;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use countersign_core::{
    clock::Timestamp,
    meters::{StoreMeters, StoreOperation},
    store::StoreError,
};
use rusqlite::Connection;
use tokio::sync::oneshot;

use self::{readers::Readers, version::Version, writer::Writer};
use crate::{
    facts::Decision,
    migrations::Schema,
    open_error::OpenError,
    rows::{self, Read, Value},
    statements,
};

/// How many threads read. A read takes microseconds, so that two keep up with one machine's requests.
const READERS: usize = 2;

/// A store in a SQLite file. Clones share it; the last one to go closes it, after everything accepted is written.
///
/// The file and what SQLite keeps beside it are readable by their owner alone (mode 0600), whatever the umask. Another
/// process, the command line for one, may have it open at the same time: a write waits for the other's up to five
/// seconds, then answers [`StoreError::Unavailable`]. The file belongs on a local disk.
#[derive(Clone)]
pub struct Sqlite {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    schema: Schema,
    meters: StoreMeters,
    version: Version,
    // In this order they end: the connection that is closed last is one that may write the log back into the file.
    readers: Readers,
    writer: Writer,
}

impl Sqlite {
    /// Opens the database, makes it if there is none, and brings its tables up to date.
    ///
    /// Takes a path (`app.db`) or a URL (`sqlite://app.db`, `sqlite:///var/lib/app.db`); the directory must exist. A
    /// file that other users can reach is taken from their hands, with a warning in the log.
    ///
    /// # Errors
    /// [`OpenError`]: nothing was opened. A newer program's schema is never touched, and only used if it lets this program
    /// work beside it ([`Sqlite::schema`]).
    pub async fn open(path_or_url: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_by(path_or_url.as_ref(), Self::open_blocking).await
    }

    /// Opens a database that is there, to look into it while its server runs or not: nothing is made, no table and no
    /// file's mode changes, and every write is refused ([`StoreError::Unavailable`]).
    ///
    /// # Errors
    /// As of [`Sqlite::open`]; [`OpenError::Missing`], [`OpenError::OlderSchema`].
    pub async fn open_to_look(path_or_url: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_by(path_or_url.as_ref(), Self::open_to_look_blocking).await
    }

    async fn open_by(
        path_or_url: &Path,
        open: impl FnOnce(&Path) -> Result<Self, OpenError> + Send + 'static,
    ) -> Result<Self, OpenError> {
        let path = location::path(path_or_url)?;
        let (answer, answered) = oneshot::channel();
        // Opening reads files and may wait for another process: nothing for the thread of an async runtime.
        let opening = move || {
            // Whoever went away needs no answer.
            let _ = answer.send(open(&path));
        };
        thread::Builder::new().name("countersign-sqlite-open".to_owned()).spawn(opening).map_err(OpenError::Thread)?;
        answered.await.unwrap_or_else(|_| Err(OpenError::Database("the thread that opens it panicked".into())))
    }

    fn open_blocking(path: &Path) -> Result<Self, OpenError> {
        let path = file::prepare(path)?;
        let mut connection = connection::writer(&path)?;
        let schema = migrate::migrate(&mut connection)?;
        Self::start(path, connection, schema)
    }

    fn open_to_look_blocking(path: &Path) -> Result<Self, OpenError> {
        let path = file::find(path)?;
        let connection = connection::looker(&path)?;
        let schema = migrate::check(&connection)?;
        Self::start(path, connection, schema)
    }

    fn start(path: PathBuf, connection: Connection, schema: Schema) -> Result<Self, OpenError> {
        schema.tell();
        let readers = (0..READERS).map(|_| connection::reader(&path)).collect::<Result<Vec<_>, _>>()?;
        let version = Version::of(connection::glancer(&path)?);
        let (readers, writer) = (Readers::start(readers)?, Writer::start(connection, path.clone())?);
        let shared = Shared { path, schema, meters: StoreMeters::new(), version, readers, writer };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Which version the tables had when they were opened.
    #[must_use]
    pub fn schema(&self) -> Schema {
        self.shared.schema
    }

    /// The newest moment at which a grant was used or a client registered: no clock that is right is behind it.
    ///
    /// Looks at every grant.
    ///
    /// # Errors
    /// [`StoreError`]: it cannot be known now.
    pub async fn find_newest_moment(&self) -> Result<Option<Timestamp>, StoreError> {
        let newest = self.find_one(statements::FIND_NEWEST_MOMENT, Vec::new(), rows::newest_moment).await?;
        Ok(newest.flatten())
    }

    /// The record that a statement finds.
    async fn find_one<T: Send + 'static>(
        &self,
        sql: &'static str,
        values: Vec<Value>,
        read: Read<T>,
    ) -> Result<Option<T>, StoreError> {
        self.read(move |connection| query::one(connection, sql, &values, read)).await
    }

    /// The records that a statement finds.
    async fn find_all<T: Send + 'static>(
        &self,
        sql: &'static str,
        values: Vec<Value>,
        read: Read<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.read(move |connection| query::all(connection, sql, &values, read)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.shared.meters.measure(StoreOperation::Read, self.shared.readers.read(query)).await
    }

    /// How many rows a statement changed.
    async fn execute(&self, sql: &'static str, values: Vec<Value>) -> Result<usize, StoreError> {
        self.write(move |connection| query::execute(connection, sql, &values).map(Decision::Keep)).await
    }

    /// What a script of several statements decided.
    async fn write<T: Send + 'static>(
        &self,
        script: impl FnOnce(&Connection) -> Result<Decision<T>, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.shared.meters.measure(StoreOperation::Write, self.shared.writer.write(script)).await
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.shared.path).finish_non_exhaustive()
    }
}
