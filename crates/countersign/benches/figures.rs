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
    KeyPairAlgorithm, Password, SigningChoice,
    core::{
        clock::System,
        password::{HashingPool, HashingSettings},
    },
};
use tower::ServiceExt;

#[path = "common/mod.rs"]
mod common;

use common::{api, login, secret};

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
    guards().await;
}

/// Logins a second, as a share of what the cores could hash if they did nothing else.
async fn logins() {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let one = time_of_one_hash().await;
    let (_, router, _) = api(SigningChoice::default()).await;
    let began = Instant::now();
    let workers: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let router = router.clone();
            tokio::spawn(async move {
                for _ in 0..LOGINS / AT_ONCE {
                    assert_eq!(
                        router.clone().oneshot(login("alice", "correct+horse")).await.map(|answer| answer.status()),
                        Ok(StatusCode::OK)
                    );
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
    println!("\n{:<10}{:>12}{:>14}{:>14}", "", "bare", "AccessToken", "CurrentUser");
    for (name, choice) in [
        ("ES256", SigningChoice::KeyPair(KeyPairAlgorithm::Es256)),
        ("EdDSA", SigningChoice::KeyPair(KeyPairAlgorithm::EdDsa)),
        ("HS256", secret()),
    ] {
        let (_, router, token) = api(choice).await;
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
