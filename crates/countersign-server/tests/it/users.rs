//! `countersign user`, with and without a server running beside it.

use std::{process::Stdio, time::Instant};

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{PASSWORD, PATIENCE, Place, Ran, Server, expect_json};

const NOBODY: &str = "there is no user named nobody";

#[test]
fn a_user_is_added_listed_shown_and_removed() {
    let place = Place::new();
    let more = ["--full-name", "Alice Wonderland", "--email", "alice@example.com", "--scope", "items", "--scope", "me"];
    place.add_user("Alice", &more);
    place.add_user("bob", &["--disabled"]);
    let shown = place.run(["user", "show", "ALICE", "--json"]).expect_code(0).json();
    let subject = shown["sub"].clone();
    let alice = json!({
        "sub": subject,
        "username": "alice",
        "full_name": "Alice Wonderland",
        "email": "alice@example.com",
        "disabled": false,
        "scopes": ["items", "me"],
    });
    assert_eq!(shown, alice);
    let listed = place.run(["user", "list", "--json"]).expect_code(0).json();
    assert_eq!(listed[0], alice);
    assert_eq!(listed[1]["username"], "bob");
    assert_eq!(listed[1]["disabled"], true);
    let table = place.run(["user", "list"]).expect_code(0).stdout;
    let rows: Vec<_> = table.lines().collect();
    assert_eq!(rows.len(), 3, "{table}");
    assert!(rows[0].starts_with("NAME   FULL NAME "), "{table}");
    assert!(rows[1].starts_with("alice  Alice Wonderland  alice@example.com  no "), "{table}");
    assert_eq!(place.run(["user", "remove", "alice"]).expect_code(0).stdout, "alice is removed\n");
    place.run(["user", "show", "alice"]).expect_refusal(1, &["there is no user named alice"]);
}

#[test]
fn l2_what_is_done_to_users_is_in_the_log() {
    let place = Place::new();
    let mut subjects = Vec::new();
    for (arguments, what) in [
        (&["user", "add", "alice", "--password-stdin"][..], "added"),
        (&["user", "set-password", "alice", "--password-stdin"], "password_set"),
        (&["user", "disable", "alice"], "disabled"),
        (&["user", "enable", "alice"], "enabled"),
        (&["user", "remove", "alice"], "removed"),
    ] {
        let ran = place.run_with_input(PASSWORD, arguments.iter().copied()).expect_code(0);
        // The first of them also tells of the tables that it made.
        let entry: Value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
        assert_eq!((&entry["event"], &entry["what"]), (&json!("user"), &json!(what)), "{entry}");
        assert_eq!((&entry["outcome"], &entry["by"]), (&json!("done"), &json!("operator")), "{entry}");
        assert!(!ran.stderr.contains(PASSWORD), "{ran:?}");
        subjects.push(entry["subject"].as_str().unwrap().to_owned());
    }
    subjects.dedup();
    assert_eq!(subjects.len(), 1, "of one user");
}

#[test]
fn a_name_that_is_taken_is_a_failure_in_whatever_letters() {
    let place = Place::new();
    place.add_user("alice", &[]);
    let again = place.run_with_input(PASSWORD, ["user", "add", "ＡＬＩＣＥ", "--password-stdin"]);
    again.expect_refusal(1, &["there is a user named alice already"]);
}

#[test]
fn of_many_who_add_one_name_at_once_one_wins() {
    let place = Place::new();
    place.run_with_input(PASSWORD, ["user", "add", "first", "--password-stdin"]).expect_code(0);
    let codes: Vec<_> = std::thread::scope(|scope| {
        let add = || place.run_with_input(PASSWORD, ["user", "add", "alice", "--password-stdin"]).code;
        let running: Vec<_> = (0..6).map(|_| scope.spawn(add)).collect();
        running.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == Some(1)).count(), 5, "{codes:?}");
}

