//! The log: what is in it, what is never in it, and that each entry is one line.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use reqwest::StatusCode;
use serde_json::Value;

use crate::support::{PASSWORD, Place, SECRET, Server, expect_json, header, issued};

fn serve(place: &Place, format: &str, level: &str) -> Server {
    let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
    command.env("COUNTERSIGN_LOG_FORMAT", format).env("COUNTERSIGN_LOG_LEVEL", level);
    Server::start(command)
}

#[track_caller]
fn entries(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[tokio::test]
async fn a_request_is_one_line_with_an_id_that_is_ours() {
    let place = Place::new();
    place.add_user("alice", &[]);
    // JSON where standard error is no terminal.
    let server = place.serve();
    let request = server.client.get(format!("{}/users/me", server.url)).header("x-request-id", "theirs\u{20}x");
    let answer = request.send().await.unwrap();
    let id = header(&answer, "x-request-id").to_owned();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let login = server.log_in("alice", PASSWORD).await;
    let login_id = header(&login, "x-request-id").to_owned();
    assert_ne!(id, login_id);
    let ran = server.stop();
    assert!(!ran.stderr.contains("theirs"), "{ran:?}");
    let entries = entries(&ran.stderr);
    let of = |id: &str| entries.iter().filter(|entry| entry["span"]["request_id"] == id).collect::<Vec<_>>();
    let [access, request] = of(&id)[..] else { panic!("{ran:?}") };
    assert_eq!((&access["event"], &access["reason"]), (&"access".into(), &"no_credentials".into()));
    assert_eq!(request["event"], "request");
    assert_eq!(request["status"], 401);
    assert_eq!(request["span"]["method"], "GET");
    assert_eq!(request["span"]["path"], "/users/me");
    assert_eq!(request["span"]["source"], "127.0.0.1");
    assert!(request["latency_us"].is_u64(), "{request}");
    assert!(request["timestamp"].as_str().unwrap().ends_with('Z'), "{request}");
    let events: Vec<_> = of(&login_id).iter().map(|entry| entry["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(events, ["login", "request"], "what happened in a request has its id");
}

#[tokio::test]
async fn l2_every_refusal_is_in_the_log_with_its_reason_and_no_token_is() {
    const ISSUER: &str = "https://login.example";
    for format in ["text", "json"] {
        let place = Place::new();
        place.write("secret", SECRET);
        let mut command = place.command(["serve", "--listen", "127.0.0.1:0", "--issuer", ISSUER]);
        command.env("COUNTERSIGN_SIGNING_ALGORITHM", "HS256").env("COUNTERSIGN_HS256_SECRET_FILE", "secret");
        command.env("COUNTERSIGN_LOG_FORMAT", format);
        let server = Server::start(command);
        let expired = issued(ISSUER, 7_200).await;
        let others = issued("https://other.example", 0).await;
        let gone = issued(ISSUER, 0).await;
        for (token, reason) in [
            (None, "no_credentials"),
            (Some(&expired), "expired"),
            (Some(&others), "other_issuer"),
            (Some(&gone), "owner_gone"),
        ] {
            let mut request = server.client.get(format!("{}/users/me", server.url));
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let answer = request.send().await.unwrap();
            let id = header(&answer, "x-request-id").to_owned();
            let body = expect_json(answer, StatusCode::UNAUTHORIZED).await.to_string();
            assert!(!body.contains(reason) || reason == "no_credentials", "the client does not hear it: {body}");
            let line = server.wait_for_log(&[&id, "a request was refused"]);
            for word in [reason, "INFO", "access", "denied", "401", "/users/me"] {
                assert!(line.contains(word), "{word} is not in {line}");
            }
        }
        let ran = server.stop();
        let tokens = [&expired, &others, &gone];
        for part in tokens.iter().flat_map(|token| token.split('.')).filter(|part| part.len() > 30) {
            assert!(!ran.stderr.contains(part), "{ran:?}");
        }
    }
}

#[tokio::test]
async fn a2_the_log_has_no_query() {
    let place = Place::new();
    place.add_user("alice", &[]);
    for format in ["text", "json"] {
        let server = serve(&place, format, "trace");
        let path = "/token?username=alice&password=canary-in-the-query";
        let answer = server.client.post(format!("{}{path}", server.url)).send().await.unwrap();
        let body = expect_json(answer, StatusCode::BAD_REQUEST).await;
        assert_eq!(body["error"], "invalid_request", "{body}");
        server.get("/nowhere?access_token=canary-in-the-query").await;
        server.get("/users/me?access_token=canary-in-the-query").await;
        let ran = server.stop();
        assert!(ran.stderr.contains("/token") && ran.stderr.contains("/nowhere"), "{ran:?}");
        assert!(!ran.stderr.contains("canary"), "{ran:?}");
    }
}

#[tokio::test]
async fn l1_canaries_appear_nowhere() {
    const SECRET: &str = "canary horse 7f3a91 staple";
    for format in ["text", "json"] {
        let place = Place::new();
        let added = ["user", "add", "alice", "--password-stdin", "--scope", "items"];
        let added = place.run_with_input(SECRET, added).expect_code(0);
        let server = serve(&place, format, "trace");
        let token = server.token_of("alice", SECRET).await;
        server.get_with("/users/me", &token).await;
        server.get_with("/users/me", &format!("{token}x")).await;
        server.log_in("alice", "wrong canary horse 7f3a91").await;
        server.log_in(SECRET, SECRET).await;
        let basic = server.client.post(format!("{}/token", server.url)).basic_auth("canary7f3a91", Some(SECRET));
        basic.form(&[("username", "alice"), ("password", SECRET)]).send().await.unwrap();
        let malformed = server.client.post(format!("{}/token", server.url)).body("{\"password\":\"canary 7f3a91\"}");
        malformed.send().await.unwrap();
        let database = String::from_utf8_lossy(&place.at_rest()).into_owned();
        let ran = server.stop();
        let signature = token.rsplit('.').next().unwrap();
        for (place, text) in [
            ("output", &ran.stdout),
            ("log", &ran.stderr),
            ("database", &database),
            ("user add", &(added.stdout + &added.stderr)),
        ] {
            for canary in ["canary", "7f3a91", token.as_str(), signature] {
                assert!(!text.contains(canary), "{canary} is in the {place}: {text}");
            }
        }
        assert!(ran.stderr.contains("wrong_password") && ran.stderr.contains("unknown_user"), "{ran:?}");
    }
}

#[tokio::test]
async fn l4_unknown_user_names_are_not_logged_since_people_type_passwords_there() {
    for format in ["text", "json"] {
        let place = Place::new();
        place.add_user("alice", &[]);
        let server = serve(&place, format, "trace");
        server.log_in("canary7f3a91", PASSWORD).await;
        server.log_in("canary 7f3a91", "x").await;
        server.log_in("alice", "canary7f3a91").await;
        let ran = server.stop();
        assert_eq!(ran.stderr.matches("unknown_user").count(), 2, "{ran:?}");
        assert_eq!(ran.stderr.matches("wrong_password").count(), 1, "{ran:?}");
        assert!(!ran.stderr.contains("7f3a91"), "{ran:?}");
    }
}

#[tokio::test]
async fn l3_whatever_is_sent_comes_out_as_one_line_an_entry() {
    const HOSTILE: &str = "x\r\n{\"level\":\"INFO\",\"message\":\"forged\"}\u{1b}[2J\u{2028}\u{85}\"\\";
    for format in ["text", "json"] {
        let place = Place::new();
        place.add_user("alice", &[]);
        let server = serve(&place, format, "trace");
        server.log_in(HOSTILE, HOSTILE).await;
        server.token(&[("grant_type", HOSTILE), ("scope", HOSTILE), ("client_id", HOSTILE)]).await;
        server.token(&[("username", "alice"), ("password", PASSWORD), ("scope", HOSTILE)]).await;
        let agent = server.client.get(format!("{}/users/me", server.url));
        agent.header("user-agent", "x\u{7f}\"forged").header("authorization", "Bearer \tforged").send().await.ok();
        raw(&server, b"GET /x%0d%0aforged HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        raw(&server, b"GET /\xe2\x80\xa8\x1bforged HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        raw(&server, b"FORGED\x1b / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        raw(&server, b"MADEUP / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let ran = server.stop();
        for character in ['\r', '\u{1b}', '\u{2028}', '\u{85}', '\u{7f}'] {
            assert!(!ran.stderr.contains(character), "{character:?}: {ran:?}");
        }
        for line in ran.stderr.lines() {
            match format {
                "json" => assert!(
                    serde_json::from_str::<Value>(line).is_ok_and(|entry| entry["message"] != "forged"),
                    "{line}"
                ),
                // Each line of text begins with its time.
                _ => assert!(line.starts_with("20") && line.contains('Z'), "{line}"),
            }
        }
    }
}

/// Sends these bytes as they are, and waits for the end of the answer.
fn raw(server: &Server, bytes: &[u8]) {
    let mut connection = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    connection.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn the_text_of_the_log_is_for_people_and_has_the_same_in_it() {
    let place = Place::new();
    let server = serve(&place, "text", "info");
    let id = header(&server.get("/openapi.json").await, "x-request-id").to_owned();
    let line = server.wait_for_log(&[&id]);
    for word in ["INFO", "answered", "status=200", "method=\"GET\"", "path=\"/openapi.json\""] {
        assert!(line.contains(word), "{word} is not in {line}");
    }
}

#[tokio::test]
async fn probes_that_find_all_well_fill_no_log() {
    for (level, lines) in [("info", 0), ("debug", 2)] {
        let place = Place::new();
        let server = serve(&place, "json", level);
        for path in ["/health/live", "/health/ready", "/health/nothing"] {
            server.get(path).await;
        }
        let ran = server.stop();
        let of = |path: &str| {
            let requests = entries(&ran.stderr).into_iter().filter(|entry| entry["event"] == "request");
            requests.filter(|entry| entry["span"]["path"] == path).count()
        };
        assert_eq!(of("/health/live") + of("/health/ready"), lines, "{ran:?}");
        assert_eq!(of("/health/nothing"), 1, "what is no probe is told: {ran:?}");
    }
}

#[tokio::test]
async fn l2_d13_that_guesses_are_slowed_is_told_once_with_the_source_and_without_the_name() {
    let place = Place::new();
    place.add_user("alice", &[]);
    let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
    command.env("COUNTERSIGN_TRUSTED_PROXIES", "127.0.0.1");
    let server = Server::start(command);
    let guess = async |name: &str| {
        let form = [("grant_type", "password"), ("username", name), ("password", "wrong")];
        let request = server.client.post(format!("{}/token", server.url)).header("x-forwarded-for", "198.51.100.7");
        request.form(&form).send().await.unwrap().status()
    };
    for name in ["alice", "canary-that-nobody-is-called"] {
        for _ in 0..10 {
            assert_eq!(guess(name).await, StatusCode::BAD_REQUEST);
        }
        for _ in 0..3 {
            assert_eq!(guess(name).await, StatusCode::TOO_MANY_REQUESTS);
        }
    }
    let ran = server.stop();
    assert!(!ran.stderr.contains("canary"), "{ran:?}");
    let entries = entries(&ran.stderr);
    let told: Vec<_> = entries.iter().filter(|entry| entry["event"] == "throttle").collect();
    let [alice, nobody] = told[..] else { panic!("{ran:?}") };
    for entry in [alice, nobody] {
        assert_eq!((&entry["what"], &entry["outcome"]), (&"account".into(), &"delayed".into()), "{entry}");
        assert_eq!((&entry["source"], &entry["span"]["source"]), (&"198.51.100.7".into(), &"198.51.100.7".into()));
    }
    // Who it is was not looked up for it; the failed logins before it say so.
    assert!(alice["subject"].is_null() && nobody["subject"].is_null(), "{ran:?}");
    let waits = |entry: &&Value| entry["event"] == "request" && entry["status"] == 429;
    assert_eq!(entries.iter().filter(waits).count(), 0, "a flood of guesses fills no log: {ran:?}");
    let denied = |entry: &&Value| entry["event"] == "login" && entry["subject"].is_string();
    assert_eq!(entries.iter().filter(denied).count(), 10, "{ran:?}");
}
