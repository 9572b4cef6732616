//! Whether anything has changed in the database, told without a look into it.

use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

/// What SQLite counts for a connection: how often others have changed the database. Where it keeps a write-ahead log, the
/// answer is in the memory that all its processes share, so that no thread of its own has to wait for it: nobody is waited
/// for and, but for the database's first page after a change, nothing is read.
const DATA_VERSION: &str = "PRAGMA data_version";

/// A connection that does nothing else: all who change anything are others.
pub(super) struct Version(Mutex<Connection>);

impl Version {
    pub(super) fn of(connection: Connection) -> Self {
        Self(Mutex::new(connection))
    }

    /// The version; `None` if SQLite cannot tell now.
    pub(super) fn find(&self) -> Option<u64> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = connection.prepare_cached(DATA_VERSION).ok()?;
        let version: i64 = statement.query_row([], |row| row.get(0)).ok()?;
        u64::try_from(version).ok()
    }
}
