//! A cable between a store and its database, which can be cut at a commit.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// The driver's message that commits.
const COMMIT: &[u8] = b"COMMIT\0";

/// Where the answer to a commit gets lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The database never hears of it.
    Before,
    /// It is committed, and nobody hears that.
    After,
}

/// A cable. Without TLS.
pub(super) struct Cable {
    /// The URL of the database through it.
    pub(super) url: String,
    plan: Arc<Plan>,
}

struct Plan {
    /// At which commit, counted from now, and where; never at 0.
    cut: Mutex<(usize, Cut)>,
    /// All that the store has said since the cut.
    said: watch::Sender<Vec<u8>>,
    cuts: AtomicUsize,
}

impl Cable {
    pub(super) async fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (before, after) = url.split_once("@127.0.0.1:").unwrap();
        let (port, rest) = after.split_once('/').unwrap();
        let (target, name): (u16, _) = (port.parse().unwrap(), rest.split_once('?').unwrap().0);
        let url = format!("{before}@{}/{name}?sslmode=disable", listener.local_addr().unwrap());
        let plan = Arc::new(Plan {
            cut: Mutex::new((0, Cut::Before)),
            said: watch::Sender::new(Vec::new()),
            cuts: AtomicUsize::new(0),
        });
        let kept = plan.clone();
        tokio::spawn(async move {
            while let Ok((store, _)) = listener.accept().await {
                let database = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
                let plan = kept.clone();
                tokio::spawn(async move { plan.carry(store, database).await });
            }
        });
        Self { url, plan }
    }

    /// From now on the cable is cut at this commit, and whole before and after.
    pub(super) fn cut(&self, commit: usize, cut: Cut) {
        self.plan.said.send_replace(Vec::new());
        *self.plan.cut.lock().unwrap() = (commit, cut);
    }

    /// Returns as soon as the store, after the cut, has said one of these.
    pub(super) async fn until_said(&self, words: &[&[u8]]) {
        let has = |said: &Vec<u8>| words.iter().any(|words| contains(said, words));
        self.plan.said.subscribe().wait_for(has).await.unwrap();
        assert_eq!(self.plan.cuts.swap(0, Ordering::SeqCst), 1);
    }
}

impl Plan {
    /// Carries what both say, until one of them ends or the cable is cut: both then find it lost.
    async fn carry(&self, mut store: TcpStream, mut database: TcpStream) -> Option<()> {
        let (mut from_store, mut from_database) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        loop {
            tokio::select! {
                read = store.read(&mut from_store) => {
                    let said = &from_store[..read.ok().filter(|read| *read > 0)?];
                    match contains(said, COMMIT).then(|| self.next_commit()).flatten() {
                        Some(Cut::Before) => return self.has_cut(),
                        Some(Cut::After) => {
                            database.write_all(said).await.ok()?;
                            assert!(database.read(&mut from_database).await.unwrap() > 0, "it is committed");
                            return self.has_cut();
                        }
                        None => {}
                    }
                    if self.cuts.load(Ordering::SeqCst) > 0 {
                        self.said.send_modify(|all| all.extend_from_slice(said));
                    }
                    database.write_all(said).await.ok()?;
                }
                read = database.read(&mut from_database) => {
                    let said = &from_database[..read.ok().filter(|read| *read > 0)?];
                    store.write_all(said).await.ok()?;
                }
            }
        }
    }

    /// Whether it is cut at this commit.
    fn next_commit(&self) -> Option<Cut> {
        let mut plan = self.cut.lock().unwrap();
        let (left, cut) = *plan;
        plan.0 = left.saturating_sub(1);
        (left == 1).then_some(cut)
    }

    fn has_cut(&self) -> Option<()> {
        self.cuts.fetch_add(1, Ordering::SeqCst);
        None
    }
}

fn contains(said: &[u8], words: &[u8]) -> bool {
    said.windows(words.len()).any(|window| window == words)
}
