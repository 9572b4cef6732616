//! `countersign client`, with and without a server running beside it.

use std::time::Instant;

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{PATIENCE, Place, Server, expect_json};

/// Adds a client that asks on its own behalf, and returns what was printed of it.
#[track_caller]
fn add(place: &Place, id: &str, more: &[&str]) -> Value {
    let arguments = ["client", "add", id, "--grant-type", "client_credentials", "--scope", "items", "--json"];
    place.run(arguments.into_iter().chain(more.iter().copied())).expect_code(0).json()
}

fn secret(printed: &Value) -> String {
    printed["client_secret"].as_str().unwrap().to_owned()
}

/// How the client is answered; who is told to come again, as in the second in which a client was disabled and enabled, does.
async fn own_token(server: &Server, id: &str, secret: &str) -> StatusCode {
    ask_for_own_token(server, id, secret).await.status()
}

async fn ask_for_own_token(server: &Server, id: &str, secret: &str) -> Response {
    let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
    let since = Instant::now();
    loop {
        let answer = server.token(&form).await;
        if answer.status() != StatusCode::SERVICE_UNAVAILABLE || since.elapsed() > PATIENCE {
            return answer;
        }
    }
}

#[test]
fn a_client_is_added_listed_shown_and_removed() {
    let place = Place::new();
    let more = ["--name", "Nightly reports", "--audience", "https://a.example.com", "--token-format", "opaque"];
    let serves = ["--serves", "https://b.example.com", "--serves", "urn:c"];
    let added = add(&place, "reports", &[&more[..], &serves].concat());
    assert!(secret(&added).starts_with("cs_secret_"), "{added}");
    let mut expected = json!({
        "client_id": "reports",
        "client_name": "Nightly reports",
        "type": "confidential",
        "first_party": false,
        "token_endpoint_auth_methods": ["client_secret_basic", "client_secret_post"],
        "grant_types": ["client_credentials"],
        "scopes": ["items"],
        "audience": ["https://a.example.com"],
        "serves": ["https://b.example.com", "urn:c"],
        "token_format": "opaque",
        "disabled": false,
        "client_id_issued_at": added["client_id_issued_at"],
        "secrets": [{ "expires_at": null }],
    });
    assert_eq!(place.run(["client", "show", "reports", "--json"]).expect_code(0).json(), expected);
    expected["client_secret"] = added["client_secret"].clone();
    assert_eq!(added, expected, "the secret is in this answer alone");

    let page = ["client", "add", "page", "--public", "--first-party", "--grant-type", "password", "--any-scope"];
    assert_eq!(place.run(page).expect_code(0).stdout, "page is added\n");
    let listed = place.run(["client", "list", "--json"]).expect_code(0).json();
    let ids: Vec<_> = listed.as_array().unwrap().iter().map(|client| client["client_id"].clone()).collect();
    assert_eq!(ids, ["page", "reports"]);
    assert_eq!((&listed[0]["scopes"], &listed[0]["type"]), (&Value::Null, &json!("public")));
    let table = place.run(["client", "list"]).expect_code(0).stdout;
    let rows: Vec<_> = table.lines().collect();
    assert_eq!(rows.len(), 3, "{table}");
    assert!(rows[0].starts_with("CLIENT ID  NAME "), "{table}");
    assert!(rows[2].starts_with("reports    Nightly reports  confidential  no "), "{table}");
    let shown = place.run(["client", "show", "reports"]).expect_code(0).stdout;
    assert!(shown.starts_with("client id     reports\nname          Nightly reports\n"), "{shown}");
    assert_eq!(place.run(["client", "remove", "reports"]).expect_code(0).stdout, "reports is removed\n");
    place.run(["client", "show", "reports"]).expect_refusal(1, &["there is no client reports"]);
}

#[test]
fn a_client_without_a_name_gets_one() {
    let place = Place::new();
    let id = || place.run(["client", "add", "--public", "--json"]).expect_code(0).json()["client_id"].clone();
    let (first, second) = (id(), id());
    assert!(first != second && first.as_str().unwrap().len() == 22, "128 bits: {first}");
}

