//! Both engines keep what every store must.

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

    use crate::cluster::SHARED;

    async fn store() -> (Postgres, ()) {
        (Postgres::open(&SHARED.database().await).await.unwrap(), ())
    }

    countersign_core::store_conformance!(store);

    async fn counters() -> (Postgres, Postgres, ()) {
        let url = SHARED.database().await;
        (Postgres::open(&url).await.unwrap(), Postgres::open(&url).await.unwrap(), ())
    }

    countersign_core::attempts_conformance!(counters);
    countersign_core::attempts_conformance! { counters: d15_what_a_process_left_under_way_counts_for_a_minute }
}
