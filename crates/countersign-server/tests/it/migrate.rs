//! `countersign migrate`: what was issued before goes on working after, and what had ended stays ended.

use reqwest::StatusCode;
use serde_json::Value;

use crate::{
    postgres::cluster::SHARED,
    support::{PASSWORD, Place, Ran, Server, expect_json},
};

const ISSUER: &str = "https://login.example";

fn serve(place: &Place, url: &str) -> Server {
    let mut command = place.command(["serve", "--listen", "127.0.0.1:0", "--issuer", ISSUER]);
    command.env("COUNTERSIGN_DATABASE", url);
    Server::start(command)
}

fn migrate(place: &Place, from: &str, to: &str, more: &[&str]) -> Ran {
    let mut command = place.command(["migrate"].into_iter().chain(more.iter().copied()));
    command.env("COUNTERSIGN_DATABASE", from).env("COUNTERSIGN_MIGRATE_TO", to);
    Ran::with_input(command, "")
}

struct Tokens {
    access: String,
    refresh: String,
}

impl Tokens {
    fn of(body: &Value) -> Self {
        let named = |name: &str| body[name].as_str().unwrap().to_owned();
        Self { access: named("access_token"), refresh: named("refresh_token") }
    }
}

async fn log_in(server: &Server, username: &str) -> Tokens {
    Tokens::of(&expect_json(server.log_in(username, PASSWORD).await, StatusCode::OK).await)
}

async fn renew(server: &Server, tokens: &Tokens) -> reqwest::Response {
    server.token(&[("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh)]).await
}

async fn assert_status(server: &Server, token: &str, expected: StatusCode, what: &str) {
    assert_eq!(server.get_with("/users/me", token).await.status(), expected, "{what}");
}

/// A client whose access tokens are opaque.
fn add_client(place: &Place, database: &str) {
    let page = ["client", "add", "page", "--public", "--first-party", "--grant-type", "password", "--any-scope"];
    let more = ["--token-format", "opaque", "--database", database];
    place.run(page.into_iter().chain(more)).expect_code(0);
}

#[tokio::test]
async fn what_was_issued_before_goes_on_working_after_and_back() {
    let place = Place::new();
    let server = SHARED.database().await;
    let password = server.split([':', '@']).nth(2).unwrap().to_owned();
    let steps = [("first.db".to_owned(), server.clone()), (server, "sqlite://back.db".to_owned())];
    for name in ["alice", "bob"] {
        place.add_user(name, &["--database", "first.db"]);
    }
    add_client(&place, "first.db");
    for (from, to) in steps {
        let before = serve(&place, &from);
        let (alice, bob) = (log_in(&before, "alice").await, log_in(&before, "bob").await);
        let spent = renew(&before, &alice).await;
        let alice = Tokens::of(&expect_json(spent, StatusCode::OK).await);
        let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD), ("client_id", "page")];
        let opaque = expect_json(before.token(&form).await, StatusCode::OK).await["access_token"].clone();
        let opaque = opaque.as_str().unwrap();
        assert!(!opaque.contains('.'), "{opaque}");
        assert_status(&before, opaque, StatusCode::OK, "an opaque token").await;
        assert_eq!(before.post("/revoke", &[("token", &bob.refresh)]).await.status(), StatusCode::OK);
        assert_status(&before, &bob.access, StatusCode::UNAUTHORIZED, "revoked").await;
        if !from.starts_with("postgres") {
            migrate(&place, &from, &to, &[]).expect_refusal(1, &["in use", "stop the server"]);
        }
        before.stop();

        let said = migrate(&place, &from, &to, &["--json"]).expect_code(0);
        assert_eq!(said.json()["tables"][0]["rows"], 2, "{said:?}");
        assert_eq!(said.json()["tables"][0]["sha256"].as_str().unwrap().len(), 64);
        let again = migrate(&place, &from, &to, &[]).expect_refusal(1, &["not empty", "oauth2_owners"]);
        for ran in [&said, &again] {
            assert!(!ran.stdout.contains(&password) && !ran.stderr.contains(&password), "{ran:?}");
        }

        let after = serve(&place, &to);
        assert_status(&after, &alice.access, StatusCode::OK, "a JWT").await;
        assert_status(&after, opaque, StatusCode::OK, "an opaque token").await;
        assert_status(&after, &bob.access, StatusCode::UNAUTHORIZED, "revoked before").await;
        assert_eq!(renew(&after, &bob).await.status(), StatusCode::BAD_REQUEST, "revoked before");
        let renewed = Tokens::of(&expect_json(renew(&after, &alice).await, StatusCode::OK).await);
        assert_status(&after, &renewed.access, StatusCode::OK, "renewed").await;
        log_in(&after, "bob").await;
        after.stop();
    }
}

#[test]
fn what_cannot_be_moved_is_refused_and_leaves_nothing_behind() {
    let place = Place::on_files();
    place.run(["migrate", "--to", "other.db"]).expect_refusal(1, &["there is no database"]);
    assert_eq!(place.files(), [""; 0]);
    place.add_user("alice", &[]);
    place.run(["migrate"]).expect_refusal(2, &["--to", "COUNTERSIGN_MIGRATE_TO"]);
    place.run(["migrate", "--to", "mysql://u:canary@h/d"]).expect_refusal(2, &["--to must be"]);
    place.run(["migrate", "--to", "postgres://u:canary@h:x/d"]).expect_refusal(2, &["the URL of the database"]);
    place.run(["migrate", "--to", "sqlite:countersign.db"]).expect_refusal(1, &["same database"]);
    place.run(["migrate", "--to", "missing/other.db"]).expect_refusal(1, &["must exist"]);
    place.run(["migrate", "--from", "countersign.db", "--to", "countersign.db"]).expect_refusal(1, &["same database"]);
    assert_eq!(place.files(), ["countersign.db"]);
    let said = place.run(["migrate", "--to", "other.db"]).expect_code(0);
    assert!(said.stdout.contains("oauth2_owners") && said.stdout.contains("Set `database`"), "{said:?}");
    assert_eq!(said.stderr, "", "it took no second");
    assert_eq!(place.files(), ["countersign.db", "other.db"]);
}
