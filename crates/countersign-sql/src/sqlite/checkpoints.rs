//! The write-ahead log goes back into the file beside the writer, so that no commit does all of it.
//!
//! A thread copies what the log has when it begins, which is nearly all. What is written meanwhile is left, and a log of which
//! anything is left only grows: so the writer copies that little once its callers have their answers, and the next write
//! begins the log anew. The file is synced by whoever copies the last of it.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
};

use rusqlite::{Connection, MAIN_DB, wal::CheckpointMode};
use tokio::sync::mpsc;

use super::{
    connection,
    threads::{Threads, guarded},
};
use crate::open_error::OpenError;

/// From how many pages on the log is written back: as many as SQLite's own default, 4 MiB.
const ENOUGH: i32 = 1000;

/// From how many pages on the writer does not wait for the thread any longer: 32 MiB.
const TOO_MANY: i32 = 8 * ENOUGH;

/// What the writer does for its log.
pub(super) struct Checkpoints {
    thread: Threads<()>,
    log: Arc<Log>,
    /// At how many pages something is due; more than `ENOUGH` while the thread has been asked, or somebody still reads what is old.
    due: i32,
}

#[derive(Default)]
struct Log {
    /// How long it is since the last commit.
    pages: AtomicI32,
    /// The thread has copied what it could since it was asked.
    copied: AtomicBool,
}

/// What was done for the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tended {
    NotDue,
    /// The thread was asked.
    Asked,
    /// The writer copied what was left.
    Finished,
}

impl Checkpoints {
    /// In the place of what SQLite does by itself, which is all of it within a commit.
    pub(super) fn of(writer: &mut Connection, path: PathBuf) -> Result<Self, OpenError> {
        let log = Arc::new(Log::default());
        let seen = Arc::clone(&log);
        let hook = move |_: &mut _, pages| {
            seen.pages.store(pages, Ordering::Relaxed);
            Ok(())
        };
        writer.wal_hook(Some(hook)).map_err(connection::database)?;
        let (mut thread, asked) = Threads::new();
        let copying = Arc::clone(&log);
        thread
            .spawn("countersign-sqlite-checkpoint", move || copy_when_asked(&path, asked, &copying))
            .map_err(OpenError::Thread)?;
        Ok(Self { thread, log, due: ENOUGH })
    }

    /// To be called after a commit, when its callers have been answered.
    pub(super) fn tend(&mut self, writer: &Connection) -> Tended {
        let pages = self.log.pages.load(Ordering::Relaxed);
        if pages < self.due - ENOUGH {
            // It has begun anew since the thread was asked.
            self.due = ENOUGH;
            self.log.copied.store(false, Ordering::Relaxed);
        }
        if self.log.copied.swap(false, Ordering::Acquire) || pages >= self.due.max(TOO_MANY) {
            // If not all of it can be copied, somebody reads what was there before: later again.
            self.due = if copy(writer) == Copied::All { ENOUGH } else { pages + ENOUGH };
            return Tended::Finished;
        }
        if pages < self.due {
            return Tended::NotDue;
        }
        self.due = pages + ENOUGH;
        self.thread.offer(());
        Tended::Asked
    }
}

#[derive(PartialEq, Eq)]
enum Copied {
    All,
    /// Somebody reads what was there before, or copies too; or the disk does not take it.
    NotAll,
}

/// As much of the log as can be written back without waiting for anybody.
fn copy(connection: &Connection) -> Copied {
    match connection.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE) {
        Ok((pages, copied)) if pages == copied => Copied::All,
        Ok(_) => Copied::NotAll,
        Err(problem) => {
            // What was committed is in the log, and stays there.
            if !connection::is_busy(&problem) {
                tracing::warn!(event = "store", outcome = "failure", cause = ?problem, "the log was not written back");
            }
            Copied::NotAll
        }
    }
}

