//! Which store the program keeps its tables in: the one place that names one.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use countersign::Timestamp;
use countersign_sql::{BackupError, Copied, MigrateError, Migrated, OpenError, Postgres, Progress, Restored, Sqlite};

use crate::failure::Failure;

/// The store of the program.
pub(crate) use countersign_sql::Database;

/// Opens the database that `url` names, making it where there is none; one of a server must be there.
///
/// # Errors
/// [`OpenError`]: it is no database of ours, or cannot be read and written.
pub(crate) async fn open(url: &str) -> Result<Database, OpenError> {
    Database::open(url).await
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
    Ok(Database::open_to_look(url).await?)
}

/// Whether a server has the database, and no file.
pub(crate) fn is_server(url: &str) -> bool {
    Postgres::is_meant_by(url)
}

/// The file that should have the password of a server, if the URL names one.
pub(crate) fn password_file(url: &str) -> Option<PathBuf> {
    if is_server(url) { Postgres::password_file(url).ok().flatten() } else { None }
}

/// Whether the URL has the password of a server in it.
pub(crate) fn has_password(url: &str) -> bool {
    is_server(url) && Postgres::has_password(url).unwrap_or(false)
}

/// Whether others on the network can read what goes to the database; nothing if the URL cannot be read.
pub(crate) fn is_readable_on_the_way(url: &str) -> Option<bool> {
    if is_server(url) { Postgres::is_readable_on_the_way(url).ok() } else { Some(false) }
}

/// Copies the database into a new file, while others use it.
///
/// # Errors
/// There is no database, or no copy of it.
pub(crate) async fn back_up(url: &str, to: &Path) -> Result<Copied, Failure> {
    check_file(url)?;
    check_existing(url)?;
    Sqlite::back_up(url, to).await.map_err(failure)
}

/// Puts a copy in the place of the database, which must not be there, with the past made powerless.
///
/// # Errors
/// Nothing is there that was not before.
pub(crate) async fn restore(from: &Path, url: &str, now: Timestamp) -> Result<(Copied, Restored), Failure> {
    check_file(url)?;
    let restored = Sqlite::restore(from, url, now).await;
    restored.map_err(|error| match &error {
        BackupError::Exists { .. } => {
            failure(error).hint("move the old database away, with its -wal and -shm, or name another with --database")
        }
        _ => failure(error),
    })
}

/// Makes the past powerless in the database, which was put back by other means and must not be in use.
///
/// # Errors
/// Nothing changed.
pub(crate) async fn restore_in_place(url: &str, now: Timestamp) -> Result<Restored, Failure> {
    check_existing(url)?;
    let restored = match is_server(url) {
        true => Postgres::open(url).await?.restore_in_place(now).await,
        false => Sqlite::restore_in_place(url, now).await,
    };
    restored.map_err(failure)
}

/// Ends all that was issued, in a database that must not be in use if it is a file.
///
/// # Errors
/// Nothing changed.
pub(crate) async fn revoke_everything(url: &str, now: Timestamp) -> Result<Restored, Failure> {
    check_existing(url)?;
    let ended = match is_server(url) {
        true => Postgres::open(url).await?.revoke_everything(now).await,
        false => Sqlite::revoke_everything(url, now).await,
    };
    ended.map_err(failure)
}

/// Moves all that a database has into another, which must have nothing.
///
/// # Errors
/// Nothing was moved.
pub(crate) async fn migrate(
    from: &str,
    to: &str,
    progress: impl FnMut(Progress) + Send + 'static,
) -> Result<Migrated, Failure> {
    check_existing(from)?;
    countersign_sql::migrate(from, to, progress).await.map_err(|error| match error {
        MigrateError::Open(error @ OpenError::OlderSchema { .. }) => {
            Failure::from(error).hint("start this version's server over the database that you move, once, and stop it")
        }
        MigrateError::Open(error) => error.into(),
        MigrateError::File(error) => error.into(),
        other => other.into(),
    })
}

/// Copies are of files. A server has means of its own, for all that it keeps.
fn check_file(url: &str) -> Result<(), Failure> {
    if !is_server(url) {
        return Ok(());
    }
    Err(Failure::failed("the database is a PostgreSQL server's, which copies and puts back by its own means")
        .hint("pg_dump and pg_restore, say; then `countersign restore --in-place`"))
}

/// A database that cannot be opened fails as anywhere else.
fn failure(error: BackupError) -> Failure {
    match error {
        BackupError::Open(error) => error.into(),
        other => other.into(),
    }
}

/// Whether there is a database of this name already. Of one of a server only the server knows.
pub(crate) fn exists(url: &str) -> bool {
    path(url).is_none_or(Path::exists)
}

/// The file of the database, and those that may lie beside it: none if a server has it.
pub(crate) fn files(url: &str) -> Vec<PathBuf> {
    let Some(path) = path(url) else { return Vec::new() };
    let named = |suffix| {
        let mut name = OsString::from(path);
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

/// The file, if it is one.
fn path(url: &str) -> Option<&Path> {
    let path = || Path::new(url.strip_prefix("sqlite:").map_or(url, |rest| rest.strip_prefix("//").unwrap_or(rest)));
    (!is_server(url)).then(path)
}
