//! Processes of their own: several that start at once, a umask, and one that is killed.
//!
//! A child is this test program again, told to run one of the tests at the end on a database that others look at.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use countersign_core::store::{Grants, OwnerRegistry, Redeemed, Standing};
use countersign_sql::Sqlite;
use tokio::task::JoinSet;

use crate::support::{Place, grant, owner};

/// How a child learns where the database is.
const PATH: &str = "COUNTERSIGN_TEST_DATABASE";

/// How a child says that a write was acknowledged.
const ACKNOWLEDGED: &str = "acknowledged ";

/// Runs one of the tests below on the database of `place`, with the shell's words before it.
fn child(shell: &str, test: &str, place: &Place) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{shell} exec \"$0\" \"$@\"")])
        .arg(env::current_exe().unwrap())
        .args(["--exact", &format!("processes::{test}"), "--nocapture"])
        .env(PATH, &place.path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Where a child finds the database; whoever is no child has one of their own.
fn path() -> Option<PathBuf> {
    env::var_os(PATH).map(PathBuf::from)
}

#[test]
fn n10_files_are_0600_whatever_the_umask() {
    for umask in ["000", "022", "077", "277"] {
        let place = Place::new();
        let done = child(&format!("umask {umask};"), "n10_files_are_0600_as_soon_as_they_are_written", &place)
            .output()
            .unwrap();
        assert!(done.status.success(), "umask {umask}: {done:?}");
        assert!(place.path.is_file(), "the child ran");
    }
}

#[test]
fn n8_processes_that_open_a_new_file_at_once_all_succeed() {
    let place = Place::new();
    let start = || child("", "n10_files_are_0600_as_soon_as_they_are_written", &place).spawn().unwrap();
    let children: Vec<_> = (0..8).map(|_| start()).collect();
    for child in children {
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }
}

#[tokio::test]
async fn n2_a_kill_loses_nothing_that_was_acknowledged() {
    let place = Place::new();
    let mut acknowledged = Vec::new();
    for round in 1..=5 {
        let mut child = child("", "writers_at_once_are_each_acknowledged", &place).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let id = |line: String| line.split_once(ACKNOWLEDGED).map(|(_, id)| id.to_owned());
        let enough = 50 * round;
        acknowledged.extend(lines.by_ref().map(Result::unwrap).filter_map(id).take(enough));
        child.kill().unwrap();
        // What it said before it died counts, too; a line it did not finish does not.
        acknowledged.extend(lines.map_while(Result::ok).filter_map(id).filter(|id| id.ends_with('.')));
        child.wait().unwrap();

        let store = place.open().await;
        for id in &acknowledged {
            assert!(store.find_grant(&grant(id).id).await.unwrap().is_some(), "round {round}: {id} is lost");
        }
        let whole: String = place.raw().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(whole, "ok");
    }
    assert!(acknowledged.len() >= 50 * 15, "the children wrote");
}

#[tokio::test]
async fn n10_files_are_0600_as_soon_as_they_are_written() {
    let own = Place::new();
    let path = path().unwrap_or(own.path.clone());
    let store = Sqlite::open(&path).await.unwrap();
    store.add_owner(&owner("alice")).await.unwrap();
    assert_owner_only(&path);
    assert_eq!(store.list_owners(None, 9).await.unwrap(), [owner("alice")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_at_once_are_each_acknowledged() {
    let own = Place::new();
    // Nobody kills a process that is not a child, and far more than anybody waits for ends a child all the same.
    let writes = if path().is_some() { 10_000 } else { 10 };
    let store = Sqlite::open(path().unwrap_or(own.path.clone())).await.unwrap();
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let store = store.clone();
        writers.spawn(async move {
            for i in 0..writes {
                let grant = grant(&format!("{}-{writer}-{i}.", std::process::id()));
                assert_eq!(store.redeem(&Standing::Elsewhere, None, &grant, None).await.unwrap(), Redeemed::Whole);
                writeln!(std::io::stdout(), "{ACKNOWLEDGED}{}", grant.id).unwrap();
            }
        });
    }
    writers.join_all().await;
}

#[track_caller]
pub(crate) fn assert_owner_only(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let path = format!("{}{suffix}", path.display());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600, "{path} has mode {mode:o}");
    }
}
