//! What registered clients renew and revoke: their own, and nothing of each other's.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::http::{StatusCode, header};
use countersign::{
    ClientChangeProblem, ClientId, ClientStatus, Clock, ExtraClaims, Found, GrantType, IssuedFor, NewClient,
    StoreError, async_trait,
    core::{
        client::registry::{self, RegistryProblem},
        clock::TurnableClock,
        store::Clients,
        token::verify::DEFAULT_LEEWAY,
    },
};
use serde_json::Value;

use super::support::{OF_ITS_OWN, add, basic, service};
use crate::store::{AnyStore, any_store};
use crate::{
    faults::Faulty,
    support::{Answer, TestApp, form},
};

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
async fn f1_who_revokes_says_who_it_is() {
    let (app, [one, _]) = with_two().await;
    let first = log_in(&app, &basic("one", &one)).await;
    app.get("/revoke").await.expect(StatusCode::METHOD_NOT_ALLOWED);
    let wrong = revoke(&app, text(&first, "refresh_token"), Some(&basic("one", "wrong"))).await;
    wrong.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
    app.get_as("/any", text(&first, "access_token")).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn f5_a_client_ends_what_is_its_own_and_nothing_of_anothers() {
    let (app, [one, two]) = with_two().await;
    let (one, two) = (basic("one", &one), basic("two", &two));
    let first = log_in(&app, &one).await;
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
    let [of_one, of_two] = [log_in(&app, &one).await, log_in(&app, &two).await];
    let of_its_own = app.ask(OF_ITS_OWN, Some(&basic("service", &own))).await.expect(StatusCode::OK).json();
    for (id, ended) in [("one", &of_one), ("service", &of_its_own)] {
        let id = ClientId::new(id);
        assert_eq!(app.oauth2.disable_client(&id).await.unwrap(), Found::Yes);
        app.get_as("/any", text(ended, "access_token")).await.expect_invalid_token();
        assert_eq!(app.oauth2.enable_client(&id).await.unwrap(), Found::Yes);
        app.get_as("/any", text(ended, "access_token")).await.expect_invalid_token();
    }
    // What it gets in this second, and while another's clock may be ahead, could not be told from what has ended.
    for (forward, left) in [(0, "6"), (1, "5"), (4, "1")] {
        app.forward(forward);
        let wait = app.ask(LOGIN, Some(&one)).await;
        let wait = wait.expect_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
        assert_eq!(wait.header("retry-after"), left);
    }
    app.forward(1);
    renew(&app, &of_one, Some(&one)).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
    let again = log_in(&app, &one).await;
    app.get_as("/any", text(&again, "access_token")).await.expect(StatusCode::OK);
    app.get_as("/any", text(&of_two, "access_token")).await.expect(StatusCode::OK);
    assert_eq!(app.oauth2.remove_client(&ClientId::new("two")).await.unwrap(), Found::Yes);
    app.get_as("/any", text(&of_two, "access_token")).await.expect_invalid_token();
    renew(&app, &of_two, Some(&two)).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
}

#[tokio::test]
async fn n6_what_a_client_got_before_the_clock_went_back_ends_with_it() {
    let (app, [one, _]) = with_two().await;
    let one = basic("one", &one);
    let first = log_in(&app, &one).await;
    let hour = Duration::from_secs(3600);
    app.clock.back(hour);
    renew(&app, &first, Some(&one)).await.expect(StatusCode::OK);
    assert_eq!(app.oauth2.disable_client(&ClientId::new("one")).await.unwrap(), Found::Yes);
    app.clock.forward(hour);
    app.get_as("/any", text(&first, "access_token")).await.expect_invalid_token();
}

/// JWTs for a guard that does not look for the user, in the second in which they were last believed; and a store that is
/// away once it is done.
#[tokio::test]
async fn e13_c21_it_is_not_said_that_a_client_is_disabled_or_removed_before_that_is_heard() {
    for remove in [false, true] {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder).await;
        let (id, own) = (ClientId::new("service"), add(&app.oauth2, service("service")).await);
        let got = app.ask(OF_ITS_OWN, Some(&basic("service", &own))).await.expect(StatusCode::OK).json();
        app.get_as("/any", text(&got, "access_token")).await.expect(StatusCode::OK);
        for call in [1, 2] {
            store.fail_at(call);
            let refused = match remove {
                false => app.oauth2.disable_client(&id).await,
                true => app.oauth2.remove_client(&id).await,
            };
            let away = matches!(refused, Err(ClientChangeProblem::Registry(RegistryProblem::Store(_))));
            assert!(away && !store.is_to_fail(), "{remove} {call}: {refused:?}");
        }
        let again = match remove {
            false => app.oauth2.disable_client(&id).await,
            true => app.oauth2.remove_client(&id).await,
        };
        assert_eq!(again.unwrap(), if remove { Found::No } else { Found::Yes });
        app.get_as("/any", text(&got, "access_token")).await.expect_invalid_token();
    }
}

