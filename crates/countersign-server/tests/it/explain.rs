//! `countersign explain`: what is said of a token, against what, and that it goes nowhere.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Place, Ran, SECRET, Server, expect_json, issued};

const ISSUER: &str = "https://login.example";

/// A token of nobody's, bound to a key, whose `kid` and `iss` would clear the screen.
const HOSTILE: &str = "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogIlx1MDAxYlsySlxyXG5cdTIwMmVldmlsIiwgInR5cCI6ICJhdCtqd3QifQ.eyJpc3MiOiAiXHUwMDFiXTA7ZXZpbFx1MDAwNyIsICJzdWIiOiAiYWxpY2UiLCAiYXVkIjogIngiLCAiY2xpZW50X2lkIjogImEiLCAianRpIjogIjEiLCAiaWF0IjogMSwgImV4cCI6IDk5OTk5OTk5OTksICJjbmYiOiB7ImprdCI6ICJrIn19.AAAA";

/// A place with the settings of a server that signs by HS256, in `a.toml`.
fn with_secret(more: &str) -> Place {
    let place = Place::new();
    place.write("secret", SECRET);
    let settings = "signing_algorithm = \"HS256\"\nhs256_secret_file = \"secret\"\n";
    place.write("a.toml", format!("issuer = \"{ISSUER}\"\n{settings}{more}"));
    place
}

/// Explains, and checks that nothing of the token comes out of it.
#[track_caller]
fn explain(place: &Place, input: &str, arguments: &[&str]) -> Ran {
    let ran = place.run_with_input(input, ["explain"].into_iter().chain(arguments.iter().copied()));
    for part in input.split(['.', '"', ' ', '\n']).filter(|part| part.len() > 30) {
        assert!(!ran.stdout.contains(part) && !ran.stderr.contains(part), "{ran:#?}");
    }
    ran
}

#[track_caller]
fn line<'r>(ran: &'r Ran, what: &str) -> &'r str {
    let found = ran.stdout.lines().find(|line| line.split_whitespace().nth(1) == Some(what));
    found.unwrap_or_else(|| panic!("no {what} in {ran:#?}"))
}

#[tokio::test]
async fn what_is_wrong_is_told_with_what_was_expected_and_what_to_change() {
    let place = with_secret("audience = \"https://items.example\"\n");
    let good = issued(ISSUER, 0).await;
    let config = ["--config", "a.toml"];
    for (token, more, what, reason) in [
        (issued(ISSUER, 7_200).await, &["--audience", ISSUER][..], "exp", "expired"),
        (issued(ISSUER, -600).await, &["--audience", ISSUER], "iat", "not_yet_valid"),
        (issued("https://login.example.com", 0).await, &[], "iss", "other_issuer"),
        (good.clone(), &[], "aud", "other_audience"),
        (good.clone(), &["--audience", ISSUER, "--scope", "items admin"], "scope", "scope_missing"),
        (format!("{good}A"), &["--audience", ISSUER], "signature", "bad_signature"),
        (HOSTILE.to_owned(), &["--audience", "x"], "kid", "unknown_key"),
    ] {
        let ran = explain(&place, &token, &[&config[..], more].concat()).expect_code(1);
        assert!(line(&ran, what).starts_with("FAILS  "), "{ran:#?}");
        assert!(line(&ran, what).contains("  expected: "), "{ran:#?}");
        assert!(ran.stdout.ends_with(&format!("\nrefused: {reason}\n")), "{ran:#?}");
        assert_eq!(ran.stderr, format!("countersign: the token is refused: {reason}\n"));
    }
    let ran = explain(&place, &good, &["--config", "a.toml", "--audience", ISSUER, "--scope", "items"]).expect_code(0);
    assert!(ran.stdout.ends_with("\naccepted\n"), "{ran:#?}");
    assert_eq!(ran.stderr, "");
    assert_eq!(place.files(), ["a.toml", "secret"], "a secret needs no database");
}

