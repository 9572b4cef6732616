//! The program over PostgreSQL: two servers that share a database, and the commands beside them.

#[path = "../../../countersign-sql/tests/it/cluster.rs"]
pub(crate) mod cluster;

use std::time::Duration;

use reqwest::StatusCode;

use self::cluster::{Cluster, SHARED};
use crate::support::{PASSWORD, PATIENCE, Place, Ran, Server};

/// What all servers say that share the database.
pub(crate) const ISSUER: &str = "https://login.example";

pub(crate) fn run(place: &Place, url: &str, arguments: &[&str]) -> Ran {
    let mut command = place.command(arguments.iter().copied());
    command.env("COUNTERSIGN_DATABASE", url);
    Ran::with_input(command, PASSWORD)
}

pub(crate) fn serve(place: &Place, url: &str) -> Server {
    let mut command = place.command(["serve", "--listen", "127.0.0.1:0", "--issuer", ISSUER]);
    command.env("COUNTERSIGN_DATABASE", url);
    Server::start(command)
}

#[tokio::test]
async fn n7_two_servers_over_one_database_are_one() {
    let (place, url) = (Place::new(), SHARED.database().await);
    let (one, other) = (serve(&place, &url), serve(&place, &url));
    run(&place, &url, &["user", "add", "alice", "--password-stdin"]).expect_code(0);
    let token = one.token_of("alice", PASSWORD).await;
    assert_eq!(other.get_with("/users/me", &token).await.status(), StatusCode::OK, "they sign with one key");
    run(&place, &url, &["user", "disable", "alice"]).expect_code(0);
    for server in [&one, &other] {
        let mut status = StatusCode::OK;
        for _ in 0..12_000 {
            status = server.get_with("/users/me", &token).await.status();
            if status != StatusCode::OK {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(status, StatusCode::UNAUTHORIZED, "what one hears of, all do");
    }
    assert_eq!(place.files(), [""; 0], "nothing is in files");
    for server in [one, other] {
        server.stop();
    }
}

#[tokio::test]
async fn the_commands_show_no_password() {
    let (place, url) = (Place::new(), SHARED.database().await);
    let password = url.split([':', '@']).nth(2).unwrap().to_owned();
    let empty = run(&place, &url, &["doctor", "--json"]);
    assert!(empty.stdout.contains("serve` once"), "{empty:?}");
    let server = serve(&place, &url);
    let how = "There are no users yet. Add one: countersign user add NAME, with the same settings\n";
    assert!(server.stdout().contains(how), "{}", server.stdout());
    let listed = run(&place, &url, &["user", "list"]).expect_code(0);
    let looked = run(&place, &url, &["doctor", "--json"]);
    assert!(looked.stdout.contains("postgres://countersign@127.0.0.1:"), "{looked:?}");
    let refused = run(&place, &url.replace("/test_", "/no_such_"), &["user", "list"]).expect_code(1);
    let elsewhere = url.split(['@', '?']).nth(1).unwrap().replace("/test_", "/no_such_");
    assert!(refused.stderr.contains(&format!("no connection to the database {elsewhere} (")), "{refused:?}");
    let misspelt = run(&place, &url.replace("sslrootcert", "ssl"), &["user", "list"]).expect_code(2);
    let server = server.stop();
    for ran in [empty, listed, looked, refused, misspelt, server] {
        assert!(!ran.stdout.contains(&password) && !ran.stderr.contains(&password), "{ran:?}");
    }
}

#[tokio::test]
async fn n5_that_the_database_is_away_and_back_is_told_once_with_where_it_is() {
    let (place, cluster) = (Place::new(), Cluster::start());
    let url = cluster.database().await;
    let host = url.split(['@', '?']).nth(1).unwrap();
    let password = url.split([':', '@']).nth(2).unwrap();
    let server = serve(&place, &url);
    for _ in 0..2 {
        assert_eq!(server.get("/health/ready").await.status(), StatusCode::OK);
    }
    cluster.crash();
    for _ in 0..3 {
        assert_eq!(server.get("/health/ready").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    let away = server.wait_for_log(&["\"database\"", "\"away\"", "WARN"]);
    assert!(away.contains(host), "{away}");
    // Whether it was refused, reset, or told that the database shuts down.
    assert!(away.contains(r#""cause":"#) && !away.contains(r#""cause":"""#), "{away}");
    cluster.resume();
    let back = server.wait_for_log(&["\"database\"", "\"back\"", "INFO"]);
    assert!(back.contains(host), "{back}");
    assert_eq!(server.get("/health/ready").await.status(), StatusCode::OK);
    let ran = server.stop();
    for outcome in ["\"away\"", "\"back\"", "\"not ready\"", "\"ready again\""] {
        assert_eq!(ran.stderr.matches(outcome).count(), 1, "{outcome} in {ran:?}");
    }
    assert!(!ran.stderr.contains(password), "{ran:?}");
}

#[tokio::test]
async fn i8_a_database_that_was_put_back_is_made_harmless_while_its_servers_run() {
    let (place, url) = (Place::new(), SHARED.database().await);
    let server = serve(&place, &url);
    run(&place, &url, &["user", "add", "alice", "--password-stdin"]).expect_code(0);
    let token = server.token_of("alice", PASSWORD).await;
    let said = run(&place, &url, &["restore", "--in-place"]).expect_code(0).stdout;
    assert!(said.contains("A server that runs, or the next start, makes a key"), "{said}");
    assert!(said.contains("At once, look through") && !said.contains("Before you start"), "{said}");
    let mut status = StatusCode::OK;
    for _ in 0..12_000 {
        status = server.get_with("/users/me", &token).await.status();
        if status == StatusCode::UNAUTHORIZED {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(status, StatusCode::UNAUTHORIZED, "the server hears of it");
    run(&place, &url, &["restore", "copy.db"]).expect_code(1);
    server.stop();
}

#[tokio::test]
async fn c21_i8_the_logins_of_everybody_end_while_the_servers_run() {
    let (place, url) = (Place::new(), SHARED.database().await);
    let server = serve(&place, &url);
    run(&place, &url, &["user", "add", "alice", "--password-stdin"]).expect_code(0);
    let token = server.token_of("alice", PASSWORD).await;
    let said = run(&place, &url, &["grant", "revoke", "--all", "--yes"]).expect_code(0).stdout;
    assert!(said.contains("logins that ended: 1") && said.contains("A server that runs, or the next start"), "{said}");
    let began = tokio::time::Instant::now();
    while server.get_with("/users/me", &token).await.status() == StatusCode::OK {
        assert!(began.elapsed() < PATIENCE, "the server does not hear of it");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let fresh = server.token_after_the_end("alice", PASSWORD).await;
    assert_eq!(server.get_with("/users/me", &fresh).await.status(), StatusCode::OK);
    server.stop();
}
