//! The refresh token grant: rotation, retries, theft, and what a refresh token may not do.

use std::time::Duration;

use axum::http::StatusCode;
use countersign::{
    Builder, Memory, OAuth2, OwnerStatus, TokenFormat,
    core::{
        resource_owner::ResourceOwners,
        store::{Feed, OwnerRegistry},
    },
};
use serde_json::Value;

use crate::store::any_store;
use crate::support::{Answer, NOW, TestApp, form};

const LOGIN: &str = "username=alice&password=correct+horse&scope=me+read:items";

/// Longer than the use of a refresh token may be tried again.
const PAST_LEEWAY: u64 = 10;

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_else(|| panic!("no {name} in {body}"))
}

async fn log_in(app: &TestApp) -> Value {
    app.post_token(LOGIN).await.expect(StatusCode::OK).json()
}

async fn renew_with(app: &TestApp, token: &str, more: &str) -> Answer {
    app.post_token(&format!("grant_type=refresh_token&refresh_token={token}{more}")).await
}

async fn renew(app: &TestApp, body: &Value) -> Answer {
    renew_with(app, text(body, "refresh_token"), "").await
}

#[track_caller]
fn assert_refused(answer: Answer) -> Answer {
    let refused = answer.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
    assert_eq!(refused.json()["error_description"], "The refresh token is invalid, expired or revoked");
    refused
}

