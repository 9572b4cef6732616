//! What a guard costs a request: time and allocations, for a token seen for the first time and for one seen before, beside
//! the same route without a guard; and the share of its throughput that a guarded route keeps, over HTTP.
//!
//! `cargo bench -p countersign --bench guards`; with `METRICS=1` in the environment metrics are kept meanwhile (the second part needs wrk); `benches/README.md` keeps its tables.

use std::{
    env, fs,
    future::Future,
    io::{BufRead, BufReader},
    pin::pin,
    process::{Child, Command, Stdio},
    sync::Arc,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, ParsedPublicKey,
    },
};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use countersign::{
    AccessToken, Argon2Cost, CurrentUser, HashingSettings, KeyPairAlgorithm, Memory, NewUser, OAuth2, SigningChoice,
    core::clock::SeededRng,
    routing::{get, public},
};
use tower::ServiceExt;

#[expect(dead_code, reason = "other benchmarks use the rest")]
#[path = "common/mod.rs"]
mod common;

use common::{form, secret};

/// Tokens that are each shown once, and once again, in each of [`ROUNDS`] rounds that take turns.
const TOKENS: usize = 2_000;
const ROUNDS: usize = 5;

/// How long wrk runs on each path, and how often, taking turns.
const SECONDS: u32 = 3;
const TURNS: usize = 7;

const ROUTES: [&str; 3] = ["/bare", "/claims", "/user"];

/// Clock ticks a second, in which Linux counts a process' time.
const TICKS: f64 = 100.0;