/// One that another process removed is not there any more, and what it got is dead here all the same.
#[tokio::test]
async fn e13_what_is_done_to_no_client_is_told() {
    let app = TestApp::new().await;
    let own = add(&app.oauth2, service("service")).await;
    let got = app.ask(OF_ITS_OWN, Some(&basic("service", &own))).await.expect(StatusCode::OK).json();
    app.get_as("/any", text(&got, "access_token")).await.expect(StatusCode::OK);
    let id = ClientId::new("service");
    registry::remove(app.oauth2.server().unwrap().store(), &id, DEFAULT_LEEWAY, &*app.clock).await.unwrap();
    assert_eq!(app.oauth2.disable_client(&id).await.unwrap(), Found::No);
    app.get_as("/any", text(&got, "access_token")).await.expect_invalid_token();
    assert_eq!(app.oauth2.enable_client(&id).await.unwrap(), Found::No);
    assert_eq!(app.oauth2.remove_client(&id).await.unwrap(), Found::No);
    assert!(app.oauth2.find_client(&id).await.unwrap().is_none());
    let refused = app.oauth2.rotate_client_secret(&id, Duration::ZERO).await;
    assert!(matches!(refused, Err(ClientChangeProblem::Registry(RegistryProblem::Unknown))), "{refused:?}");
}

#[tokio::test]
async fn h8_a_secret_that_code_rotates_goes_on_for_the_overlap_and_ends_nothing() {
    let (app, [old, _]) = with_two().await;
    let id = ClientId::new("one");
    let first = log_in(&app, &basic("one", &old)).await;
    let new = app.oauth2.rotate_client_secret(&id, Duration::from_secs(60)).await.unwrap();
    for secret in [old.as_str(), new.secret()] {
        log_in(&app, &basic("one", secret)).await;
    }
    app.get_as("/any", text(&first, "access_token")).await.expect(StatusCode::OK);
    app.forward(61);
    app.ask(LOGIN, Some(&basic("one", &old))).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
    renew(&app, &first, Some(&basic("one", new.secret()))).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn h10_code_sees_the_clients_in_pages() {
    let (app, _) = with_two().await;
    add(&app.oauth2, service("a")).await;
    let ids = |clients: Vec<countersign::Client>| clients.into_iter().map(|client| client.id).collect::<Vec<_>>();
    let first = ids(app.oauth2.list_clients(None, 2).await.unwrap());
    assert_eq!(first, [ClientId::new("a"), ClientId::new("one")]);
    assert_eq!(ids(app.oauth2.list_clients(first.last(), 2).await.unwrap()), [ClientId::new("two")]);
    app.oauth2.disable_client(&first[0]).await.unwrap();
    let found = app.oauth2.find_client(&first[0]).await.unwrap().unwrap();
    assert_eq!(found.status, ClientStatus::Disabled);
}

/// Disables a client while its request is under way, after it was let in, and lets time pass.
#[derive(Debug)]
struct DisablesIt {
    store: AnyStore,
    clock: Arc<Mutex<Option<Arc<TurnableClock>>>>,
}

#[async_trait]
impl ExtraClaims for DisablesIt {
    async fn claims(&self, issued_for: IssuedFor<'_>) -> Result<serde_json::Map<String, Value>, StoreError> {
        let clock = self.clock.lock().unwrap().take();
        if let Some(clock) = clock {
            self.store.set_client_status(issued_for.client_id, ClientStatus::Disabled, clock.now()).await?;
            clock.forward(Duration::from_secs(2));
        }
        Ok(serde_json::Map::new())
    }
}

#[tokio::test]
async fn h10_a_retry_under_way_gets_nothing_that_outlives_its_client() {
    let (store, clock) = (any_store().await, Arc::default());
    let claims = DisablesIt { store: store.clone(), clock: Arc::clone(&clock) };
    let app = TestApp::with(store, |builder| builder.claims(claims)).await;
    let client = NewClient::new("one").first_party().any_scope();
    let secret = add(&app.oauth2, client.grant_type(GrantType::Password).grant_type(GrantType::RefreshToken)).await;
    let one = basic("one", &secret);
    let both = app.ask("username=alice&password=correct+horse&scope=me+read:items", Some(&one)).await;
    let first = both.expect(StatusCode::OK).json();
    renew(&app, &first, Some(&one)).await.expect(StatusCode::OK);
    *clock.lock().unwrap() = Some(app.clock.clone());
    // Another scope than before, so that a token is made for it.
    let form = format!("grant_type=refresh_token&scope=me&refresh_token={}", text(&first, "refresh_token"));
    let again = app.ask(&form, Some(&one)).await.expect(StatusCode::OK).json();
    app.get_as("/any", text(&again, "access_token")).await.expect_invalid_token();
}
