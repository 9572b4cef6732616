//! Copies: made of a database that is in use, checked, and put in the place of one that is lost.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    thread,
};

use countersign_core::{clock::Timestamp, store::StoreError};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::oneshot;

use super::{Sqlite, connection, epoch, file, location, migrate, query};
use crate::{
    backup::{BackupError, Copied, Restored, Why},
    open_error::OpenError,
    rows, statements as sql,
};

/// The step of the schema that said of each key how it rests: before it, all rest plain.
const SEALED_SINCE: i64 = 4;

/// What a copy is called until it is whole.
const UNFINISHED: &str = ".part";

impl Sqlite {
    /// Copies a database into a new file, as it is at one moment, while others read and write it.
    ///
    /// Whatever was acknowledged before is in it, and nothing that was deleted. Who writes is not waited for, and does not
    /// wait. The file is readable by its owner alone, whole, and on the disk before it has its name; one that is there is
    /// never overwritten.
    ///
    /// # Errors
    /// [`BackupError`]: there is no copy.
    pub async fn back_up(path_or_url: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<Copied, BackupError> {
        let (from, to) = (location::path(path_or_url.as_ref())?, to.as_ref().to_owned());
        on_a_thread(move || back_up(&from, &to)).await
    }

    /// Puts a copy in the place of a database that is not there any more, brought up to date and with the past
    /// [made powerless](countersign_core::store::Feed::begin_epoch) before anybody can open it. The copy stays as it is.
    ///
    /// # Errors
    /// [`BackupError`]: nothing is there.
    pub async fn restore(
        from: impl AsRef<Path>,
        path_or_url: impl AsRef<Path>,
        now: Timestamp,
    ) -> Result<(Copied, Restored), BackupError> {
        let (from, to) = (from.as_ref().to_owned(), location::path(path_or_url.as_ref())?);
        on_a_thread(move || restore(&from, &to, now)).await
    }

    /// Makes the past [powerless](countersign_core::store::Feed::begin_epoch) in a database that was put back by other
    /// means, and that nobody has open.
    ///
    /// # Errors
    /// [`BackupError`]: what was, is.
    pub async fn restore_in_place(path_or_url: impl AsRef<Path>, now: Timestamp) -> Result<Restored, BackupError> {
        let path = location::path(path_or_url.as_ref())?;
        on_a_thread(move || make_powerless_in_place(&path, Why::PutBack, now)).await
    }

    /// Ends all that was issued, to whomever, as [`Sqlite::restore_in_place`] does, but in a database that was not put back.
    ///
    /// A moment in it may be of the future: a clock was ahead once. What was issued then is gone as well, and the keys that
    /// signed it are withdrawn; but an HS256 secret is not in the database.
    ///
    /// # Errors
    /// [`BackupError`]: what was, is.
    pub async fn revoke_everything(path_or_url: impl AsRef<Path>, now: Timestamp) -> Result<Restored, BackupError> {
        let path = location::path(path_or_url.as_ref())?;
        on_a_thread(move || make_powerless_in_place(&path, Why::Asked, now)).await
    }
}

/// Copying reads the whole database: nothing for the thread of an async runtime.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    let (answer, answered) = oneshot::channel();
    let working = move || {
        // Whoever went away needs no answer.
        let _ = answer.send(work());
    };
    thread::Builder::new().name("countersign-sqlite-copy".to_owned()).spawn(working).map_err(OpenError::Thread)?;
    answered.await.unwrap_or_else(|_| Err(OpenError::Database("the thread that copies it panicked".into()).into()))
}

fn back_up(from: &Path, to: &Path) -> Result<Copied, BackupError> {
    let (from, to) = (file::find(from)?, file::resolve(to)?);
    refuse_existing(&to)?;
    let part = Part::create(&to)?;
    let copied = copy(&from, &part)?;
    part.take_name(&to)?;
    Ok(copied)
}

fn restore(from: &Path, to: &Path, now: Timestamp) -> Result<(Copied, Restored), BackupError> {
    let (from, to) = (file::find(from)?, file::resolve(to)?);
    // A log that is left beside a lost database would be taken for that of the copy.
    file::with_companions(&to).try_for_each(|path| refuse_existing(&path))?;
    let part = Part::create(&to)?;
    let copied = copy(&from, &part)?;
    let restored = make_powerless(&part.path, Why::PutBack, now)?;
    part.take_name(&to)?;
    Ok((copied, restored))
}

