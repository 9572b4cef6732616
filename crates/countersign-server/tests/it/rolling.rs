//! An update under way: the tables of a newer version beneath servers of this one, over PostgreSQL and under load.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use crate::{
    postgres::{
        cluster::{SHARED, connect},
        run, serve,
    },
    support::{PASSWORD, Place, Server},
};

/// How long a test waits for what must come: far longer than it takes, so that only a fault gets there.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who logs in at a server, renews, and logs out, again and again. Whatever is good must be let in.
struct Visitor {
    rounds: watch::Receiver<usize>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Visitor {
    fn come(server: &Server, name: &'static str) -> Self {
        let (told, rounds) = watch::channel(0);
        let (stop, stopped) = watch::channel(false);
        let (client, url) = (server.client.clone(), server.url.clone());
        let task = tokio::spawn(async move {
            while !*stopped.borrow() {
                visit(&client, &url, name).await;
                told.send_modify(|rounds| *rounds += 1);
            }
        });
        Self { rounds, stop, task }
    }

    /// Waits for some more visits that began after now.
    async fn go_on(&mut self) {
        let wanted = *self.rounds.borrow() + 3;
        let came = timeout(PATIENCE, self.rounds.wait_for(|rounds| *rounds >= wanted)).await;
        // Who was refused has ended, and says why.
        if !came.is_ok_and(|came| came.is_ok()) {
            panic!("nobody comes any more: {:?}", timeout(PATIENCE, &mut self.task).await);
        }
    }

    async fn leave(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap();
    }
}

async fn visit(client: &Client, url: &str, name: &str) {
    let post = async |path: &str, form: &[(&str, &str)], what: &str| {
        let answer = client.post(format!("{url}{path}")).form(form).send().await.unwrap();
        let status = answer.status();
        let body = answer.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{name}: {what}: {body}");
        serde_json::from_str::<Value>(&body).unwrap_or_default()
    };
    let me = async |token: &Value| {
        let token = token["access_token"].as_str().unwrap();
        client.get(format!("{url}/users/me")).bearer_auth(token).send().await.unwrap().status()
    };
    let password = [("grant_type", "password"), ("username", name), ("password", PASSWORD)];
    let login = post("/token", &password, "a login").await;
    assert_eq!(me(&login).await, StatusCode::OK, "{name}");
    let refresh = login["refresh_token"].as_str().unwrap();
    let renewed = post("/token", &[("grant_type", "refresh_token"), ("refresh_token", refresh)], "a refresh").await;
    assert_eq!(me(&renewed).await, StatusCode::OK, "{name}");
    post("/revoke", &[("token", renewed["refresh_token"].as_str().unwrap())], "a logout").await;
    for ended in [&login, &renewed] {
        assert_eq!(me(ended).await, StatusCode::UNAUTHORIZED, "{name} has logged out");
    }
}

/// Makes a step of a later version, beside which programs of the version `welcomes` work: an expression over the steps.
async fn step(url: &str, sql: &str, welcomes: &str) {
    let record =
        format!("INSERT INTO oauth2_schema SELECT max(version) + 1, 'of tomorrow', {welcomes} FROM oauth2_schema");
    connect(url).await.batch_execute(&format!("BEGIN; {sql}; {record}; COMMIT")).await.unwrap();
}

fn finding(place: &Place, url: &str, id: &str) -> Value {
    let findings = run(place, url, &["doctor", "--json"]).json()["findings"].clone();
    findings.as_array().unwrap().iter().find(|finding| finding["id"] == id).unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn n8_servers_work_beside_a_newer_version_as_long_as_it_welcomes_them() {
    let (place, url) = (Place::new(), SHARED.database().await);
    let (one, other) = (serve(&place, &url), serve(&place, &url));
    for name in ["alice", "bob"] {
        run(&place, &url, &["user", "add", name, "--password-stdin"]).expect_code(0);
    }
    assert_eq!(finding(&place, &url, "database-schema")["severity"], "fine");
    let known: i64 = connect(&url)
        .await
        .query_one("SELECT CAST(max(version) AS BIGINT) FROM oauth2_schema", &[])
        .await
        .unwrap()
        .get(0);
    let (newer, newest) = (known + 1, known + 2);
    let (mut at_one, mut at_other) = (Visitor::come(&one, "alice"), Visitor::come(&other, "bob"));
    at_one.go_on().await;
    at_other.go_on().await;

    // The first server of the newer version would do this when it starts.
    let adds = "ALTER TABLE oauth2_grants ADD COLUMN later TEXT NOT NULL DEFAULT 'later'; \
        CREATE TABLE oauth2_later (id TEXT NOT NULL PRIMARY KEY)";
    step(&url, adds, "max(version)").await;
    at_one.go_on().await;
    at_other.go_on().await;

    // One of this version comes up again, after a crash say, and takes the tokens of before.
    let token = one.token_of("alice", PASSWORD).await;
    at_other.leave().await;
    let before = other.stop().expect_code(0);
    assert!(!before.stderr.contains("newer_schema"), "{before:?}");
    let other = serve(&place, &url);
    let (version, knows) = (format!("\"version\":{newer}"), format!("\"known\":{known}"));
    other.wait_for_log(&["\"database\"", "\"newer_schema\"", &version, &knows, "INFO"]);
    assert_eq!(other.get_with("/users/me", &token).await.status(), StatusCode::OK);
    let mut at_other = Visitor::come(&other, "bob");
    at_other.go_on().await;
    at_one.go_on().await;
    let found = finding(&place, &url, "database-schema");
    assert_eq!(found["severity"], "advice", "{found}");
    assert!(found["found"].as_str().unwrap().contains(&format!("version {newer}, of a newer program")), "{found}");
    run(&place, &url, &["user", "add", "carol", "--password-stdin"]).expect_code(0);
    for all_of_it in [&["restore", "--in-place"][..], &["migrate", "--to", "moved.db"]] {
        let refused = run(&place, &url, all_of_it).expect_code(1);
        let versions = format!("has schema version {newer}, and this program knows none after {known}");
        let whole = format!("{versions}: it cannot move, or make powerless");
        assert!(refused.stderr.contains(&whole), "{refused:?}");
        assert_eq!((refused.stdout.as_str(), place.files()), ("", Vec::new()), "{refused:?}");
    }

    // The one after it takes something away that this version does not use, for all the step knows.
    step(&url, "ALTER TABLE oauth2_grants DROP COLUMN later", "max(version) + 1").await;
    at_one.go_on().await;
    at_other.go_on().await;
    at_other.leave().await;
    let after = other.stop().expect_code(0);
    assert_eq!(after.stderr.matches("newer_schema").count(), 1, "{after:?}");
    let (is, needs) = (format!("schema version {newest}"), format!("know version {newest}"));
    let refusal = [&*is, &needs, &format!("none after {known}"), "use the newer program"];
    run(&place, &url, &["serve", "--listen", "127.0.0.1:0"]).expect_refusal(1, &refusal);
    run(&place, &url, &["user", "list"]).expect_refusal(1, &refusal);
    let found = finding(&place, &url, "database");
    assert_eq!(found["severity"], "problem", "{found}");
    assert!(found["found"].as_str().unwrap().contains("use the newer program"), "{found}");
    at_one.go_on().await;
    at_one.leave().await;
    one.stop().expect_code(0);
}