#[test]
fn h9_a_name_that_is_taken_is_a_failure() {
    let place = Place::new();
    add(&place, "reports", &[]);
    place.run(["client", "add", "reports"]).expect_refusal(1, &["there is a client reports already"]);
    place.add_user("alice", &[]);
    let subject = place.run(["user", "show", "alice", "--json"]).expect_code(0).json()["sub"].clone();
    // One in 64 begins with a hyphen.
    place.run(["client", "add", "--", subject.as_str().unwrap()]).expect_refusal(1, &["already"]);
}

#[test]
fn h6_what_cannot_be_a_client_is_wrong_usage() {
    let place = Place::new();
    place.write("empty.json", "{\"keys\":[]}");
    for (arguments, reason) in [
        (&["ü"][..], "identifier"),
        (&["countersign"], "built-in"),
        (&["a", "--public", "--auth", "basic"], "cannot be used with"),
        (&["a", "--public", "--grant-type", "client_credentials"], "public client"),
        (&["a", "--grant-type", "password"], "first-party"),
        (&["a", "--grant-type", "implicit"], "one of"),
        (&["a", "--auth", "private_key_jwt"], "--jwks"),
        (&["a", "--auth", "basic", "--jwks", "empty.json"], "--jwks"),
        (&["a", "--name", "\u{1b}[2J"], "name"),
        (&["a", "--audience", "a b"], "audience"),
        (&["a", "--serves", "a b"], "audience"),
        (&["a", "--scope", "a", "--any-scope"], "cannot be used with"),
        (&["a", "--client-secret", "mine"], "unexpected"),
        (&["a", "--secret", "mine"], "unexpected"),
    ] {
        let ran = place.run(["client", "add"].into_iter().chain(arguments.iter().copied()));
        assert!(ran.stderr.contains(reason), "{arguments:?}: {ran:?}");
        ran.expect_code(2);
    }
    place.run(["client", "add", "a", "--jwks", "empty.json"]).expect_refusal(1, &["empty.json", "no key"]);
    place.run(["client", "add", "a", "--jwks", "nowhere.json"]).expect_refusal(1, &["nowhere.json"]);
    assert_eq!(place.files(), ["empty.json"], "no database was made");
}

#[test]
fn what_is_done_to_no_client_is_a_failure() {
    let place = Place::new();
    Place::on_files().run(["client", "list"]).expect_refusal(1, &["there is no database"]);
    add(&place, "reports", &[]);
    for verb in ["show", "disable", "enable", "remove", "rotate-secret"] {
        place.run(["client", verb, "nobody"]).expect_refusal(1, &["there is no client nobody"]);
    }
    place.run(["client", "add", "page", "--public"]).expect_code(0);
    place.run(["client", "rotate-secret", "page"]).expect_code(1);
    for bad in ["1w", "91d", "-1"] {
        place.run(["client", "rotate-secret", "reports", &format!("--overlap={bad}")]).expect_code(2);
    }
}

#[test]
fn a_removal_that_the_store_does_not_make_is_no_removal_of_nobody() {
    let place = Place::new();
    add(&place, "reports", &[]);
    // As a command leaves it that was killed; and then the store fails.
    place.sql(
        "INSERT INTO oauth2_grants (id, subject, client_id, scope, created_at, expires_at, used_at, access_until) \
        VALUES ('g', 's', 'reports', '', 1, 9, 1, 9)",
    );
    place.sql("DELETE FROM oauth2_clients");
    place.sql("ALTER TABLE oauth2_feed RENAME TO oauth2_away");
    let ran = place.run(["client", "remove", "reports"]);
    assert!(!ran.stderr.contains("there is no client") && ran.stderr.contains("oauth2_feed"), "{ran:?}");
    ran.expect_code(1);
    place.sql("ALTER TABLE oauth2_away RENAME TO oauth2_feed");
    place.run(["client", "remove", "reports"]).expect_refusal(1, &["there is no client reports"]);
    assert_eq!(place.count("SELECT COUNT(*) FROM oauth2_grants"), 0, "what was left of it has ended");
}