#[tokio::test]
async fn c7_the_leeway_is_the_one_of_the_settings() {
    let late = issued(ISSUER, 910).await;
    explain(&with_secret(""), &late, &["--config", "a.toml"]).expect_code(1);
    let ran = explain(&with_secret("leeway = 60\n"), &late, &["--config", "a.toml"]).expect_code(0);
    assert!(line(&ran, "exp").contains("leeway 60 s"), "{ran:#?}");
}

#[tokio::test]
async fn a_token_of_this_server_is_held_against_its_keys_and_nothing_is_written() {
    let place = Place::new();
    place.add_user("alice", &["--scope", "items"]);
    place.write("a.toml", format!("issuer = \"{ISSUER}\"\nlisten = \"127.0.0.1:0\"\n"));
    let server = Server::start(place.command(["serve", "--config", "a.toml"]));
    let answer = server.log_in("alice", PASSWORD).await;
    let response = expect_json(answer, StatusCode::OK).await.to_string();
    let ran = explain(&place, &response, &["--config", "a.toml"]).expect_code(0);
    assert!(ran.stdout.starts_with("note: the token was taken out of a token response"), "{ran:#?}");
    assert!(line(&ran, "signature").starts_with("holds "), "{ran:#?}");
    server.stop().expect_code(0);
    let before = (place.files(), place.at_rest());
    explain(&place, &response, &["--config", "a.toml"]).expect_code(0);
    // By other settings the server would sign by EdDSA, and make a key for it.
    let mut other = place.command(["explain", "--config", "a.toml"]);
    other.env("COUNTERSIGN_SIGNING_ALGORITHM", "EdDSA");
    let ran = Ran::with_input(other, &response).expect_code(0);
    assert!(line(&ran, "signature").starts_with("holds "), "{ran:#?}");
    let json = explain(&place, "x", &["--database", place.database(), "--json"]).expect_code(1).json();
    let note = json["notes"][0].as_str().unwrap();
    assert!(note.ends_with("http://127.0.0.1:8000"), "without an issuer it is the address: {json}");
    assert!(before == (place.files(), place.at_rest()), "nothing was written");
}

#[test]
fn where_there_is_no_key_none_is_made() {
    let place = Place::new();
    let nothing = explain(&place, HOSTILE, &["--database", "a.db"]);
    nothing.expect_refusal(2, &["there is no database a.db"]);
    assert_eq!(place.files(), [""; 0]);
    place.add_user("alice", &[]);
    let ran = explain(&place, HOSTILE, &["--database", place.database()]);
    ran.expect_refusal(2, &["there is no key in the database yet", "countersign serve"]);
    assert_eq!(place.count("SELECT count(*) FROM oauth2_keys"), 0);
}

#[tokio::test]
async fn alone_a_token_is_held_against_the_clock() {
    let place = Place::new();
    let ran = explain(&place, &issued(ISSUER, 0).await, &[]).expect_code(0);
    assert!(ran.stdout.ends_with("\nnothing speaks against it, as far as can be said\n"), "{ran:#?}");
    assert!(line(&ran, "iss").starts_with("? ") && line(&ran, "iss").contains(ISSUER), "{ran:#?}");
    let ran = explain(&place, &issued(ISSUER, 7_200).await, &[]).expect_code(1);
    assert!(ran.stdout.ends_with("\nrefused: expired\n"), "{ran:#?}");
    let wrong_scope = explain(&place, &issued(ISSUER, 0).await, &["--scope", "admin"]).expect_code(1);
    assert!(wrong_scope.stdout.ends_with("\nrefused: scope_missing\n"), "{wrong_scope:#?}");
    assert_eq!(place.files(), [""; 0]);
}

