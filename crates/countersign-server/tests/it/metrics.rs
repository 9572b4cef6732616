//! Metrics: what is counted, where it is told, and what is never in it.

use std::{collections::BTreeMap, net::TcpListener};

use reqwest::StatusCode;

use crate::support::{PASSWORD, Place, Server, expect_json, header};

/// A server that is watched, with what more it is told.
fn watched(place: &Place, settings: &[(&str, &str)]) -> Server {
    let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
    command.env("COUNTERSIGN_METRICS_LISTEN", "127.0.0.1:0").envs(settings.iter().copied());
    Server::start(command)
}

async fn text(server: &Server) -> String {
    let said = server.stdout();
    let (_, rest) = said.split_once("Metrics on ").unwrap_or_else(|| panic!("no metrics: {said}"));
    let answer = server.client.get(rest.lines().next().unwrap()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(header(&answer, "content-type"), "text/plain; version=0.0.4; charset=utf-8");
    answer.text().await.unwrap()
}

/// Each series with its value; the labels are in the order of the table.
async fn series(server: &Server) -> BTreeMap<String, f64> {
    let text = text(server).await;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().unwrap())).unwrap())
        .collect()
}

#[track_caller]
fn expect(series: &BTreeMap<String, f64>, expected: &[(&str, f64)]) {
    for (name, value) in expected {
        let name = format!("countersign_{name}");
        assert_eq!(series.get(&name), Some(value), "{name} in {series:#?}");
    }
}

async fn refresh(server: &Server, token: &str) -> StatusCode {
    server.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await.status()
}