#[tokio::test]
async fn a_refresh_needs_its_parameter_and_gets_one_answer_whatever_is_wrong() {
    let app = TestApp::new().await;
    let missing =
        app.post_token("grant_type=refresh_token").await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    assert_eq!(missing.json()["detail"][0]["loc"], serde_json::json!(["body", "refresh_token"]));
    let first = log_in(&app).await;
    let token = text(&first, "refresh_token");
    let (other, end) = token.split_at(token.len() - 1);
    let altered = format!("{other}{}", if end == "A" { "B" } else { "A" });
    let mut bodies = Vec::new();
    for wrong in ["x", "cs_refresh_", &altered, text(&first, "access_token"), &token[1..]] {
        bodies.push(assert_refused(renew_with(&app, wrong, "").await).body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "nobody hears what was wrong");
    renew(&app, &first).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn e1_each_use_gives_another_token_and_ends_the_old_one() {
    let app = TestApp::new().await;
    let first = log_in(&app).await;
    let second = renew(&app, &first).await.expect(StatusCode::OK);
    assert_eq!((second.header("cache-control"), second.header("pragma")), ("no-store", "no-cache"));
    let second = second.json();
    assert_eq!((&second["token_type"], &second["expires_in"]), (&"bearer".into(), &900.into()));
    assert_eq!(text(&second, "scope"), "me read:items", "what it allows is said, since nothing was asked for");
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert!(text(&second, "refresh_token").starts_with("cs_refresh_"));
    app.get_as("/items", text(&second, "access_token")).await.expect(StatusCode::OK);
    app.forward(PAST_LEEWAY);
    assert_refused(renew(&app, &first).await);
}

#[tokio::test]
async fn e2_reuse_ends_the_family_and_its_access_tokens() {
    let app = TestApp::new().await;
    let first = log_in(&app).await;
    let other = log_in(&app).await;
    let second = renew(&app, &first).await.expect(StatusCode::OK).json();
    app.forward(PAST_LEEWAY);
    assert_refused(renew(&app, &first).await);
    assert_refused(renew(&app, &second).await);
    for ended in [&first, &second] {
        app.get_as("/any", text(ended, "access_token")).await.expect_invalid_token();
    }
    app.get_as("/any", text(&other, "access_token")).await.expect(StatusCode::OK);
    renew(&app, &other).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn e5_a_retry_gets_the_same_answer() {
    let app = TestApp::new().await;
    let first = log_in(&app).await;
    let second = renew(&app, &first).await.expect(StatusCode::OK);
    app.forward(PAST_LEEWAY - 1);
    let again = renew(&app, &first).await.expect(StatusCode::OK).json();
    let before = second.json();
    for name in ["access_token", "refresh_token", "token_type", "scope"] {
        assert_eq!(again[name], before[name], "{name}");
    }
    assert_eq!(again["expires_in"], 900 - (PAST_LEEWAY - 1), "the same token has less left");
    // A narrower scope is another access token, and the same successor.
    let narrowed = renew_with(&app, text(&first, "refresh_token"), "&scope=me").await.expect(StatusCode::OK).json();
    assert_eq!(narrowed["refresh_token"], before["refresh_token"]);
    app.get_as("/items", text(&narrowed, "access_token")).await.expect(StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn e5_without_a_leeway_every_second_use_is_a_theft() {
    let app = TestApp::with(any_store().await, |builder| builder.refresh_leeway(Duration::ZERO)).await;
    let first = log_in(&app).await;
    let second = renew(&app, &first).await.expect(StatusCode::OK).json();
    assert_refused(renew(&app, &first).await);
    assert_refused(renew(&app, &second).await);
}

#[tokio::test]
async fn e6_what_was_used_stays_used_after_a_restart() {
    let store = any_store().await;
    let app = TestApp::with(store.clone(), |builder| builder).await;
    let first = log_in(&app).await;
    let second = renew(&app, &first).await.expect(StatusCode::OK).json();
    let restarted = TestApp::with(store, |builder| builder).await;
    let again = renew(&restarted, &first).await.expect(StatusCode::OK).json();
    assert_eq!(again["refresh_token"], second["refresh_token"], "a retry is answered, whoever answered first");
    restarted.forward(PAST_LEEWAY);
    assert_refused(renew(&restarted, &first).await);
    restarted.get_as("/any", text(&second, "access_token")).await.expect_invalid_token();
}

#[tokio::test]
async fn e7_the_order_does_not_depend_on_the_clock() {
    for step in 0..6 {
        let app = TestApp::with(any_store().await, |builder| builder.refresh_leeway(Duration::ZERO)).await;
        let mut chain = vec![log_in(&app).await];
        for used in 0..5 {
            if used == step {
                app.clock.back(Duration::from_secs(3600));
            }
            chain.push(renew(&app, &chain[used]).await.expect(StatusCode::OK).json());
        }
        assert_refused(renew(&app, &chain[step.min(4)]).await);
        assert_refused(renew(&app, &chain[5]).await);
    }
    // With a leeway, a clock that goes back by an hour does not make it an hour longer.
    let app = TestApp::new().await;
    let first = log_in(&app).await;
    renew(&app, &first).await.expect(StatusCode::OK);
    app.clock.back(Duration::from_secs(3600));
    assert_refused(renew(&app, &first).await);
}

#[tokio::test]
async fn e10_scope_narrows_the_access_token_and_never_widens() {
    let app = TestApp::new().await;
    let first = log_in(&app).await;
    for wider in ["&scope=admin", "&scope=me+admin", "&scope=me++x", "&scope=%22"] {
        let refused = renew_with(&app, text(&first, "refresh_token"), wider).await;
        refused.expect_error(StatusCode::BAD_REQUEST, "invalid_scope");
    }
    let narrowed = renew_with(&app, text(&first, "refresh_token"), "&scope=me").await.expect(StatusCode::OK).json();
    assert!(narrowed.get("scope").is_none(), "it is what was asked for: {narrowed}");
    app.get_as("/items", text(&narrowed, "access_token")).await.expect(StatusCode::FORBIDDEN);
    let whole = renew(&app, &narrowed).await.expect(StatusCode::OK).json();
    assert_eq!(whole["scope"], "me read:items", "what the refresh token allows stayed whole");
    app.get_as("/items", text(&whole, "access_token")).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn e11_a_login_ends_unused_and_in_the_end_however_it_is_used() {
    let days = |days: u64| Duration::from_secs(days * 24 * 3600);
    let set = |builder: Builder| builder.refresh_token_lifetime(days(2), days(3));
    let app = TestApp::with(any_store().await, set).await;
    let unused = log_in(&app).await;
    let mut used = log_in(&app).await;
    for _ in 0..2 {
        app.clock.forward(days(1));
        used = renew(&app, &used).await.expect(StatusCode::OK).json();
    }
    assert_refused(renew(&app, &unused).await);
    app.clock.forward(days(1) - Duration::from_secs(1));
    used = renew(&app, &used).await.expect(StatusCode::OK).json();
    app.forward(1);
    assert_refused(renew(&app, &used).await);
}

#[tokio::test]
async fn a18_e13_who_is_disabled_gets_nothing_more() {
    let store = any_store().await;
    let app = TestApp::with(store.clone(), |builder| builder).await;
    let first = log_in(&app).await;
    let alice = store.find_by_username(&countersign::Username::parse("alice").unwrap()).await.unwrap().unwrap();
    store.set_status(&alice.subject, OwnerStatus::Disabled, NOW).await.unwrap();
    assert_refused(renew(&app, &first).await);
    store.set_status(&alice.subject, OwnerStatus::Active, NOW).await.unwrap();
    assert_refused(renew(&app, &first).await);
}

#[tokio::test]
async fn e14_no_handle_works_as_another() {
    for format in [TokenFormat::Jwt, TokenFormat::Opaque] {
        let app = TestApp::with(any_store().await, |builder| builder.token_format(format)).await;
        let first = log_in(&app).await;
        let (access, refresh) = (text(&first, "access_token"), text(&first, "refresh_token"));
        app.get_as("/any", refresh).await.expect_invalid_token();
        assert_refused(renew_with(&app, access, "").await);
        app.get_as("/any", access).await.expect(StatusCode::OK);
        renew(&app, &first).await.expect(StatusCode::OK);
    }
}

#[tokio::test]
async fn opaque_tokens_are_taken_wherever_jwts_are() {
    let app = TestApp::with(any_store().await, |builder| builder.token_format(TokenFormat::Opaque)).await;
    let first = log_in(&app).await;
    let token = text(&first, "access_token");
    assert!(token.starts_with("cs_access_") && !token.contains('.'), "{token}");
    for path in ["/any", "/items", "/both", "/user", "/optional", "/two"] {
        app.get_as(path, token).await.expect(StatusCode::OK);
    }
    app.get_as("/admin", token).await.expect(StatusCode::FORBIDDEN);
    let altered = format!("{}{}", &token[..token.len() - 1], if token.ends_with('A') { "B" } else { "A" });
    for wrong in [&altered, "cs_access_", &format!("{token}A")] {
        app.get_as("/any", wrong).await.expect_invalid_token();
    }
    let second = renew(&app, &first).await.expect(StatusCode::OK).json();
    assert_eq!(renew(&app, &first).await.expect(StatusCode::OK).json(), second, "a retry gets the same");
    for both in [&first, &second] {
        app.get_as("/items", text(both, "access_token")).await.expect(StatusCode::OK);
    }
    app.forward(900 + 5);
    app.get_as("/any", token).await.expect_invalid_token();
}

#[tokio::test]
async fn f2_to_revoke_what_is_no_token_of_ours_is_no_error() {
    let app = TestApp::new().await;
    let first = log_in(&app).await;
    for path in ["/revoke", "/revoke/"] {
        for strange in ["unknown", "a.b.c", "%00", "cs_refresh_unknown"] {
            let unknown = app.send(form(path, &format!("token={strange}"))).await.expect(StatusCode::OK);
            assert_eq!((unknown.body.as_str(), unknown.header("cache-control")), ("", "no-store"), "{strange}");
        }
    }
    app.get_as("/any", text(&first, "access_token")).await.expect(StatusCode::OK);
    app.send(form("/revoke", "token_type_hint=x")).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
}

#[tokio::test]
async fn f11_revocation_does_not_need_the_hint() {
    for format in [TokenFormat::Jwt, TokenFormat::Opaque] {
        let app = TestApp::with(any_store().await, |builder| builder.token_format(format)).await;
        for hint in ["", "access_token", "refresh_token", "bogus"] {
            for name in ["access_token", "refresh_token"] {
                let login = log_in(&app).await;
                let body = format!("token={}&token_type_hint={hint}", text(&login, name));
                app.send(form("/revoke", &body)).await.expect(StatusCode::OK);
                app.get_as("/any", text(&login, "access_token")).await.expect_invalid_token();
            }
        }
    }
}

#[tokio::test]
async fn f4_a_refresh_token_ends_its_grant_and_an_access_token_ends_alone() {
    for format in [TokenFormat::Jwt, TokenFormat::Opaque] {
        let app = TestApp::with(any_store().await, |builder| builder.token_format(format)).await;
        let (first, other) = (log_in(&app).await, log_in(&app).await);
        let revoke = async |token: &str| {
            let answer = app.send(form("/revoke", &format!("token={token}"))).await.expect(StatusCode::OK);
            assert_eq!(answer.body, "");
        };
        // An access token ends alone.
        revoke(text(&first, "access_token")).await;
        app.get_as("/any", text(&first, "access_token")).await.expect_invalid_token();
        let second = renew(&app, &first).await.expect(StatusCode::OK).json();
        app.get_as("/any", text(&second, "access_token")).await.expect(StatusCode::OK);
        // A refresh token ends its grant, one that was used up too.
        revoke(text(&first, "refresh_token")).await;
        app.get_as("/any", text(&second, "access_token")).await.expect_invalid_token();
        assert_refused(renew(&app, &second).await);
        app.get_as("/any", text(&other, "access_token")).await.expect(StatusCode::OK);
        renew(&app, &other).await.expect(StatusCode::OK);
    }
}

#[tokio::test]
async fn without_refresh_tokens_there_are_none() {
    let app = TestApp::with(any_store().await, Builder::without_refresh_tokens).await;
    let first = log_in(&app).await;
    assert!(first.get("refresh_token").is_none(), "{first}");
    renew_with(&app, "x", "").await.expect_error(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    let metadata = app.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["grant_types_supported"], serde_json::json!(["password", "client_credentials"]));
    assert!(!app.get("/openapi.json").await.body.contains("refreshUrl"));
}

#[tokio::test]
async fn lifetimes_that_make_no_sense_do_not_start() {
    let second = Duration::from_secs(1);
    let sets: [fn(Builder, Duration) -> Builder; 6] = [
        |builder, second| builder.refresh_token_lifetime(Duration::ZERO, second),
        |builder, second| builder.refresh_token_lifetime(second * 2, second),
        |builder, second| builder.refresh_leeway(second * 61),
        |builder, second| builder.refresh_token_lifetime(second * 3 / 2, second * 2),
        |builder, second| builder.refresh_token_lifetime(second, second * 3 / 2),
        |builder, second| builder.refresh_leeway(second / 2),
    ];
    for set in sets {
        let refused = set(OAuth2::new(Memory::new()), second).build().await.unwrap_err().to_string();
        assert!(refused.contains("refresh token"), "{refused}");
    }
}

#[tokio::test]
async fn m7_a_token_is_revoked_once_however_often_it_is_said() {
    let store = any_store().await;
    let app = TestApp::with(store.clone(), |builder| builder).await;
    let first = log_in(&app).await;
    let revocation = format!("token={}", text(&first, "access_token"));
    for _ in 0..5 {
        app.send(form("/revoke", &revocation)).await.expect(StatusCode::OK);
    }
    assert_eq!(store.find_feed(0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn n6_what_is_revoked_while_the_clock_is_back_stays_revoked() {
    let app = TestApp::new().await;
    let first = log_in(&app).await;
    app.clock.back(Duration::from_secs(3600));
    app.get_as("/any", text(&first, "access_token")).await.expect_invalid_token();
    app.send(form("/revoke", &format!("token={}", text(&first, "access_token")))).await.expect(StatusCode::OK);
    app.clock.forward(Duration::from_secs(3600));
    app.get_as("/any", text(&first, "access_token")).await.expect_invalid_token();
}

#[tokio::test]
async fn n6_a_clock_that_goes_forward_and_back_loses_no_login_and_revives_none() {
    let store = any_store().await;
    let app = TestApp::with(store.clone(), Builder::without_refresh_tokens).await;
    let first = log_in(&app).await;
    let hour = Duration::from_secs(3600);
    app.clock.forward(hour);
    app.oauth2.server().unwrap().sweep().await.unwrap();
    app.clock.back(hour);
    app.get_as("/any", text(&first, "access_token")).await.expect(StatusCode::OK);
    let alice = store.find_by_username(&countersign::Username::parse("alice").unwrap()).await.unwrap().unwrap();
    assert_eq!(app.oauth2.end_grants_of(&alice.subject).await.unwrap(), 1, "the grant is still there to be ended");
    app.get_as("/any", text(&first, "access_token")).await.expect_invalid_token();
}