#[test]
fn p2_a_bound_token_is_refused_and_strangers_move_no_cursor() {
    let place = Place::new();
    for arguments in [&[][..], &["--json"]] {
        let ran = explain(&place, HOSTILE, arguments).expect_code(1);
        for text in [&ran.stdout, &ran.stderr] {
            assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')), "{ran:#?}");
        }
        assert!(ran.stderr.ends_with("refused: bound\n"), "{ran:#?}");
    }
    let ran = explain(&place, HOSTILE, &[]);
    assert!(line(&ran, "cnf").starts_with("FAILS "), "{ran:#?}");
    assert!(line(&ran, "iss").contains("\\u{1b}]0;evil\\u{7}"), "{ran:#?}");
}

#[tokio::test]
async fn json_says_the_same_to_programs() {
    let place = with_secret("");
    let good = issued(ISSUER, 0).await;
    let json = |token: &str, code, more: &[&str]| {
        explain(&place, token, &[&["--json", "--config", "a.toml"], more].concat()).expect_code(code).json()
    };
    let accepted = json(&good, 0, &["--scope", "items"]);
    assert_eq!((&accepted["verdict"], &accepted["reason"]), (&json!("accepted"), &Value::Null));
    let all = accepted["findings"].as_array().unwrap();
    assert!(all.len() > 12 && all.iter().all(|finding| finding["verdict"] == "holds"), "{accepted}");
    assert_eq!(json(&good, 0, &[])["verdict"], "unknown");
    let refused = json(&format!("'{}'", issued(ISSUER, 7_200).await), 1, &[]);
    assert_eq!((&refused["verdict"], &refused["reason"]), (&json!("refused"), &json!("expired")));
    assert!(refused["advice"].as_str().unwrap().contains("new token"), "{refused}");
    assert!(refused["notes"][0].as_str().unwrap().contains("quotes"), "{refused}");
    let exp = refused["findings"].as_array().unwrap().iter().find(|finding| finding["what"] == "exp").unwrap();
    assert_eq!(exp["verdict"], "fails");
    assert!(exp["found"].as_str().unwrap().contains("s ago"), "{exp}");
    let opaque = json("gho_16C7e42F292c6912E7710c838347Ae178B4a", 1, &[]);
    assert_eq!((&opaque["verdict"], &opaque["findings"]), (&json!("opaque"), &json!([])));
}

#[test]
fn of_an_opaque_token_one_sentence_is_said() {
    let place = Place::new();
    for opaque in ["0123456789abcdef", "ya29.a0AfB_byC", "v4.local.AAAAAAAAAAAA", "a.b.c.d.e"] {
        let ran = explain(&place, opaque, &[]).expect_code(1);
        assert_eq!(ran.stdout.lines().count(), 1, "{ran:#?}");
        assert!(ran.stdout.contains("opaque") && ran.stdout.contains("introspection endpoint (RFC 7662)"), "{ran:#?}");
        assert_eq!(ran.stderr, "countersign: the token is opaque, and no API can verify it by itself\n");
    }
    let cut = explain(&place, &HOSTILE[..50], &[]).expect_code(1);
    assert!(cut.stdout.contains("FAILS  segments") && !cut.stdout.contains("is opaque"), "{cut:#?}");
}

#[tokio::test]
async fn a_token_comes_from_standard_input_alone() {
    let place = with_secret("");
    let token = issued(ISSUER, 0).await;
    let ran = place.run(["explain", "Bearer", &token]);
    let ran = ran.expect_refusal(2, &["on the command line", "pipe it in"]);
    assert!(!ran.stderr.contains(&token), "{ran:#?}");
    place.run(["explain"]).expect_refusal(2, &["no token on standard input"]);
    explain(&place, &"x".repeat(70_000), &[]).expect_refusal(2, &["65536 bytes"]);
    explain(&place, "{\"error\":\"canary\"}", &[]).expect_refusal(2, &["access_token"]);
    explain(&place, &token, &["--config", "a.toml", "--against", ISSUER]).expect_refusal(2, &["--against", "--config"]);
    explain(&place, &token, &["--scope", "a\"b"]).expect_code(2);
    explain(&place, &token, &["--config", "missing.toml"]).expect_refusal(2, &["missing.toml"]);
}