#[test]
fn n6_who_disables_a_client_is_told_that_it_stays_out_until_a_moment_to_come() {
    let place = Place::new();
    for (client, ahead) in [("right", 0), ("ahead", 86_400)] {
        add(&place, client, &[]);
        let created_at = place.count(&format!("SELECT created_at FROM oauth2_clients WHERE id = '{client}'"));
        let used_at = created_at + ahead;
        place.sql(&format!(
            "INSERT INTO oauth2_grants (id, subject, client_id, scope, created_at, expires_at, used_at, access_until) \
            VALUES ('{client}', 's', '{client}', '', 1, {used_at}, {used_at}, {used_at})"
        ));
        let told = place.run(["client", "disable", client]).expect_code(0).stderr;
        assert_eq!(told.contains("client_cut") && told.contains(&used_at.to_string()), ahead > 0, "{told}");
    }
}

#[tokio::test]
async fn h10_clients_change_while_the_server_runs() {
    let place = Place::new();
    let server = place.serve();
    place.add_user("alice", &["--scope", "items"]);
    let first = secret(&add(&place, "reports", &[]));
    assert_eq!(own_token(&server, "reports", &first).await, StatusCode::OK);
    assert_eq!(own_token(&server, "reports", "wrong").await, StatusCode::UNAUTHORIZED);
    server.token_of("alice", crate::support::PASSWORD).await;

    let disabled = place.run(["client", "disable", "reports", "--json"]).expect_code(0).json();
    assert_eq!(disabled["disabled"], true);
    assert_eq!(own_token(&server, "reports", &first).await, StatusCode::UNAUTHORIZED);
    assert_eq!(place.run(["client", "enable", "reports"]).expect_code(0).stdout, "reports is enabled\n");
    let token = expect_json(ask_for_own_token(&server, "reports", &first).await, StatusCode::OK).await;
    let form =
        [("client_id", "reports"), ("client_secret", &*first), ("token", token["access_token"].as_str().unwrap())];
    let told = expect_json(server.post("/introspect", &form).await, StatusCode::OK).await;
    assert_eq!(told["active"], true, "what it gets after that is good: {told}");

    let rotated = place.run(["client", "rotate-secret", "reports", "--json"]).expect_code(0).json();
    let second = secret(&rotated);
    let in_a_day =
        rotated["secrets"][1]["expires_at"].as_i64().unwrap() - rotated["client_id_issued_at"].as_i64().unwrap();
    assert!((86_400..86_400 + 600).contains(&in_a_day), "{rotated}");
    for good in [&first, &second] {
        assert_eq!(own_token(&server, "reports", good).await, StatusCode::OK, "both, for a day");
    }
    let ran = place.run(["client", "rotate-secret", "reports", "--overlap", "0"]).expect_code(0);
    let (said, third) = ran.stdout.trim_end().rsplit_once('\n').unwrap();
    assert!(said.starts_with("reports has a new secret\n"), "{said}");
    for (secret, status) in
        [(&*first, StatusCode::UNAUTHORIZED), (&*second, StatusCode::UNAUTHORIZED), (third, StatusCode::OK)]
    {
        assert_eq!(own_token(&server, "reports", secret).await, status);
    }
    place.run(["client", "remove", "reports"]).expect_code(0);
    // Nobody is registered any more, so credentials are not looked at, and the built-in client has no such grant.
    assert_eq!(own_token(&server, "reports", third).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_client_with_keys_of_its_own_is_registered_from_a_file() {
    let place = Place::new();
    let jwks = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let file = place.write("keys.json", jwks);
    let added = add(&place, "signer", &["--jwks", file.to_str().unwrap()]);
    assert_eq!(added["token_endpoint_auth_methods"], json!(["private_key_jwt"]));
    assert_eq!(added["jwks"], serde_json::from_str::<Value>(jwks).unwrap());
    assert!(added.get("client_secret").is_none() && added.get("secrets").is_none(), "{added}");
    place.run(["client", "rotate-secret", "signer"]).expect_refusal(1, &["no secret"]);
}

#[tokio::test]
async fn l2_what_is_done_to_clients_is_in_the_log_and_no_secret_is() {
    let place = Place::new();
    let mut log = String::new();
    let mut secrets = Vec::new();
    for (arguments, event) in [
        (&["client", "add", "reports", "--grant-type", "client_credentials", "--json"][..], "client_added"),
        (&["client", "rotate-secret", "reports", "--json"], "client_secret_rotated"),
        (&["client", "disable", "reports"], "client_disabled"),
        (&["client", "enable", "reports"], "client_enabled"),
        (&["client", "remove", "reports"], "client_removed"),
    ] {
        let ran = place.run(arguments.iter().copied()).expect_code(0);
        // The first of them also tells of the tables that it made.
        let entry: Value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
        assert_eq!((&entry["event"], &entry["client"]), (&json!(event), &json!("reports")), "{entry}");
        assert_eq!(entry["outcome"], "done");
        if arguments.contains(&"--json") && ran.stdout.contains("client_secret\"") {
            secrets.push(secret(&ran.json()));
        }
        log += &ran.stderr;
    }
    assert_eq!(secrets.len(), 2);

    let server = place.serve();
    let made = secret(&add(&place, "billing", &[]));
    own_token(&server, "billing", &made).await;
    own_token(&server, "billing", "canary7f3a91").await;
    own_token(&server, "canary7f3a91", "canary7f3a91").await;
    let ran = server.stop();
    let entries: Vec<Value> = ran.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |event: &str| entries.iter().filter(|entry| entry["event"] == event).cloned().collect::<Vec<_>>();
    assert_eq!(of("client_token").len(), 1, "{ran:?}");
    let denied = of("client_authentication");
    let reasons: Vec<_> = denied.iter().map(|entry| entry["reason"].clone()).collect();
    assert_eq!(reasons, ["wrong_secret", "unknown_client"], "{ran:?}");
    assert_eq!((&denied[0]["client"], &denied[1]["client"]), (&json!("billing"), &Value::Null));
    log += &ran.stderr;
    secrets.extend([made, "7f3a91".to_owned()]);
    for secret in secrets {
        assert!(!log.contains(&secret), "{log}");
    }
}

#[tokio::test]
async fn h4_no_secret_rests_in_plain() {
    let place = Place::new();
    let made = secret(&add(&place, "reports", &[]));
    let rotated = secret(&place.run(["client", "rotate-secret", "reports", "--json"]).expect_code(0).json());
    let bytes = place.at_rest();
    let held = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(held("reports"));
    for secret in [&made, &rotated] {
        assert!(!held(secret) && !held(&secret["cs_secret_".len()..]));
    }
    for verb in ["show", "disable", "enable", "list"] {
        let id = if verb == "list" { None } else { Some("reports") };
        let ran = place.run(["client", verb, "--json"].into_iter().chain(id)).expect_code(0);
        assert!(!(ran.stdout + &ran.stderr).contains("cs_secret_"), "{verb}");
    }
}

#[tokio::test]
async fn the_client_credentials_grant_can_be_turned_off() {
    let place = Place::new();
    let settings = place.write("countersign.toml", "client_credentials_grant = false\n");
    let made = secret(&add(&place, "reports", &[]));
    let arguments = ["--config", settings.to_str().unwrap(), "serve", "--listen", "127.0.0.1:0"];
    let server = Server::start(place.command(arguments));
    let form = [("grant_type", "client_credentials"), ("client_id", "reports"), ("client_secret", made.as_str())];
    let refused = expect_json(server.token(&form).await, StatusCode::BAD_REQUEST).await;
    assert_eq!(refused["error"], "unsupported_grant_type");
}

/// As a command leaves it that was killed before all had ended that the client got.
#[test]
fn h10_a_removal_that_was_killed_can_be_given_again() {
    let place = Place::new();
    add(&place, "reports", &[]);
    place.sql(
        "DELETE FROM oauth2_clients WHERE id = 'reports'; \
        INSERT INTO oauth2_grants (id, subject, client_id, scope, created_at, expires_at, used_at, access_until) \
        VALUES ('left', 'somebody', 'reports', 'me', 0, 9000000000, 0, 9000000000)",
    );
    let again = place.run(["client", "remove", "reports"]).expect_code(1);
    assert!(again.stderr.contains("there is no client reports"), "{again:?}");
    assert_eq!(place.count("SELECT COUNT(*) FROM oauth2_grants"), 0);
}
