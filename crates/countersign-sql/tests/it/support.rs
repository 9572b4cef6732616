//! A database in a folder of its own, and records to put into it.

use std::{path::PathBuf, time::Duration};

use countersign_core::{
    clock::Timestamp,
    grant_record::Grant,
    names::{ClientId, GrantId, Subject},
    password::PasswordHash,
    resource_owner::{OwnerStatus, ResourceOwner},
    store::{HandleHash, OneTime, OneTimeKind, Spend},
    username::Username,
};
use countersign_sql::Sqlite;
use rusqlite::Connection;
use tempfile::TempDir;

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

pub(crate) const CODE: OneTimeKind = OneTimeKind::new("code");

/// A folder that goes with its end, and a name in it.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    pub(crate) path: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.db");
        Self { dir, path }
    }

    #[track_caller]
    pub(crate) fn open(&self) -> impl Future<Output = Sqlite> + use<> {
        let path = self.path.clone();
        async move { Sqlite::open(path).await.unwrap() }
    }

    /// The file as another program sees it.
    pub(crate) fn raw(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }
}

pub(crate) fn owner(name: &str) -> ResourceOwner {
    ResourceOwner {
        subject: Subject::new(format!("subject of {name}")),
        username: Username::parse(name).unwrap(),
        full_name: None,
        email: None,
        scope: "me".parse().unwrap(),
        status: OwnerStatus::Active,
        password_hash: Some(PasswordHash::new("a hash")),
    }
}

pub(crate) fn grant(id: &(impl ToString + ?Sized)) -> Grant {
    Grant {
        id: GrantId::new(id.to_string()),
        subject: Subject::new("elsewhere"),
        client_id: ClientId::new("countersign"),
        scope: "me".parse().unwrap(),
        created_at: NOW,
        used_at: NOW,
        access_until: NOW.plus(Duration::from_secs(900)),
        refresh: None,
    }
}

pub(crate) fn code(handle: &str) -> OneTime {
    OneTime {
        kind: CODE,
        handle: HandleHash::of(handle),
        expires_at: NOW.plus(Duration::from_secs(60)),
        payload: "{}".to_owned(),
    }
}

pub(crate) fn spend(handle: &str) -> Spend {
    Spend { kind: CODE, handle: HandleHash::of(handle), now: NOW }
}