#[test]
fn what_is_done_to_nobody_is_a_failure() {
    let place = Place::new();
    place.add_user("alice", &[]);
    for verb in ["show", "disable", "enable", "remove"] {
        place.run(["user", verb, "nobody"]).expect_refusal(1, &[NOBODY]);
    }
    place.run_with_input(PASSWORD, ["user", "set-password", "nobody", "--password-stdin"]).expect_refusal(1, &[NOBODY]);
}

#[test]
fn d9_the_policy_holds_for_new_passwords_and_says_why() {
    let place = Place::new();
    place.add_user("alice", &["--email", "wonder.land@example.com"]);
    let longest = "gfqzkwvu".repeat(128);
    let too_long = "x".repeat(1025);
    for (password, code, reason) in [
        ("gfqzkwv", 1, "8 characters"),
        ("password123", 1, "most common"),
        ("xx-alice-xx", 1, "user name"),
        ("w0nder.land!", 1, "e-mail"),
        ("", 1, "empty"),
        (too_long.as_str(), 1, "1024"),
        ("two lines\nof password", 1, "one line"),
        ("tab\there it is", 1, "not allowed"),
        ("gfqzkwvu\r\n", 0, ""),
        (longest.as_str(), 0, ""),
    ] {
        let ran = place.run_with_input(password, ["user", "set-password", "alice", "--password-stdin"]);
        if code == 0 {
            ran.expect_code(0);
        } else {
            let ran = ran.expect_refusal(code, &[reason]);
            assert!(password.is_empty() || !ran.stderr.contains(password), "{ran:?}");
        }
    }
    let mut strict = place.command(["user", "add", "bob", "--password-stdin"]);
    strict.env("COUNTERSIGN_MINIMUM_PASSWORD_LENGTH", "15").stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = strict.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"gfqzkwvugfqzkw").unwrap();
    let ran = child.wait_with_output().unwrap();
    assert!(String::from_utf8(ran.stderr).unwrap().contains("15 characters"));
}

#[test]
fn d11_a_password_on_a_list_of_the_operators_is_refused_and_it_is_said() {
    let place = Place::new();
    let list = place.write("known.txt", "Red Zebra Crossing\n");
    place.write("settings.toml", format!("password_blocklist_file = {:?}\n", list.to_str().unwrap()));
    let set = |password, arguments: [&str; 3]| {
        place.run_with_input(password, ["--config", "settings.toml"].into_iter().chain(["user"]).chain(arguments))
    };
    let why = ["on a list of known passwords"];
    set("blue zebra crossing", ["add", "alice", "--password-stdin"]).expect_code(0);
    set("red zebra crossing", ["add", "bob", "--password-stdin"]).expect_refusal(1, &why);
    set("RED zebra crossing", ["set-password", "alice", "--password-stdin"]).expect_refusal(1, &why);
    set("green zebra crossing", ["set-password", "alice", "--password-stdin"]).expect_code(0);
    // A hash says nothing of its password, and needs no list.
    std::fs::remove_file(&list).unwrap();
    let gone = ["known.txt", "cannot be used", "cannot be read"];
    set("blue zebra crossing", ["set-password", "alice", "--password-stdin"]).expect_refusal(2, &gone);
    let hash = "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW";
    set(hash, ["set-password", "alice", "--hash-stdin"]).expect_code(0);
}

