//! What an operator reads of a copy of the database that is made or put back, and why it was not.

use std::{io, path::PathBuf, time::Duration};

use countersign_core::{
    clock::Timestamp,
    store::{Epoch, StoreError},
};

use crate::open_error::OpenError;

/// What is in a copy of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// How many bytes it has.
    pub bytes: u64,
    /// How many users.
    pub owners: usize,
    /// How many clients.
    pub clients: usize,
    /// How many grants.
    pub grants: usize,
    /// How many private keys.
    pub private_keys: usize,
    /// How many of these are not encrypted: whoever can read the copy can sign tokens with them.
    pub plain_keys: usize,
}

/// What a database is that was put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What it ended of what it had.
    pub epoch: Epoch,
    /// The newest moment at which a grant of it was used or a client registered, if there was any: what happened after it is
    /// not known.
    pub newest_moment: Option<Timestamp>,
}

/// Why a database was not copied, or not put back. Nothing was left behind, and nothing changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Something has the name of what should be written, or of what SQLite would keep beside it.
    #[error("there is {path:?} already, which is never overwritten")]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// Another is being written, or was left by a process that was killed.
    #[error(
        "there is {path:?}: a copy that is being written, or that was never finished; remove it if nobody writes it"
    )]
    Unfinished {
        /// What is there.
        path: PathBuf,
    },
    /// It is a database, and has no tables of ours.
    #[error("{path:?} is no database of this program: it has none of its tables")]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// It is not whole.
    #[error("{path:?} is damaged: {found}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite found.
        found: String,
    },
    /// Somebody has it open.
    #[error("{path:?} is in use: stop the server, and whatever else has it open")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// By the clock of this machine the database is of the future. What was issued could not be told from what will be.
    #[error("the clock of this machine is behind the newest moment in the database, {} seconds after 1970: set it right", .newest.seconds())]
    ClockBehind {
        /// The newest moment.
        newest: Timestamp,
    },
    /// The name of a file cannot be given to SQLite.
    #[error("{path:?} has a name that is not UTF-8")]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// The copy could not be written to the disk, or not be given its name.
    #[error("{path:?} cannot be written")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The database could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How far the clock may be behind a moment in the database: as far as the clocks of two machines may be apart.
const CLOCKS_APART: Duration = Duration::from_secs(60);

/// Why the past is made powerless.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The database was put back: with a clock that is wrong nobody could tell what was issued from what will be.
    PutBack,
    /// An operator ends everything. That must not wait for a row that a clock left which was ahead once: what it stands for is
    /// gone with the row and the keys.
    Asked,
}

impl Why {
    /// Up to when what was issued is worth nothing, in a database with this newest moment.
    ///
    /// # Errors
    /// [`BackupError::ClockBehind`].
    pub(crate) fn cut(self, newest: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, BackupError> {
        let latest = now.plus(CLOCKS_APART);
        match newest {
            Some(newest) if newest > latest && self == Self::PutBack => Err(BackupError::ClockBehind { newest }),
            newest => Ok(newest.map_or(now, |newest| newest.clamp(now, latest))),
        }
    }
}