fn choices() -> [(&'static str, SigningChoice); 3] {
    [
        ("ES256", SigningChoice::KeyPair(KeyPairAlgorithm::Es256)),
        ("EdDSA", SigningChoice::KeyPair(KeyPairAlgorithm::EdDsa)),
        ("HS256", secret()),
    ]
}

fn main() {
    if env::var_os("METRICS").is_some() {
        let kept = metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder();
        kept.unwrap_or_else(|error| panic!("{error}"));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
    match env::args().nth(1).as_deref() {
        Some("serve") => runtime.block_on(serve()),
        Some("repeat") => runtime.block_on(repeat()),
        _ => {
            let alone = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let alone = alone.unwrap_or_else(|error| panic!("{error}"));
            alone.block_on(in_process());
            over_http();
        }
    }
}

async fn api(choice: SigningChoice) -> (OAuth2, Router) {
    let hashing = HashingSettings { cost: Argon2Cost::weak_for_tests(), ..HashingSettings::default() };
    let builder = OAuth2::new(Memory::new()).signing(choice).hashing(hashing).rng(Arc::new(SeededRng::new(1)));
    let oauth2 = builder.build().await.unwrap_or_else(|error| panic!("{error}"));
    let added = oauth2.add_user(NewUser::new("alice").password("correct horse").scope("me")).await;
    added.unwrap_or_else(|error| panic!("{error}"));
    let router = oauth2
        .router()
        .route("/bare", public(get(async || "hello")))
        .route("/claims", get(async |_: AccessToken| "hello"))
        .route("/user", get(async |_: CurrentUser| "hello"));
    let router = router.finish().unwrap_or_else(|error| panic!("{error}"));
    // One that we never touch, for the profiler.
    (oauth2, router.route("/axum", axum::routing::get(async || "hello")))
}

async fn token(router: &Router) -> String {
    let request = form("username=alice&password=correct+horse&scope=me".to_owned());
    let Ok(answer) = router.clone().oneshot(request).await;
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap_or_default();
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
}

fn request(path: &str, token: &str) -> Request<Body> {
    let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}")).body(Body::empty());
    request.unwrap_or_else(|error| panic!("{error}"))
}

async fn in_process() {
    println!("{:<8}{:<8}{:>14}{:>14}{:>16}{:>16}", "", "", "first use", "again", "allocations", "again");
    for (name, choice) in choices() {
        let mut first = [const { Vec::new() }; ROUTES.len()];
        let mut again = [const { Vec::new() }; ROUTES.len()];
        let mut allocations = [(0, 0); ROUTES.len()];
        let mut floors = Vec::new();
        for _ in 0..ROUNDS {
            floors.push(floor());
            for (at, path) in ROUTES.into_iter().enumerate() {
                let (_, router) = api(choice.clone()).await;
                let mut tokens = Vec::with_capacity(TOKENS);
                for _ in 0..TOKENS {
                    tokens.push(token(&router).await);
                }
                first[at].push(time(&router, path, &tokens).await);
                again[at].push(time(&router, path, &tokens).await);
                let fresh = token(&router).await;
                allocations[at] = (count(&router, path, &fresh), count(&router, path, &fresh));
            }
        }
        let median = |times: &[Duration]| {
            let mut times = times.to_vec();
            times.sort();
            times[ROUNDS / 2].as_secs_f64() * 1e6
        };
        for (at, path) in ROUTES.into_iter().enumerate() {
            let ((once, twice), (first, again)) = (allocations[at], (median(&first[at]), median(&again[at])));
            println!("{name:<8}{path:<8}{first:>11.2} us{again:>11.2} us{once:>16}{twice:>16}");
        }
        if name == "ES256" {
            println!("{:<16}{:>11.2} us", "one check alone", median(&floors));
        }
    }
}

/// The mean time of one ES256 check by the cryptographic library alone, of as many bytes as a token of ours has.
fn floor() -> Duration {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap_or_else(|error| panic!("{error}"));
    let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
    let key = key.unwrap_or_else(|error| panic!("{error}"));
    let input = [b'a'; 500];
    let signature = pair.sign(&SystemRandom::new(), &input).unwrap_or_else(|error| panic!("{error}"));
    let began = Instant::now();
    for _ in 0..TOKENS {
        assert!(key.verify_sig(&input, signature.as_ref()).is_ok());
    }
    began.elapsed() / u32::try_from(TOKENS).unwrap_or(u32::MAX)
}

/// The mean time of one request, each with a token of its own.
async fn time(router: &Router, path: &str, tokens: &[String]) -> Duration {
    let requests: Vec<_> = tokens.iter().map(|token| request(path, token)).collect();
    let began = Instant::now();
    for request in requests {
        let Ok(answer) = router.clone().oneshot(request).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    began.elapsed() / u32::try_from(TOKENS).unwrap_or(u32::MAX)
}

/// How often memory is asked for while one request is answered, which here never waits.
fn count(router: &Router, path: &str, token: &str) -> u64 {
    let mut answer = pin!(router.clone().oneshot(request(path, token)));
    let mut context = Context::from_waker(Waker::noop());
    let counted = allocation_counter::measure(|| assert!(answer.as_mut().poll(&mut context).is_ready()));
    counted.count_total
}

/// Calls a route with one token over and over: `repeat PATH TIMES`, for a profiler.
async fn repeat() {
    let (path, times) = (env::args().nth(2).unwrap_or_default(), env::args().nth(3).unwrap_or_default());
    let (_, router) = api(SigningChoice::default()).await;
    let token = token(&router).await;
    for _ in 0..times.parse::<u32>().unwrap_or_default() {
        let Ok(answer) = router.clone().oneshot(request(&path, &token)).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
}

/// Serves one API until it is killed, and prints where, and a token.
async fn serve() {
    let name = env::args().nth(2).unwrap_or_default();
    let choice = choices().into_iter().find(|(known, _)| *known == name).map(|(_, choice)| choice);
    let (_, router) = api(choice.unwrap_or_default()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap_or_else(|error| panic!("{error}"));
    let address = listener.local_addr().unwrap_or_else(|error| panic!("{error}"));
    println!("{address} {}", token(&router).await);
    axum::serve(listener, router).await.unwrap_or_else(|error| panic!("{error}"));
}

struct Server {
    process: Child,
    address: String,
    token: String,
}

impl Server {
    fn start(name: &str) -> Self {
        let program = env::current_exe().unwrap_or_else(|error| panic!("{error}"));
        let mut process = Command::new(program)
            .args(["serve", name])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{error}"));
        let mut line = String::new();
        let out = process.stdout.take().unwrap_or_else(|| panic!("it prints nothing"));
        BufReader::new(out).read_line(&mut line).unwrap_or_else(|error| panic!("{error}"));
        let (address, token) = line.trim().split_once(' ').unwrap_or_else(|| panic!("it printed {line}"));
        Self { process, address: address.to_owned(), token: token.to_owned() }
    }

    /// Seconds of processor time that it has used, its own and the kernel's for it.
    fn cpu(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
    }

    /// Requests a second, and microseconds of processor time for each.
    fn load(&self, path: &str) -> (f64, f64) {
        let before = self.cpu();
        let output = Command::new("wrk")
            .args(["-t1", "-c16", &format!("-d{SECONDS}s"), "-H"])
            .args([format!("Authorization: Bearer {}", self.token), format!("http://{}{path}", self.address)])
            .output()
            .unwrap_or_else(|error| panic!("wrk: {error} (apt-get install wrk)"));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!said.contains("Non-2xx"), "{said}");
        let count = |before: &str| {
            let at = said.find(before).unwrap_or_else(|| panic!("{said}"));
            said[at + before.len()..].split_whitespace().next().and_then(|rate| rate.parse::<f64>().ok())
        };
        let rate = count("Requests/sec:").unwrap_or_default();
        (rate, (self.cpu() - before) * 1e6 / (rate * f64::from(SECONDS)))
    }
}

fn over_http() {
    println!(
        "\n{:<8}{:<8}{:>12}{:>16}{:>20}{:>16}",
        "", "", "requests/s", "CPU a request", "share of requests", "of CPU"
    );
    for (name, _) in choices() {
        let mut server = Server::start(name);
        let mut measured = [const { Vec::new() }; ROUTES.len()];
        for _ in 0..TURNS {
            for (at, path) in ROUTES.into_iter().enumerate() {
                measured[at].push(server.load(path));
            }
        }
        let median = |of: &dyn Fn(usize) -> f64| {
            let mut values: Vec<_> = (0..TURNS).map(of).collect();
            values.sort_by(f64::total_cmp);
            values[TURNS / 2]
        };
        for (at, path) in ROUTES.into_iter().enumerate() {
            // Each turn is compared with the bare route of the same turn, because the machine's mood changes.
            let rate = median(&|turn| measured[at][turn].0);
            let cpu = median(&|turn| measured[at][turn].1);
            let share = median(&|turn| measured[at][turn].0 / measured[0][turn].0);
            let share_of_cpu = median(&|turn| measured[0][turn].1 / measured[at][turn].1);
            println!("{name:<8}{path:<8}{rate:>12.0}{cpu:>13.2} us{share:>20.3}{share_of_cpu:>16.3}");
        }
        // It has nothing to say any more.
        let _ = server.process.kill();
        let _ = server.process.wait();
    }
}
