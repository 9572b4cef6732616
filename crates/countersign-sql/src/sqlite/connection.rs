//! A connection as this store wants it: what each pragma is for stands here.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::file;
use crate::{open_error::OpenError, statements};

/// How long a connection waits for another process, the command line for one, before it answers that it cannot.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Every statement stays prepared.
const STATEMENT_CACHE: usize = statements::ALL.len();

/// How often the change to a write-ahead log is tried: each failure means that another process got something done.
const JOURNAL_MODE_TRIES: usize = 100;

/// The connection of the one writer.
pub(super) fn writer(path: &Path) -> Result<Connection, OpenError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(database)?;
    is_database(&connection).map_err(database)?;
    file::restrict(path)?;
    write_ahead(&connection)?;
    durable(&connection).map_err(database)?;
    Ok(connection)
}

/// A connection in the writer's place that writes nothing. It is not opened for reading alone: SQLite would then leave
/// the write-ahead log that it looks into beside a database that nobody else has open.
pub(super) fn looker(path: &Path) -> Result<Connection, OpenError> {
    let open = || {
        let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.pragma_update(None, "query_only", true)?;
        is_database(&connection)?;
        Ok(connection)
    };
    open().map_err(database)
}

/// A connection that cannot write: neither the file nor a statement would let it.
pub(super) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let open = || {
        let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    open().map_err(database)
}

/// A connection that writes nothing but what is in the log into the file.
pub(super) fn copier(path: &Path) -> Result<Connection, OpenError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(database)?;
    // A connection that has not looked into the file knows of no log.
    is_database(&connection).map_err(database)?;
    durable(&connection).map_err(database)?;
    Ok(connection)
}

/// A connection that looks whether anything has changed, and waits for nobody.
pub(super) fn glancer(path: &Path) -> Result<Connection, OpenError> {
    let connection = reader(path)?;
    connection.busy_timeout(Duration::ZERO).map_err(database)?;
    Ok(connection)
}

/// The only connection there is: `None` if somebody else has the database open, be it without doing anything. The database
/// keeps no write-ahead log then; who opens it next begins one.
pub(super) fn alone(path: &Path) -> Result<Option<Connection>, OpenError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(database)?;
    is_database(&connection).map_err(database)?;
    file::restrict(path)?;
    connection.busy_timeout(Duration::ZERO).map_err(database)?;
    match exclude_others(&connection) {
        Err(problem) if is_busy(&problem) => return Ok(None),
        excluded => excluded.map_err(database)?,
    }
    durable(&connection).map_err(database)?;
    Ok(Some(connection))
}

/// Whoever has a database with a write-ahead log open keeps a lock on it, with which nobody can end the log.
fn exclude_others(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
    // Takes the lock, which is kept from then on.
    wait_for_others(connection)
}

pub(super) fn database(problem: rusqlite::Error) -> OpenError {
    OpenError::Database(problem.into())
}

fn open(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = access
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_EXRESCODE
        // One thread has the connection at a time: the types see to that.
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    connection.pragma_update(None, "foreign_keys", true)?;
    // The tables may live beside yours: what a schema calls is not trusted with anything.
    connection.pragma_update(None, "trusted_schema", false)?;
    // Nothing of ours in a temporary file.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// SQLite opens whatever there is; only the first look into it tells what it is.
fn is_database(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_query(None, "schema_version", |_| Ok(()))
}

/// Readers and the writer never wait for each other.
fn write_ahead(connection: &Connection) -> Result<(), OpenError> {
    let mut tries = 1..JOURNAL_MODE_TRIES;
    loop {
        match set_journal_mode(connection) {
            Ok(mode) if mode.eq_ignore_ascii_case("wal") => return Ok(()),
            Ok(mode) => return Err(OpenError::NoWriteAheadLog { mode }),
            // Two that change a new file at once are told so without waiting: this wait is one that SQLite does.
            Err(problem) if is_busy(&problem) && tries.next().is_some() => {
                wait_for_others(connection).map_err(database)?;
            }
            Err(problem) => return Err(database(problem)),
        }
    }
}

fn set_journal_mode(connection: &Connection) -> rusqlite::Result<String> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
}

pub(super) fn is_busy(problem: &rusqlite::Error) -> bool {
    problem.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

fn wait_for_others(connection: &Connection) -> rusqlite::Result<()> {
    rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Exclusive)?.rollback()
}

fn durable(connection: &Connection) -> rusqlite::Result<()> {
    // What was acknowledged survives a loss of power. Measured: with group commit this costs next to nothing
    // against NORMAL, which may lose the last commits.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On macOS only this waits for the disk; elsewhere it does nothing.
    connection.pragma_update(None, "fullfsync", true)?;
    // What was deleted is overwritten wherever that costs no write of its own.
    connection.pragma_update(None, "secure_delete", "FAST")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_pragmas(connection: &Connection, stated: &[(&str, &str)]) {
        for (pragma, value) in stated {
            let found: rusqlite::types::Value = connection.pragma_query_value(None, pragma, |row| row.get(0)).unwrap();
            let found = match found {
                rusqlite::types::Value::Integer(integer) => integer.to_string(),
                rusqlite::types::Value::Text(text) => text,
                other => panic!("{pragma} = {other:?}"),
            };
            assert_eq!(found, *value, "{pragma}");
        }
    }

    const BOTH: [(&str, &str); 5] = [
        ("journal_mode", "wal"),
        ("busy_timeout", "5000"),
        ("foreign_keys", "1"),
        ("trusted_schema", "0"),
        ("temp_store", "2"),
    ];

    #[test]
    fn n3_the_pragmas_are_as_stated() {
        let dir = tempfile::tempdir().unwrap();
        let path = file::prepare(&dir.path().join("app.db")).unwrap();
        let writer = writer(&path).unwrap();
        assert_pragmas(&writer, &BOTH);
        // FULL and FAST.
        assert_pragmas(&writer, &[("synchronous", "2"), ("fullfsync", "1"), ("secure_delete", "2")]);
        let reader = reader(&path).unwrap();
        assert_pragmas(&reader, &BOTH);
        assert_pragmas(&reader, &[("query_only", "1")]);
    }

    #[test]
    fn readers_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = file::prepare(&dir.path().join("app.db")).unwrap();
        let writer = writer(&path).unwrap();
        writer.execute_batch("CREATE TABLE t (x)").unwrap();
        let reader = reader(&path).unwrap();
        for query_only in [true, false] {
            reader.pragma_update(None, "query_only", query_only).unwrap();
            let refused = reader.execute_batch("INSERT INTO t VALUES (1)").unwrap_err();
            assert_eq!(refused.sqlite_error_code(), Some(ErrorCode::ReadOnly));
        }
    }
}
