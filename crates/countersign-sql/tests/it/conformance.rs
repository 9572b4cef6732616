//! Both engines keep what every store must, also where a newer program added to the tables meanwhile.

mod sqlite {
    use countersign_sql::Sqlite;
    use tempfile::TempDir;

    async fn store() -> (Sqlite, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Sqlite::open(folder.path().join("conformance.db")).await.unwrap(), folder)
    }

    countersign_core::store_conformance!(store);
}

mod postgres {
    use countersign_sql::Postgres;

    use crate::cluster::{OwnDatabase, SHARED};

    async fn store() -> (Postgres, OwnDatabase) {
        let url = SHARED.database().await;
        (Postgres::open(&url).await.unwrap(), OwnDatabase(url))
    }

    countersign_core::store_conformance!(store);

    async fn counters() -> (Postgres, Postgres, OwnDatabase) {
        let url = SHARED.database().await;
        (Postgres::open(&url).await.unwrap(), Postgres::open(&url).await.unwrap(), OwnDatabase(url))
    }

    countersign_core::attempts_conformance!(counters);
    countersign_core::attempts_conformance! { counters: d15_what_a_process_left_under_way_counts_for_a_minute }
}

mod n8_beside_a_newer_program {
    use countersign_core::store::Feed as _;
    use countersign_sql::Database;

    use crate::support::{Home, grown};

    /// A store that was used before the tables grew.
    async fn store_in(home: Home) -> (Database, Home) {
        let store = home.open().await;
        store.find_feed(0, 1).await.unwrap();
        home.run(&grown(&home)).await;
        (store, home)
    }

    mod sqlite {
        use super::*;

        async fn store() -> (Database, Home) {
            store_in(Home::file()).await
        }

        countersign_core::store_conformance!(store);
    }

    mod postgres {
        use super::*;

        async fn store() -> (Database, Home) {
            store_in(Home::database().await).await
        }

        countersign_core::store_conformance!(store);
    }
}