#[tokio::test]
async fn d11_the_server_knows_the_list_and_does_not_start_without() {
    let place = Place::new();
    place.add_user("alice", &[]);
    let list = place.write("known.txt", "red zebra crossing\n");
    let serve = || {
        let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
        command.env("COUNTERSIGN_PASSWORD_BLOCKLIST_FILE", &list);
        command
    };
    let server = Server::start(serve());
    let token = server.token_of("alice", PASSWORD).await;
    let change = async |new| {
        let form = [("current_password", PASSWORD), ("new_password", new)];
        server.client.post(format!("{}/users/me/password", server.url)).bearer_auth(&token).form(&form).send().await
    };
    let refused = expect_json(change("Red Zebra Crossing").await.unwrap(), StatusCode::BAD_REQUEST).await;
    assert_eq!(refused["detail"], "The new password is refused: the password is on a list of known passwords");
    assert_eq!(change("blue zebra crossing").await.unwrap().status(), StatusCode::NO_CONTENT);
    let lines = server.stop().stderr;
    assert!(lines.contains("list of known passwords") && !lines.contains("zebra"), "{lines}");

    place.write("known.txt", "8846F7EAEE8FB117AD06BDD830B7586C:12\n");
    let why = ["known.txt", "cannot be used", "not SHA-1"];
    Ran::with_input(serve(), "").expect_refusal(2, &why);
}

#[test]
fn without_a_terminal_the_password_must_be_piped_in() {
    let place = Place::new();
    place.run(["user", "add", "alice"]).expect_refusal(2, &["no terminal", "--password-stdin"]);
    place.add_user("alice", &[]);
    place.run(["user", "set-password", "alice"]).expect_refusal(2, &["no terminal", "--password-stdin"]);
    place.run(["user", "add", "bob", "--password-stdin", "--hash-stdin"]).expect_code(2);
}

/// Types into a terminal, as `script` of util-linux makes one.
fn type_into(place: &Place, arguments: &str, typed: &str) -> (bool, String) {
    let command = format!("'{}' {arguments}", env!("CARGO_BIN_EXE_countersign"));
    let mut terminal = place.command_of("script", ["-qec", &command, "/dev/null"]);
    terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = terminal.spawn().unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), typed.as_bytes()).unwrap();
    let ran = child.wait_with_output().unwrap();
    (ran.status.success(), String::from_utf8_lossy(&ran.stdout).into_owned())
}

#[tokio::test]
async fn on_a_terminal_the_password_is_asked_for_twice() {
    let place = Place::new();
    let server = place.serve();
    let (added, said) = type_into(&place, "user add alice", &format!("{PASSWORD}\n{PASSWORD}\n"));
    assert!(added && said.contains("Password: ") && said.contains("Once more: "), "{said}");
    server.token_of("alice", PASSWORD).await;
    let (added, said) = type_into(&place, "user add bob", &format!("{PASSWORD}\nanother one\n"));
    assert!(!added && said.contains("differ"), "{said}");
    place.run(["user", "show", "bob"]).expect_code(1);
}

#[tokio::test]
async fn users_change_while_the_server_runs() {
    let place = Place::new();
    let server = place.serve();
    assert_eq!(server.log_in("alice", PASSWORD).await.status(), StatusCode::BAD_REQUEST);
    place.add_user("alice", &["--full-name", "Alice"]);
    let token = server.token_of("alice", PASSWORD).await;
    assert_eq!(server.get_with("/users/me", &token).await.status(), StatusCode::OK);

    place.run(["user", "disable", "alice"]).expect_code(0);
    assert_eq!(
        expect_json(once_heard(&server, &token).await, StatusCode::UNAUTHORIZED).await["error"],
        "invalid_token"
    );
    let disabled = expect_json(server.log_in("alice", PASSWORD).await, StatusCode::BAD_REQUEST).await;
    let unknown = expect_json(server.log_in("nobody", PASSWORD).await, StatusCode::BAD_REQUEST).await;
    assert_eq!(disabled, unknown);

    let enabled = place.run(["user", "enable", "alice", "--json"]).expect_code(0).json();
    assert_eq!(enabled["disabled"], false);
    server.token_of("alice", PASSWORD).await;

    let set = place.run_with_input("another battery staple", ["user", "set-password", "alice", "--password-stdin"]);
    assert_eq!(set.expect_code(0).stdout, "alice has a new password\n");
    assert_eq!(server.log_in("alice", PASSWORD).await.status(), StatusCode::BAD_REQUEST);
    let token = server.token_of("alice", "another battery staple").await;

    place.run(["user", "remove", "alice"]).expect_code(0);
    assert_eq!(once_heard(&server, &token).await.status(), StatusCode::UNAUTHORIZED);
}