pub(super) fn refuse_existing(path: &Path) -> Result<(), BackupError> {
    match fs::symlink_metadata(path) {
        Err(missing) if missing.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(BackupError::Write { path: path.to_owned(), source }),
        Ok(_) => Err(BackupError::Exists { path: path.to_owned() }),
    }
}

/// Copies what is there at one moment, if it is ours and whole, and looks at the copy.
fn copy(from: &Path, part: &Part) -> Result<Copied, BackupError> {
    let source = connection::looker(from)?;
    let missing_step = check_ours(&source, from)?;
    check_whole(&source, from)?;
    let name = part.path.to_str().ok_or_else(|| BackupError::Name { path: part.path.clone() })?;
    // What is written is another file; SQLite asks no more than whether this connection may write at all.
    source.pragma_update(None, "query_only", false).map_err(|problem| unwritten(problem, from))?;
    source.execute(sql::SQLITE_COPY_INTO, [name]).map_err(|problem| uncopied(problem, from, part))?;
    let copy = connection::reader(&part.path)?;
    check_whole(&copy, &part.path)?;
    let has_sealed = missing_step.is_none_or(|missing| missing > SEALED_SINCE);
    count(&copy, has_sealed, part)
}

fn count(copy: &Connection, has_sealed: bool, part: &Part) -> Result<Copied, BackupError> {
    let bytes = fs::metadata(&part.path).map_err(|source| part.failed(source))?.len();
    let counted = query::one(copy, sql::COUNT_RECORDS, &[], |row| {
        let [owners, clients, grants, private_keys] =
            ["owners", "clients", "grants", "private_keys"].map(|column| rows::count(row, column));
        Ok((owners?, clients?, grants?, private_keys?))
    })?;
    let (owners, clients, grants, private_keys) = counted.unwrap_or_default();
    let plain = |row: &dyn rows::Columns| rows::count(row, "plain_keys");
    let plain_keys = match has_sealed {
        true => query::one(copy, sql::COUNT_PLAIN_KEYS, &[], plain)?.unwrap_or_default(),
        false => private_keys,
    };
    Ok(Copied { bytes, owners, clients, grants, private_keys, plain_keys })
}

/// Whether this program made the tables, or one beside which it works, or an older one: then the first step that is missing.
pub(super) fn check_ours(connection: &Connection, path: &Path) -> Result<Option<i64>, BackupError> {
    match migrate::check(connection) {
        Ok(_) => Ok(None),
        Err(OpenError::OlderSchema { missing: 1 }) => Err(BackupError::NotOurs { path: path.to_owned() }),
        Err(OpenError::OlderSchema { missing }) => Ok(Some(missing)),
        Err(other) => Err(other.into()),
    }
}

pub(super) fn check_whole(connection: &Connection, path: &Path) -> Result<(), BackupError> {
    let found = match connection.query_row(sql::SQLITE_CHECK, [], |row| row.get::<_, String>(0)) {
        Ok(whole) if whole == "ok" => return Ok(()),
        Ok(found) => found,
        Err(problem) => problem.to_string(),
    };
    Err(BackupError::Damaged { path: path.to_owned(), found })
}

fn unwritten(problem: rusqlite::Error, path: &Path) -> BackupError {
    match query::store_error(problem) {
        StoreError::Corrupt(found) => BackupError::Damaged { path: path.to_owned(), found: found.to_string() },
        unavailable @ StoreError::Unavailable(_) => unavailable.into(),
    }
}

/// Where the disk is full it is that of the copy: nothing else is written.
fn uncopied(problem: rusqlite::Error, from: &Path, part: &Part) -> BackupError {
    match problem.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => part.failed(io::Error::new(ErrorKind::StorageFull, problem.to_string())),
        _ => unwritten(problem, from),
    }
}

