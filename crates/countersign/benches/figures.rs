//! Figures of the library: logins, and what a guard costs. All of one run, so that their ratios mean something.
//!
//! `cargo bench -p countersign` prints a table; `benches/README.md` keeps one.

use std::{
    future::Future,
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign::{
    AccessToken, CurrentUser, KeyPairAlgorithm, Memory, NewUser, OAuth2, Password, SigningChoice,
    core::{
        clock::System,
        jose::HmacSecret,
        password::{HashingPool, HashingSettings},
    },
    routing::{get, public},
};
use tower::ServiceExt;

/// Hashes that are timed one after another.
const HASHES: u32 = 40;

/// Logins that are timed together, and how many at once.
const LOGINS: usize = 400;
const AT_ONCE: usize = 16;

/// Calls of a route that are timed, in each of [`ROUNDS`] rounds that take turns.
const CALLS: u32 = 4_000;
const ROUNDS: usize = 7;

#[tokio::main]
async fn main() {
    logins().await;
    refusals().await;
    guards().await;
}

/// Logins a second, as a share of what the cores could hash if they did nothing else.
async fn logins() {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let one = time_of_one_hash().await;
    let (router, _) = api(SigningChoice::default()).await;
    let began = Instant::now();
    let workers: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let router = router.clone();
            tokio::spawn(async move {
                for _ in 0..LOGINS / AT_ONCE {
                    assert_eq!(router.clone().oneshot(login()).await.map(|answer| answer.status()), Ok(StatusCode::OK));
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap_or_else(|error| panic!("{error}"));
    }
    let rate = f64::from(u32::try_from(LOGINS).unwrap_or(u32::MAX)) / began.elapsed().as_secs_f64();
    let limit = f64::from(u32::try_from(cores).unwrap_or(u32::MAX)) / one.as_secs_f64();
    println!("one hash                 {:>10.2} ms", one.as_secs_f64() * 1e3);
    println!("logins                   {rate:>10.1} /s");
    println!("share of {cores} cores / hash  {:>10.3}", rate / limit);
}

/// Whether an unknown user, a wrong password and a disabled user can be told apart by time: Welch's t between each two,
/// below 4.5 in amount where they cannot (requirement D12 of this project; OWASP ASVS 6.3.8).
async fn refusals() {
    let (router, _) = api(SigningChoice::default()).await;
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..PROBES {
        for (times, name) in times.iter_mut().zip(["nobody", "alice", "dora"]) {
            let body = Body::from(format!("username={name}&password=wrong+horse"));
            let request = Request::post("/token").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            let request = request.body(body).unwrap_or_else(|error| panic!("{error}"));
            let began = Instant::now();
            assert_eq!(
                router.clone().oneshot(request).await.map(|answer| answer.status()),
                Ok(StatusCode::BAD_REQUEST)
            );
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    let [unknown, wrong, disabled] = times.map(Sample::of);
    println!("\nunknown {:.3} ms, wrong {:.3} ms, disabled {:.3} ms", unknown.mean, wrong.mean, disabled.mean);
    println!("Welch's t: unknown/wrong {:.2}, disabled/wrong {:.2}", unknown.t(&wrong), disabled.t(&wrong));
}

/// How often each kind of refusal is timed.
const PROBES: usize = 1_000;

/// Mean and variance of what is left of a sample without its slowest tenth, which is the machine's noise.
struct Sample {
    mean: f64,
    variance: f64,
    size: f64,
}

impl Sample {
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        times.truncate(times.len() * 9 / 10);
        let size = f64::from(u32::try_from(times.len()).unwrap_or(u32::MAX));
        let mean = times.iter().sum::<f64>() / size;
        let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (size - 1.0);
        Self { mean, variance, size }
    }

    fn t(&self, other: &Self) -> f64 {
        (self.mean - other.mean) / (self.variance / self.size + other.variance / other.size).sqrt()
    }
}

async fn time_of_one_hash() -> Duration {
    let settings = HashingSettings { threads: NonZeroUsize::MIN, ..HashingSettings::default() };
    let pool = HashingPool::new(settings, System::rng()).unwrap_or_else(|error| panic!("{error}"));
    let password = Password::typed("correct horse").unwrap_or_else(|error| panic!("{error}"));
    let stored = pool.hash(password.clone()).await.unwrap_or_else(|error| panic!("{error}"));
    let began = Instant::now();
    for _ in 0..HASHES {
        drop(pool.verify(password.clone(), Some(stored.clone())).await);
    }
    began.elapsed() / HASHES
}

/// What a guard costs a request, without HTTP: a route with it less the same route without.
async fn guards() {
    let secret = HmacSecret::new("q3Z!r8Lk0vWn5xTb7yHc2mJd9pSf4gAe").unwrap_or_else(|error| panic!("{error}"));
    println!("\n{:<10}{:>12}{:>14}{:>14}", "", "bare", "AccessToken", "CurrentUser");
    for (name, choice) in [
        ("ES256", SigningChoice::KeyPair(KeyPairAlgorithm::Es256)),
        ("EdDSA", SigningChoice::KeyPair(KeyPairAlgorithm::EdDsa)),
        ("HS256", SigningChoice::Secret(secret)),
    ] {
        let (router, token) = api(choice).await;
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let mut round = Vec::new();
            for path in ["/bare", "/token-only", "/user"] {
                round.push(time(|| call(&router, path, &token)).await);
            }
            rounds.push(round);
        }
        let median = |path: usize| {
            let mut times: Vec<_> = rounds.iter().map(|round| round[path].as_secs_f64() * 1e6).collect();
            times.sort_by(f64::total_cmp);
            times[ROUNDS / 2]
        };
        println!("{name:<10}{:>9.2} us{:>11.2} us{:>11.2} us", median(0), median(1), median(2));
    }
}

async fn time<F: Future<Output = StatusCode>>(call: impl Fn() -> F) -> Duration {
    let began = Instant::now();
    for _ in 0..CALLS {
        assert_eq!(call().await, StatusCode::OK);
    }
    began.elapsed() / CALLS
}

async fn call(router: &Router, path: &str, token: &str) -> StatusCode {
    let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}")).body(Body::empty());
    let Ok(request) = request else { panic!("a request can be made") };
    let Ok(answer) = router.clone().oneshot(request).await;
    answer.status()
}

fn login() -> Request<Body> {
    let body = Body::from("username=alice&password=correct+horse");
    let request = Request::post("/token").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
    request.unwrap_or_else(|error| panic!("{error}"))
}

/// An API with a bare route and a guarded one of each kind, and a token for it.
async fn api(choice: SigningChoice) -> (Router, String) {
    let oauth2 = OAuth2::new(Memory::new()).signing(choice).build().await.unwrap_or_else(|error| panic!("{error}"));
    let added = oauth2.add_user(NewUser::new("alice").password("correct horse")).await;
    added.unwrap_or_else(|error| panic!("{error}"));
    let added = oauth2.add_user(NewUser::new("dora").password("correct horse").disabled()).await;
    added.unwrap_or_else(|error| panic!("{error}"));
    let router = oauth2
        .router()
        .route("/bare", public(get(async || "hello")))
        .route("/token-only", get(async |_: AccessToken| "hello"))
        .route("/user", get(async |_: CurrentUser| "hello"))
        .finish()
        .unwrap_or_else(|error| panic!("{error}"));
    let Ok(answer) = router.clone().oneshot(login()).await;
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap_or_default();
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    (router, answer["access_token"].as_str().unwrap_or_default().to_owned())
}