#[tokio::test]
async fn what_happens_is_counted() {
    let place = Place::new();
    place.add_user("alice", &[]);
    let server = watched(&place, &[("COUNTERSIGN_REFRESH_LEEWAY", "60")]);
    expect(
        &series(&server).await,
        &[
            (r#"logins_total{result="issued"}"#, 0.0),
            (r#"refreshes_total{result="stolen"}"#, 0.0),
            (r#"verifications_total{result="bad_signature"}"#, 0.0),
            ("hash_seconds_count", 0.0),
        ],
    );

    assert_eq!(server.log_in("alice", "wrong").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(server.log_in("nobody", PASSWORD).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(server.token(&[("username", "alice")]).await.status(), StatusCode::BAD_REQUEST);
    let login = expect_json(server.log_in("alice", PASSWORD).await, StatusCode::OK).await;
    let [access, first] = ["access_token", "refresh_token"].map(|name| login[name].as_str().unwrap().to_owned());
    for _ in 0..3 {
        assert_eq!(server.get_with("/users/me", &access).await.status(), StatusCode::OK);
    }
    let forged = format!("{}A", &access[..access.len() - 1]);
    let forged = if forged == access { format!("{}Q", &access[..access.len() - 1]) } else { forged };
    assert_eq!(server.get_with("/users/me", &forged).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refresh(&server, "no token").await, StatusCode::BAD_REQUEST);
    assert_eq!(refresh(&server, &first).await, StatusCode::OK);
    assert_eq!(refresh(&server, &first).await, StatusCode::OK, "tried again");
    server.get("/nowhere").await;

    let counted = series(&server).await;
    expect(
        &counted,
        &[
            (r#"logins_total{result="issued"}"#, 1.0),
            (r#"logins_total{result="denied"}"#, 2.0),
            (r#"logins_total{result="refused"}"#, 1.0),
            (r#"refreshes_total{result="rotated"}"#, 1.0),
            (r#"refreshes_total{result="retried"}"#, 1.0),
            (r#"refreshes_total{result="denied"}"#, 1.0),
            (r#"refreshes_total{result="stolen"}"#, 0.0),
            (r#"tokens_issued_total{grant_type="password",kind="access"}"#, 1.0),
            (r#"tokens_issued_total{grant_type="password",kind="refresh"}"#, 1.0),
            (r#"tokens_issued_total{grant_type="refresh_token",kind="access"}"#, 1.0),
            (r#"tokens_issued_total{grant_type="client_credentials",kind="access"}"#, 0.0),
            (r#"verifications_total{result="valid"}"#, 3.0),
            (r#"verifications_total{result="bad_signature"}"#, 1.0),
            (r#"verification_cache_total{result="hit"}"#, 2.0),
            (r#"verification_cache_total{result="miss"}"#, 2.0),
            ("hash_seconds_count", 3.0),
            ("hash_wait_seconds_count", 3.0),
            ("hash_queue_length", 0.0),
            ("hashes_refused_total", 0.0),
            ("feed_lag_seconds", 0.0),
            ("revoked_entries", 0.0),
            (r#"store_seconds_count{operation="read",result="error"}"#, 0.0),
            (r#"http_requests_total{route="/token",status="200"}"#, 3.0),
            (r#"http_requests_total{route="/token",status="400"}"#, 4.0),
            (r#"http_requests_total{route="/users/me",status="200"}"#, 3.0),
            (r#"http_requests_total{route="/users/me",status="401"}"#, 1.0),
            (r#"http_requests_total{route="none",status="404"}"#, 1.0),
            (r#"http_request_seconds_count{route="/token"}"#, 7.0),
        ],
    );
    for (name, least) in [
        (r#"countersign_store_seconds_count{operation="read",result="ok"}"#, 5.0),
        (r#"countersign_store_seconds_count{operation="write",result="ok"}"#, 2.0),
        ("process_resident_memory_bytes", 1_000_000.0),
        ("process_cpu_seconds_total", 0.001),
    ] {
        assert!(counted[name] >= least, "{name} is {}", counted[name]);
    }
}

#[tokio::test]
async fn e2_a_stolen_refresh_token_is_counted_and_its_end_is_kept() {
    let place = Place::new();
    place.add_user("alice", &[]);
    let server = watched(&place, &[("COUNTERSIGN_REFRESH_LEEWAY", "0")]);
    let login = expect_json(server.log_in("alice", PASSWORD).await, StatusCode::OK).await;
    let [access, first] = ["access_token", "refresh_token"].map(|name| login[name].as_str().unwrap().to_owned());
    assert_eq!(refresh(&server, &first).await, StatusCode::OK);
    assert_eq!(refresh(&server, &first).await, StatusCode::BAD_REQUEST);
    assert_eq!(server.get_with("/users/me", &access).await.status(), StatusCode::UNAUTHORIZED);
    expect(
        &series(&server).await,
        &[
            (r#"refreshes_total{result="stolen"}"#, 1.0),
            (r#"refreshes_total{result="rotated"}"#, 1.0),
            (r#"refreshes_total{result="denied"}"#, 0.0),
            (r#"verifications_total{result="revoked"}"#, 1.0),
            ("revoked_entries", 1.0),
        ],
    );
}

#[tokio::test]
async fn a_store_that_fails_is_counted() {
    let place = Place::new();
    place.add_user("alice", &[]);
    let server = watched(&place, &[]);
    place.sql("ALTER TABLE oauth2_owners RENAME TO gone_owners");
    assert_eq!(server.log_in("alice", PASSWORD).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let counted = series(&server).await;
    expect(&counted, &[(r#"logins_total{result="unavailable"}"#, 1.0)]);
    assert!(counted[r#"countersign_store_seconds_count{operation="read",result="error"}"#] >= 1.0, "{counted:#?}");
}

#[tokio::test]
async fn l1_metrics_have_no_canaries_and_no_names() {
    const SECRET: &str = "canary horse 7f3a91 staple";
    let place = Place::new();
    place
        .run_with_input(SECRET, ["user", "add", "alice", "--password-stdin", "--scope", "canary-scope"])
        .expect_code(0);
    let server = watched(&place, &[]);
    let login = expect_json(server.log_in("alice", SECRET).await, StatusCode::OK).await;
    let token = login["access_token"].as_str().unwrap();
    server.get_with("/users/me", token).await;
    server.get_with("/users/me?access_token=canary", "canary7f3a91").await;
    server.get("/canary-in-a-path").await;
    refresh(&server, login["refresh_token"].as_str().unwrap()).await;
    refresh(&server, "canary-refresh").await;
    server.log_in("canary-name", SECRET).await;
    let client = server.client.post(format!("{}/token", server.url)).basic_auth("canary-client", Some(SECRET));
    client.form(&[("grant_type", "canary-grant")]).send().await.unwrap();
    let text = text(&server).await;
    assert!(text.contains("countersign_logins_total"), "{text}");
    for canary in ["canary", "7f3a91", "alice", "users/me?", token.rsplit('.').next().unwrap(), "127.0.0.1"] {
        assert!(!text.contains(canary), "{canary} is in {text}");
    }
}

#[tokio::test]
async fn whatever_is_sent_makes_no_more_series() {
    let place = Place::new();
    let server = watched(&place, &[]);
    let ask = async |number: u32| {
        server.get(&format!("/path/{number}")).await;
        let method = reqwest::Method::from_bytes(format!("M{number}").as_bytes()).unwrap();
        server.client.request(method, format!("{}/users/me", server.url)).send().await.unwrap();
        let client =
            server.client.post(format!("{}/token", server.url)).basic_auth(format!("client{number}"), Some("x"));
        client.form(&[("grant_type", format!("type{number}"))]).send().await.unwrap();
        server.get_with("/users/me", &format!("token{number}")).await;
    };
    ask(0).await;
    let before: Vec<_> = series(&server).await.into_keys().collect();
    for number in 1..=1_000 {
        ask(number).await;
    }
    let after = series(&server).await;
    expect(&after, &[(r#"http_requests_total{route="none",status="404"}"#, 1_001.0)]);
    assert_eq!(after.into_keys().collect::<Vec<_>>(), before);
    assert!(before.len() < 400, "{}", before.len());
}

#[tokio::test]
async fn metrics_are_never_on_the_public_listener() {
    let place = Place::new();
    let quiet = place.serve();
    assert!(!quiet.stdout().contains("Metrics"), "{}", quiet.stdout());
    assert_eq!(quiet.get("/metrics").await.status(), StatusCode::NOT_FOUND);
    drop(quiet);
    let server = watched(&place, &[]);
    assert_eq!(server.get("/metrics").await.status(), StatusCode::NOT_FOUND);
    let said = server.stdout();
    let (_, rest) = said.split_once("Metrics on ").unwrap();
    let of_metrics = rest.lines().next().unwrap().trim_end_matches("/metrics");
    for path in ["/", "/token", "/users/me", "/health/live", "/docs"] {
        let answer = server.client.get(format!("{of_metrics}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[test]
fn a_server_that_cannot_be_watched_does_not_start() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
    command.env("COUNTERSIGN_METRICS_LISTEN", &address);
    let ran = crate::support::Ran::with_input(command, "").expect_code(1);
    let last = ran.stderr.lines().last().unwrap();
    assert!(last.contains(&address) && last.contains("metrics_listen"), "{ran:?}");
    assert!(!ran.stdout.contains("Listening"), "{ran:?}");
    for wrong in ["9464", ":9464", "localhost", "127.0.0.1:99999"] {
        let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
        command.env("COUNTERSIGN_METRICS_LISTEN", wrong);
        crate::support::Ran::with_input(command, "").expect_refusal(2, &["metrics_listen"]);
    }
}
