//! The client credentials grant: what a client gets of its own, and that it never passes for a user.

use std::time::Duration;

use axum::http::StatusCode;
use countersign::{
    AccessToken, Builder, ClientId, ExtraClaims, Found, GrantType, IssuedFor, Memory, NewClient, OwnerStatus,
    ResourceOwner, ResourceOwners, StoreError, Subject, TokenFormat, TokenSubject, Username,
    core::{store::Feed, token::verify::DEFAULT_LEEWAY},
    routing::get,
    testing::TokenFor,
};
use serde_json::{Map, Value, json};

use super::support::{OF_ITS_OWN, SECRET, add, basic, post, service};
use crate::store::any_store;
use crate::{
    faults::Faulty,
    support::{ISSUER, NOW, ReadItems, TestApp, answer, cheap_hashing},
};

fn decoded(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

impl TestApp {
    /// A client's own token, asked for with these parameters.
    async fn own_token(&self, id: &str, parameters: &str) -> Value {
        let answer = self.ask(&format!("{OF_ITS_OWN}{parameters}"), Some(&basic(id, SECRET))).await;
        answer.expect(StatusCode::OK).json()
    }
}

#[tokio::test]
async fn the_grant_is_for_confidential_clients_that_were_given_it() {
    let app = TestApp::new().await;
    app.ask(OF_ITS_OWN, None).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
    let nobody = app.ask(OF_ITS_OWN, Some(&basic("app", SECRET))).await;
    nobody.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");

    add(&app.oauth2, NewClient::new("new").secret(SECRET).scope("read:items")).await;
    add(&app.oauth2, NewClient::new("page").public()).await;
    for (id, secret) in [("new", SECRET), ("page", "")] {
        let answer = app.ask(OF_ITS_OWN, Some(&basic(id, secret))).await;
        answer.expect_error(StatusCode::BAD_REQUEST, "unauthorized_client");
    }
    app.ask(OF_ITS_OWN, None).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");

    let off = TestApp::with(any_store().await, Builder::without_client_credentials_grant).await;
    add(&off.oauth2, service("app").secret(SECRET)).await;
    let answer = off.ask(OF_ITS_OWN, Some(&basic("app", SECRET))).await;
    answer.expect_error(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    let metadata = off.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["grant_types_supported"], json!(["password", "refresh_token"]));
}

#[tokio::test]
async fn o2_a_new_client_has_the_password_grant_only_by_name() {
    let app = TestApp::new().await;
    let login = format!("username=alice&password=correct+horse{}", post("app", SECRET));
    add(&app.oauth2, service("app").secret(SECRET).first_party()).await;
    app.post_token(&login).await.expect_error(StatusCode::BAD_REQUEST, "unauthorized_client");
    let by_name = service("other").secret(SECRET).grant_type(GrantType::Password);
    assert!(app.oauth2.add_client(by_name.clone()).await.is_err(), "not for somebody else's software");
    add(&app.oauth2, by_name.first_party().any_scope()).await;
    let login = format!("username=alice&password=correct+horse&scope=me{}", post("other", SECRET));
    let answer = app.post_token(&login).await.expect(StatusCode::OK).json();
    assert_eq!(decoded(answer["access_token"].as_str().unwrap())["client_id"], "other");
    // Where no user bounds it, any scope is none.
    let answer = app.ask(&format!("{OF_ITS_OWN}&scope=me"), Some(&basic("other", SECRET))).await;
    answer.expect_error(StatusCode::BAD_REQUEST, "invalid_scope");
}

#[tokio::test]
async fn a15_a_client_gets_what_it_asks_for_and_may_have() {
    let app = TestApp::new().await;
    add(&app.oauth2, service("app").secret(SECRET).scope("read:items me")).await;
    for bad in ["admin", "read:item", "Me", "me++admin", "a%22b"] {
        let answer = app.ask(&format!("{OF_ITS_OWN}&scope={bad}"), Some(&basic("app", SECRET))).await;
        answer.expect_error(StatusCode::BAD_REQUEST, "invalid_scope");
    }
    let narrowed = app.own_token("app", "&scope=me+admin").await;
    assert_eq!(narrowed["scope"], "me");
    let whole = app.own_token("app", "&scope=me+read:items").await;
    assert!(whole.get("scope").is_none(), "{whole}");
    let nothing = app.own_token("app", "").await;
    assert!(nothing.get("scope").is_none() && decoded(nothing["access_token"].as_str().unwrap())["scope"].is_null());

    let with_default =
        TestApp::with(any_store().await, Builder::default_scopes::<(ReadItems, crate::support::Admin)>).await;
    add(&with_default.oauth2, service("app").secret(SECRET).scope("read:items me")).await;
    assert_eq!(with_default.own_token("app", "").await["scope"], "read:items", "the default, as far as it may");
}

#[tokio::test]
async fn h9_a_clients_token_says_whose_it_is_and_opens_what_asks_for_no_user() {
    let app = TestApp::with(any_store().await, Builder::developer_mode).await;
    add(&app.oauth2, service("app").secret(SECRET).scope("read:items me")).await;
    let answer = app.own_token("app", "&scope=read:items+me").await;
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&"bearer".into(), &900.into()));
    assert!(answer.get("refresh_token").is_none(), "RFC 6749 §4.4.3: {answer}");
    let token = answer["access_token"].as_str().unwrap();
    let claims = decoded(token);
    for (claim, value) in [
        ("iss", json!(ISSUER)),
        ("aud", json!(ISSUER)),
        ("sub", json!("app")),
        ("client_id", json!("app")),
        ("scope", json!("read:items me")),
        ("iat", json!(NOW.seconds())),
        ("exp", json!(NOW.seconds() + 900)),
    ] {
        assert_eq!(claims[claim], value, "{claim}");
    }
    assert_eq!(claims.as_object().unwrap().len(), 8, "beside these a `jti`, and nothing else: {claims}");
    for open in ["/any", "/items", "/bearer", "/optional-token"] {
        app.get_as(open, token).await.expect(StatusCode::OK);
    }
    for users in ["/user", "/users/me", "/optional", "/two"] {
        let refused = app.get_as(users, token).await.expect_invalid_token();
        assert_eq!(refused.header("countersign-reason"), "not_a_user", "{users}");
    }
    app.get_as("/users/me/", token).await.expect_invalid_token();
    let verified = app.oauth2.verify(&countersign::core::token::BearerToken::new(token)).await.unwrap();
    assert_eq!(verified.whose(), TokenSubject::Client);
    let users = app.token("me").await;
    let verified = app.oauth2.verify(&countersign::core::token::BearerToken::new(users)).await.unwrap();
    assert_eq!(verified.whose(), TokenSubject::Owner);
}

