//! Which store the tests of the program run over: SQLite, or PostgreSQL where `TESTS_STORE=postgres` asks for it.

use std::{env, sync::OnceLock, thread};

use tokio::runtime;
use tokio_postgres::SimpleQueryMessage;

use crate::postgres::cluster::{self, OwnDatabase, SHARED};

/// The store of a test.
#[derive(Debug)]
pub(crate) enum TestStore {
    /// A file in the directory of the test.
    File,
    Postgres(TestDatabase),
}

impl TestStore {
    /// The one that is asked for. Whoever asks for another than there is gets none in its place.
    pub(crate) fn chosen() -> Self {
        match env::var("TESTS_STORE") {
            Err(env::VarError::NotPresent) => Self::File,
            Ok(name) if name == "postgres" => Self::Postgres(TestDatabase::default()),
            other => panic!("TESTS_STORE is postgres or not set, and not {other:?}"),
        }
    }
}

/// A database of one test, which is made when the test first needs it.
#[derive(Debug, Default)]
pub(crate) struct TestDatabase(OnceLock<OwnDatabase>);

impl TestDatabase {
    pub(crate) fn url(&self) -> &str {
        &self.0.get_or_init(|| OwnDatabase(wait_for(SHARED.database()))).0
    }

    /// Runs these statements, and returns each row that they give, its columns as text.
    pub(crate) fn rows(&self, statements: &str) -> Vec<Vec<String>> {
        let answers = wait_for(async { cluster::connect(self.url()).await.simple_query(statements).await.unwrap() });
        let columns = |answer| match answer {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).unwrap_or_default().to_owned()).collect())
            }
            _ => None,
        };
        answers.into_iter().filter_map(columns).collect()
    }

    /// All rows of all tables, as text that has the letters of binary columns as they are.
    pub(crate) fn at_rest(&self) -> Vec<u8> {
        let tables = self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
        let select = |table: &Vec<String>| format!("SELECT t::text FROM {} t;", table[0]);
        let all = format!("SET bytea_output = 'escape'; {}", tables.iter().map(select).collect::<String>());
        self.rows(&all).concat().join("\n").into_bytes()
    }
}

/// Waits for `work`, whether the test that calls it is asynchronous or not.
fn wait_for<T: Send>(work: impl Future<Output = T> + Send) -> T {
    let wait = || runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
    thread::scope(|scope| scope.spawn(wait).join().unwrap())
}
