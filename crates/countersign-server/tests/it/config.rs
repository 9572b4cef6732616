//! Settings: what beats what, and what is refused before anything listens.

use reqwest::StatusCode;

use crate::support::{Place, Ran, SECRET, Server, expect_json};

async fn issuer(server: &Server) -> String {
    let metadata = server.get("/.well-known/oauth-authorization-server").await;
    expect_json(metadata, StatusCode::OK).await["issuer"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn flags_beat_the_environment_which_beats_the_file_which_beats_defaults() {
    let place = Place::new();
    let server = place.serve();
    assert_eq!(issuer(&server).await, server.url, "without an issuer on loopback it is where it listens");
    drop(server);

    place.write("a.toml", "issuer = \"https://file.example\"\nlisten = \"127.0.0.1:0\"\n");
    let server = Server::start(place.command(["--config", "a.toml", "serve"]));
    assert_eq!(issuer(&server).await, "https://file.example");
    drop(server);

    let mut command = place.command(["serve"]);
    command.env("COUNTERSIGN_CONFIG", "a.toml").env("COUNTERSIGN_ISSUER", "https://environment.example");
    let server = Server::start(command);
    assert_eq!(issuer(&server).await, "https://environment.example");
    drop(server);

    let mut command = place.command(["serve", "--issuer", "https://flag.example", "--config", "a.toml"]);
    command.env("COUNTERSIGN_CONFIG", "missing.toml").env("COUNTERSIGN_ISSUER", "https://environment.example");
    assert_eq!(issuer(&Server::start(command)).await, "https://flag.example");
}

#[tokio::test]
async fn j13_the_docs_page_and_the_document_can_be_switched_off() {
    let place = Place::new();
    let server = place.serve();
    assert!(server.stdout().contains("/docs"), "{}", server.stdout());
    for path in ["/docs", "/docs/start.js", "/openapi.json"] {
        assert_eq!(server.get(path).await.status(), StatusCode::OK, "{path}");
    }
    drop(server);

    let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
    command.env("COUNTERSIGN_DOCS", "off");
    let server = Server::start(command);
    assert!(!server.stdout().contains("docs"), "{}", server.stdout());
    for path in ["/docs", "/docs/", "/docs/start.js", "/openapi.json"] {
        assert_eq!(server.get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

/// The reason in the answer to a request without credentials, if it is told.
async fn reason(server: &Server) -> Option<String> {
    let answer = server.get("/users/me").await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let [reason, advice] = ["countersign-reason", "countersign-advice"].map(|name| answer.headers().get(name));
    assert_eq!(reason.is_some(), advice.is_some());
    Some(reason?.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn reasons_are_told_to_clients_in_developer_mode_only() {
    const WARNING: &str = "developer mode is on where others can reach it";
    let place = Place::new();
    let server = place.serve();
    assert_eq!(reason(&server).await, None);
    assert!(!server.stop().stderr.contains("developer mode"));

    let developer = |arguments: &[&str]| {
        let mut command = place.command(["serve"].into_iter().chain(arguments.iter().copied()));
        command.env("COUNTERSIGN_DEVELOPER_MODE", "true");
        Server::start(command)
    };
    let server = developer(&["--listen", "127.0.0.1:0"]);
    assert_eq!(reason(&server).await.as_deref(), Some("no_credentials"));
    assert!(!server.stop().stderr.contains(WARNING), "nobody else hears it");
    let server = developer(&["--listen", "127.0.0.1:0", "--issuer", "http://localhost:8000"]);
    assert!(!server.stop().stderr.contains(WARNING), "nobody else hears it");
    let server = developer(&["--listen", "127.0.0.1:0", "--issuer", "https://login.example"]);
    assert!(server.wait_for_log(&[WARNING]).contains("WARN"), "a proxy stands before it");
    drop(server);
    let server = developer(&["--listen", "0.0.0.0:0", "--issuer", "https://login.example"]);
    assert!(server.wait_for_log(&[WARNING]).contains("WARN"));
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    let place = Place::new();
    for (text, words) in [
        ("isuer = \"https://a.example\"", &["isuer", "a.toml", "did you mean issuer?"][..]),
        ("acces_token_lifetime = 60", &["did you mean access_token_lifetime?"]),
        ("[argon2]\nmemory = 1", &["argon2.memory", "did you mean argon2.memory_kib?"]),
        ("[argon2.passes]\nx = 1", &["argon2.passes", "whole number"]),
        ("wibble = 1", &["wibble", "countersign settings"]),
        ("[listen]\nport = 1", &["listen", "must be"]),
    ] {
        place.write("a.toml", text);
        place.run(["serve", "--config", "a.toml"]).expect_refusal(2, words);
    }
    let ran = place.command(["serve"]).env("COUNTERSIGN_ISUER", "x").output().unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(2), "{said}");
    assert!(said.contains("COUNTERSIGN_ISUER") && said.contains("did you mean COUNTERSIGN_ISSUER?"), "{said}");
    assert_eq!(place.files(), ["a.toml"], "nothing was opened");
}

#[test]
fn what_kubernetes_puts_into_the_environment_is_no_setting() {
    let place = Place::new();
    let mut command = place.command(["openapi"]);
    command.env("COUNTERSIGN_SERVICE_HOST", "10.0.0.1").env("COUNTERSIGN_PORT_8000_TCP_ADDR", "10.0.0.1");
    command.env("COUNTERSIGN_SERVICE_PORT", "8000").env("COUNTERSIGN_PORT", "tcp://10.0.0.1:8000");
    assert!(command.output().unwrap().status.success());
    let mut meant = place.command(["serve", "--listen", "127.0.0.1:0"]);
    meant.env("COUNTERSIGN_PORT", "9000");
    let refused = meant.output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "a port that somebody meant is not passed over");
}

#[test]
fn every_value_is_checked_before_anything_is_opened() {
    let place = Place::new();
    for (key, bad) in [
        ("database", "mysql://somebody:hunter2@example/db"),
        ("listen", "8000"),
        ("listen", "localhost:66000"),
        ("issuer", "https://login.example/"),
        ("issuer", "https://login.example?x=1"),
        ("issuer", "ftp://login.example"),
        ("allow_insecure_issuer", "maybe"),
        ("access_token_lifetime", "0"),
        ("access_token_lifetime", "86401"),
        ("access_token_lifetime", "15m"),
        ("leeway", "61"),
        ("scopes", "a\"b=No."),
        ("default_scope", "a  b"),
        ("signing_algorithm", "PS256"),
        ("signing_algorithm", "none"),
        ("password_grant", "perhaps"),
        ("require_grant_type", "2"),
        ("realm", "a\"b"),
        ("minimum_password_length", "7"),
        ("hash_threads", "0"),
        ("hash_queue", "-1"),
        ("argon2.memory_kib", "7167"),
        ("argon2.passes", "1"),
        ("argon2.lanes", "17"),
        ("developer_mode", "sometimes"),
        ("remembered_tokens", "-1"),
        ("remembered_tokens", "10000001"),
        ("remembered_users", "10000001"),
        ("log_format", "xml"),
        ("log_level", "loud"),
    ] {
        let name = format!("COUNTERSIGN_{}", key.to_uppercase().replace('.', "_"));
        let ran = place.command(["serve"]).env(&name, bad).output().unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(2), "{key} = {bad}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        let word = key.split('.').next().unwrap();
        assert!(said.contains(word), "{key} is not in {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    assert_eq!(place.files(), [""; 0]);
}

#[test]
fn a_file_that_is_not_toml_is_refused_by_line_and_not_quoted() {
    let place = Place::new();
    place.write("a.toml", "title = \"x\"\nrealm = hunter2 hunter2\n");
    let ran = place.run(["serve", "--config", "a.toml"]).expect_refusal(2, &["a.toml, line 2"]);
    assert!(!ran.stderr.contains("hunter2"), "{ran:?}");
    place.run(["serve", "--config", "missing.toml"]).expect_refusal(2, &["missing.toml", "No such file"]);
}

#[test]
fn m4_one_source_cannot_be_given_more_connections_than_there_are() {
    let place = Place::new();
    let mut command = place.command(["user", "list"]);
    command.env("COUNTERSIGN_MAX_CONNECTIONS", "100").env("COUNTERSIGN_MAX_CONNECTIONS_PER_SOURCE", "101");
    Ran::with_input(command, "").expect_refusal(2, &["max_connections_per_source", "max_connections:"]);
    place.add_user("alice", &[]);
    let mut command = place.command(["user", "list"]);
    command.env("COUNTERSIGN_MAX_CONNECTIONS", "100").env("COUNTERSIGN_MAX_CONNECTIONS_PER_SOURCE", "100");
    Ran::with_input(command, "").expect_code(0);
}

#[test]
fn c_hs256_needs_a_secret_that_nobody_knows() {
    let place = Place::new();
    let refused = |algorithm: &str, secret: Option<&str>, words: &[&str]| {
        let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
        command.env("COUNTERSIGN_SIGNING_ALGORITHM", algorithm);
        if let Some(secret) = secret {
            place.write("secret", secret);
            command.env("COUNTERSIGN_HS256_SECRET_FILE", "secret");
        }
        let ran = command.output().unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(2), "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in {said}");
        }
        assert!(secret.is_none_or(|secret| !said.contains(secret.trim())), "{said}");
    };
    refused("HS256", None, &["hs256_secret_file"]);
    refused("ES256", Some("0123456789abcdef0123456789abcdef"), &["hs256_secret_file", "signing_algorithm"]);
    refused("RS256", Some("0123456789abcdef0123456789abcdef"), &["hs256_secret_file", "signing_algorithm"]);
    refused("HS256", Some("q8Zr!short"), &["32 bytes"]);
    let published = "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7\n";
    refused("HS256", Some(published), &["published"]);
}

#[tokio::test]
async fn the_algorithm_of_the_tokens_is_the_one_of_the_settings() {
    let place = Place::new();
    place.add_user("alice", &[]);
    place.write("secret", format!("{SECRET}\n"));
    for (algorithm, published) in [("ES256", 1), ("EdDSA", 2), ("RS256", 3), ("HS256", 0)] {
        let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
        command.env("COUNTERSIGN_SIGNING_ALGORITHM", algorithm);
        if algorithm == "HS256" {
            command.env("COUNTERSIGN_HS256_SECRET_FILE", "secret");
        }
        let server = Server::start(command);
        let token = server.token_of("alice", crate::support::PASSWORD).await;
        assert_eq!(server.get_with("/users/me", &token).await.status(), StatusCode::OK, "{algorithm}");
        let keys = expect_json(server.get("/.well-known/jwks.json").await, StatusCode::OK).await;
        assert_eq!(keys["keys"].as_array().unwrap().len(), published, "{keys}");
    }
}
