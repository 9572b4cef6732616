//! Which store the program keeps its tables in: the one place that names one.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use countersign_sql::{OpenError, Sqlite};

use crate::failure::Failure;

/// The store of the program.
pub(crate) type Database = Sqlite;

/// Opens the database that `url` names, making it where there is none.
///
/// # Errors
/// [`OpenError`]: it is no database of ours, or cannot be read and written.
pub(crate) async fn open(url: &str) -> Result<Database, OpenError> {
    Sqlite::open(url).await
}

/// Opens the database, which must be there: somebody who mistypes its name should not get an empty one.
///
/// # Errors
/// There is none, or as of [`open`].
pub(crate) async fn open_existing(url: &str) -> Result<Database, Failure> {
    check_existing(url)?;
    Ok(open(url).await?)
}

/// Opens the database, which must be there, to look into it: nothing in it changes, nor the modes of its files.
///
/// # Errors
/// There is none, or as of [`open`]; its tables are an older program's.
pub(crate) async fn open_to_look(url: &str) -> Result<Database, Failure> {
    check_existing(url)?;
    Ok(Sqlite::open_to_look(url).await?)
}

/// Whether there is a database of this name already.
pub(crate) fn exists(url: &str) -> bool {
    path(url).exists()
}

/// The file of the database, and those that may lie beside it.
pub(crate) fn files(url: &str) -> Vec<PathBuf> {
    let named = |suffix| {
        let mut name = OsString::from(path(url));
        name.push(suffix);
        PathBuf::from(name)
    };
    ["", "-wal", "-shm", "-journal"].map(named).to_vec()
}

fn check_existing(url: &str) -> Result<(), Failure> {
    if exists(url) {
        return Ok(());
    }
    Err(Failure::failed(format!("there is no database {url}"))
        .hint("name another with --database, or make it with `countersign user add` or `countersign serve`"))
}

fn path(url: &str) -> &Path {
    Path::new(url.strip_prefix("sqlite:").map_or(url, |rest| rest.strip_prefix("//").unwrap_or(rest)))
}
