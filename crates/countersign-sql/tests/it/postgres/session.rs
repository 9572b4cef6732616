//! How a store connects, and what it may do then.

use countersign_core::store::{Ended, Feed as _, Grants as _, OwnerRegistry as _, Standing};
use countersign_sql::{OpenError, Postgres};

use super::{Server, assert_unavailable};
use crate::{
    cluster::{SHARED, connect},
    support::{NOW, grant, owner},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_is_told_with_where_it_should_be() {
    // Nobody listens at a port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = Postgres::open(&format!("postgres://user:canary@127.0.0.1:{port}/name")).await.unwrap_err();
    let said = said(&refused);
    assert!(said.contains(&format!("127.0.0.1:{port}/name")) && said.contains("Connection refused"), "{said}");
    assert!(!said.contains("canary"), "{said}");
}

/// An error with its causes, as an operator reads it.
fn said(problem: &dyn std::error::Error) -> String {
    let mut said = format!("{problem} {problem:?}");
    let mut cause = problem.source();
    while let Some(inner) = cause {
        said.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_trusted_or_of_another_name_is_refused() {
    let url = SHARED.database().await;
    let (place, parameters) = url.split_once('?').unwrap();
    let password = place.split([':', '@']).nth(2).unwrap();
    let elsewhere = place.replace("127.0.0.1", "db.example");
    for refused in [
        format!("{place}?sslmode=require"),
        format!("{elsewhere}?hostaddr=127.0.0.1&{parameters}&sslmode=require"),
        format!("{elsewhere}?hostaddr=127.0.0.1&sslmode=verify-full"),
    ] {
        let refused = Postgres::open(&refused).await.unwrap_err();
        assert!(matches!(refused, OpenError::Connect { .. }), "{refused:?}");
        let said = said(&refused);
        assert!(said.contains("certificate") && !said.contains(password), "{said}");
    }
    let _store = Postgres::open(&url).await.unwrap();
    let raw = connect(&url).await;
    let ours = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
        WHERE datname = current_database() AND application_name = 'countersign' AND ssl";
    assert!(raw.query_one(ours, &[]).await.unwrap().get::<_, i64>(0) > 0, "it is encrypted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_a_missing_database_are_told_without_the_password() {
    let url = SHARED.database().await;
    let password = url.split([':', '@']).nth(2).unwrap();
    for wrong in [url.replace(password, "canary"), url.replace("/test_", "/canary_")] {
        let refused = Postgres::open(&wrong).await.unwrap_err();
        assert!(matches!(refused, OpenError::Connect { .. }), "{refused:?}");
        let said = said(&refused);
        assert!(!said.contains(password) && (!said.contains("canary") || wrong.contains("/canary_")), "{said}");
        assert!(said.contains("SQLSTATE"), "{said}");
        let place = wrong.split(['@', '?']).nth(1).unwrap();
        assert!(said.contains(place), "where it looked: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_made_by_whoever_looks() {
    let url = SHARED.database().await;
    let refused = Postgres::open_to_look(&url).await.unwrap_err();
    assert!(matches!(refused, OpenError::OlderSchema { missing: 1 }), "{refused:?}");
    let raw = connect(&url).await;
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(raw.query_one(tables, &[]).await.unwrap().get::<_, i64>(0), 0);
    let store = Postgres::open(&url).await.unwrap();
    store.add_owner(&owner("alice")).await.unwrap();
    let looking = Postgres::open_to_look(&url).await.unwrap();
    assert_eq!(looking.list_owners(None, 9).await.unwrap(), [owner("alice")]);
    assert_unavailable(&looking.add_owner(&owner("bob")).await);
    assert_eq!(store.list_owners(None, 9).await.unwrap(), [owner("alice")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_another_encoding_is_refused() {
    let url = SHARED.database().await;
    connect(&url).await.batch_execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0").await.unwrap();
    let (place, parameters) = url.split_once('?').unwrap();
    let (server, _) = place.rsplit_once('/').unwrap();
    let refused = Postgres::open(&format!("{server}/ascii?{parameters}")).await.unwrap_err();
    assert!(matches!(&refused, OpenError::Encoding { found } if found == "SQL_ASCII"), "{refused:?}");
}

/// Longer than a statement, and than an operation, may take otherwise: as after a restore, while nothing is in memory.
#[tokio::test(flavor = "multi_thread")]
async fn n6_the_newest_moment_is_found_however_long_it_takes() {
    let server = Server::new().await;
    server.store.redeem(&Standing::Elsewhere, None, &grant("g"), None).await.unwrap();
    server
        .run(
            "ALTER TABLE oauth2_grants RENAME TO oauth2_slow; \
            CREATE VIEW oauth2_grants AS \
            SELECT slow.* FROM oauth2_slow AS slow, (SELECT pg_sleep(11) OFFSET 0) AS takes_long",
        )
        .await;
    let looking = Postgres::open_to_look(&server.url).await.unwrap();
    let (one, other) = tokio::join!(server.store.find_newest_moment(), looking.find_newest_moment());
    assert_eq!((one.unwrap(), other.unwrap()), (Some(NOW), Some(NOW)));
}

#[tokio::test(flavor = "multi_thread")]
async fn n3_a_commit_waits_for_the_disk_and_reads_what_was_committed_whatever_the_database_has_as_default() {
    let server = Server::new().await;
    server
        .run(
            "DO $$ BEGIN \
            EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); \
            EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database()); \
            END $$; \
            CREATE FUNCTION looks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
            IF current_setting('synchronous_commit') <> 'on' \
            OR current_setting('transaction_isolation') <> 'read committed' \
            OR current_setting('statement_timeout') = '0' OR current_setting('lock_timeout') = '0' \
            OR current_setting('idle_in_transaction_session_timeout') = '0' \
            THEN RAISE 'the session is not as it must be'; END IF; RETURN NULL; END $$; \
            CREATE TRIGGER looks AFTER INSERT ON oauth2_feed EXECUTE FUNCTION looks()",
        )
        .await;
    // A new one: defaults are taken as a session begins.
    let store = Postgres::open(&server.url).await.unwrap();
    store.append_feed(&Ended::Token("t".to_owned()), NOW).await.unwrap();
    connect(&server.url)
        .await
        .batch_execute("INSERT INTO oauth2_feed (kind, name, until) VALUES ('token', '', 1)")
        .await
        .unwrap_err();
}
