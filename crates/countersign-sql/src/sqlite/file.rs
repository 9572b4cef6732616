//! The file before SQLite sees it: there, regular, and its owner's alone.

use std::{
    ffi::OsString,
    fs::{self, Metadata, OpenOptions},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::open_error::OpenError;

/// What SQLite puts beside a database. They inherit its mode, but may be left from before it had the right one.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Closing any descriptor of a file drops all POSIX locks that the process has on it, SQLite's too. So a new file is
/// made and closed while no other store in this process can have opened it, and an old one is never opened here.
static CREATING: Mutex<()> = Mutex::new(());

/// Makes the file if there is none, refuses what is no file, and returns its path without symbolic links.
pub(super) fn prepare(path: &Path) -> Result<PathBuf, OpenError> {
    let path = resolve(path)?;
    {
        let _creating = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
        match create(&path) {
            Err(problem) if problem.kind() == ErrorKind::AlreadyExists => {}
            created => created.map_err(|source| OpenError::Permissions { path: path.clone(), source })?,
        }
    }
    for file in with_companions(&path) {
        regular(&file)?;
    }
    Ok(path)
}

/// The path without symbolic links of a file that is there; nothing is made.
pub(super) fn find(path: &Path) -> Result<PathBuf, OpenError> {
    let path = resolve(path)?;
    match regular(&path)? {
        Some(_) => Ok(path),
        None => Err(OpenError::Missing { path }),
    }
}

/// Takes the files from other users' hands, and says so. Not before SQLite knows that it is a database: whoever
/// mistypes a path keeps the mode of that file.
pub(super) fn restrict(path: &Path) -> Result<(), OpenError> {
    with_companions(path).try_for_each(|file| restrict_one(&file))
}

pub(super) fn with_companions(path: &Path) -> impl Iterator<Item = PathBuf> {
    let companion = move |suffix| {
        let mut name = OsString::from(path);
        name.push(suffix);
        PathBuf::from(name)
    };
    [""].into_iter().chain(COMPANIONS).map(companion)
}

/// The absolute path: SQLite would read one that starts with `file:` as a URL, and follow links in the directory.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, OpenError> {
    let name = path.file_name().ok_or_else(|| OpenError::NotAFile { path: path.to_owned() })?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let resolved = directory.canonicalize().and_then(|directory| match directory.is_dir() {
        true => Ok(directory),
        false => Err(ErrorKind::NotADirectory.into()),
    });
    match resolved {
        Ok(directory) => Ok(directory.join(name)),
        Err(source) => Err(OpenError::Directory { path: directory.to_owned(), source }),
    }
}

/// Only ever makes a file: what has the name already, a symbolic link included, stays as it is.
pub(super) fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        options.mode(OWNER_ONLY);
        // The umask may have taken from the owner, too.
        options.open(path)?.set_permissions(fs::Permissions::from_mode(OWNER_ONLY))
    }
    #[cfg(not(unix))]
    options.open(path).map(drop)
}

/// Read and write for the owner, nothing for others.
#[cfg(unix)]
const OWNER_ONLY: u32 = 0o600;

/// What is known of a file, if there is one and it is a regular one.
fn regular(path: &Path) -> Result<Option<Metadata>, OpenError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(Some(metadata)),
        Ok(_) => Err(OpenError::NotAFile { path: path.to_owned() }),
        Err(missing) if missing.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(OpenError::Permissions { path: path.to_owned(), source }),
    }
}

#[cfg(unix)]
fn restrict_one(path: &Path) -> Result<(), OpenError> {
    use std::os::unix::fs::PermissionsExt;
    let Some(metadata) = regular(path)? else { return Ok(()) };
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & !OWNER_ONLY == 0 {
        return Ok(());
    }
    match fs::set_permissions(path, fs::Permissions::from_mode(mode & OWNER_ONLY)) {
        // SQLite removes what is beside a database when the last process closes it, between the look and here.
        Err(gone) if gone.kind() == ErrorKind::NotFound => return Ok(()),
        narrowed => narrowed.map_err(|source| OpenError::Permissions { path: path.to_owned(), source })?,
    }
    let was = format!("{mode:o}");
    tracing::warn!(event = "database", outcome = "narrowed", path = %path.display(), was, "other users could reach the database; now only its owner can");
    Ok(())
}

/// Elsewhere the directory decides who can read what is in it.
#[cfg(not(unix))]
fn restrict_one(_: &Path) -> Result<(), OpenError> {
    Ok(())
}
