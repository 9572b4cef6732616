//! A database of its own for each test, in either engine, and records to put into it.

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
use countersign_sql::{Database, OpenError, Sqlite};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::cluster::{self, SHARED};

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

/// A database of one test, in one of the engines.
pub(crate) enum Home {
    File(Place),
    /// The URL.
    Cluster(String),
}

impl Home {
    pub(crate) fn file() -> Self {
        Self::File(Place::new())
    }

    pub(crate) async fn database() -> Self {
        Self::Cluster(SHARED.database().await)
    }

    /// Another one, in the same engine.
    pub(crate) async fn another(&self) -> Self {
        match self {
            Self::File(_) => Self::file(),
            Self::Cluster(_) => Self::database().await,
        }
    }

    /// As many as a test wants in a file; fewer where each takes its time.
    pub(crate) fn of_many(&self, many: usize) -> usize {
        match self {
            Self::File(_) => many,
            Self::Cluster(_) => many / 10,
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::File(place) => place.path.display().to_string(),
            Self::Cluster(url) => url.clone(),
        }
    }

    pub(crate) fn try_open(&self) -> impl Future<Output = Result<Database, OpenError>> + use<> {
        let url = self.url();
        async move { Database::open(&url).await }
    }

    pub(crate) fn open(&self) -> impl Future<Output = Database> + use<> {
        let opening = self.try_open();
        async move { opening.await.unwrap() }
    }

    /// What another program does to it.
    pub(crate) async fn run(&self, sql: &str) {
        match self {
            Self::File(place) => place.raw().execute_batch(sql).unwrap(),
            Self::Cluster(url) => cluster::connect(url).await.batch_execute(sql).await.unwrap(),
        }
    }

    /// The first column of the first row.
    pub(crate) async fn look(&self, sql: &str) -> String {
        match self {
            Self::File(place) => place.raw().query_row(sql, [], |row| row.get(0)).unwrap(),
            Self::Cluster(url) => cluster::connect(url).await.query_one(sql, &[]).await.unwrap().get(0),
        }
    }
}

/// Records a step of a later version, beside which programs of the version `welcomes` work: an expression over the steps.
pub(crate) fn later_step(welcomes: &str) -> String {
    format!("INSERT INTO oauth2_schema SELECT max(version) + 1, 'of tomorrow', {welcomes} FROM oauth2_schema;")
}

/// What a later version may do beneath programs of this one: a column more in every table, and a table.
pub(crate) fn grown(home: &Home) -> String {
    let of_server = match home {
        Home::File(_) => &[][..],
        Home::Cluster(_) => &["locks", "attempts", "known_pairs"],
    };
    let tables = ["owners", "clients", "keys", "grants", "opaque_tokens", "one_time", "feed"];
    let columns = tables
        .iter()
        .chain(of_server)
        .map(|table| format!("ALTER TABLE oauth2_{table} ADD COLUMN later TEXT NOT NULL DEFAULT 'later'; "));
    let table = "CREATE TABLE oauth2_later (id TEXT NOT NULL PRIMARY KEY); ".to_owned();
    columns.chain([table, later_step("max(version)")]).collect()
}

/// Makes tests of functions that take a [`Home`]: each in both engines.
macro_rules! in_both_engines {
    ($($test:ident)+) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(crate::support::Home::file()).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(crate::support::Home::database().await).await;
            })+
        }
    };
}

pub(crate) use in_both_engines;

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
