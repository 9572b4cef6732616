//! Which store an API of the tests stands on: memory, or PostgreSQL where `TESTS_STORE=postgres` asks for it.

#[path = "../../../countersign-sql/tests/it/cluster.rs"]
#[expect(dead_code, reason = "nobody here ends a database")]
mod cluster;

use std::{env, sync::Arc, time::Duration};

use countersign::{Memory, Store};
use countersign_sql::Postgres;
use tokio::time::Instant;

use self::cluster::OwnDatabase;

/// An empty store of the kind that is asked for. Whoever asks for another than there is gets none in its place.
pub(crate) async fn any_store() -> AnyStore {
    match env::var("TESTS_STORE") {
        Err(env::VarError::NotPresent) => AnyStore::memory(),
        Ok(name) if name == "postgres" => {
            let url = cluster::SHARED.database().await;
            let store = Arc::new(Postgres::open(&url).await.unwrap());
            AnyStore { store, database: Some(Arc::new(OwnDatabase(url))) }
        }
        other => panic!("TESTS_STORE is postgres or not set, and not {other:?}"),
    }
}

/// A store of whatever kind. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct AnyStore {
    store: Arc<dyn Store>,
    /// If it is one, which goes with the last of the clones.
    database: Option<Arc<OwnDatabase>>,
}

/// Finds the counters of which an attempt has not told yet how it ended: of a tally the last number says how many.
const UNDER_WAY: &str = "SELECT key FROM oauth2_attempts WHERE substring(tally FROM 17 FOR 4) <> '\\x00000000'";

/// How long a test waits for what must come: far longer than it takes, so that only a fault gets there.
const PATIENCE: Duration = Duration::from_secs(60);

impl AnyStore {
    /// In memory whatever is asked for: where time stands still, a database would answer too late.
    pub(crate) fn memory() -> Self {
        Self { store: Arc::new(Memory::new()), database: None }
    }

    /// Waits until all attempts at passwords have told how they ended: a database hears of it in the background, and who
    /// counts what comes after a success must not be overtaken by it.
    pub(crate) async fn settled(&self) {
        let Some(database) = &self.database else { return };
        let (client, began) = (cluster::connect(&database.0).await, Instant::now());
        while !client.query(UNDER_WAY, &[]).await.unwrap().is_empty() {
            assert!(began.elapsed() < PATIENCE, "an attempt does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

macro_rules! hand_on {
    ($($port:ident {
        $(fn $method:ident($($name:ident: $type:ty),*) -> $answer:ty;)*
        $(plain fn $plain:ident() -> $value:ty;)*
        $(async fn $waits:ident($argument:ident: $of:ty) -> $then:ty;)*
    })*) => {$(
        #[countersign::async_trait]
        impl $port for AnyStore {
            $(async fn $method(&self, $($name: $type),*) -> Result<$answer, StoreError> {
                self.store.$method($($name),*).await
            })*
            $(fn $plain(&self) -> $value {
                self.store.$plain()
            })*
            $(async fn $waits(&self, $argument: $of) -> $then {
                self.store.$waits($argument).await
            })*
        }
    )*};
}

countersign::core::for_each_port!(hand_on);
