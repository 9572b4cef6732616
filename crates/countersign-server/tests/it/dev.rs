//! `countersign dev`: one command, a login, and lines that work when pasted.

use std::{path::Path, process::Command};

use reqwest::StatusCode;
use serde_json::Value;

use crate::support::{Place, Server, expect_json};

fn dev(place: &Place, arguments: &[&str]) -> Server {
    Server::start(place.command(["dev", "--listen", "127.0.0.1:0"].into_iter().chain(arguments.iter().copied())))
}

/// The two lines for a shell, as they were printed.
fn curl_lines(server: &Server) -> (String, String) {
    let printed = server.stdout();
    let mut lines = printed.lines().filter(|line| line.starts_with("curl ")).map(str::to_owned);
    let two = (lines.next(), lines.next());
    let (Some(login), Some(call)) = two else { panic!("{printed}") };
    (login, call)
}

/// Pastes each line into a shell of its own, and returns what the second printed.
#[track_caller]
fn paste(server: &Server) -> Value {
    let (login, call) = curl_lines(server);
    let paste = |line: &str| -> Value {
        let ran = Command::new("sh").args(["-c", line]).output().unwrap();
        let printed = String::from_utf8(ran.stdout).unwrap();
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
    };
    let token = paste(&login)["access_token"].as_str().unwrap().to_owned();
    assert_eq!(token.split('.').count(), 3, "{token}");
    paste(&call)
}

#[test]
fn the_printed_lines_work_in_a_plain_shell() {
    let place = Place::on_files();
    let server = dev(&place, &[]);
    assert!(server.stdout().contains(&format!("Docs:   {}/docs\n", server.url)), "{}", server.stdout());
    let user = paste(&server);
    assert_eq!(user["username"], "alice", "{user}");
    assert_eq!(user["full_name"], "Alice Wonderland", "{user}");
}

#[test]
fn the_printed_lines_work_with_characters_that_shells_and_forms_know() {
    let place = Place::on_files();
    let nasty = r#"zoë:it's $HOME `id` \ "q" & a=b +%20 @x !y ;#~:read:items,admin"#;
    let server = dev(&place, &["--user", nasty]);
    let user = paste(&server);
    assert_eq!(user["username"], "zoë", "{user}");
    assert_eq!(user["scopes"], serde_json::json!(["read:items", "admin"]), "{user}");
    let (login, _) = curl_lines(&server);
    assert!(login.contains("'scope=read:items admin'"), "{login}");
}

#[tokio::test]
async fn d9_short_passwords_are_good_enough_to_try_things_out() {
    let place = Place::on_files();
    let server = dev(&place, &["--user", "bob:x", "--user", "carol:secret:items"]);
    server.token_of("bob", "x").await;
    let asked = [("username", "carol"), ("password", "secret"), ("scope", "items")];
    expect_json(server.token(&asked).await, StatusCode::OK).await;
    let unknown = server.log_in("alice", "x").await;
    assert_eq!(unknown.status(), StatusCode::BAD_REQUEST, "with users named there is no alice");
}

#[tokio::test]
async fn the_document_offers_the_scopes_of_the_flags() {
    let place = Place::on_files();
    let server = dev(&place, &["--scope", "items=Read items.", "--user", "bob:secret:items,admin"]);
    let document = expect_json(server.get("/openapi.json").await, StatusCode::OK).await;
    let scheme = &document["components"]["securitySchemes"]["OAuth2PasswordBearer"];
    let offered = &scheme["flows"]["password"]["scopes"];
    assert_eq!(*offered, serde_json::json!({ "items": "Read items.", "admin": "" }));
}

