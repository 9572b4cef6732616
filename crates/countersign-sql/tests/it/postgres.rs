//! What only a server can get wrong: several writers, a network in between, and that it goes away.

mod cable;
mod fairness;
mod interleaving;
mod outage;
mod owners;
mod pool;
mod replicas;
mod session;

use std::time::Duration;

use countersign_core::store::StoreError;
use countersign_sql::Postgres;
use tokio_postgres::Client;

use crate::cluster::{SHARED, connect};

/// A database of one test's own.
struct Server {
    url: String,
    store: Postgres,
    /// A connection beside the store's.
    raw: Client,
}

impl Server {
    async fn new() -> Self {
        let url = SHARED.database().await;
        Self { store: Postgres::open(&url).await.unwrap(), raw: connect(&url).await, url }
    }

    async fn run(&self, sql: &str) {
        self.raw.batch_execute(sql).await.unwrap();
    }

    async fn count(&self, sql: &str) -> i64 {
        self.raw.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Returns as soon as somebody waits for a lock here.
    async fn until_somebody_waits(&self) {
        self.until(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' \
            AND pid <> pg_backend_pid()",
        )
        .await;
    }

    /// Returns as soon as a count is not 0.
    async fn until(&self, sql: &str) {
        // Another connection: this one may be in a transaction, whose statistics stand still.
        let raw = connect(&self.url).await;
        for _ in 0..12_000 {
            if raw.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never: {sql}");
    }
}

#[track_caller]
fn assert_unavailable<T: std::fmt::Debug>(result: &Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
}
