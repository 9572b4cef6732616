//! The program over PostgreSQL: two servers that share a database, and the commands beside them.

#[expect(dead_code, reason = "nobody ends it here")]
#[path = "../../../countersign-sql/tests/it/cluster.rs"]
pub(crate) mod cluster;

use std::time::Duration;

use reqwest::StatusCode;

use self::cluster::SHARED;
use crate::support::{PASSWORD, Place, Ran, Server};

/// What all servers say that share the database.
const ISSUER: &str = "https://login.example";

fn run(place: &Place, url: &str, arguments: &[&str]) -> Ran {
    let mut command = place.command(arguments.iter().copied());
    command.env("COUNTERSIGN_DATABASE", url);
    Ran::with_input(command, PASSWORD)
}

fn serve(place: &Place, url: &str) -> Server {
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
        for _ in 0..1_000 {
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
    assert!(server.stdout().contains("There are no users yet"), "{}", server.stdout());
    let listed = run(&place, &url, &["user", "list"]).expect_code(0);
    let looked = run(&place, &url, &["doctor", "--json"]);
    assert!(looked.stdout.contains("postgres://countersign@127.0.0.1:"), "{looked:?}");
    let refused = run(&place, &url.replace("/test_", "/no_such_"), &["user", "list"]).expect_code(1);
    assert!(refused.stderr.contains("no connection to the database"), "{refused:?}");
    let misspelt = run(&place, &url.replace("sslrootcert", "ssl"), &["user", "list"]).expect_code(2);
    let server = server.stop();
    for ran in [empty, listed, looked, refused, misspelt, server] {
        assert!(!ran.stdout.contains(&password) && !ran.stderr.contains(&password), "{ran:?}");
    }
}
