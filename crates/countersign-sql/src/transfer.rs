//! Moves all that a database has into another, of either engine: copied whole or not at all, and compared before it counts.

use std::{path::PathBuf, thread};

use countersign_core::store::StoreError;
use tokio::{runtime::Handle, sync::oneshot};

use crate::{
    backup::BackupError,
    open_error::OpenError,
    postgres::{self, Postgres},
    rows::Value,
    sqlite,
    tables::{Row, Sum, TABLES, Table},
};

/// How many rows are in memory at a time.
pub(crate) const PAGE: usize = 1_000;

/// What was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migrated {
    /// Of each table.
    pub tables: Vec<MigratedTable>,
    /// The last number that the feed gave: the next is above.
    pub feed_number: u64,
}

/// What was moved of one table: the same in both databases, as they were read again afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigratedTable {
    /// Its name.
    pub table: &'static str,
    /// How many rows.
    pub rows: u64,
    /// The SHA-256 over all that is in them, in the order of the primary key, in hex.
    pub digest: String,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What is done.
    pub step: Step,
    /// With which table.
    pub table: &'static str,
    /// How many of its rows are done.
    pub rows: u64,
    /// How many it has.
    pub of: u64,
}

/// What is done with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Its rows are copied.
    Copy,
    /// Its rows are read again in both databases, and compared.
    Compare,
}

/// Why a database was not moved. What it should have been moved into has as little as before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// One of them could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// One of them is a file that cannot be used: damaged, in use, not ours, or being written.
    #[error(transparent)]
    File(BackupError),
    /// Both are the same.
    #[error("it is the same database: there is nothing to move")]
    Same,
    /// The target has something already, which is never mixed with anything.
    #[error("the database to move into is not empty: there are rows in {table}")]
    NotEmpty {
        /// Where something is.
        table: &'static str,
    },
    /// Somebody else writes into the target: another migration, or a server.
    #[error("the database to move into is in use: stop the server, and whatever else writes into it")]
    InUse,
    /// The target's engine cannot keep a value. Nothing is changed so that it could.
    #[error("PostgreSQL keeps no text with U+0000 in it, which is in {table}, column {column}, row {key}")]
    CannotBeKept {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The primary key of the row.
        key: String,
    },
    /// The target does not have what was written into it.
    #[error("what was copied of {table} is not what was there: {copied} rows of {there}, or other values in them")]
    Differs {
        /// The table.
        table: &'static str,
        /// How many rows there are in the source.
        there: u64,
        /// How many arrived.
        copied: u64,
    },
    /// A table could not be read or written.
    #[error("{table} was not moved")]
    Table {
        /// The table.
        table: &'static str,
        /// What happened.
        source: StoreError,
    },
    /// The databases could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<BackupError> for MigrateError {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Open(error) => Self::Open(error),
            other => Self::File(other),
        }
    }
}

