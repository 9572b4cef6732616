//! Figures of the library: logins. All of one run, so that their ratios mean something.
//!
//! `cargo bench -p countersign --bench figures` prints a table; `benches/README.md` keeps one.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use countersign::{
    Password, SigningChoice,
    core::{
        clock::System,
        password::{HashingPool, HashingSettings},
    },
};
use tower::ServiceExt;

#[expect(dead_code, reason = "other benchmarks use the rest")]
#[path = "common/mod.rs"]
mod common;

use common::{api, login};

/// Hashes that are timed one after another.
const HASHES: u32 = 40;

/// Logins that are timed together, and how many at once.
const LOGINS: usize = 400;
const AT_ONCE: usize = 16;

#[tokio::main]
async fn main() {
    logins().await;
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