/// Copies with a connection of its own, which many a short-lived program never needs.
fn copy_when_asked(path: &Path, mut asked: mpsc::Receiver<()>, log: &Log) {
    let mut own = None;
    while asked.blocking_recv().is_some() {
        // Once for all who have asked by now.
        while asked.try_recv().is_ok() {}
        guarded(|| {
            if own.is_none() {
                let opened = connection::copier(path);
                own = opened.inspect_err(|problem| {
                    tracing::warn!(event = "store", outcome = "failure", cause = ?problem, "the log was not written back");
                }).ok();
            }
            if let Some(own) = &own {
                copy(own);
                log.copied.store(true, Ordering::Release);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::{
        thread,
        time::{Duration, Instant},
    };

    use super::*;

    struct Rig {
        connection: Connection,
        checkpoints: Checkpoints,
        path: PathBuf,
        _dir: tempfile::TempDir,
    }

    impl Rig {
        /// A database with a log, whose thread finds a database where `found` is.
        fn new(found: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a.db");
            let mut connection = Connection::open(&path).unwrap();
            connection.pragma_update(None, "journal_mode", "WAL").unwrap();
            connection.execute_batch("CREATE TABLE t (text)").unwrap();
            let checkpoints = Checkpoints::of(&mut connection, dir.path().join(found)).unwrap();
            Self { connection, checkpoints, path, _dir: dir }
        }

        fn pages(&self) -> i32 {
            self.checkpoints.log.pages.load(Ordering::Relaxed)
        }

        fn tend(&mut self) -> Tended {
            self.checkpoints.tend(&self.connection)
        }

        /// Adds to the log until it has so many pages.
        fn write_until(&self, pages: i32) {
            while self.pages() < pages {
                self.write();
            }
        }

        fn write(&self) {
            self.connection.execute("INSERT INTO t VALUES ($1)", [" ".repeat(400_000)]).unwrap();
        }

        fn wait_for_the_thread(&self) {
            let began = Instant::now();
            while !self.checkpoints.log.copied.load(Ordering::Relaxed) {
                assert!(began.elapsed() < Duration::from_secs(60), "the thread does not copy");
                thread::yield_now();
            }
        }
    }

    #[test]
    fn the_thread_copies_and_the_log_begins_anew() {
        let mut rig = Rig::new("a.db");
        rig.write_until(ENOUGH - 200);
        assert_eq!(rig.tend(), Tended::NotDue);
        rig.write_until(ENOUGH);
        assert_eq!(rig.tend(), Tended::Asked);
        rig.wait_for_the_thread();
        rig.write();
        assert!(rig.pages() < ENOUGH, "{} pages, so the log goes on", rig.pages());
        assert_eq!(rig.tend(), Tended::NotDue, "nothing is left to finish");
        rig.write_until(ENOUGH);
        assert_eq!(rig.tend(), Tended::Asked);
    }

    #[test]
    fn what_the_thread_left_the_writer_copies() {
        let mut rig = Rig::new("nowhere/a.db");
        rig.write_until(ENOUGH / 2);
        let other = connection::copier(&rig.path).unwrap();
        let reader = Connection::open(&rig.path).unwrap();
        reader.execute_batch("BEGIN; SELECT COUNT(*) FROM t").unwrap();
        rig.write_until(ENOUGH);
        assert_eq!(rig.tend(), Tended::Asked);
        // As the thread leaves what is written after it has begun.
        assert!(copy(&other) == Copied::NotAll);
        reader.execute_batch("COMMIT").unwrap();
        rig.checkpoints.log.copied.store(true, Ordering::Relaxed);
        rig.write();
        assert!(rig.pages() > ENOUGH, "not all was copied, so the log goes on");
        assert_eq!(rig.tend(), Tended::Finished);
        rig.write();
        assert!(rig.pages() < ENOUGH, "{} pages, so the log goes on", rig.pages());
    }

    #[test]
    fn the_thread_is_asked_once_in_a_while() {
        let mut rig = Rig::new("nowhere/a.db");
        rig.write_until(ENOUGH);
        assert_eq!(rig.tend(), Tended::Asked);
        rig.write();
        assert_eq!(rig.tend(), Tended::NotDue);
        rig.write_until(2 * ENOUGH + 200);
        assert_eq!(rig.tend(), Tended::Asked);
    }

    #[test]
    fn without_the_thread_the_writer_does_it_all() {
        let mut rig = Rig::new("nowhere/a.db");
        while rig.pages() < TOO_MANY {
            assert_ne!(rig.tend(), Tended::Finished, "at {} pages", rig.pages());
            rig.write();
        }
        let _ = rig.tend();
        rig.write_until(TOO_MANY + ENOUGH);
        assert_eq!(rig.tend(), Tended::Finished);
        rig.write();
        assert!(rig.pages() < ENOUGH);
    }

    #[test]
    fn who_reads_what_was_there_before_is_not_waited_for() {
        let mut rig = Rig::new("a.db");
        let reader = Connection::open(&rig.path).unwrap();
        reader.execute_batch("BEGIN; SELECT COUNT(*) FROM t").unwrap();
        rig.write_until(ENOUGH);
        assert_eq!(rig.tend(), Tended::Asked);
        rig.wait_for_the_thread();
        assert_eq!(rig.tend(), Tended::Finished);
        rig.write();
        assert!(rig.pages() > ENOUGH, "what the reader sees was overwritten");
        assert_eq!(rig.tend(), Tended::NotDue, "and it is not tried at every commit");
        reader.execute_batch("COMMIT").unwrap();
        rig.write_until(2 * ENOUGH + 400);
        assert_eq!(rig.tend(), Tended::Asked);
        rig.wait_for_the_thread();
        assert_eq!(rig.tend(), Tended::Finished);
        rig.write();
        assert!(rig.pages() < ENOUGH);
    }
}
