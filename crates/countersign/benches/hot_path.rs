//! The share of processor time that a request keeps where a guard knows its token and its user: beside a bare axum route
//! with the same body, with many tokens in turn instead of one, and with many live grants and revoked tokens instead of none.
//!
//! `cargo bench -p countersign --bench hot_path` (needs wrk); `benches/README.md` keeps its table.

use std::{
    borrow::Cow,
    env, fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
    routing::get as bare,
};
use countersign::{
    Argon2Cost, Clock as _, CurrentUser, HashingSettings, Memory, NewUser, OAuth2, User,
    core::{
        clock::System,
        store::{Ended, Feed, OwnerRegistry},
    },
    routing::get,
    schemars::{JsonSchema, Schema, SchemaGenerator},
};
use serde::{Serialize, Serializer};
use tower::ServiceExt;

#[expect(dead_code, reason = "other benchmarks use the rest")]
#[path = "common/mod.rs"]
mod common;

use common::login;

/// How many tokens, each of a grant of its own, are live where there are many.
const MANY: usize = 100_000;

/// How many more are revoked there.
const REVOKED: usize = 10_000;

/// How long wrk runs, and how often, taking turns.
const SECONDS: u32 = 3;
const TURNS: usize = 7;

/// Clock ticks a second, in which Linux counts a process' time.
const TICKS: f64 = 100.0;

/// A bare axum route, and three with the same body: its handler behind a guard, one that answers with the guard's user, and
/// our own.
const ROUTES: [&str; 4] = ["/bare", "/guarded", "/me", "/users/me"];

fn main() {
    match env::args().nth(1).as_deref() {
        Some("serve") => {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            let tokens = env::args().nth(2).and_then(|count| count.parse().ok()).unwrap_or(1);
            runtime.unwrap_or_else(|error| panic!("{error}")).block_on(serve(tokens));
        }
        _ => compare(),
    }
}

/// A user, shared.
#[derive(Clone)]
struct Me(Arc<User>);

impl Serialize for Me {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl JsonSchema for Me {
    fn schema_name() -> Cow<'static, str> {
        User::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        User::json_schema(generator)
    }
}

