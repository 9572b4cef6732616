//! `countersign serve`: what it refuses, what it says at the start, and how it ends.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
};

use reqwest::StatusCode;

use crate::support::{PASSWORD, Place, Server, expect_json};

#[test]
fn k1_a_plain_http_issuer_is_refused_off_loopback() {
    let place = Place::new();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--issuer"];
    let refused = |issuer| place.run(serve.into_iter().chain([issuer]));
    for issuer in
        ["http://login.example", "http://10.0.0.1:8000", "http://localhost.evil.example", "http://127.0.0.1.nip.io"]
    {
        refused(issuer).expect_refusal(2, &[issuer, "https"]);
    }
    place.run(["serve", "--listen", "0.0.0.0:0"]).expect_refusal(2, &["issuer", "--issuer https://", "0.0.0.0:0"]);
    place.run(["serve", "--listen", "[::]:0"]).expect_refusal(2, &["issuer"]);
    let others = ["serve", "--listen", "0.0.0.0:0", "--issuer", "http://localhost:8000"];
    place.run(others).expect_refusal(2, &["0.0.0.0:0", "https"]);
    assert_eq!(place.files(), [""; 0], "nothing was opened");
    for issuer in ["http://localhost:9", "http://127.0.0.1:9", "http://[::1]:9", "https://login.example"] {
        drop(Server::start(place.command(serve.into_iter().chain([issuer]))));
    }
    let mut command = place.command(serve.into_iter().chain(["http://login.example"]));
    command.env("COUNTERSIGN_ALLOW_INSECURE_ISSUER", "true");
    drop(Server::start(command));
}

#[tokio::test]
async fn d21_a_fresh_start_has_no_users() {
    let place = Place::new();
    let server = place.serve();
    assert!(server.stdout().contains("user add NAME"), "{}", server.stdout());
    assert_eq!(place.run(["user", "list", "--json"]).expect_code(0).json(), serde_json::json!([]));
    for (name, password) in [("admin", "admin"), ("alice", "secret"), ("root", "root"), ("johndoe", "secret")] {
        assert_eq!(server.log_in(name, password).await.status(), StatusCode::BAD_REQUEST);
    }
    drop(server);
    place.add_user("alice", &[]);
    let server = place.serve();
    assert!(!server.stdout().contains("user add"), "{}", server.stdout());
}

#[tokio::test]
async fn o2_start_prints_one_line_about_the_password_grant() {
    let place = Place::new();
    place.add_user("alice", &[]);
    let server = place.serve();
    server.token_of("alice", PASSWORD).await;
    let ran = server.stop();
    let lines: Vec<_> = ran.stderr.lines().filter(|line| line.contains("RFC 9700")).collect();
    assert_eq!(lines.len(), 1, "{ran:?}");
    assert!(lines[0].contains("password grant") && lines[0].contains("password_grant"), "{lines:?}");
}

#[tokio::test]
async fn o2_one_setting_turns_the_password_grant_off_everywhere() {
    let place = Place::new();
    place.add_user("alice", &[]);
    place.write("a.toml", "password_grant = false\n");
    let server = Server::start(place.command(["serve", "--listen", "127.0.0.1:0", "--config", "a.toml"]));
    let body = expect_json(server.log_in("alice", PASSWORD).await, StatusCode::BAD_REQUEST).await;
    assert_eq!(body["error"], "unsupported_grant_type", "{body}");
    let without = server.token(&[("username", "alice"), ("password", PASSWORD)]).await;
    assert_eq!(expect_json(without, StatusCode::BAD_REQUEST).await["error"], "unsupported_grant_type");
    // O4: advertised only when on.
    let metadata = expect_json(server.get("/.well-known/oauth-authorization-server").await, StatusCode::OK).await;
    assert_eq!(metadata["grant_types_supported"], serde_json::json!(["refresh_token", "client_credentials"]));
    assert!(!server.stop().stderr.contains("RFC 9700"));
}

#[tokio::test]
async fn o4_the_password_grant_is_advertised_when_it_is_on() {
    let place = Place::new();
    let server = place.serve();
    let metadata = expect_json(server.get("/.well-known/oauth-authorization-server").await, StatusCode::OK).await;
    let all = serde_json::json!(["password", "refresh_token", "client_credentials"]);
    assert_eq!(metadata["grant_types_supported"], all);
}

#[test]
fn i1_the_file_with_the_key_is_0600() {
    let place = Place::on_files();
    let _server = place.serve();
    let database = std::fs::metadata(place.path().join("countersign.db")).unwrap();
    assert_eq!(database.permissions().mode() & 0o777, 0o600);
}

