//! Why a store could not be opened: what an operator reads at the start of the program.

use std::{io, path::PathBuf};

use countersign_core::store::BoxError;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The text names no database that this store can open.
    #[error("{0:?} is not a path of a database: write app.db, sqlite://app.db or sqlite:///var/lib/app.db")]
    Location(String),
    /// The directory that should hold the file is not there, or cannot be entered.
    #[error("the directory {path:?} for the database cannot be used: it must exist")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Something else has the name: a directory, a device, or a symbolic link, which we do not follow.
    #[error("{path:?} is not a regular file; a database is not opened through a symbolic link")]
    NotAFile {
        /// What has the name.
        path: PathBuf,
    },
    /// There is no such file, and none should be made.
    #[error("there is no database {path:?}")]
    Missing {
        /// What was looked for.
        path: PathBuf,
    },
    /// The file could not be made, or could not be closed to other users.
    #[error("{path:?} cannot be made readable and writable by its owner alone")]
    Permissions {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The engine refused: not a database, locked for too long, damaged, or the disk is full.
    #[error("the database cannot be opened")]
    Database(#[source] BoxError),
    /// The file system cannot do write-ahead logging, as most network file systems cannot.
    #[error("the database cannot keep a write-ahead log here (its journal mode stayed {mode:?}); use a local disk")]
    NoWriteAheadLog {
        /// The journal mode that it has instead.
        mode: String,
    },
    /// The tables are an older program's, or there are none, and nothing should be changed.
    #[error("schema version {missing} is missing in the database: this program adds it when it opens it to write")]
    OlderSchema {
        /// The first step that was not made.
        missing: i64,
    },
    /// A newer program made the tables, and this one would misread them, or write what the newer one cannot use.
    #[error(
        "the database has schema version {found}, beside which only programs work that know version {oldest}, and this one \
        knows none after {known}: use the newer program, or put a backup from before the update back"
    )]
    NewerSchema {
        /// The version of the database.
        found: i64,
        /// The last version that this program knows.
        known: i64,
        /// The oldest version whose programs work beside all that this one does not know.
        oldest: i64,
    },
    /// A newer program made the tables. This one can work beside it, but not do what takes knowing all there is.
    #[error(
        "the database has schema version {found}, and this program knows none after {known}: it cannot move, or make \
        powerless, what it does not know; use the newer program"
    )]
    UnlikeSchema {
        /// The version of the database.
        found: i64,
        /// The last version that this program knows.
        known: i64,
    },
    /// A step of the schema was made from another text than this program's, or is missing.
    #[error("schema version {version} of the database is not the one that this program makes")]
    AlteredSchema {
        /// The first step that differs.
        version: i64,
    },
    /// The URL names no database that can be used. Without the URL: it may have a password in it.
    #[error("the URL of the database cannot be used: {0}")]
    Url(&'static str),
    /// The file that should have the password cannot be read.
    #[error("the file {path:?}, which should have the password for the database, cannot be read")]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There are no certificates to hold the database's against.
    #[error("no certificates to trust can be read from {place}; name a file of them with sslrootcert")]
    Certificates {
        /// A file, or the operating system.
        place: String,
        /// What is wrong.
        source: BoxError,
    },
    /// No connection came about: the database is away, speaks no TLS, has a certificate that is not trusted, or refuses us.
    #[error(
        "there is no connection to the database {place} (does it run there, and are user and password those of the URL?)"
    )]
    Connect {
        /// The hosts with their ports, and the name of the database: `db.example:5432/name`.
        place: String,
        /// What the network, or the database, said.
        source: BoxError,
    },
    /// The database keeps text in another encoding than ours.
    #[error(
        "the database has the encoding {found}, and must have UTF8: make it with CREATE DATABASE … ENCODING 'UTF8'"
    )]
    Encoding {
        /// What it has.
        found: String,
    },
    /// The operating system gave no thread.
    #[error("a thread for the database could not be started")]
    Thread(#[source] io::Error),
}
