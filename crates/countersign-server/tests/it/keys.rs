//! `countersign key`, and private keys that rest encrypted, with and without a server running beside.

use std::fs;

use countersign::{Clock, core::clock::System};
use reqwest::StatusCode;
use serde_json::Value;

use crate::support::{PASSWORD, PATIENCE, Place, Server, expect_json};

/// A place with a user and the first key.
fn place() -> Place {
    let place = Place::new();
    place.add_user("alice", &["--scope", "me"]);
    place.serve().stop();
    place
}

fn list(place: &Place) -> Vec<Value> {
    let listed = place.run(["key", "list", "--json"]).expect_code(0).json();
    listed.as_array().unwrap().clone()
}

fn states(place: &Place) -> Vec<String> {
    list(place).iter().map(|key| key["state"].as_str().unwrap().to_owned()).collect()
}

fn kid(key: &Value) -> &str {
    key["kid"].as_str().unwrap()
}

async fn published(server: &Server) -> Vec<String> {
    let keys = expect_json(server.get("/.well-known/jwks.json").await, StatusCode::OK).await;
    keys["keys"].as_array().unwrap().iter().map(|key| kid(key).to_owned()).collect()
}

#[test]
fn i3_a_key_is_rotated_on_demand_and_says_when_it_signs() {
    let place = place();
    let [first] = list(&place).try_into().unwrap();
    let rotated = place.run(["key", "rotate"]).expect_code(0).stdout;
    let [old, next] = list(&place).try_into().unwrap();
    assert!(rotated.starts_with(&format!("{} is made, and signs from 20", kid(&next))), "{rotated}");
    assert_eq!([old["state"].as_str(), next["state"].as_str()], [Some("signing"), Some("next")]);
    let signs_from = next["signs_from"].as_i64().unwrap();
    let soon = signs_from - System.now().seconds();
    assert!((600..=660).contains(&soon), "{soon}");
    assert!(old["verifies_until"].as_i64().unwrap() >= signs_from + 900);
    assert_eq!((&old["kid"], &old["signs_from"]), (&first["kid"], &first["signs_from"]));
    let again = place.run(["key", "rotate", "--json"]).expect_code(0).json();
    assert_eq!(again, next, "the one that waits is the next one");
    let table = place.run(["key", "list"]).expect_code(0).stdout;
    let rows: Vec<_> = table.lines().collect();
    assert!(rows.len() == 3 && rows[0].starts_with("KID ") && rows[0].ends_with("VERIFIES UNTIL"), "{table}");
    assert!(rows[1].contains("ES256") && rows[1].contains("  signing  ") && rows[2].contains("  next "), "{table}");
}

#[tokio::test]
async fn i5_a_server_refuses_what_a_key_signed_that_the_command_line_withdrew() {
    let place = place();
    let server = place.serve();
    let token = server.token_of("alice", PASSWORD).await;
    assert_eq!(server.get_with("/users/me", &token).await.status(), StatusCode::OK);
    let [leaked] = list(&place).try_into().unwrap();
    let said = place.run(["key", "withdraw", kid(&leaked)]).expect_code(0).stdout;
    let [gone, signing] = list(&place).try_into().unwrap();
    assert_eq!(said, format!("{} is withdrawn; {} signs\n", kid(&leaked), kid(&signing)));
    assert_eq!([gone["state"].as_str(), signing["state"].as_str()], [Some("withdrawn"), Some("signing")]);
    let began = tokio::time::Instant::now();
    while server.get_with("/users/me", &token).await.status() == StatusCode::OK {
        assert!(began.elapsed() < PATIENCE, "the server does not hear of it");
    }
    assert_eq!(published(&server).await, [kid(&signing)], "before anything is signed with it");
    let token = server.token_of("alice", PASSWORD).await;
    assert_eq!(server.get_with("/users/me", &token).await.status(), StatusCode::OK);
    server.wait_for_log(&["a key that was withdrawn verifies nothing here any more"]);
}

#[test]
fn l2_what_is_done_to_keys_is_in_the_log() {
    let place = place();
    let [leaked] = list(&place).try_into().unwrap();
    assert_eq!(place.run(["key", "list"]).expect_code(0).stderr, "");
    for (arguments, outcome, key) in [
        (&["key", "rotate"][..], None, None),
        (&["key", "withdraw", kid(&leaked)], Some("withdrawn"), Some(kid(&leaked))),
    ] {
        let ran = place.run(arguments.iter().copied()).expect_code(0);
        let entries: Vec<Value> = ran.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let told = entries.iter().any(|entry| {
            entry["event"] == "key"
                && outcome.is_none_or(|outcome| entry["outcome"] == outcome)
                && key.is_none_or(|key| entry["key"] == key)
        });
        assert!(told, "{arguments:?}: {ran:?}");
    }
}