#[tokio::test]
async fn h9_a_test_makes_a_clients_token_in_one_line() {
    let app = TestApp::with(any_store().await, |builder| builder.claims(Editor)).await;
    let token = TokenFor::client(&app.oauth2, "app").scope("me read:items").sign().await.unwrap();
    let claims = decoded(&token);
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("app"), &json!("app")));
    assert!(claims.get("role").is_none(), "{claims}");
    app.get_as("/both", &token).await.expect(StatusCode::OK);
    app.get_as("/user", &token).await.expect_invalid_token();
    let user = TokenFor::user(&app.oauth2, "alice").sign().await.unwrap();
    assert_eq!(decoded(&user)["role"], "editor");
}

/// A table of users in which everybody is somebody, whatever the subject.
#[derive(Debug)]
struct Everybody;

#[countersign::async_trait]
impl ResourceOwners for Everybody {
    async fn find_by_username(&self, username: &Username) -> Result<Option<ResourceOwner>, StoreError> {
        Ok(Some(ResourceOwner {
            subject: Subject::new(username.as_str()),
            username: username.clone(),
            full_name: None,
            email: None,
            scope: "me admin".parse().map_err(StoreError::corrupt)?,
            status: OwnerStatus::Active,
            password_hash: Some(countersign::PasswordHash::new(
                "$2b$10$EixZaYVK1fsbw1ZfbX3OXeCBc1Lzf5B2Hc9C1.0/lB92/uQG04v/a",
            )),
        }))
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<ResourceOwner>, StoreError> {
        self.find_by_username(&Username::parse(subject.as_str()).map_err(StoreError::corrupt)?).await
    }
}

/// A handle over a store with the client `app`, whose users come from [`Everybody`].
async fn over_everybody() -> TestApp {
    let store = any_store().await;
    let before = TestApp::with(store.clone(), |builder| builder).await;
    let app = service("app").secret(SECRET).first_party().grant_type(GrantType::Password).scope("me");
    add(&before.oauth2, app).await;
    TestApp::with(store, |builder| builder.users(Everybody).developer_mode()).await
}

#[tokio::test]
async fn h9_a_clients_token_is_no_users_though_the_authors_table_has_that_very_id() {
    let app = over_everybody().await;
    let token = app.own_token("app", "").await;
    let refused = app.get_as("/user", token["access_token"].as_str().unwrap()).await.expect_invalid_token();
    assert_eq!(refused.header("countersign-reason"), "not_a_user");
    let taken = app.oauth2.add_client(service("alice").secret(SECRET)).await;
    assert!(matches!(taken, Err(countersign::NewClientProblem::Taken)), "{taken:?}");
}

#[tokio::test]
async fn h9_a_user_named_like_the_client_does_not_get_the_clients_token() {
    let app = over_everybody().await;
    let login = |name: &str| format!("username={name}&password=secret{}", post("app", SECRET));
    let refused = app.post_token(&login("app")).await;
    let refused = refused.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
    assert_eq!(app.post_token(&login("alice").replace("=secret", "=wrong")).await, refused, "as any wrong login");
    app.post_token(&login("alice")).await.expect(StatusCode::OK);
}

/// Claims that tell whom they were asked for.
#[derive(Debug)]
struct Editor;

#[countersign::async_trait]
impl ExtraClaims for Editor {
    async fn claims(&self, _: IssuedFor<'_>) -> Result<Map<String, Value>, StoreError> {
        Ok(Map::from_iter([("role".to_owned(), "editor".into())]))
    }
}

#[tokio::test]
async fn h9_what_the_author_says_of_users_is_not_said_of_clients() {
    let app = TestApp::with(any_store().await, |builder| builder.claims(Editor)).await;
    add(&app.oauth2, service("app").secret(SECRET)).await;
    assert_eq!(decoded(&app.token("me").await)["role"], "editor");
    let own = app.own_token("app", "").await;
    assert!(decoded(own["access_token"].as_str().unwrap()).get("role").is_none());
}

#[tokio::test]
async fn a_client_gets_tokens_for_the_apis_that_it_may_have() {
    let app = TestApp::new().await;
    let of = |id: &str, audiences: &[&str]| {
        audiences.iter().fold(service(id).secret(SECRET), |client, audience| client.audience(*audience))
    };
    let [a, b] = ["https://a.example.com", "https://b.example.com"];
    for client in [of("own", &[]), of("one", &[a]), of("two", &[a, b]), of("three", &[a, ISSUER])] {
        add(&app.oauth2, client).await;
    }
    for (id, parameters, audience) in [
        ("own", String::new(), Some(ISSUER)),
        ("own", format!("&resource={ISSUER}"), Some(ISSUER)),
        ("own", format!("&resource={a}"), None),
        ("own", format!("&resource={ISSUER}/"), None),
        ("own", format!("&resource={ISSUER}&resource={ISSUER}"), None),
        ("one", String::new(), Some(a)),
        ("one", format!("&resource={a}"), Some(a)),
        ("one", format!("&resource={ISSUER}"), None),
        ("two", String::new(), None),
        ("two", format!("&resource={b}"), Some(b)),
        ("two", format!("&resource={a}&resource={b}"), None),
        ("three", String::new(), Some(ISSUER)),
        ("three", "&resource=".to_owned(), Some(ISSUER)),
    ] {
        let answer = app.ask(&format!("{OF_ITS_OWN}{parameters}"), Some(&basic(id, SECRET))).await;
        match audience {
            Some(audience) => {
                let token = answer.expect(StatusCode::OK).json()["access_token"].as_str().unwrap().to_owned();
                assert_eq!(decoded(&token)["aud"], audience, "{id} {parameters}");
                let here = if audience == ISSUER { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
                app.get_as("/any", &token).await.expect(here);
            }
            None => {
                answer.expect_error(StatusCode::BAD_REQUEST, "invalid_target");
            }
        }
    }
}

#[tokio::test]
async fn a_clients_token_leaves_nothing_behind_in_the_store() {
    let store = Faulty::default();
    let app = TestApp::with(store.clone(), |builder| builder).await;
    add(&app.oauth2, service("app").secret(SECRET)).await;
    app.own_token("app", "").await;
    // The first request of a process sweeps. Another call finds the client, and a second would fail.
    store.fail_at(2);
    app.own_token("app", "&scope=read:items").await;
    assert_eq!(store.calls_until_fault(), 1, "the client: one read, and no write");
    store.fail_at(0);
    let far = countersign::Timestamp::from_seconds(i64::MAX);
    assert_eq!(app.oauth2.server().unwrap().store().sweep(far, std::time::Duration::ZERO, 100).await.unwrap(), 0);
}

#[tokio::test]
async fn i8_what_was_asked_for_in_the_second_in_which_the_store_was_put_back_is_not_issued() {
    let store = Faulty::default();
    let app = TestApp::with(store.clone(), |builder| builder).await;
    add(&app.oauth2, service("app").secret(SECRET)).await;
    store.begin_epoch(NOW).await.unwrap();
    app.oauth2.server().unwrap().hear_of_it().await.unwrap();
    let clock = app.clock.clone();
    // It is let in a second later, and what it gets is of when it asked.
    store.before(1, move || clock.forward(Duration::from_secs(1)));
    let answer = app.ask(OF_ITS_OWN, Some(&basic("app", SECRET))).await;
    answer.expect_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
    app.ask(OF_ITS_OWN, Some(&basic("app", SECRET))).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn l6_a_store_that_is_away_is_a_503_for_clients_too() {
    let store = Faulty::default();
    let app = TestApp::with(store.clone(), |builder| builder).await;
    add(&app.oauth2, service("app").secret(SECRET)).await;
    // The client; and where there is none, whether there is any.
    for (call, name) in [(1, "app"), (1, "nobody"), (2, "nobody")] {
        store.fail_at(call);
        let answer = app.ask(OF_ITS_OWN, Some(&basic(name, SECRET))).await;
        answer.expect_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
    }
}

#[tokio::test]
async fn handlers_can_tell_clients_from_users() {
    let oauth2 = countersign::OAuth2::new(Memory::new()).issuer(ISSUER).hashing(cheap_hashing()).build().await.unwrap();
    add(&oauth2, service("app").secret(SECRET)).await;
    let whose = get(async |token: AccessToken| match token.whose() {
        TokenSubject::Client => "a client",
        TokenSubject::Owner => "a user",
    });
    let router = oauth2.router().route("/whose", whose).finish().unwrap();
    let mut request = crate::support::form("/token", OF_ITS_OWN);
    request.headers_mut().insert("authorization", basic("app", SECRET).parse().unwrap());
    let token = answer(&router, request).await.expect(StatusCode::OK).json();
    let request = axum::http::Request::get("/whose")
        .header("authorization", format!("Bearer {}", token["access_token"].as_str().unwrap()));
    let said = answer(&router, request.body(axum::body::Body::empty()).unwrap()).await.expect(StatusCode::OK);
    assert_eq!(said.body, "a client");
}

#[tokio::test]
async fn f3_a_clients_own_opaque_token_ends_with_it_in_every_process_at_once() {
    for remove in [false, true] {
        let store = any_store().await;
        let [one, other] = [store.clone(), store]
            .map(|store| async { TestApp::with(store, |builder| builder.token_format(TokenFormat::Opaque)).await });
        let (one, other) = (one.await, other.await);
        add(&one.oauth2, service("app").secret(SECRET)).await;
        let token = one.own_token("app", "").await["access_token"].as_str().unwrap().to_owned();
        other.get_as("/any", &token).await.expect(StatusCode::OK);
        let id = ClientId::new("app");
        let done = if remove { one.oauth2.remove_client(&id).await } else { one.oauth2.disable_client(&id).await };
        assert_eq!(done.unwrap(), Found::Yes);
        other.get_as("/any", &token).await.expect_invalid_token();
    }
}

/// The clocks of two processes are as far apart as they may be. Of a client's own JWT nothing is recorded.
#[tokio::test]
async fn h10_what_a_client_got_by_a_clock_that_is_ahead_ends_with_it() {
    for remove in [false, true] {
        let store = any_store().await;
        let [slow, fast] = [store.clone(), store].map(|store| async { TestApp::with(store, |builder| builder).await });
        let (slow, fast) = (slow.await, fast.await);
        fast.clock.forward(DEFAULT_LEEWAY);
        add(&slow.oauth2, service("app").secret(SECRET)).await;
        let token = fast.own_token("app", "").await["access_token"].as_str().unwrap().to_owned();
        for app in [&slow, &fast] {
            app.get_as("/any", &token).await.expect(StatusCode::OK);
        }
        let id = ClientId::new("app");
        let done = if remove { slow.oauth2.remove_client(&id).await } else { slow.oauth2.disable_client(&id).await };
        assert_eq!(done.unwrap(), Found::Yes);
        slow.get_as("/any", &token).await.expect_invalid_token();
        fast.forward(1);
        fast.get_as("/any", &token).await.expect_invalid_token();
        // Nor does it come alive with the client, which is told how long that would be in doubt.
        match remove {
            true => drop(add(&slow.oauth2, service("app").secret(SECRET)).await),
            false => assert_eq!(slow.oauth2.enable_client(&id).await.unwrap(), Found::Yes),
        }
        let wait = slow.ask(OF_ITS_OWN, Some(&basic("app", SECRET))).await;
        let wait = wait.expect_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
        assert_eq!(wait.header("retry-after"), (DEFAULT_LEEWAY.as_secs() + 1).to_string());
        slow.forward(DEFAULT_LEEWAY.as_secs() + 1);
        let anew = slow.own_token("app", "").await["access_token"].as_str().unwrap().to_owned();
        for app in [&slow, &fast] {
            app.get_as("/any", &token).await.expect_invalid_token();
            app.get_as("/any", &anew).await.expect(StatusCode::OK);
        }
    }
}
