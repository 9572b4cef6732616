//! Figures of the life of a token, over SQLite. All of one run, so that their ratios mean something.
//!
//! `cargo bench -p countersign-sql --bench life` prints a table; `benches/README.md` keeps one.
#![expect(clippy::unwrap_used, reason = "a program that measures")]

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use countersign::{Argon2Cost, GrantType, HashingSettings, NewClient, NewUser, OAuth2, Timestamp};
use countersign_core::{
    authorization_server::{AuthorizationServer, Request, TokenResponse},
    form::Form,
    names::GrantId,
    store::{Ended, FeedEntry},
    token::revoked::Revoked,
};
use countersign_sql::Sqlite;
use rusqlite::Connection;
use tokio::task::JoinSet;

/// How many ask at once.
const AT_ONCE: usize = 64;

/// How long each thing is measured.
const LONG: Duration = Duration::from_secs(4);

/// How many entries the full set of what has ended has.
const REVOKED: u64 = 100_000;

/// How many verifications are timed.
const VERIFICATIONS: u32 = 200_000;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let oauth2 = api(folder.path()).await;
    let server = server(&oauth2);
    let commits = commits_a_second(&folder.path().join("commits.db"));
    println!("single synchronous commits     {commits:>10.0} /s");
    let refreshes = refreshes_a_second(&server).await;
    println!("refreshes, {AT_ONCE} at once          {refreshes:>10.0} /s, {:.1} times that", refreshes / commits);
    let token = own_token(&server).await;
    let introspection = form(&format!("{}&token={}", of("api"), token.access_token.secret()));
    let asked =
        a_second(&server, async |server| drop(server.introspect(Request::new(None, &introspection)).await.unwrap()))
            .await;
    println!("introspections, {AT_ONCE} at once     {asked:>10.0} /s");
    let issued = a_second(&server, async |server| drop(own_token(server).await)).await;
    println!("client credentials, {AT_ONCE} at once {issued:>10.0} /s");
    let revoked = a_second(&server, async |server| {
        let token = own_token(server).await;
        let revocation = form(&format!("{}&token={}", of("api"), token.access_token.secret()));
        server.revoke(Request::new(None, &revocation)).await.unwrap();
    });
    println!("a token and its revocation     {:>10.0} /s", revoked.await);
    memory();
    what_a_guard_costs(folder.path()).await;
}

fn form(text: &str) -> Form {
    Form::parse(text.as_bytes()).unwrap()
}

/// The parameters by which the client proves who it is.
fn of(id: &str) -> String {
    format!("client_id={id}&client_secret=a+long+and+winding+secret+of+the+benchmarks")
}

async fn api(folder: &Path) -> OAuth2 {
    let store = Sqlite::open(folder.join("life.db")).await.unwrap();
    let hashing = HashingSettings { cost: Argon2Cost::weak_for_tests(), ..HashingSettings::default() };
    let oauth2 = OAuth2::new(store).issuer("https://api.example").hashing(hashing).build().await.unwrap();
    oauth2.add_user(NewUser::new("alice").password("correct horse").scope("me")).await.unwrap();
    let client = NewClient::new("api").secret("a long and winding secret of the benchmarks").scope("me");
    let client = client.grant_type(GrantType::ClientCredentials).serves("https://api.example");
    oauth2.add_client(client).await.unwrap();
    oauth2
}

fn server(oauth2: &OAuth2) -> Arc<OAuth2Server> {
    Arc::new(OAuth2Server(oauth2.clone()))
}

/// The server behind a handle.
struct OAuth2Server(OAuth2);

impl std::ops::Deref for OAuth2Server {
    type Target = AuthorizationServer;

    fn deref(&self) -> &AuthorizationServer {
        self.0.server().unwrap()
    }
}

async fn own_token(server: &AuthorizationServer) -> TokenResponse {
    let asked = form(&format!("{}&grant_type=client_credentials&scope=me", of("api")));
    server.token(Request::new(None, &asked)).await.unwrap()
}

