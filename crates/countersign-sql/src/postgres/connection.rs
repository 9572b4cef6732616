//! A connection as this store wants it: what each setting of the session is for stands with the statements.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use countersign_core::{
    meters::{Counted, DatabaseMeters},
    store::StoreError,
};
use tokio_postgres::{Client, Socket, Statement};

use super::{
    location::{Access, Location},
    query::Problem,
    tls,
};
use crate::statements;

/// The driver's half of a connection, which must be polled.
pub(super) type Driver = tokio_postgres::Connection<Socket, tls::Stream>;

/// A connection, and the statements that were prepared on it.
pub(super) struct Connection {
    client: Client,
    prepared: Mutex<HashMap<&'static str, Statement>>,
    _counted: Counted,
}

impl Connection {
    /// Connects, and sets the session up.
    pub(super) async fn open(location: &Location, meters: &DatabaseMeters) -> Result<Self, Problem> {
        within(location.ready_within, async {
            let (client, driver) = location.config.connect(location.tls.clone()).await?;
            tokio::spawn(async move {
                if let Err(problem) = driver.await {
                    tracing::debug!(event = "database", outcome = "connection_lost", cause = %problem, "a connection to the database ended");
                }
            });
            let prepared = Mutex::new(HashMap::with_capacity(statements::POSTGRES_COUNT));
            let connection = Self { client, prepared, _counted: meters.opened() };
            connection.batch(statements::POSTGRES_SESSION).await?;
            if location.access == Access::Look {
                connection.batch(statements::POSTGRES_SESSION_LOOKS).await?;
            }
            Ok(connection)
        })
        .await
    }

    /// Connects without a session of ours; whoever asked polls the driver.
    pub(super) async fn open_bare(location: &Location) -> Result<(Client, Driver), Problem> {
        within(location.ready_within, async { Ok(location.config.connect(location.tls.clone()).await?) }).await
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Statements without values, and without an answer.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), Problem> {
        Ok(self.client.batch_execute(sql).await?)
    }

    /// The statement, prepared once for this connection.
    pub(super) async fn prepared(&self, sql: &'static str) -> Result<Statement, Problem> {
        let known = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).insert(sql, statement.clone());
        Ok(statement)
    }
}

/// What comes of it, unless that takes too long.
pub(super) async fn within<T>(time: Duration, work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    let late = |_| Problem::Lost(StoreError::unavailable(TooLate(time)));
    tokio::time::timeout(time, work).await.unwrap_or_else(|elapsed| Err(late(elapsed)))
}

#[derive(Debug, thiserror::Error)]
#[error("the database gave no answer within {0:?}")]
struct TooLate(Duration);
