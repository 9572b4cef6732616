//! The introspection endpoint (RFC 7662): who may ask, what is told, and that nothing else is.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign::{
    Memory, NewClient, OwnerStatus, PasswordHash, ResourceOwners, Subject, TokenFormat,
    core::{
        clock::SeededRng,
        store::{Ended, Feed, Keys, OwnerRegistry},
    },
};
use serde_json::{Value, json};

use crate::store::{AnyStore, any_store};
use crate::support::{Answer, ISSUER, NOW, SECRET, TestApp, basic, form};

const ITEMS: &str = ISSUER;
const ORDERS: &str = "https://orders.example.com";
const INACTIVE: &str = r#"{"active":false}"#;

async fn app() -> TestApp {
    app_with(TokenFormat::Jwt, any_store().await).await
}

/// An API with four clients: `items`, which is that API; `orders`, which is another; `web`, which people log in with;
/// and `page`, which is public.
async fn app_with(format: TokenFormat, store: AnyStore) -> TestApp {
    let app = TestApp::with(store.clone(), |builder| builder.token_format(format)).await;
    app.put_api("items", &[ITEMS]).await;
    app.put_api("orders", &[ORDERS]).await;
    app.put_api("web", &[]).await;
    app.oauth2.add_client(NewClient::new("page").public().serves(ITEMS)).await.unwrap();
    app
}

const BOTH: [TokenFormat; 2] = [TokenFormat::Jwt, TokenFormat::Opaque];

/// Tokens that `web` gets for alice.
async fn login(app: &TestApp) -> (String, String) {
    let login = format!("username=alice&password=correct+horse&scope=me&client_id=web&client_secret={SECRET}");
    tokens(&app.post_token(&login).await)
}

fn tokens(answer: &Answer) -> (String, String) {
    let body = answer.clone().expect(StatusCode::OK).json();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}

async fn subject(app: &TestApp) -> Subject {
    let (token, _) = login(app).await;
    Subject::new(app.introspect("items", &token).await.json()["sub"].as_str().unwrap())
}

#[tokio::test]
async fn f7_whoever_asks_proves_who_it_is() {
    let app = app().await;
    let (token, _) = login(&app).await;
    let ask = async |body: &str, authorization: Option<String>| {
        let mut request = form("/introspect", body);
        if let Some(authorization) = authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.parse().unwrap());
        }
        app.send(request).await
    };
    let asks = format!("token={token}");
    for (body, authorization) in [
        (asks.clone(), None),
        (asks.clone(), Some("Basic Og==".to_owned())),
        (asks.clone(), Some(format!("Bearer {token}"))),
        (asks.clone(), Some(basic("items", "wrong"))),
        (asks.clone(), Some(basic("items", ""))),
        (asks.clone(), Some(basic("nobody", SECRET))),
        (asks.clone(), Some(basic("countersign", ""))),
        (asks.clone(), Some(basic("page", ""))),
        (format!("{asks}&client_id=page"), None),
        (format!("{asks}&client_id=items"), None),
        (format!("{asks}&client_id=items&client_secret=wrong"), None),
        (String::new(), None),
    ] {
        let refused = ask(&body, authorization).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
        assert!(refused.header("www-authenticate").starts_with("Basic"), "{body}");
    }
    ask("", Some(basic("items", SECRET))).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    let twice = format!("{asks}&token=x");
    ask(&twice, Some(basic("items", SECRET))).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    for (body, authorization) in
        [(asks.clone(), Some(basic("items", SECRET))), (format!("{asks}&client_id=items&client_secret={SECRET}"), None)]
    {
        assert_eq!(ask(&body, authorization).await.expect(StatusCode::OK).json()["active"], true);
    }
}

#[tokio::test]
async fn f7_without_registered_clients_nobody_can_prove_anything() {
    let app = TestApp::new().await;
    let token = app.token("me").await;
    app.introspect("items", &token).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
}

