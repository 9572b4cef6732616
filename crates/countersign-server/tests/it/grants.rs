//! `countersign grant`, and what another process does to logins while a server runs.

use std::time::Instant;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{PASSWORD, PATIENCE, Place, Ran, SECRET, Server, expect_json};

/// What a login is answered with.
struct Tokens {
    access: String,
    refresh: String,
}

async fn log_in(server: &Server, name: &str) -> Tokens {
    let body = expect_json(server.log_in(name, PASSWORD).await, StatusCode::OK).await;
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    Tokens { access: text("access_token"), refresh: text("refresh_token") }
}

async fn refresh(server: &Server, tokens: &Tokens) -> StatusCode {
    server.token(&[("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh)]).await.status()
}

/// How a guard of the server answers a token, and why it refuses it.
async fn logins(server: &Server, token: &str) -> (StatusCode, String) {
    let answer = server.get_with("/users/me/grants", token).await;
    let reason = answer.headers().get("countersign-reason").map(|reason| reason.to_str().unwrap().to_owned());
    (answer.status(), reason.unwrap_or_default())
}

/// A server that tells why it refuses.
fn serve(place: &Place, format: &str) -> Server {
    let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
    command.env("COUNTERSIGN_DEVELOPER_MODE", "on").env("COUNTERSIGN_TOKEN_FORMAT", format);
    Server::start(command)
}

fn listed(place: &Place, more: &[&str]) -> Vec<Value> {
    let arguments = ["grant", "list", "--json"].into_iter().chain(more.iter().copied());
    place.run(arguments).expect_code(0).json().as_array().unwrap().clone()
}

#[tokio::test]
async fn f12_an_operator_lists_logins_and_ends_one_or_all_of_a_user() {
    let place = Place::new();
    for name in ["alice", "bob"] {
        place.add_user(name, &["--scope", "me"]);
    }
    assert_eq!(listed(&place, &[]), [] as [Value; 0]);
    let server = serve(&place, "jwt");
    let [first, second, third] =
        [log_in(&server, "alice").await, log_in(&server, "alice").await, log_in(&server, "bob").await];
    let all = listed(&place, &[]);
    assert_eq!(all.iter().map(|one| one["username"].as_str().unwrap()).collect::<Vec<_>>(), ["alice", "alice", "bob"]);
    assert_eq!(listed(&place, &["--user", "ALICE"]), all[..2]);
    let of_bob = &all[2];
    let lasts = of_bob["expires_at"].as_i64().unwrap() - of_bob["created_at"].as_i64().unwrap();
    assert_eq!((&of_bob["client_id"], &of_bob["scope"], lasts), (&json!("countersign"), &json!(""), 14 * 24 * 60 * 60));
    let table = place.run(["grant", "list"]).expect_code(0).stdout;
    assert!(table.starts_with("ID                      USER   CLIENT ID    CREATED "), "{table}");
    assert_eq!(table.lines().count(), 4, "{table}");
    for secret in [&first, &second, &third].iter().flat_map(|tokens| [&tokens.access, &tokens.refresh]) {
        assert!(!table.contains(secret.as_str()) && !json!(all).to_string().contains(secret.as_str()));
    }

    let id = of_bob["id"].as_str().unwrap();
    let ran = place.run(["grant", "revoke", id]).expect_code(0);
    assert_eq!(ran.stdout, format!("{id} has ended\n"));
    assert!(ran.stderr.contains("\"by\":\"operator\"") && ran.stderr.contains("\"what\":\"grant\""), "{}", ran.stderr);
    assert_eq!(refresh(&server, &third).await, StatusCode::BAD_REQUEST);
    assert_eq!(refresh(&server, &first).await, StatusCode::OK, "another's stays");
    let ended = place.run(["grant", "revoke", "--user", "alice", "--json"]).expect_code(0).json();
    assert_eq!((&ended["username"], &ended["ended"]), (&json!("alice"), &json!(2)));
    assert_eq!(refresh(&server, &second).await, StatusCode::BAD_REQUEST);
    assert_eq!(listed(&place, &[]), [] as [Value; 0]);
}

#[test]
fn what_is_done_to_no_login_is_a_failure() {
    let place = Place::new();
    Place::on_files().run(["grant", "list"]).expect_refusal(1, &["there is no database"]);
    place.add_user("alice", &[]);
    place.run(["grant", "revoke", "AAAAAAAAAAAAAAAAAAAAAA"]).expect_refusal(1, &["no login", "grant list"]);
    // Names are of 64 letters, and one of them is the hyphen.
    for id in ["-AAAAAAAAAAAAAAAAAAAAA", "-hAAAAAAAAAAAAAAAAAAAA", "--AAAAAAAAAAAAAAAAAAAA", "-VhAAAAAAAAAAAAAAAAAAA"] {
        place.run(["grant", "revoke", id]).expect_refusal(1, &["no login"]);
    }
    for verb in [&["list", "--user", "nobody"][..], &["revoke", "--user", "nobody"]] {
        place.run(["grant"].into_iter().chain(verb.iter().copied())).expect_refusal(1, &["no user named nobody"]);
    }
    for wrong in [
        &["revoke"][..],
        &["revoke", "x", "--user", "alice"],
        &["revoke", "--all"],
        &["revoke", "--yes"],
        &["revoke", "--user", "alice", "--yes"],
        &["revoke", "--user", "alice", "--all", "--yes"],
        &["revoke", "x", "--all", "--yes"],
    ] {
        place.run(["grant"].into_iter().chain(wrong.iter().copied())).expect_code(2);
    }
    assert_eq!(
        place.run(["grant", "revoke", "--user", "alice"]).expect_code(0).stdout,
        "0 logins of alice have ended\n"
    );
}

#[tokio::test]
async fn n6_everything_ends_although_a_clock_was_ahead_once() {
    const YEAR: u64 = 365 * 86_400;
    let place = Place::new();
    place.add_user("alice", &[]);
    place.run(["client", "add", "reports", "--grant-type", "client_credentials"]).expect_code(0);
    let server = serve(&place, "jwt");
    let tokens = log_in(&server, "alice").await;
    server.stop();
    place.sql(&format!("UPDATE oauth2_grants SET used_at = used_at + {YEAR}"));
    place.sql(&format!("UPDATE oauth2_clients SET created_at = created_at + {YEAR}"));
    place.run(["restore", "--in-place"]).expect_code(1);

    let ran = place.run(["grant", "revoke", "--all", "--yes", "--json"]).expect_code(0);
    assert_eq!((&ran.json()["ended_grants"], &ran.json()["withdrawn_keys"]), (&json!(1), &json!(1)));
    assert!(!ran.stderr.contains("secret"), "there is none that signs: {ran:?}");
    let server = serve(&place, "jwt");
    assert_eq!(logins(&server, &tokens.access).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(place.count("SELECT COUNT(*) FROM oauth2_grants"), 0);
    let soon = server.log_in("alice", PASSWORD).await;
    let seconds = soon.headers().get("retry-after").map_or(0, |seconds| seconds.to_str().unwrap().parse().unwrap());
    assert!(seconds <= 61, "nobody waits for a year: {seconds}");
    server.stop();

    place.sql(&format!("UPDATE oauth2_clients SET created_at = created_at + {YEAR}"));
    let secret = place.write("secret", SECRET);
    let mut command = place.command(["grant", "revoke", "--all", "--yes"]);
    command.env("COUNTERSIGN_SIGNING_ALGORITHM", "HS256").env("COUNTERSIGN_HS256_SECRET_FILE", secret);
    let ran = Ran::with_input(command, "").expect_code(0);
    assert!(ran.stderr.contains("set another secret"), "{ran:?}");
}

#[tokio::test]
async fn c21_i8_an_operator_ends_the_logins_of_everybody_and_users_and_clients_stay() {
    let place = Place::on_files();
    place.run(["grant", "revoke", "--all", "--yes"]).expect_refusal(1, &["there is no database"]);
    for name in ["alice", "bob"] {
        place.add_user(name, &[]);
    }
    let client = ["client", "add", "reports", "--grant-type", "client_credentials", "--json"];
    let client = place.run(client).expect_code(0).json();
    let secret = client["client_secret"].as_str().unwrap();
    let server = serve(&place, "jwt");
    let [alice, bob] = [log_in(&server, "alice").await, log_in(&server, "bob").await];
    place.run(["grant", "revoke", "--all", "--yes"]).expect_refusal(1, &["in use", "stop the server"]);
    place.run(["grant", "revoke", "--all"]).expect_code(2);
    assert_eq!(refresh(&server, &bob).await, StatusCode::OK, "nothing has ended");
    let key = place.run(["key", "list", "--json"]).expect_code(0).json();
    server.stop();

    let ran = place.run(["grant", "revoke", "--all", "--yes", "--json"]).expect_code(0);
    assert_eq!((&ran.json()["ended_grants"], &ran.json()["withdrawn_keys"]), (&json!(2), &json!(1)));
    let event: Value = serde_json::from_str(ran.stderr.trim()).unwrap();
    assert_eq!((&event["event"], &event["what"]), (&json!("revocation"), &json!("everything")), "{event}");
    assert_eq!((&event["by"], &event["grants"], &event["keys"]), (&json!("operator"), &json!(2), &json!(1)), "{event}");
    assert_eq!(event["number"], ran.json()["feed_number"]);
    let said = place.run(["grant", "revoke", "--all", "--yes"]).expect_code(0).stdout;
    assert!(said.contains("logins that ended: 0") && said.contains("The next start makes a key"), "{said}");
    assert!(!said.contains("put back") && !said.contains("copy"), "nothing was: {said}");

    let server = serve(&place, "jwt");
    for name in ["alice", "bob"] {
        let fresh = server.token_after_the_end(name, PASSWORD).await;
        assert_eq!(logins(&server, &fresh).await.0, StatusCode::OK, "with the password that was");
    }
    for tokens in [&alice, &bob] {
        assert_eq!(logins(&server, &tokens.access).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(refresh(&server, tokens).await, StatusCode::BAD_REQUEST);
    }
    let of_client = [("grant_type", "client_credentials"), ("client_id", "reports"), ("client_secret", secret)];
    assert_eq!(server.token(&of_client).await.status(), StatusCode::OK, "and the secret");
    assert_ne!(place.run(["key", "list", "--json"]).expect_code(0).json(), key);
}

/// What the command line does in another process ends tokens in the server that runs: the server hears of it when it next
/// looks at a token, and looks at most once a second.
#[tokio::test]
async fn c21_e13_what_an_operator_does_ends_tokens_of_a_running_server_within_the_bound() {
    let another = "another battery staple";
    for (format, dead) in [("jwt", "revoked"), ("opaque", "unknown_token")] {
        let place = Place::new();
        let server = serve(&place, format);
        for verb in ["disable", "remove", "set-password", "revoke", "revoke --user"] {
            place.add_user("alice", &[]);
            let tokens = log_in(&server, "alice").await;
            assert_eq!(logins(&server, &tokens.access).await.0, StatusCode::OK);
            let ran = match verb {
                "disable" | "remove" => place.run(["user", verb, "alice"]),
                "set-password" => place.run_with_input(another, ["user", "set-password", "alice", "--password-stdin"]),
                "revoke" => {
                    let id = listed(&place, &[])[0]["id"].as_str().unwrap().to_owned();
                    place.run(["grant", "revoke", &id])
                }
                _ => place.run(["grant", "revoke", "--user", "alice"]),
            };
            let event: Value = serde_json::from_str(ran.expect_code(0).stderr.trim()).unwrap();
            assert_eq!((&event["by"], &event["outcome"]), (&json!("operator"), &json!("done")), "{event}");
            assert!(event["subject"].is_string() && event["what"].is_string(), "{event}");
            assert_eq!(refresh(&server, &tokens).await, StatusCode::BAD_REQUEST, "{format} {verb}");
            // The bound is a second. A machine may be busy; a token that lives on lives for minutes.
            let since = Instant::now();
            let (status, reason) = loop {
                let (status, reason) = logins(&server, &tokens.access).await;
                // Who is disabled or gone is refused for that too, until the feed is heard.
                if reason == dead || since.elapsed() > PATIENCE {
                    break (status, reason);
                }
            };
            assert_eq!((status, reason.as_str()), (StatusCode::UNAUTHORIZED, dead), "{format} {verb}");
            if verb != "remove" {
                place.run(["user", "remove", "alice"]).expect_code(0);
            }
        }
    }
}

#[tokio::test]
async fn d19_l2_the_servers_policy_holds_for_a_changed_password_and_the_log_tells_of_it() {
    let place = Place::new();
    place.add_user("alice", &[]);
    let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
    command.env("COUNTERSIGN_MINIMUM_PASSWORD_LENGTH", "15").env("COUNTERSIGN_TITLE", "Wonderland");
    let server = Server::start(command);
    let tokens = log_in(&server, "alice").await;
    let change = |current: &'static str, new: &'static str| {
        let form = [("current_password", current), ("new_password", new)];
        let url = format!("{}/users/me/password", server.url);
        server.client.post(url).bearer_auth(&tokens.access).form(&form).send()
    };
    for (new, why) in [("gfqzkwvugfqzkw", "15 characters"), ("in my wonderland", "name of this service")] {
        let body = expect_json(change(PASSWORD, new).await.unwrap(), StatusCode::BAD_REQUEST).await;
        assert!(body["detail"].as_str().unwrap().contains(why), "{body}");
    }
    let other = log_in(&server, "alice").await;
    let all = listed(&place, &[]);
    let ended = server.client.delete(format!("{}/users/me/grants?except=current", server.url));
    assert_eq!(ended.bearer_auth(&tokens.access).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!((all.len(), listed(&place, &[]).len()), (2, 1));
    assert_eq!(refresh(&server, &other).await, StatusCode::BAD_REQUEST);
    let wrong = change("canary in vain", "another battery staple").await.unwrap();
    assert_eq!(wrong.status(), StatusCode::FORBIDDEN);
    assert_eq!(change(PASSWORD, "another battery staple").await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(server.get_with("/users/me", &tokens.access).await.status(), StatusCode::UNAUTHORIZED);
    server.token_of("alice", "another battery staple").await;

    let subject =
        place.run(["user", "show", "alice", "--json"]).expect_code(0).json()["sub"].as_str().unwrap().to_owned();
    let denied = server.wait_for_log(&["\"login\"", "\"denied\"", "password_change", "wrong_password"]);
    let done = server.wait_for_log(&["\"user\"", "\"done\"", "password_changed"]);
    let ended = server.wait_for_log(&["\"revocation\"", "\"done\"", "\"by\":\"user\"", "\"ended\":1"]);
    for line in [&denied, &done, &ended] {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["subject"], &line["client"]), (&json!(subject), &json!("countersign")), "{line}");
        assert!(line["grant"].is_string(), "{line}");
    }
    let said = server.stop();
    for secret in [PASSWORD, "another battery staple", "canary in vain", &tokens.access, &tokens.refresh] {
        assert!(!said.stderr.contains(secret) && !said.stdout.contains(secret), "{secret}");
    }
}

#[test]
fn a_login_that_ends_before_its_token_does_is_refused() {
    let place = Place::new();
    let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
    command.env("COUNTERSIGN_REFRESH_TOKEN_LIFETIME", "60");
    let refused = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(refused.contains("refresh_token_lifetime is less than refresh_token_idle"), "{refused}");
}