#[test]
fn i1_nothing_of_the_key_is_printed() {
    let place = Place::new();
    let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
    command.env("COUNTERSIGN_LOG_LEVEL", "trace");
    let ran = Server::start(command).stop();
    for said in [&ran.stdout, &ran.stderr] {
        // PKCS #8 of a P-256 key begins with these bytes in base64, hexadecimal and Rust's notation. Six digits may be a time.
        for start in ["MIGHAgEA", "308187020100", "[48, 129"] {
            assert!(!said.contains(start), "{ran:?}");
        }
        assert!(!said.to_lowercase().contains("private"), "{ran:?}");
    }
}

#[tokio::test]
async fn n10_files_are_0600_whatever_the_umask() {
    let place = Place::on_files();
    let script = format!("umask 000; exec '{}' serve --listen 127.0.0.1:0", env!("CARGO_BIN_EXE_countersign"));
    let server = Server::start(place.command_of("sh", ["-c", &script]));
    place.add_user("alice", &[]);
    server.token_of("alice", PASSWORD).await;
    let files = place.files();
    assert!(files.contains(&"countersign.db-wal".to_owned()), "{files:?}");
    for file in files {
        let mode = std::fs::metadata(place.path().join(&file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
}

#[test]
fn an_address_in_use_is_told_with_a_way_out() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = place.run(["serve", "--listen", &address]).expect_code(1);
    let last = ran.stderr.lines().last().unwrap();
    assert!(last.contains(&address) && last.contains("in use") && last.contains("--listen"), "{ran:?}");
    place.run(["serve", "--listen", "no.such.host.invalid:0"]).expect_refusal(1, &["no.such.host.invalid"]);
}

#[test]
fn requests_in_flight_are_finished_at_the_end() {
    for signal in ["-TERM", "-INT"] {
        let place = Place::new();
        place.add_user("alice", &[]);
        let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
        command.env("COUNTERSIGN_LOG_LEVEL", "debug");
        let server = Server::start(command);
        let address = server.url.trim_start_matches("http://").to_owned();
        let mut idle = TcpStream::connect(&address).unwrap();
        let mut connection = TcpStream::connect(&address).unwrap();
        // Its last letter comes once the server was told to end.
        let form = "grant_type=password&username=nobody&password=whatever";
        let (sent, last) = form.split_at(form.len() - 1);
        write!(
            connection,
            "POST /token HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{sent}",
            form.len()
        )
        .unwrap();
        server.wait_for_log(&["received", "/token"]);
        server.signal(signal);
        server.wait_for_log(&["told to end"]);
        connection.write_all(last.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("invalid_grant"), "{answer}");
        let ran = server.wait().expect_code(0);
        let told = ran.stderr.find("told to end").unwrap();
        let answered = ran.stderr.find("\"status\":400").unwrap();
        assert!(told < answered, "the request was in flight: {ran:?}");
        assert_eq!(idle.read(&mut [0]).unwrap(), 0, "a connection without a request is closed");
    }
}

#[tokio::test]
async fn what_was_answered_is_there_after_the_end() {
    let place = Place::new();
    let server = place.serve();
    place.add_user("alice", &["--scope", "items"]);
    let token = server.token_of("alice", PASSWORD).await;
    let address = server.url.trim_start_matches("http://").to_owned();
    // Killed, not told to end: what was acknowledged is on the disk, and the key with it.
    drop(server);
    // The issuer is the address. If somebody else has it by now, all the better.
    let _kept = TcpListener::bind(address);
    let again = place.serve();
    let user = expect_json(again.get_with("/users/me", &again.token_of("alice", PASSWORD).await).await, StatusCode::OK);
    assert_eq!(user.await["scopes"], serde_json::json!(["items"]));
    assert_eq!(again.get_with("/users/me", &token).await.status(), StatusCode::UNAUTHORIZED, "another issuer");
}

#[tokio::test]
async fn tokens_outlive_a_restart() {
    let place = Place::new();
    place.add_user("alice", &[]);
    let serve = ["serve", "--listen", "127.0.0.1:0", "--issuer", "https://login.example"];
    let first = Server::start(place.command(serve));
    let token = first.token_of("alice", PASSWORD).await;
    first.stop().expect_code(0);
    let second = Server::start(place.command(serve));
    assert_eq!(second.get_with("/users/me", &token).await.status(), StatusCode::OK);
}