#[tokio::test]
async fn introspection_is_by_post_alone_and_with_a_slash_at_the_end_too() {
    let app = app().await;
    app.get("/introspect").await.expect(StatusCode::METHOD_NOT_ALLOWED);
    let request = Request::get("/introspect?token=x").header(header::AUTHORIZATION, basic("items", SECRET));
    app.send(request.body(Body::empty()).unwrap()).await.expect(StatusCode::METHOD_NOT_ALLOWED);
    let mut request = form("/introspect/", "token=x");
    request.headers_mut().insert(header::AUTHORIZATION, basic("items", SECRET).parse().unwrap());
    assert_eq!(app.send(request).await.expect(StatusCode::OK).body, INACTIVE);
}

#[tokio::test]
async fn f8_whatever_is_wrong_with_a_token_is_one_answer() {
    for format in BOTH {
        let app = app_with(format, any_store().await).await;
        let (expired, old_refresh) = login(&app).await;
        app.forward(16 * 60);
        let (token, refresh) = login(&app).await;
        let (revoked, _) = login(&app).await;
        let web = format!("&client_id=web&client_secret={SECRET}");
        app.send(form("/revoke", &format!("token={revoked}{web}"))).await.expect(StatusCode::OK);
        let used = format!("grant_type=refresh_token&refresh_token={old_refresh}{web}");
        tokens(&app.post_token(&used).await);
        // The same name, but another issuer.
        let (elsewhere, _) = login(&app_with(format, any_store().await).await).await;
        // Two letters before the end: the last of a base64url text may have no bits of its own.
        let mut altered = token.clone();
        let at = altered.len() - 3;
        let other = if &altered[at..=at] == "A" { "B" } else { "A" };
        altered.replace_range(at..=at, other);
        let unknown = ["x", "a.b.c", "cs_access_", "cs_refresh_AAAA", "...", "%F0%9F%94%91", "{}"].map(str::to_owned);
        let long = "a".repeat(20_000);
        let mut answers = Vec::new();
        for bad in unknown.iter().chain([&long, &expired, &revoked, &old_refresh, &elsewhere, &altered]) {
            answers.push((bad, app.introspect("items", bad).await));
        }
        answers.push((&token, app.introspect("orders", &token).await));
        answers.push((&refresh, app.introspect("items", &refresh).await));
        answers.push((&old_refresh, app.introspect("web", &old_refresh).await));
        let (_, first) = answers[0].clone();
        assert_eq!((first.status, first.body.as_str()), (StatusCode::OK, INACTIVE));
        assert_eq!((first.header("cache-control"), first.header("content-type")), ("no-store", "application/json"));
        for (bad, answer) in answers {
            assert_eq!(answer, first, "{format:?} {bad}");
        }
        assert_eq!(app.introspect("items", &token).await.json()["active"], true, "the good one is good");
    }
}

#[tokio::test]
async fn f9_an_api_hears_of_tokens_for_itself_alone() {
    for format in BOTH {
        let store = any_store().await;
        let items = app_with(format, store.clone()).await;
        let orders = TestApp::with(store, |builder| {
            // With the same randomness, both would make the same names.
            builder.token_format(format).audience(ORDERS).rng(Arc::new(SeededRng::new(2)))
        })
        .await;
        let (for_items, _) = login(&items).await;
        let (for_orders, _) = login(&orders).await;
        // One authorization server: whichever of its processes is asked.
        for app in [&items, &orders] {
            for (asker, token, audience) in [("items", &for_items, ITEMS), ("orders", &for_orders, ORDERS)] {
                let answer = app.introspect(asker, token).await.json();
                assert_eq!((&answer["active"], &answer["aud"]), (&json!(true), &json!(audience)));
            }
            assert_eq!(app.introspect("items", &for_orders).await.body, INACTIVE);
            assert_eq!(app.introspect("orders", &for_items).await.body, INACTIVE);
        }
        items.put_api("gateway", &["urn:x", ITEMS, ORDERS]).await;
        for token in [&for_items, &for_orders] {
            assert_eq!(items.introspect("gateway", token).await.json()["active"], true);
        }
    }
}

