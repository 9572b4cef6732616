//! SQLite keeps what every store must.

use countersign_sql::Sqlite;
use tempfile::TempDir;

async fn store() -> (Sqlite, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Sqlite::open(folder.path().join("conformance.db")).await.unwrap(), folder)
}

countersign_core::store_conformance!(store);