#[test]
fn what_cannot_be_done_to_keys_is_a_failure_and_changes_nothing() {
    let place = place();
    let before = list(&place);
    place.run(["key", "withdraw", "another"]).expect_refusal(1, &["there is no such key", "key list"]);
    place.run(["key", "withdraw"]).expect_code(2);
    let secret = place.write("secret", "b2Jc9vQ0sTz1mXw7Lk4Rr8Yp3Nn6Hh5D");
    let mut rotate = place.command(["key", "rotate"]);
    rotate.env("COUNTERSIGN_SIGNING_ALGORITHM", "HS256").env("COUNTERSIGN_HS256_SECRET_FILE", secret);
    let rotated = rotate.output().unwrap();
    assert_eq!(rotated.status.code(), Some(1));
    assert!(String::from_utf8(rotated.stderr).unwrap().contains("signed with a secret"));
    assert_eq!(list(&place), before);
    let empty = Place::on_files();
    empty.run(["key", "list"]).expect_refusal(1, &["there is no database"]);
    assert_eq!(empty.files(), [""; 0], "and none is made");
}

#[tokio::test]
async fn an_algorithm_is_changed_and_changed_back() {
    let place = place();
    let [first] = list(&place).try_into().unwrap();
    let with = |algorithm: &str| {
        let mut command = place.command(["serve", "--listen", "127.0.0.1:0", "--issuer", "https://login.example.com"]);
        command.env("COUNTERSIGN_SIGNING_ALGORITHM", algorithm);
        Server::start(command)
    };
    let server = with("ES256");
    let old = server.token_of("alice", PASSWORD).await;
    server.stop();
    let server = with("RS256");
    let new = server.token_of("alice", PASSWORD).await;
    for token in [&old, &new] {
        assert_eq!(server.get_with("/users/me", token).await.status(), StatusCode::OK);
    }
    assert_eq!(published(&server).await.len(), 2);
    server.stop();
    let server = with("ES256");
    let back = server.token_of("alice", PASSWORD).await;
    for token in [&old, &new, &back] {
        assert_eq!(server.get_with("/users/me", token).await.status(), StatusCode::OK);
    }
    assert_eq!(list(&place).len(), 2);
    assert_eq!(kid(&list(&place)[0]), kid(&first));
    assert_eq!(states(&place), ["signing", "verifying"]);
}

#[tokio::test]
async fn i7_private_keys_rest_encrypted_under_a_key_of_the_operators() {
    let place = place();
    let plain = list(&place);
    assert_eq!(plain[0]["encrypted"], false);
    let right = place.write("right", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
    let wrong = place.write("wrong", "f".repeat(60) + "0123");
    let serve = |key: &std::path::Path| {
        let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
        command.env("COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE", key);
        command
    };
    let refused = |key: &std::path::Path, words: &str| {
        let ran = serve(key).output().unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert!(!ran.status.success() && said.contains(words), "{said}");
        assert!(!said.contains("ffffffff"), "{said}");
    };
    refused(&place.path().join("nowhere"), "nowhere");
    refused(&wrong, "a pattern");
    assert_eq!(list(&place), plain, "nothing changed");
    let server = Server::start(serve(&right));
    let token = server.token_of("alice", PASSWORD).await;
    server.stop();
    assert_eq!(list(&place)[0]["encrypted"], true);
    let other =
        place.write("other", (b'a'..=b'z').map(|byte| format!("{byte:02x}")).collect::<String>() + &"00".repeat(6));
    refused(&other, "under another key");
    refused(&other, "set the old one again, or give up the keys: `countersign restore --in-place`");
    place.run(["serve", "--listen", "127.0.0.1:0"]).expect_code(1);
    let unset = ["key that they are encrypted under is not set", "key_encryption_key_file", "restore --in-place"];
    place.run(["key", "rotate"]).expect_refusal(1, &unset);
    place.run(["key", "list"]).expect_code(0);
    let server = Server::start(serve(&right));
    assert_eq!(server.token_of("alice", PASSWORD).await.split('.').next(), token.split('.').next(), "the same key");
    let id = server.id();
    if let (Ok(line), Ok(environment)) =
        (fs::read(format!("/proc/{id}/cmdline")), fs::read_to_string(format!("/proc/{id}/environ")))
    {
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        assert!(!String::from_utf8_lossy(&line).contains(key) && !environment.contains(key));
    }
    server.stop();

    // Whoever lost the key gives the keys up, and everybody logs in again.
    place.run(["restore", "--in-place"]).expect_code(0);
    let server = Server::start(serve(&other));
    assert_eq!(server.get_with("/users/me", &token).await.status(), StatusCode::UNAUTHORIZED);
    let fresh = server.token_after_the_end("alice", PASSWORD).await;
    assert_eq!(server.get_with("/users/me", &fresh).await.status(), StatusCode::OK);
    server.stop();
}

#[test]
fn the_rotation_is_a_number_of_days_or_off() {
    let place = Place::new();
    for refused in ["0.5", "-1", "3651", "90d", "never"] {
        let ran = place.command(["key", "list"]).env("COUNTERSIGN_KEY_ROTATION", refused).output().unwrap();
        assert_eq!(ran.status.code(), Some(2), "{refused}");
    }
    place.add_user("alice", &[]);
    for (written, fine) in [
        ("key_rotation = 30", true),
        ("key_rotation = \"off\"", true),
        ("key_rotation = false", true),
        ("key_rotation = true", false),
    ] {
        let file = place.write("settings.toml", written);
        let ran = place.run(["key", "list", "--config", file.to_str().unwrap()]);
        assert_eq!(ran.code == Some(0), fine, "{written}: {ran:?}");
    }
}
