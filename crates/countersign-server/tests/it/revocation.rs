//! What ends before its time, as an API elsewhere hears of it from the program.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Place, Server, expect_json};

/// Registers the API that the tokens of this server are for, and returns its secret.
fn add_api(place: &Place, server: &Server) -> String {
    let printed = place.run(["client", "add", "items", "--serves", &server.url, "--json"]).expect_code(0).json();
    printed["client_secret"].as_str().unwrap().to_owned()
}

async fn introspect(server: &Server, secret: &str, token: &str) -> Value {
    let asked = server.client.post(format!("{}/introspect", server.url)).basic_auth("items", Some(secret));
    expect_json(asked.form(&[("token", token)]).send().await.unwrap(), StatusCode::OK).await
}

async fn feed(server: &Server, secret: &str, query: &str) -> Value {
    let asked = server.client.get(format!("{}/feed?{query}", server.url)).basic_auth("items", Some(secret));
    expect_json(asked.send().await.unwrap(), StatusCode::OK).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f3_what_an_operator_ends_is_told_to_those_who_ask_and_to_those_who_follow() {
    let place = Place::new();
    place.add_user("alice", &[]);
    let server = place.serve();
    let secret = add_api(&place, &server);
    let token = server.token_of("alice", PASSWORD).await;
    let known = introspect(&server, &secret, &token).await;
    assert_eq!((&known["active"], &known["username"]), (&json!(true), &json!("alice")));
    // Another process ends it: who waits is told, long before the time is over.
    let (told, ran) = tokio::join!(feed(&server, &secret, "wait=30"), async {
        tokio::task::block_in_place(|| place.run(["user", "disable", "alice"]))
    });
    ran.expect_code(0);
    assert!(told["entries"][0]["grant_id"].is_string(), "{told}");
    assert_eq!(introspect(&server, &secret, &token).await, json!({ "active": false }));
    assert_eq!(server.get_with("/users/me", &token).await.status(), StatusCode::UNAUTHORIZED);

    let next = told["next"].as_u64().unwrap();
    drop(server);
    let server = place.serve();
    assert_eq!(feed(&server, &secret, "").await, told, "what has ended outlives the process");
    let rest = json!({ "entries": [], "next": next });
    assert_eq!(feed(&server, &secret, &format!("after={next}")).await, rest, "and numbers go on");
    let ran = server.stop();
    assert!(!ran.stderr.contains(&secret) && !ran.stderr.contains(&token), "{}", ran.stderr);
}