fn make_powerless_in_place(path: &Path, why: Why, now: Timestamp) -> Result<Restored, BackupError> {
    let path = file::find(path)?;
    let looker = connection::looker(&path)?;
    check_ours(&looker, &path)?;
    check_whole(&looker, &path)?;
    drop(looker);
    make_powerless(&path, why, now)
}

/// Begins an epoch in a database that nobody else has open.
fn make_powerless(path: &Path, why: Why, now: Timestamp) -> Result<Restored, BackupError> {
    let mut connection = connection::alone(path)?.ok_or_else(|| BackupError::InUse { path: path.to_owned() })?;
    // What it does not know it would not end.
    migrate::migrate(&mut connection)?.check_known()?;
    let newest_moment = query::one(&connection, sql::FIND_NEWEST_MOMENT, &[], rows::newest_moment)?.flatten();
    let cut = why.cut(newest_moment, now)?;
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Exclusive).map_err(query::store_error)?;
    let epoch = epoch::begin(&transaction, cut)?;
    transaction.commit().map_err(query::store_error)?;
    connection.close().map_err(|(_, problem)| query::store_error(problem))?;
    Ok(Restored { epoch, newest_moment })
}

/// A file that is not whole yet. It goes with this value, unless it got its name.
pub(super) struct Part {
    pub(super) path: PathBuf,
    /// Whether the file has its name, and nothing of it is left under this one.
    is_renamed: bool,
}

impl Part {
    /// An empty file beside the one that it will be, readable by its owner alone.
    pub(super) fn create(to: &Path) -> Result<Self, BackupError> {
        let mut name = OsString::from(to);
        name.push(UNFINISHED);
        let path = PathBuf::from(name);
        match file::create(&path) {
            Ok(()) => Ok(Self { path, is_renamed: false }),
            Err(problem) if problem.kind() == ErrorKind::AlreadyExists => Err(BackupError::Unfinished { path }),
            Err(source) => Err(BackupError::Write { path, source }),
        }
    }

    fn failed(&self, source: io::Error) -> BackupError {
        BackupError::Write { path: self.path.clone(), source }
    }

    /// Gives it its name once it is on the disk, if nothing has that name.
    pub(super) fn take_name(mut self, to: &Path) -> Result<(), BackupError> {
        // SQLite has closed it: no lock of its goes with this descriptor.
        File::options()
            .write(true)
            .open(&self.path)
            .and_then(|file| file.sync_all())
            .map_err(|source| self.failed(source))?;
        match fs::hard_link(&self.path, to) {
            Ok(()) => {}
            Err(taken) if taken.kind() == ErrorKind::AlreadyExists => {
                return Err(BackupError::Exists { path: to.to_owned() });
            }
            // Not every file system gives a file a second name.
            Err(_) => {
                refuse_existing(to)?;
                fs::rename(&self.path, to).map_err(|source| self.failed(source))?;
                self.is_renamed = true;
            }
        }
        drop(self);
        let directory = to.parent().unwrap_or_else(|| Path::new("."));
        sync_directory(directory).map_err(|source| BackupError::Write { path: to.to_owned(), source })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Somebody else's may have the name by now.
        if self.is_renamed {
            return;
        }
        for path in file::with_companions(&self.path) {
            // Most are not there, and whoever reads the directory sees what could not be removed.
            let _ = fs::remove_file(path);
        }
    }
}

/// So that the name is on the disk too.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Elsewhere a directory cannot be opened as a file.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::{Error, ffi};

    use super::*;

    #[test]
    fn where_the_disk_is_full_the_copy_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("app.db"), folder.path().join("copy.db"));
        let part = Part::create(&to).unwrap();
        let problem = |code| Error::SqliteFailure(ffi::Error::new(code), Some("what SQLite says".to_owned()));
        let BackupError::Write { path, source } = uncopied(problem(ffi::SQLITE_FULL), &from, &part) else { panic!() };
        assert_eq!((path, source.to_string().as_str()), (part.path.clone(), "what SQLite says"));
        assert!(matches!(uncopied(problem(ffi::SQLITE_BUSY), &from, &part), BackupError::Store(_)));
        assert!(matches!(uncopied(problem(ffi::SQLITE_CORRUPT), &from, &part), BackupError::Damaged { .. }));
    }
}