#[tokio::test]
async fn f9_a_client_hears_of_the_tokens_it_got_itself() {
    for format in BOTH {
        let app = app_with(format, any_store().await).await;
        app.put_api("other", &[]).await;
        let (token, refresh) = login(&app).await;
        for token in [&token, &refresh] {
            assert_eq!(app.introspect("web", token).await.json()["active"], true);
            assert_eq!(app.introspect("other", token).await.body, INACTIVE);
        }
    }
}

#[tokio::test]
async fn of_a_good_token_everything_is_told_but_the_claims_of_the_author() {
    for format in BOTH {
        let app = app_with(format, any_store().await).await;
        let (token, _) = login(&app).await;
        let answer = app.introspect("items", &token).await.expect(StatusCode::OK);
        assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
        let mut body = answer.json();
        let taken = |body: &mut Value, name: &str| body.as_object_mut().unwrap().remove(name).unwrap();
        assert!(taken(&mut body, "sub").is_string() && taken(&mut body, "jti").is_string());
        let expected = json!({
            "active": true, "scope": "me", "client_id": "web", "username": "alice", "aud": ITEMS, "iss": ISSUER,
            "exp": NOW.seconds() + 900, "iat": NOW.seconds(), "token_type": "Bearer",
        });
        assert_eq!(body, expected);
        let bare = format!("username=bare&password=correct+horse&client_id=web&client_secret={SECRET}");
        let (token, _) = tokens(&app.post_token(&bare).await);
        let body = app.introspect("items", &token).await.json();
        assert!(body["active"] == true && body.get("scope").is_none(), "an empty scope is none: {body}");
    }
}

#[tokio::test]
async fn a_refresh_token_is_none_that_opens_an_api() {
    let app = app().await;
    let (_, refresh) = login(&app).await;
    let body = app.introspect("web", &refresh).await.json();
    assert_eq!(body["token_type"], "N_A", "RFC 8693 §2.2.1");
    assert!(body.get("aud").is_none() && body.get("jti").is_none(), "{body}");
    assert_eq!((&body["scope"], &body["username"], &body["iss"]), (&json!("me"), &json!("alice"), &json!(ISSUER)));
    let lifetime = 14 * 24 * 60 * 60;
    assert_eq!((&body["iat"], &body["exp"]), (&json!(NOW.seconds()), &json!(NOW.seconds() + lifetime)));
    app.forward(lifetime.unsigned_abs());
    assert_eq!(app.introspect("web", &refresh).await.body, INACTIVE);
}

#[tokio::test]
async fn c21_a_token_whose_owner_is_not_active_is_not() {
    for format in BOTH {
        for change in ["disabled", "removed", "password"] {
            let store = any_store().await;
            let app = app_with(format, store.clone()).await;
            let subject = subject(&app).await;
            let (token, refresh) = login(&app).await;
            // Behind the server's back, and within the same second.
            match change {
                "disabled" => store.set_status(&subject, OwnerStatus::Disabled, NOW).await.unwrap(),
                "removed" => store.remove_owner(&subject, NOW).await.unwrap(),
                _ => store.set_password(&subject, &PasswordHash::new("another"), NOW).await.unwrap(),
            };
            for (asker, token) in [("items", token), ("web", refresh)] {
                assert_eq!(app.introspect(asker, &token).await.body, INACTIVE, "{format:?} {change} {asker}");
            }
        }
    }
}

#[tokio::test]
async fn f9_a_token_that_was_told_of_before_is_told_to_nobody_else_and_no_longer_than_it_lives() {
    for format in BOTH {
        let app = app_with(format, any_store().await).await;
        let (token, _) = login(&app).await;
        for _ in 0..2 {
            assert_eq!(app.introspect("items", &token).await.json()["active"], true);
            assert_eq!(app.introspect("orders", &token).await.body, INACTIVE);
        }
        app.forward(16 * 60);
        assert_eq!(app.introspect("items", &token).await.body, INACTIVE, "{format:?}");
    }
}

