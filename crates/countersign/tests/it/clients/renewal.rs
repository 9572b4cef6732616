//! What registered clients renew and revoke: their own, and nothing of each other's.

use axum::http::{StatusCode, header};
use countersign::ClientId;
use countersign::{
    GrantType, NewClient,
    core::client::{ClientStatus, registry},
};
use serde_json::Value;

use super::support::{OF_ITS_OWN, add, basic, service};
use crate::support::{Answer, TestApp, form};

const LOGIN: &str = "username=alice&password=correct+horse&scope=me";

/// An API with two clients of the operator's that log users in, and their secrets.
async fn with_two() -> (TestApp, [String; 2]) {
    let app = TestApp::new().await;
    let mut secrets = [String::new(), String::new()];
    for (secret, id) in secrets.iter_mut().zip(["one", "two"]) {
        let client = NewClient::new(id).first_party().any_scope();
        *secret = add(&app.oauth2, client.grant_type(GrantType::Password).grant_type(GrantType::RefreshToken)).await;
    }
    (app, secrets)
}

async fn log_in(app: &TestApp, authorization: &str) -> Value {
    app.ask(LOGIN, Some(authorization)).await.expect(StatusCode::OK).json()
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_else(|| panic!("no {name} in {body}"))
}

async fn renew(app: &TestApp, body: &Value, authorization: Option<&str>) -> Answer {
    let form = format!("grant_type=refresh_token&refresh_token={}", text(body, "refresh_token"));
    app.ask(&form, authorization).await
}

async fn revoke(app: &TestApp, token: &str, authorization: Option<&str>) -> Answer {
    let mut request = form("/revoke", &format!("token={token}"));
    if let Some(authorization) = authorization {
        request.headers_mut().insert(header::AUTHORIZATION, authorization.parse().unwrap());
    }
    app.send(request).await
}

#[tokio::test]
async fn e9_a_refresh_token_is_its_clients_alone_and_others_end_nothing() {
    let (app, [one, two]) = with_two().await;
    let (one, two) = (basic("one", &one), basic("two", &two));
    let first = log_in(&app, &one).await;
    for stranger in [Some(two.as_str()), None] {
        renew(&app, &first, stranger).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
    }
    let second = renew(&app, &first, Some(&one)).await.expect(StatusCode::OK).json();
    app.forward(60);
    // One that was used up is as good as nothing to others: the theft is the client's own to show.
    renew(&app, &first, Some(&two)).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
    renew(&app, &second, Some(&one)).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn e15_a_client_that_proves_nothing_ends_nothing() {
    let (app, [one, _]) = with_two().await;
    let one = basic("one", &one);
    let first = log_in(&app, &one).await;
    let second = renew(&app, &first, Some(&one)).await.expect(StatusCode::OK).json();
    app.forward(60);
    let wrong = basic("one", "wrong");
    renew(&app, &first, Some(&wrong)).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
    revoke(&app, text(&second, "refresh_token"), Some(&wrong))
        .await
        .expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
    renew(&app, &second, Some(&one)).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn f1_f5_who_revokes_says_who_it_is_and_ends_what_is_its_own() {
    let (app, [one, two]) = with_two().await;
    let (one, two) = (basic("one", &one), basic("two", &two));
    let first = log_in(&app, &one).await;
    app.get("/revoke").await.expect(StatusCode::METHOD_NOT_ALLOWED);
    for stranger in [Some(two.as_str()), None] {
        for name in ["access_token", "refresh_token"] {
            revoke(&app, text(&first, name), stranger).await.expect(StatusCode::OK);
        }
    }
    app.get_as("/any", text(&first, "access_token")).await.expect(StatusCode::OK);
    let second = renew(&app, &first, Some(&one)).await.expect(StatusCode::OK).json();
    revoke(&app, text(&second, "refresh_token"), Some(&one)).await.expect(StatusCode::OK);
    app.get_as("/any", text(&second, "access_token")).await.expect_invalid_token();
    renew(&app, &second, Some(&one)).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
}

#[tokio::test]
async fn h10_e13_what_a_client_got_ends_when_it_is_disabled_or_removed() {
    let (app, [one, two]) = with_two().await;
    let (one, two) = (basic("one", &one), basic("two", &two));
    let own = add(&app.oauth2, service("service")).await;
    let server = app.oauth2.server().unwrap();
    let [of_one, of_two] = [log_in(&app, &one).await, log_in(&app, &two).await];
    let of_its_own = app.ask(OF_ITS_OWN, Some(&basic("service", &own))).await.expect(StatusCode::OK).json();
    for (id, ended) in [("one", &of_one), ("service", &of_its_own)] {
        let id = ClientId::new(id);
        registry::set_status(server.store(), &id, ClientStatus::Disabled, &*app.clock).await.unwrap();
        server.hear_of_it().await.unwrap();
        app.get_as("/any", text(ended, "access_token")).await.expect_invalid_token();
        registry::set_status(server.store(), &id, ClientStatus::Active, &*app.clock).await.unwrap();
        app.get_as("/any", text(ended, "access_token")).await.expect_invalid_token();
    }
    // What it gets within the same second could not be told from what has ended.
    let wait = app.ask(LOGIN, Some(&one)).await;
    wait.expect_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
    app.forward(1);
    renew(&app, &of_one, Some(&one)).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
    let again = log_in(&app, &one).await;
    app.get_as("/any", text(&again, "access_token")).await.expect(StatusCode::OK);
    app.get_as("/any", text(&of_two, "access_token")).await.expect(StatusCode::OK);
    registry::remove(server.store(), &ClientId::new("two"), &*app.clock).await.unwrap();
    server.hear_of_it().await.unwrap();
    app.get_as("/any", text(&of_two, "access_token")).await.expect_invalid_token();
    renew(&app, &of_two, Some(&two)).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
}
