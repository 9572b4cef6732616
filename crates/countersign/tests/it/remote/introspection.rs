//! Tokens that only their issuer can read: it is asked, no more often than needed, and believed no longer than it said.

use std::time::Duration;

use axum::http::StatusCode;
use base64::{Engine, engine::general_purpose::STANDARD};
use countersign::core::token::BearerToken;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::support::{INTROSPECT, Key, METADATA, Place, RemoteApp, claims, fetched, json_at, request, settle};
use crate::support::answer;

fn active(change: impl FnOnce(&mut Value)) -> Place {
    json_at(&claims(|claims| {
        claims["active"] = true.into();
        claims["token_type"] = "Bearer".into();
        change(claims);
    }))
}

fn inactive() -> Place {
    json_at(&json!({ "active": false }))
}

async fn app() -> RemoteApp {
    let app = RemoteApp::introspecting(|builder| builder).await;
    app.network.put(INTROSPECT, active(|_| {}));
    app
}

#[tokio::test]
async fn what_is_not_an_answer_is_unavailable_and_not_remembered() {
    for (name, place) in [
        ("refuses", Place::Refuses),
        ("a redirect", fetched(307, "application/json", r#"{"active":true}"#)),
        ("our secret is wrong", fetched(401, "application/json", r#"{"error":"invalid_client"}"#)),
        ("an error", fetched(500, "application/json", r#"{"active":false}"#)),
        ("a page", fetched(200, "text/html", r#"{"active":false}"#)),
        ("no JSON", fetched(200, "application/json", "active")),
        ("a list", json_at(&json!([{ "active": true }]))),
        ("a thing twice", fetched(200, "application/json", r#"{"active":true,"active":true}"#)),
        ("too large", fetched(200, "application/json", format!(r#"{{"active":false}}{}"#, " ".repeat(64 * 1024)))),
    ] {
        let app = app().await;
        app.network.put(INTROSPECT, place);
        app.cannot_know("opaque").await;
        app.network.put(INTROSPECT, active(|_| {}));
        assert_eq!(app.get("/any", "opaque").await.status, StatusCode::OK, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_never_answers_is_waited_for_five_seconds() {
    for slow in [INTROSPECT, METADATA] {
        let app = app().await;
        app.network.put(slow, Place::Hangs);
        let began = tokio::time::Instant::now();
        app.cannot_know("opaque").await;
        assert_eq!(began.elapsed().as_secs(), 5, "{slow}");
    }
}

#[tokio::test]
async fn what_the_issuer_says_must_be_of_this_api_and_of_now() {
    for (name, value) in [
        ("active", json!(false)),
        ("active", json!("true")),
        ("active", json!(1)),
        ("active", json!(null)),
        ("aud", json!("https://other.example.com")),
        ("aud", json!(null)),
        ("iss", json!("https://other.example.com")),
        ("sub", json!(null)),
        ("exp", json!(null)),
        ("exp", json!(1)),
        ("token_type", json!("DPoP")),
        ("scope", json!(["read:items"])),
    ] {
        let app = app().await;
        app.network.put(INTROSPECT, active(|answer| answer[name] = value));
        app.refuses("opaque").await;
    }
}

#[tokio::test]
async fn the_token_is_in_the_body_alone_and_the_client_proves_itself() {
    let app = app().await;
    app.accepts("a+b/c==").await;
    let asked = app.network.asked();
    assert_eq!(asked.len(), 2);
    let (authorization, body) = asked[1].posted.clone().unwrap();
    assert_eq!(authorization, format!("Basic {}", STANDARD.encode("api:the+secret")));
    assert_eq!(body, "token=a%2Bb%2Fc%3D%3D&token_type_hint=access_token");
    assert_eq!((asked[1].url.as_str(), asked[1].most), (INTROSPECT, 64 * 1024));
    let shown = format!("{:?}", app.oauth2);
    assert!(!shown.contains("secret") && !shown.contains(&STANDARD.encode("api:the+secret")), "{shown}");
}

#[tokio::test]
async fn an_answer_is_remembered_for_ten_seconds() {
    let app = app().await;
    for _ in 0..10 {
        app.accepts("opaque").await;
    }
    assert_eq!(app.network.count(INTROSPECT), 1);
    app.network.put(INTROSPECT, inactive());
    app.forward(9);
    app.accepts("opaque").await;
    app.forward(1);
    app.refuses("opaque").await;
}

#[tokio::test]
async fn an_answer_is_remembered_for_as_long_as_was_set_and_with_zero_not_at_all() {
    for (seconds, asked) in [(0, 3), (1, 2), (300, 1)] {
        let app = RemoteApp::introspecting(|builder| builder.remember_for(Duration::from_secs(seconds))).await;
        app.network.put(INTROSPECT, active(|_| {}));
        for wait in [0, 1, 0] {
            app.forward(wait);
            app.accepts("opaque").await;
        }
        assert_eq!(app.network.count(INTROSPECT), asked, "{seconds}");
    }
}

#[tokio::test]
async fn an_answer_is_never_remembered_beyond_the_end_of_its_token() {
    let app = RemoteApp::introspecting(|builder| builder.remember_for(Duration::from_secs(300))).await;
    app.network.put(INTROSPECT, active(|answer| answer["exp"] = json!(app.now() + 60)));
    app.accepts("opaque").await;
    app.forward(59);
    app.accepts("opaque").await;
    assert_eq!(app.network.count(INTROSPECT), 1);
    app.network.put(INTROSPECT, inactive());
    app.forward(1);
    app.refuses("opaque").await;
}

#[tokio::test]
async fn that_a_token_does_not_hold_is_remembered_for_less() {
    let app = RemoteApp::introspecting(|builder| builder.remember_for(Duration::from_secs(300))).await;
    app.network.put(INTROSPECT, inactive());
    for _ in 0..10 {
        app.refuses("opaque").await;
    }
    assert_eq!(app.network.count(INTROSPECT), 1);
    app.network.put(INTROSPECT, active(|_| {}));
    app.forward(4);
    app.refuses("opaque").await;
    app.forward(1);
    app.accepts("opaque").await;
}

#[tokio::test]
async fn a_clock_that_went_back_does_not_lengthen_what_is_remembered() {
    let app = app().await;
    app.accepts("opaque").await;
    app.network.put(INTROSPECT, inactive());
    app.clock.back(Duration::from_secs(100));
    app.refuses("opaque").await;
}

#[tokio::test]
async fn b15_an_answer_is_of_one_whole_token() {
    let app = app().await;
    app.accepts("opaque").await;
    app.network.put(INTROSPECT, active(|answer| answer["scope"] = "read:items".into()));
    app.get("/items", "opaque").await.expect(StatusCode::FORBIDDEN);
    for other in ["opaqu", "opaquee", "Opaque", "opaque="] {
        app.get("/items", other).await.expect(StatusCode::OK);
    }
    app.get("/items", "opaque").await.expect(StatusCode::FORBIDDEN);
    assert_eq!(app.network.count(INTROSPECT), 5);
}

#[tokio::test]
async fn c15_a_token_that_is_too_long_is_not_sent_on() {
    let app = app().await;
    app.refuses(&"a".repeat(16 * 1024 + 1)).await;
    assert_eq!(app.network.asked(), []);
    app.accepts(&"a".repeat(16 * 1024)).await;
}

/// Many tokens at once, and nobody waits for the answers.
async fn flood(app: &RemoteApp, tokens: impl IntoIterator<Item = String>) -> JoinSet<StatusCode> {
    let mut requests = JoinSet::new();
    for token in tokens {
        let (router, request) = (app.router.clone(), request("/any", &token));
        requests.spawn(async move { answer(&router, request).await.status });
    }
    settle().await;
    requests
}

fn names(what: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{what}{number}")).collect()
}

#[tokio::test]
async fn a_flood_of_tokens_is_none_at_the_issuer_and_leaves_room_for_good_ones() {
    let app = app().await;
    for token in names("good", 20) {
        app.accepts(&token).await;
    }
    app.network.put(INTROSPECT, inactive());
    app.forward(10);
    app.refuses("good0").await;
    app.network.put(INTROSPECT, Place::Hangs);
    app.forward(589);
    app.network.asked();
    let invented = flood(&app, names("opaque", 200)).await;
    assert_eq!(app.network.count(INTROSPECT), 48);
    let revoked = flood(&app, ["good0".to_owned()]).await;
    assert_eq!(app.network.count(INTROSPECT), 48, "it is not good any more");
    let known = flood(&app, names("good", 20)).await;
    assert_eq!(app.network.count(INTROSPECT), 64);
    drop((invented, revoked, known));
    settle().await;
    app.forward(1);
    app.network.asked();
    let _invented = flood(&app, names("opaque", 200)).await;
    let _forgotten = flood(&app, names("good", 20)).await;
    assert_eq!(app.network.count(INTROSPECT), 48, "ten minutes ago is too long ago");
}

#[tokio::test]
async fn tokens_that_were_good_take_every_permit_that_is_free() {
    let app = app().await;
    for token in names("good", 100) {
        app.accepts(&token).await;
    }
    app.network.put(INTROSPECT, Place::Hangs);
    app.forward(10);
    app.network.asked();
    let _known = flood(&app, names("good", 100)).await;
    assert_eq!(app.network.count(INTROSPECT), 64);
}

#[tokio::test]
async fn invented_tokens_make_nobody_forget_good_ones() {
    let app = app().await;
    let verify = async |token: String| app.oauth2.verify(&BearerToken::new(token)).await.is_ok();
    for token in names("good", 20) {
        assert!(verify(token).await);
    }
    app.network.put(INTROSPECT, inactive());
    for token in names("opaque", 11_000) {
        assert!(!verify(token).await);
    }
    app.network.asked();
    for token in names("opaque", 11_000) {
        assert!(!verify(token).await);
    }
    assert!(app.network.count(INTROSPECT) >= 10_000, "of no more than 1,000 it is remembered");
    app.network.put(INTROSPECT, Place::Refuses);
    for token in names("good", 20) {
        assert!(verify(token).await);
    }
}

#[tokio::test]
async fn an_answer_of_more_than_four_kibibytes_is_not_remembered() {
    for (body, status) in [(active(|_| {}), StatusCode::OK), (inactive(), StatusCode::UNAUTHORIZED)] {
        let Place::Answers(short) = body else { panic!("it answers") };
        for (bytes, asked) in [(4096, 1), (4097, 2)] {
            let app = app().await;
            let mut long = short.body.clone();
            long.resize(bytes, b' ');
            app.network.put(INTROSPECT, fetched(200, "application/json", long));
            for _ in 0..2 {
                app.expects("opaque", status).await;
            }
            assert_eq!(app.network.count(INTROSPECT), asked, "{bytes}");
        }
    }
}

#[tokio::test]
async fn the_endpoint_comes_from_the_metadata_or_is_set() {
    let app = RemoteApp::introspecting(|builder| builder.introspection_endpoint("https://x.example/ask")).await;
    app.network.put("https://x.example/ask", active(|answer| drop(answer.as_object_mut().unwrap().remove("iss"))));
    app.accepts("opaque").await;
    assert_eq!(app.network.count(METADATA), 0);
    for (told, reason) in [(json!(null), "none"), (json!("https://169.254.169.254/x"), "private")] {
        let app = RemoteApp::introspecting(|builder| builder).await;
        app.network.put("https://169.254.169.254/x", active(|_| {}));
        app.network.metadata(|metadata| metadata["introspection_endpoint"] = told);
        app.cannot_know("opaque").await;
        assert_eq!(app.network.count("https://169.254.169.254/x"), 0, "{reason}");
    }
}

#[tokio::test]
async fn a_jwt_is_as_good_as_its_issuer_says() {
    let app = app().await;
    let token = Key::new("first", 1).token("");
    app.accepts(&token).await;
    app.network.put(INTROSPECT, inactive());
    app.forward(10);
    app.refuses(&token).await;
}