/// Where something is moved from.
pub(crate) trait Source {
    /// The next rows after the one with this key, in the order of the keys; at most [`PAGE`].
    fn page(&mut self, table: &'static Table, after: Option<&[Value]>) -> Result<Vec<Row>, StoreError>;
    fn count(&mut self, table: &'static Table) -> Result<u64, StoreError>;
    /// The last number that the feed gave, 0 before the first.
    fn last_number(&mut self) -> Result<u64, StoreError>;
    /// What no other database of a server has.
    fn identity(&self) -> Option<&str>;
}

/// Where it is moved to: in a transaction, which is undone if this is dropped.
pub(crate) trait Target: Source {
    fn put(&mut self, table: &'static Table, rows: &[Row]) -> Result<(), StoreError>;
    fn can_keep(&self, value: &Value) -> bool;
    /// Numbers that are given from now on are above those that were: of the feed, and of keys.
    fn go_on_after(&mut self, number: u64) -> Result<(), StoreError>;
    /// Ends the transaction: it is moved.
    fn keep(self: Box<Self>) -> Result<(), MigrateError>;
}

/// Moves all that `from` has into `to`, which must have nothing: users, clients, keys, grants, tokens, and what ended, so that
/// tokens that were issued before go on being what they were. Both are URLs as of [`Database::open`](crate::Database::open).
/// Failed attempts are not moved.
///
/// Of PostgreSQL one moment is read, and whoever still writes is not waited for: stop the servers before. A file must not be
/// in use. Nothing is changed in `from`; its schema must be this program's. What is in `to` afterwards was read again and
/// compared with `from` before it was kept; until then `to` has nothing of it, but empty tables. It goes on if the caller goes
/// away.
///
/// Needs a Tokio runtime. `progress` is told after every thousand rows.
///
/// # Errors
/// [`MigrateError`]: nothing was moved. If the connection is lost while PostgreSQL keeps it, that is not known: a second try
/// then says [`MigrateError::NotEmpty`].
pub async fn migrate(
    from: &str,
    to: &str,
    progress: impl FnMut(Progress) + Send + 'static,
) -> Result<Migrated, MigrateError> {
    let runtime = Handle::try_current().map_err(StoreError::unavailable)?;
    let (from, to) = (from.to_owned(), to.to_owned());
    let (answer, answered) = oneshot::channel();
    // A file is nothing for the thread of an async runtime, and a thread can wait for a server.
    let moving = move || {
        // Whoever went away needs no answer.
        let _ = answer.send(move_all(&from, &to, &runtime, progress));
    };
    thread::Builder::new().name("countersign-migrate".to_owned()).spawn(moving).map_err(OpenError::Thread)?;
    answered.await.unwrap_or_else(|_| Err(StoreError::unavailable("the thread that moves it panicked").into()))
}

fn move_all(
    from: &str,
    to: &str,
    runtime: &Handle,
    mut progress: impl FnMut(Progress),
) -> Result<Migrated, MigrateError> {
    let (mut source, mut target) = open(from, to, runtime)?;
    for table in &TABLES {
        if target.count(table).map_err(in_table(table))? > 0 {
            return Err(MigrateError::NotEmpty { table: table.name });
        }
    }
    for table in &TABLES {
        copy(source.as_mut(), target.as_mut(), table, &mut progress)?;
    }
    let tables = TABLES.iter().map(|table| compare(source.as_mut(), target.as_mut(), table, &mut progress));
    let tables = tables.collect::<Result<_, _>>()?;
    let feed_number = source.last_number()?;
    // Last, since PostgreSQL does not undo it.
    target.go_on_after(feed_number)?;
    target.keep()?;
    Ok(Migrated { tables, feed_number })
}

type Ends = (Box<dyn Source>, Box<dyn Target>);

fn open(from: &str, to: &str, runtime: &Handle) -> Result<Ends, MigrateError> {
    let (from_file, to_file) = (file(from)?, file(to)?);
    if from_file.is_some() && from_file == to_file {
        return Err(MigrateError::Same);
    }
    let source: Box<dyn Source> = match &from_file {
        Some(path) => Box::new(sqlite::transfer::source(path)?),
        None => Box::new(postgres::transfer::source(from, runtime)?),
    };
    let target: Box<dyn Target> = match &to_file {
        Some(path) => Box::new(sqlite::transfer::target(path)?),
        None => {
            let target = postgres::transfer::target(to, runtime)?;
            if target.identity() == source.identity() {
                return Err(MigrateError::Same);
            }
            Box::new(target.begin()?)
        }
    };
    Ok((source, target))
}

/// The file, if it is one.
fn file(url: &str) -> Result<Option<PathBuf>, OpenError> {
    if Postgres::is_meant_by(url) { Ok(None) } else { sqlite::transfer::path(url).map(Some) }
}

fn in_table(table: &'static Table) -> impl Fn(StoreError) -> MigrateError {
    |source| MigrateError::Table { table: table.name, source }
}

fn copy(
    source: &mut dyn Source,
    target: &mut dyn Target,
    table: &'static Table,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), MigrateError> {
    let of = source.count(table).map_err(in_table(table))?;
    let (mut rows, mut last) = (0, None);
    while let Some(page) = next_page(source, table, &mut last)? {
        for row in &page {
            for (value, (column, _)) in row.iter().zip(table.columns) {
                if !target.can_keep(value) {
                    return Err(MigrateError::CannotBeKept { table: table.name, column, key: table.key_text(row) });
                }
            }
        }
        target.put(table, &page).map_err(in_table(table))?;
        rows += u64::try_from(page.len()).unwrap_or(u64::MAX);
        progress(Progress { step: Step::Copy, table: table.name, rows, of });
    }
    Ok(())
}

/// Reads both again. That nothing was left out is told by the engines' own counts, too.
fn compare(
    source: &mut dyn Source,
    target: &mut dyn Target,
    table: &'static Table,
    progress: &mut dyn FnMut(Progress),
) -> Result<MigratedTable, MigrateError> {
    let there = source.count(table).map_err(in_table(table))?;
    let copied = target.count(table).map_err(in_table(table))?;
    let mut done = 0;
    let mut sum_of = |source: &mut dyn Source| {
        let (mut sum, mut last) = (Sum::new(), None);
        while let Some(page) = next_page(source, table, &mut last)? {
            page.iter().for_each(|row| sum.add(row));
            done += u64::try_from(page.len()).unwrap_or(u64::MAX);
            // Half of it in each.
            progress(Progress { step: Step::Compare, table: table.name, rows: done / 2, of: there });
        }
        Ok::<_, MigrateError>((sum.rows, sum.digest()))
    };
    let (rows, digest) = sum_of(source)?;
    let (same_rows, same_digest) = sum_of(target)?;
    if (rows, &digest) != (same_rows, &same_digest) || [rows, copied] != [there, there] {
        return Err(MigrateError::Differs { table: table.name, there, copied });
    }
    Ok(MigratedTable { table: table.name, rows, digest })
}

/// The page after the row with this key, which is then that of its last row; `None` after the last one.
fn next_page(
    source: &mut dyn Source,
    table: &'static Table,
    last: &mut Option<Vec<Value>>,
) -> Result<Option<Vec<Row>>, MigrateError> {
    let page = source.page(table, last.as_deref()).map_err(in_table(table))?;
    *last = page.last().map(|row| table.key(row));
    Ok(last.is_some().then_some(page))
}