/// Users of a table of the author's end nobody's grants when they are disabled.
#[tokio::test]
async fn c21_owners_of_a_table_of_the_authors_are_looked_at() {
    let users = Memory::new();
    let there = users.clone();
    let app = TestApp::with(any_store().await, |builder| builder.users(users)).await;
    let source = TestApp::with(there.clone(), |builder| builder).await;
    app.put_api("items", &[ITEMS]).await;
    let token = app.token("me").await;
    let body = app.introspect("items", &token).await.json();
    assert_eq!(
        (&body["active"], &body["username"], &body["client_id"]),
        (&json!(true), &json!("alice"), &json!("countersign"))
    );
    let subject = Subject::new(body["sub"].as_str().unwrap());
    there.set_status(&subject, OwnerStatus::Disabled, NOW).await.unwrap();
    assert_eq!(app.introspect("items", &token).await.body, INACTIVE);
    drop(source);
}

#[tokio::test]
async fn a_client_that_is_not_registered_any_more_has_no_good_tokens() {
    let (store, other) = (any_store().await, any_store().await);
    let app = app_with(TokenFormat::Jwt, store.clone()).await;
    let (token, _) = login(&app).await;
    for key in store.find_keys().await.unwrap() {
        other.put_first_key(&key).await.unwrap();
    }
    let subject = subject(&app).await;
    other.add_owner(&store.find_by_subject(&subject).await.unwrap().unwrap()).await.unwrap();
    let without_web = TestApp::with(other, |builder| builder).await;
    without_web.put_api("items", &[ITEMS]).await;
    assert_eq!(without_web.introspect("items", &token).await.body, INACTIVE);
    without_web.put_api("web", &[]).await;
    assert_eq!(without_web.introspect("items", &token).await.json()["active"], true);
}

#[tokio::test]
async fn f3_what_was_revoked_at_one_process_is_inactive_at_the_next_at_once() {
    for format in BOTH {
        let store = any_store().await;
        let one = app_with(format, store.clone()).await;
        let other = TestApp::with(store, |builder| builder.token_format(format)).await;
        let (token, _) = login(&one).await;
        assert_eq!(other.introspect("items", &token).await.json()["active"], true);
        one.send(form("/revoke", &format!("token={token}&client_id=web&client_secret={SECRET}"))).await;
        assert_eq!(other.introspect("items", &token).await.body, INACTIVE, "in the same second");
    }
}

#[tokio::test]
async fn n8_of_what_may_have_ended_in_a_way_nobody_here_knows_nothing_is_said() {
    let store = any_store().await;
    let app = app_with(TokenFormat::Jwt, store.clone()).await;
    let (token, _) = login(&app).await;
    store.append_feed(&Ended::Other(None), NOW.plus(Duration::from_secs(900))).await.unwrap();
    app.introspect("items", &token).await.expect(StatusCode::SERVICE_UNAVAILABLE);
    store.append_feed(&Ended::Everything(NOW), NOW.plus(Duration::from_secs(900))).await.unwrap();
    assert_eq!(app.introspect("items", &token).await.body, INACTIVE, "this is known");
}

#[tokio::test]
async fn f11_the_hint_is_not_needed() {
    let app = app().await;
    let (token, refresh) = login(&app).await;
    for (asker, token) in [("items", token), ("web", refresh)] {
        for hint in ["access_token", "refresh_token", "bogus", "", "x&token_type_hint=y"] {
            let mut request = form("/introspect", &format!("token={token}&token_type_hint={hint}"));
            request.headers_mut().insert(header::AUTHORIZATION, basic(asker, SECRET).parse().unwrap());
            assert_eq!(app.send(request).await.expect(StatusCode::OK).json()["active"], true, "{hint}");
        }
    }
}
