//! A user sets another password.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign::{
    Memory, NewUser, PasswordPolicy, Reason, Subject, UserProblem, core::store::OwnerRegistry, testing::TokenFor,
};
use serde_json::json;

use super::Login;
use crate::{
    faults::Faulty,
    store::any_store,
    support::{NOW, TestApp, form},
};

#[tokio::test]
async fn d19_a_new_password_needs_the_current_one() {
    let app = TestApp::new().await;
    let login = app.log_in("alice").await;
    let change = |current: &str| format!("current_password={current}&new_password=another+horse+staple");
    for current in ["wrong", "Correct+horse", "correct+horse+", "%00", "another+horse+staple"] {
        let answer = app.change_password(&login.access, &change(current)).await.expect(StatusCode::FORBIDDEN);
        assert_eq!(answer.json(), json!({ "detail": "Incorrect password" }));
        assert!(answer.headers.get("www-authenticate").is_none(), "the token is good");
    }
    app.oauth2.add_user(NewUser::new("passwordless")).await.unwrap();
    let passwordless = TokenFor::user(&app.oauth2, "passwordless").sign().await.unwrap();
    assert_eq!(app.refused(&passwordless).await, None);
    app.change_password(&passwordless, &change("x")).await.expect(StatusCode::FORBIDDEN);
    assert_eq!(app.refused(&login.access).await, None, "nothing was ended");
    app.log_in("alice").await;
}

#[tokio::test]
async fn d19_a_request_that_cannot_be_read_says_what_is_missing() {
    let app = TestApp::new().await;
    let token = app.log_in("alice").await.access;
    let both = "current_password=correct+horse&new_password=another+horse+staple";
    for (body, words) in [
        ("", &["current_password", "new_password"][..]),
        ("current_password=correct+horse", &["new_password"]),
        ("new_password=another+horse+staple&current_password=", &["current_password"]),
        (&format!("{both}&new_password=third+horse+staple"), &["Repeated parameter: new_password"]),
        ("current_password=%F", &["decoded"]),
    ] {
        let answer = app.change_password(&token, body).await;
        let answer = answer.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        assert!(words.iter().all(|word| answer.body.contains(word)), "{}", answer.body);
    }
    let request = Request::post("/users/me/password").header(header::AUTHORIZATION, format!("Bearer {token}"));
    let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from("{}")).unwrap();
    app.send(request).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    assert_eq!(app.refused(&token).await, None);
}

#[tokio::test]
async fn d19_a_new_password_must_fulfil_the_policy_and_is_told_why_not() {
    let strict = PasswordPolicy { minimum_length: 15 };
    let app = TestApp::with(any_store().await, |builder| builder.title("Wonderland").password_policy(strict)).await;
    let token = app.log_in("alice").await.access;
    for (new, why) in [
        ("gfqzkwvugfqzkw", "15 characters"),
        ("%00gfqzkwvugfqzkwv", "not allowed"),
        (&"x".repeat(1025), "too long"),
        ("my+alice+in+the+tower", "the user name"),
        ("my+w0nderl4nd+pass", "the name of this service"),
    ] {
        let body = format!("current_password=correct+horse&new_password={new}");
        let answer = app.change_password(&token, &body).await.expect(StatusCode::BAD_REQUEST);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with("The new password is refused: ") && detail.contains(why), "{detail}");
        assert!(!answer.body.contains("gfqzkwvu"), "{}", answer.body);
    }
    assert_eq!(app.refused(&token).await, None);
    app.log_in("alice").await;
}

#[tokio::test]
async fn d19_a_changed_password_ends_every_login_this_one_too() {
    let app = TestApp::new().await;
    let (here, there, other) = (app.log_in("alice").await, app.log_in("alice").await, app.log_in("bare").await);
    let body = "current_password=correct+horse&new_password=another+horse+staple";
    let changed = app.change_password(&here.access, body).await.expect(StatusCode::NO_CONTENT);
    assert_eq!((changed.body.as_str(), changed.header("cache-control")), ("", "no-store"));
    app.expect_dead(&here, Reason::Revoked).await;
    app.expect_dead(&there, Reason::Revoked).await;
    assert_eq!(app.refused(&other.access).await, None, "another user's");
    app.post_token("username=alice&password=correct+horse")
        .await
        .expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
    let again = Login::read(app.post_token("username=alice&password=another+horse+staple").await);
    assert_eq!(app.refused(&again.access).await, None);
}

/// Between the look at the password and the change of it an operator sets another: against a thief, say.
#[tokio::test]
async fn d19_a_change_with_the_old_password_undoes_no_change_that_came_first() {
    let store = Faulty::default();
    let app = TestApp::with(store.clone(), |builder| builder).await;
    let token = app.log_in("alice").await.access;
    let subject = app.subject("alice").await;
    let hashing = app.oauth2.server().unwrap().hashing();
    let theirs = hashing.hash(countersign::Password::typed("set by an operator").unwrap()).await.unwrap();
    // The guard's look at the user, the client's, the user's own hash; then the change.
    store.before(4, {
        let (memory, theirs) = (store.memory(), theirs.clone());
        move || crate::faults::run(memory.set_password(&subject, &theirs, NOW)).map(drop).unwrap()
    });
    let body = "current_password=correct+horse&new_password=another+horse+staple";
    app.change_password(&token, body).await.expect(StatusCode::FORBIDDEN);
    let found = app.oauth2.find_user("alice").await.unwrap().unwrap();
    assert_eq!(found.password_hash, Some(theirs));
}

#[tokio::test]
async fn d19_a_password_of_another_table_is_not_changed_here() {
    let app = TestApp::with(any_store().await, |builder| builder.users(Memory::new())).await;
    let answer = app.send(form("/users/me/password", "")).await;
    answer.expect(StatusCode::NOT_FOUND);
    let document = app.get("/openapi.json").await.json();
    assert!(document["paths"]["/users/me/password"].is_null() && document["paths"]["/users/me/grants"].is_object());
    for refused in [
        app.oauth2.set_password(&Subject::new("x"), "secret").await,
        app.oauth2.disable_user(&Subject::new("x")).await,
        app.oauth2.enable_user(&Subject::new("x")).await,
        app.oauth2.remove_user(&Subject::new("x")).await,
    ] {
        assert!(matches!(refused, Err(UserProblem::OtherTable)), "nobody would look there: {refused:?}");
    }
}