/// An issuer that keeps every byte that it is sent, and answers by path.
struct Recorder {
    url: String,
    received: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    /// The answer to a path is the head after the status line's version, and the body.
    fn start(answer: impl Fn(&str, &str) -> (String, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let (kept, own) = (received.clone(), url.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let head = read_head(&mut stream);
                let path = head.split(' ').nth(1).unwrap().to_owned();
                kept.lock().unwrap().push(head);
                let (head, body) = answer(&own, &path);
                let length = body.len();
                let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
                // Who has read enough goes away.
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { url, received }
    }

    fn paths(&self) -> Vec<String> {
        let received = self.received.lock().unwrap();
        received.iter().map(|head| head.split(' ').nth(1).unwrap().to_owned()).collect()
    }
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

const RFC_8414: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

fn found(body: impl Into<String>) -> (String, String) {
    ("200 OK".to_owned(), body.into())
}

fn missing() -> (String, String) {
    ("404 Not Found".to_owned(), "{}".to_owned())
}

#[tokio::test]
async fn held_against_an_issuer_elsewhere_nothing_of_the_token_goes_out() {
    let keys = Arc::new(Mutex::new(String::new()));
    let served = keys.clone();
    let issuer = Recorder::start(move |own, path| match path {
        OPENID => found(json!({ "issuer": own, "jwks_uri": format!("{own}/keys") }).to_string()),
        "/keys" => found(served.lock().unwrap().clone()),
        _ => missing(),
    });
    let place = Place::new();
    place.add_user("alice", &["--scope", "items"]);
    let server = Server::start(place.command(["serve", "--listen", "127.0.0.1:0", "--issuer", &issuer.url]));
    *keys.lock().unwrap() = server.get("/.well-known/jwks.json").await.text().await.unwrap();
    let token = server.token_of("alice", PASSWORD).await;
    let pasted = format!("Authorization: Bearer {token}\n");
    let ran = explain(&place, &pasted, &["--against", &issuer.url, "--audience", &issuer.url]).expect_code(0);
    for (what, verdict) in [("signature", "holds"), ("iss", "holds"), ("aud", "holds"), ("scope", "?")] {
        assert!(line(&ran, what).starts_with(verdict), "{ran:#?}");
    }
    explain(&place, &format!("{token}A"), &["--against", &issuer.url]).expect_code(1);
    assert_eq!(issuer.paths(), [RFC_8414, OPENID, "/keys", RFC_8414, OPENID, "/keys"]);
    for head in &*issuer.received.lock().unwrap() {
        let low = head.to_lowercase();
        assert!(head.starts_with("GET ") && !low.contains("authorization:") && !low.contains("content-"), "{head}");
        for piece in token.split('.').flat_map(|segment| segment.as_bytes().windows(12)) {
            assert!(!head.contains(std::str::from_utf8(piece).unwrap()), "{head}");
        }
    }
}

#[tokio::test]
async fn its_own_server_is_an_issuer_like_others() {
    let place = Place::new();
    place.add_user("alice", &[]);
    let server = place.serve();
    let token = server.token_of("alice", PASSWORD).await;
    let mut command = place.command(["explain", "--against", &server.url, "--audience", &server.url]);
    // A proxy for the world is none for this machine.
    command.env("http_proxy", "http://127.0.0.1:1").env("HTTP_PROXY", "http://127.0.0.1:1").env_remove("no_proxy");
    let ran = Ran::with_input(command, &token).expect_code(0);
    assert!(line(&ran, "signature").starts_with("holds "), "{ran:#?}");
    let other = place.serve();
    let ran = explain(&place, &token, &["--against", &other.url]).expect_code(1);
    assert!(line(&ran, "iss").starts_with("FAILS "), "{ran:#?}");
}

#[test]
fn no_proxy_of_the_environment_stands_before_an_issuer() {
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let place = Place::new();
    let mut command = place.command(["explain", "--against", "https://issuer.invalid"]);
    for name in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, &url);
    }
    command.env_remove("no_proxy").env_remove("NO_PROXY");
    Ran::with_input(command, "0123456789abcdef").expect_code(2);
    proxy.set_nonblocking(true).unwrap();
    assert!(proxy.accept().is_err(), "it was asked");
}

#[test]
fn an_opaque_token_is_told_where_its_issuer_answers() {
    let issuer = Recorder::start(|own, path| match path {
        "/keys" => found(json!({ "keys": [] }).to_string()),
        _ => found(
            json!({ "issuer": own, "jwks_uri": format!("{own}/keys"),
            "introspection_endpoint": format!("{own}/introspect") })
            .to_string(),
        ),
    });
    let ran = explain(&Place::new(), "0123456789abcdef", &["--against", &issuer.url]).expect_code(1);
    assert!(ran.stdout.contains(&format!("{}/introspect", issuer.url)), "{ran:#?}");
    assert!(ran.stdout.contains("publishes no key"), "{ran:#?}");
    assert_eq!(issuer.paths(), [RFC_8414, "/keys"], "nobody was asked about the token");
}

#[test]
fn what_an_issuer_does_not_tell_in_order_is_not_had() {
    let place = Place::new();
    let refused = |answer: fn(&str, &str) -> (String, String), words: &[&str], paths: &[&str]| {
        let issuer = Recorder::start(answer);
        explain(&place, HOSTILE, &["--against", &issuer.url]).expect_refusal(2, words);
        assert_eq!(issuer.paths(), paths);
    };
    refused(|_, _| missing(), &["answers 404"], &[RFC_8414, OPENID]);
    let elsewhere = |own: &str, _: &str| ("302 Found\r\nLocation: ".to_owned() + own + "/elsewhere", String::new());
    refused(elsewhere, &["answers 302"], &[RFC_8414, OPENID]);
    refused(|_, _| found("<html>"), &["names no issuer"], &[RFC_8414, OPENID]);
    refused(|own, _| found(json!({ "issuer": format!("{own}/") }).to_string()), &["another issuer"], &[RFC_8414]);
    refused(|own, _| found(json!({ "issuer": own }).to_string()), &["jwks_uri"], &[RFC_8414]);
    let plain = |own: &str, _: &str| found(json!({ "issuer": own, "jwks_uri": "http://192.0.2.1/k" }).to_string());
    refused(plain, &["jwks_uri", "https"], &[RFC_8414]);
    refused(|_, _| found(" ".repeat(65 * 1024)), &["more than 65536 bytes"], &[RFC_8414, OPENID]);
    let long_keys = |own: &str, path: &str| match path {
        "/keys" => found(" ".repeat(257 * 1024)),
        _ => found(json!({ "issuer": own, "jwks_uri": format!("{own}/keys") }).to_string()),
    };
    refused(long_keys, &["more than 262144 bytes"], &[RFC_8414, "/keys"]);
    let no_keys = |own: &str, path: &str| match path {
        "/keys" => found("[]"),
        _ => found(json!({ "issuer": own, "jwks_uri": format!("{own}/keys") }).to_string()),
    };
    refused(no_keys, &["the key set cannot be read"], &[RFC_8414, "/keys"]);
}

#[test]
fn nobody_is_asked_in_the_clear_but_this_machine() {
    let place = Place::new();
    for url in ["http://login.example", "login.example", "https://login.example?x", "https://me:x@login.example"] {
        let ran = explain(&place, HOSTILE, &["--against", url]).expect_code(2);
        assert!(ran.stderr.contains("--against"), "{ran:#?}");
    }
}