#[tokio::test]
async fn whoever_is_refused_is_told_why_and_the_greeting_says_so() {
    let place = Place::on_files();
    let mut command = place.command(["dev", "--listen", "127.0.0.1:0"]);
    command.env("COUNTERSIGN_DEVELOPER_MODE", "off");
    let server = Server::start(command);
    assert!(server.stdout().contains("(developer mode)"), "{}", server.stdout());
    let none = server.get("/users/me").await;
    assert_eq!(none.headers()["countersign-reason"], "no_credentials");
    let forged = server.get_with("/users/me", "forged").await;
    assert_eq!(forged.headers()["countersign-reason"], "malformed");
    assert!(forged.headers()["countersign-advice"].to_str().unwrap().contains("opaque"));
    let body = expect_json(forged, StatusCode::UNAUTHORIZED).await;
    assert_eq!(body, serde_json::json!({ "detail": "Could not validate credentials", "error": "invalid_token" }));
}

#[test]
fn alice_may_grant_every_scope_of_the_flags() {
    let place = Place::on_files();
    let server = dev(&place, &["--scope", "items=Read items.", "--scope", "admin=All."]);
    assert_eq!(paste(&server)["scopes"], serde_json::json!(["items", "admin"]));
}

#[test]
fn its_database_goes_away_at_the_end_and_no_other_is_touched() {
    let place = Place::on_files();
    let temporary = place.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut command = place.command(["dev", "--listen", "127.0.0.1:0"]);
    command.env("TMPDIR", &temporary).env("COUNTERSIGN_DATABASE", "real.db");
    let server = Server::start(command);
    assert_eq!(entries(&temporary), 1, "it has a database");
    server.signal("-INT");
    let ran = server.wait().expect_code(0);
    assert!(ran.stdout.contains("goes away"), "{ran:?}");
    assert_eq!(entries(&temporary), 0, "it is gone");
    assert_eq!(place.files(), ["tmp"], "a database that only the environment names is a real one");
}

fn entries(directory: &Path) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

#[test]
fn a_database_that_is_named_stays_and_takes_the_same_users_again() {
    let place = Place::on_files();
    for _ in 0..2 {
        let server = dev(&place, &["--database", "mine.db", "--user", "bob:secret"]);
        assert_eq!(paste(&server)["username"], "bob");
        let ran = server.stop().expect_code(0);
        assert!(!ran.stdout.contains("goes away"), "{ran:?}");
    }
    assert_eq!(place.files(), ["mine.db"]);
    let other = ["dev", "--listen", "127.0.0.1:0", "--database", "mine.db", "--user", "bob:other"];
    place.run(other).expect_code(1);
}

#[test]
fn two_starts_give_two_passwords() {
    let place = Place::on_files();
    let passwords = [(); 2].map(|()| {
        let printed = dev(&place, &[]).stdout();
        let login = printed.lines().find(|line| line.starts_with("Login:")).unwrap().to_owned();
        login.split("password: ").nth(1).unwrap().split(' ').next().unwrap().to_owned()
    });
    assert_ne!(passwords[0], passwords[1]);
    assert!(passwords.iter().all(|password| password.len() == 29), "{passwords:?}");
}

#[test]
fn a_user_that_cannot_be_one_is_wrong_usage() {
    let place = Place::on_files();
    for user in ["bob", "bob:", ":secret", "b b:secret", "bob:secret:a\"b"] {
        let ran = place.run(["dev", "--user", user]).expect_code(2);
        assert!(ran.stderr.contains("--user"), "{ran:?}");
    }
    place.run(["dev", "--scope", "a b=No."]).expect_code(2);
}

#[tokio::test]
async fn d13_dev_slows_no_guesses_unless_it_is_told_to() {
    for (throttle, last) in [("", StatusCode::BAD_REQUEST), ("on", StatusCode::TOO_MANY_REQUESTS)] {
        let place = Place::on_files();
        let mut command = place.command(["dev", "--listen", "127.0.0.1:0"]);
        command.env("COUNTERSIGN_THROTTLE", throttle);
        let server = Server::start(command);
        for _ in 0..10 {
            assert_eq!(server.log_in("alice", "wrong").await.status(), StatusCode::BAD_REQUEST);
        }
        assert_eq!(server.log_in("alice", "wrong").await.status(), last, "{throttle:?}");
    }
}
