//! What those who attack could measure, or multiply: the time of refusals, of MACs, and of large inputs.
//!
//! `cargo bench -p countersign --bench hostile` prints it; `benches/README.md` keeps what it printed.

use std::time::Instant;

use axum::http::StatusCode;
use countersign::{SigningChoice, core::token::BearerToken};
use tower::ServiceExt;

#[path = "common/mod.rs"]
mod common;

use common::{api, form, login, secret};

#[tokio::main]
async fn main() {
    refusals().await;
    macs().await;
    growth().await;
}

/// Whether an unknown user, a wrong password and a disabled user can be told apart by time: Welch's t between each two,
/// below 4.5 in amount where they cannot (requirement D12 of this project; OWASP ASVS 6.3.8).
async fn refusals() {
    let (_, router, _) = api(SigningChoice::default()).await;
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..PROBES {
        for (times, name) in times.iter_mut().zip(["nobody", "alice", "dora"]) {
            let request = login(name, "wrong+horse");
            let began = Instant::now();
            assert_eq!(
                router.clone().oneshot(request).await.map(|answer| answer.status()),
                Ok(StatusCode::BAD_REQUEST)
            );
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    let [unknown, wrong, disabled] = times.map(Sample::of);
    println!("unknown {:.3} ms, wrong {:.3} ms, disabled {:.3} ms", unknown.mean, wrong.mean, disabled.mean);
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

/// Whether a MAC that is wrong at its beginning is refused sooner than one that is wrong near its end (requirement C19).
async fn macs() {
    let (oauth2, _, token) = api(secret()).await;
    let (input, mac) = token.rsplit_once('.').unwrap_or_default();
    let wrong_at = |at: usize| {
        let other = if mac.as_bytes().get(at) == Some(&b'A') { "B" } else { "A" };
        BearerToken::new(format!("{input}.{}{other}{}", &mac[..at], &mac[at + 1..]))
    };
    let tokens = [wrong_at(0), wrong_at(mac.len() - 2)];
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..MACS {
        for (times, token) in times.iter_mut().zip(&tokens) {
            let began = Instant::now();
            assert!(oauth2.verify(token).await.is_err());
            times.push(began.elapsed().as_secs_f64() * 1e6);
        }
    }
    let [first, last] = times.map(Sample::of);
    println!(
        "MAC wrong at its first byte {:.3} us, at its last {:.3} us; t {:.2}",
        first.mean,
        last.mean,
        first.t(&last)
    );
}

/// How many MACs of each kind are timed.
const MACS: usize = 200_000;

/// How the time of a request grows with what is sent (requirement M9): four times the input, four times the time at most.
async fn growth() {
    let (_, router, _) = api(SigningChoice::default()).await;
    println!("time of 4n / time of n, n = 15,000 bytes:");
    for (name, piece) in
        [("%", "%41"), ("&", "a=b&"), ("+", "+"), ("name", "x"), ("scope", "&scope=a+b"), ("combining", "%CC%81")]
    {
        let mut times = [f64::MAX; 2];
        for _ in 0..ROUNDS {
            for (time, bytes) in times.iter_mut().zip([15_000, 60_000]) {
                let request = form(format!("x={}", piece.repeat(bytes / piece.len())));
                let began = Instant::now();
                let answer = router.clone().oneshot(request).await;
                assert!(answer.is_ok_and(|answer| answer.status().is_client_error()));
                *time = time.min(began.elapsed().as_secs_f64() * 1e6);
            }
        }
        println!("  {name:<10} {:>8.1} us / {:>8.1} us = {:.2}", times[1], times[0], times[1] / times[0]);
    }
}

/// How often each input is sent; the fastest counts.
const ROUNDS: usize = 200;