/// An API with `tokens` live grants, and if there are many, as many revoked tokens as [`REVOKED`] says.
async fn api(tokens: usize) -> (Router, Vec<String>) {
    let store = Memory::new();
    let hashing = HashingSettings { cost: Argon2Cost::weak_for_tests(), ..HashingSettings::default() };
    let life = Duration::from_secs(60 * 60);
    let builder = OAuth2::new(store.clone()).hashing(hashing).remembered_tokens(2 * MANY).access_token_lifetime(life);
    let oauth2 = builder.build().await.unwrap_or_else(|error| panic!("{error}"));
    let alice = NewUser::new("alice").password("correct horse").full_name("Alice Wonderland").scope("me read:items");
    oauth2.add_user(alice).await.unwrap_or_else(|error| panic!("{error}"));
    let alice = store.list_owners(None, 1).await.unwrap_or_default().pop().unwrap_or_else(|| panic!("no user"));
    let me = Me(Arc::new(alice.into()));
    let guarded = me.clone();
    let guarded = oauth2
        .router()
        .route(ROUTES[1], get(async move |_: CurrentUser| Json(guarded)))
        .route(ROUTES[2], get(async |user: CurrentUser| Json(user.into_inner())))
        .finish();
    let guarded = guarded.unwrap_or_else(|error| panic!("{error}"));
    let router = Router::new().route(ROUTES[0], bare(async move || Json(me))).merge(guarded);
    let mut issued = Vec::with_capacity(tokens);
    for _ in 0..tokens {
        issued.push(token(&router).await);
    }
    let tokens = issued;
    if tokens.len() > 1 {
        for number in 0..REVOKED {
            let revoked = Ended::Token(format!("{number:022}"));
            store.append_feed(&revoked, System.now().plus(life)).await.unwrap_or_else(|error| panic!("{error}"));
        }
    }
    // What is seen for the first time is verified: not what is measured here.
    for token in &tokens {
        let request =
            Request::get(ROUTES[1]).header(header::AUTHORIZATION, format!("Bearer {token}")).body(Body::empty());
        let Ok(answer) = router.clone().oneshot(request.unwrap_or_else(|error| panic!("{error}"))).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    (router, tokens)
}

async fn token(router: &Router) -> String {
    let Ok(answer) = router.clone().oneshot(login("alice", "correct+horse")).await;
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap_or_default();
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
}

/// Serves one API until it is killed, and prints where, a token, and the file of a script for wrk that sends all tokens.
async fn serve(tokens: usize) {
    let (router, tokens) = api(tokens).await;
    let script = env::temp_dir().join(format!("countersign-{}.lua", std::process::id()));
    let quoted: Vec<_> = tokens.iter().map(|token| format!("\"{token}\"")).collect();
    let lua = format!(
        "local tokens = {{{}}}\nlocal at = 0\nrequest = function()\n  at = at % #tokens + 1\n  return wrk.format(nil, nil, \
         {{ Authorization = \"Bearer \" .. tokens[at] }})\nend\n",
        quoted.join(",\n")
    );
    fs::write(&script, lua).unwrap_or_else(|error| panic!("{error}"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap_or_else(|error| panic!("{error}"));
    let address = listener.local_addr().unwrap_or_else(|error| panic!("{error}"));
    println!("{address} {} {}", tokens[0], script.display());
    axum::serve(listener, router).await.unwrap_or_else(|error| panic!("{error}"));
}

struct Server {
    process: Child,
    address: String,
    token: String,
    script: PathBuf,
}

/// Which tokens are sent.
#[derive(Clone, Copy)]
enum Sent {
    One,
    All,
}

impl Server {
    fn start(tokens: usize) -> Self {
        let program = env::current_exe().unwrap_or_else(|error| panic!("{error}"));
        let mut process = Command::new(program)
            .args(["serve", &tokens.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{error}"));
        let mut line = String::new();
        let out = process.stdout.take().unwrap_or_else(|| panic!("it prints nothing"));
        BufReader::new(out).read_line(&mut line).unwrap_or_else(|error| panic!("{error}"));
        let mut words = line.split_whitespace().map(str::to_owned);
        let [Some(address), Some(token), Some(script)] = [(); 3].map(|()| words.next()) else {
            panic!("it printed {line}")
        };
        Self { process, address, token, script: script.into() }
    }

    /// Seconds of processor time that it has used, its own and the kernel's for it.
    fn cpu(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
    }

    /// Microseconds of processor time for each request.
    fn load(&self, path: &str, sent: Sent) -> f64 {
        let mut wrk = Command::new("wrk");
        wrk.args(["-t1", "-c16", &format!("-d{SECONDS}s")]);
        match sent {
            Sent::One => wrk.args(["-H", &format!("Authorization: Bearer {}", self.token)]),
            Sent::All => wrk.arg("-s").arg(&self.script),
        };
        let before = self.cpu();
        let output = wrk.arg(format!("http://{}{path}", self.address)).output();
        let output = output.unwrap_or_else(|error| panic!("wrk: {error} (apt-get install wrk)"));
        let used = self.cpu() - before;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!said.contains("Non-2xx"), "{said}");
        let requests = said.split_once(" requests in").and_then(|(before, _)| before.split_whitespace().last());
        let requests = requests.and_then(|count| count.parse::<f64>().ok()).unwrap_or_else(|| panic!("{said}"));
        used * 1e6 / requests
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to say any more.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.script);
    }
}

fn compare() {
    let (few, many) = (Server::start(1), Server::start(MANY));
    let measures: [(&str, &dyn Fn() -> f64); 7] = [
        ("bare", &|| few.load(ROUTES[0], Sent::One)),
        ("the same handler behind CurrentUser", &|| few.load(ROUTES[1], Sent::One)),
        ("CurrentUser, its user in the answer", &|| few.load(ROUTES[2], Sent::One)),
        ("GET /users/me of our own", &|| few.load(ROUTES[3], Sent::One)),
        ("bare, 100,000 tokens in turn", &|| many.load(ROUTES[0], Sent::All)),
        ("CurrentUser, 100,000 tokens in turn", &|| many.load(ROUTES[1], Sent::All)),
        ("CurrentUser, 100,000 grants, 10,000 revoked", &|| many.load(ROUTES[1], Sent::One)),
    ];
    let rounds: Vec<Vec<f64>> = (0..TURNS).map(|_| measures.iter().map(|(_, measure)| measure()).collect()).collect();
    let median = |of: &dyn Fn(&[f64]) -> f64| {
        let mut values: Vec<_> = rounds.iter().map(|round| of(round)).collect();
        values.sort_by(f64::total_cmp);
        values[TURNS / 2]
    };
    println!("{:<46}{:>14}", "", "CPU a request");
    for (at, (name, _)) in measures.iter().enumerate() {
        println!("{name:<46}{:>11.2} us", median(&|round| round[at]));
    }
    // Each is compared within its round, because the machine's mood changes.
    println!("\n{:<46}{:>14}", "", "ratio");
    for (name, over, under) in [
        ("bare / the same behind CurrentUser", 0, 1),
        ("bare / its user in the answer", 0, 2),
        ("bare / GET /users/me of our own", 0, 3),
        ("one token / 100,000 in turn", 1, 5),
        ("bare / CurrentUser, 100,000 in turn", 4, 5),
        ("nothing revoked / 10,000, 100,000 grants", 1, 6),
    ] {
        println!("{name:<46}{:>14.3}", median(&|round| round[over] / round[under]));
    }
}