/// What the user of a token is answered once the server heard of a change: when it next looks, at most a second later. A
/// machine may be busy; what is never heard of is not heard of in a minute.
async fn once_heard(server: &Server, token: &str) -> Response {
    let since = Instant::now();
    loop {
        let answer = server.get_with("/users/me", token).await;
        if answer.status() != StatusCode::OK || since.elapsed() > PATIENCE {
            return answer;
        }
    }
}

/// `secret`, as bcrypt has it.
const BCRYPT: &str = "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW";

#[tokio::test]
async fn a_bcrypt_hash_is_taken_and_upgraded_at_the_first_login() {
    let place = Place::new();
    place.run_with_input(&format!("{BCRYPT}\n"), ["user", "add", "manish", "--hash-stdin"]).expect_code(0);
    let holds = |text: &str| String::from_utf8_lossy(&place.at_rest()).contains(text);
    assert!(holds(BCRYPT) && !holds("$argon2id$"));
    let server = place.serve();
    assert_eq!(server.log_in("manish", "Secret").await.status(), StatusCode::BAD_REQUEST);
    assert!(!holds("$argon2id$"));
    server.token_of("manish", "secret").await;
    assert!(holds("$argon2id$v=19$m=19456,t=2,p=1$"));
    server.token_of("manish", "secret").await;
}

#[test]
fn a_hash_that_cannot_be_verified_is_refused_and_not_repeated() {
    let place = Place::new();
    // The first command on a new database also tells of the tables that it made.
    place.add_user("alice", &[]);
    for hash in [
        "5ebe2294ecd0e0f08eab7690d2a6ee69",
        "$2b$12$tooshort",
        "$argon2id$v=19$m=99999999,t=9,p=9$AAAA$AAAA",
        "",
        "a b",
    ] {
        let ran = place.run_with_input(hash, ["user", "add", "manish", "--hash-stdin"]).expect_refusal(1, &["hash"]);
        assert!(hash.is_empty() || !ran.stderr.contains(hash), "{ran:?}");
    }
    let users = place.run(["user", "list", "--json"]).expect_code(0).json();
    assert_eq!(users.as_array().unwrap().len(), 1, "alice alone: {users}");
}

#[test]
fn l5_no_output_has_the_hash() {
    let place = Place::new();
    let hash = [BCRYPT, "\n"].concat();
    let said = |arguments: &[&str]| {
        let ran = place.run_with_input(&hash, arguments.iter().copied()).expect_code(0);
        ran.stdout + &ran.stderr
    };
    for arguments in [
        &["user", "add", "manish", "--hash-stdin", "--json"][..],
        &["user", "set-password", "manish", "--hash-stdin", "--json"],
        &["user", "show", "manish", "--json"],
        &["user", "show", "manish"],
        &["user", "list", "--json"],
        &["user", "list"],
        &["user", "disable", "manish", "--json"],
        &["user", "remove", "manish", "--json"],
    ] {
        let said = said(arguments);
        assert!(!said.contains("$2b$") && !said.contains("hash"), "{said}");
    }
}

#[test]
fn what_is_printed_cannot_move_the_cursor() {
    let place = Place::new();
    for bad in ["\u{1b}[2J", "a\nb", " ", ""] {
        let ran = place.run_with_input(PASSWORD, ["user", "add", "alice", "--password-stdin", "--full-name", bad]);
        ran.expect_code(2);
    }
    place.add_user("alice", &["--full-name", "a\u{202e}b"]);
    let table = place.run(["user", "list"]).expect_code(0).stdout;
    assert!(table.contains("a\\u202eb"), "{table}");
}
