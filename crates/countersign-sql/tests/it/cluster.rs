//! A PostgreSQL for this process: `scripts/postgres.sh` makes it, and removes it as soon as the process has ended, however
//! it did. Where PostgreSQL is missing, tests fail. The tests of the program have this file, too.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// The one of this process, on which each test has a database of its own.
pub(crate) static SHARED: LazyLock<Cluster> = LazyLock::new(Cluster::start);

/// A throw-away cluster.
pub(crate) struct Cluster {
    url: String,
    dir: PathBuf,
    databases: AtomicUsize,
    /// While its standard input is open, the cluster stays.
    _keeper: Child,
    _folder: TempDir,
}

fn script(command: &str, dir: &Path) -> Command {
    let mut script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/postgres.sh"));
    script.arg(command).arg(dir);
    script
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The database's own user must be able to enter.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        }
        let dir = folder.path().join("pg");
        let mut keeper = script("run", &dir).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("postgres://"), "PostgreSQL does not start: see what scripts/postgres.sh said");
        Self { url: url.trim().to_owned(), dir, databases: AtomicUsize::new(0), _keeper: keeper, _folder: folder }
    }

    /// Ends it as a loss of power would.
    pub(crate) fn crash(&self) {
        assert!(script("crash", &self.dir).status().unwrap().success());
    }

    /// Starts it again, on the same port.
    pub(crate) fn resume(&self) {
        assert!(script("resume", &self.dir).status().unwrap().success());
    }

    /// A new, empty database; its URL.
    pub(crate) async fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let client = connect(&self.url).await;
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        self.url.replace("/postgres?", &format!("/{name}?"))
    }
}

/// A database that goes when its owner does: hundreds of tests have one each.
#[derive(Debug)]
pub(crate) struct OwnDatabase(pub(crate) String);

impl Drop for OwnDatabase {
    fn drop(&mut self) {
        let url = std::mem::take(&mut self.0);
        // Nobody waits for it, and no runtime need be left.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let Some((_, name)) = url.split('?').next().and_then(|url| url.rsplit_once('/')) else { return };
            runtime.block_on(async {
                let client = connect(&SHARED.url).await;
                client.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
            });
        });
    }
}

/// A connection of the test's own, without TLS.
pub(crate) async fn connect(url: &str) -> Client {
    let (url, _) = url.split_once('?').unwrap();
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    client
}