/// One row a commit, each on the disk before the next: what a machine does without anybody's help.
fn commits_a_second(path: &Path) -> f64 {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.pragma_update(None, "synchronous", "full").unwrap();
    connection.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)").unwrap();
    let (began, mut done) = (Instant::now(), 0_u32);
    while began.elapsed() < LONG {
        connection.execute("INSERT INTO t (text) VALUES ('a row of some length, as a grant has')", []).unwrap();
        done += 1;
    }
    f64::from(done) / began.elapsed().as_secs_f64()
}

/// Everybody has a grant of their own and renews it again and again.
async fn refreshes_a_second(server: &Arc<OAuth2Server>) -> f64 {
    let mut tokens = Vec::new();
    for _ in 0..AT_ONCE {
        let login = form("username=alice&password=correct+horse&scope=me");
        tokens.push(server.token(Request::new(None, &login)).await.unwrap().refresh_token.unwrap());
    }
    let done = Arc::new(AtomicUsize::new(0));
    let (began, mut all) = (Instant::now(), JoinSet::new());
    for mut token in tokens {
        let (server, done) = (server.clone(), done.clone());
        all.spawn(async move {
            while began.elapsed() < LONG {
                let renewal = form(&format!("grant_type=refresh_token&refresh_token={}", token.secret()));
                token = server.token(Request::new(None, &renewal)).await.unwrap().refresh_token.unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    all.join_all().await;
    rate(done.load(Ordering::Relaxed), began.elapsed())
}

/// How often something is done a second, by many at once.
async fn a_second(server: &Arc<OAuth2Server>, what: impl AsyncFn(&AuthorizationServer)) -> f64 {
    let done = AtomicUsize::new(0);
    let began = Instant::now();
    let one = async || {
        while began.elapsed() < LONG {
            what(server).await;
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    let mut all: Vec<_> = (0..AT_ONCE).map(|_| Box::pin(one())).collect();
    std::future::poll_fn(|context| {
        all.retain_mut(|task| task.as_mut().poll(context).is_pending());
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    rate(done.load(Ordering::Relaxed), began.elapsed())
}

fn rate(done: usize, took: Duration) -> f64 {
    f64::from(u32::try_from(done).unwrap()) / took.as_secs_f64()
}

fn entries() -> Vec<FeedEntry> {
    let until = Timestamp::from_seconds(i64::MAX / 2);
    (1..=REVOKED)
        // As long as a name of ours.
        .map(|number| FeedEntry { number, ended: Ended::Grant(GrantId::new(format!("{number:022}"))), until })
        .collect()
}

fn memory() {
    let resident = || -> i64 {
        let pages: i64 = fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        pages * 4
    };
    let entries = entries();
    let revoked = Revoked::new();
    let before = resident();
    revoked.hear(&entries);
    println!("{REVOKED} revoked tokens         {:>10} KiB", resident() - before);
    drop((entries, revoked));
}

/// A token seen before, verified with nothing revoked and with very much, neither of which is its own.
async fn what_a_guard_costs(folder: &Path) {
    let folder = folder.join("guard");
    fs::create_dir(&folder).unwrap();
    let oauth2 = api(&folder).await;
    let server = oauth2.server().unwrap();
    let token = own_token(server).await.access_token;
    let time = async || {
        let began = Instant::now();
        for _ in 0..VERIFICATIONS {
            server.verify(&token).await.unwrap();
        }
        began.elapsed().as_secs_f64() * 1e9 / f64::from(VERIFICATIONS)
    };
    time().await;
    let empty = time().await;
    server.revoked().hear(&entries());
    time().await;
    let full = time().await;
    println!("verifying, nothing revoked     {empty:>10.0} ns");
    println!("verifying, {REVOKED} revoked    {full:>10.0} ns, {:+.0} ns", full - empty);
}
