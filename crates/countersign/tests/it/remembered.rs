//! What a guard knows from before: no question to the store while nothing changed, and nothing that is not so any more.

use std::time::Duration;

use axum::http::StatusCode;
use countersign::{
    CurrentUser, Found, Memory, OwnerStatus, ResourceOwners, Subject, Username,
    core::{
        error::BearerError,
        reason::Reason,
        store::OwnerRegistry,
        token::{AccessToken, BorrowedToken},
    },
    routing::get,
};

use crate::store::any_store;
use crate::{
    faults::{Faulty, run},
    support::{NOW, TestApp, answer},
};

async fn verified(app: &TestApp) -> (String, AccessToken) {
    let token = app.token("me").await;
    let verified = app.oauth2.verify(BorrowedToken::new(&token)).await.unwrap();
    (token, verified)
}

/// Why the user of a token is refused that has not ended itself.
async fn refused(app: &TestApp, token: &AccessToken) -> Option<Reason> {
    app.oauth2.find_active_owner(token).await.err().map(|error| error.reason())
}

#[tokio::test]
async fn a_user_who_did_not_change_costs_no_query() {
    let store = Faulty::default();
    let app = TestApp::with(store.clone(), |builder| builder).await;
    let (token, _) = verified(&app).await;
    for path in ["/user", "/users/me"] {
        app.get_as(path, &token).await.expect(StatusCode::OK);
    }
    store.fail_at(1);
    for path in ["/user", "/users/me", "/user"] {
        app.get_as(path, &token).await.expect(StatusCode::OK);
    }
    assert!(store.is_to_fail(), "nobody asked the store");
    store.fail_at(0);
    let asks = TestApp::with(store.clone(), |builder| builder.remembered_users(0)).await;
    asks.get_as("/user", &token).await.expect(StatusCode::OK);
    store.fail_at(1);
    asks.get_as("/user", &token).await.expect(StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn the_feed_alone_is_read_once_a_second_and_the_user_once_a_minute() {
    let store = Faulty::default();
    let app = TestApp::with(store.clone(), |builder| builder).await;
    let (token, _) = verified(&app).await;
    app.get_as("/user", &token).await.expect(StatusCode::OK);
    for (seconds, calls) in [(1, 1), (58, 1), (1, 2), (0, 0)] {
        app.forward(seconds);
        store.fail_at(100);
        app.get_as("/user", &token).await.expect(StatusCode::OK);
        assert_eq!(100 - store.calls_until_fault(), calls, "{seconds}");
        store.fail_at(0);
    }
}

#[tokio::test]
async fn n6_a_clock_that_was_turned_asks_again() {
    for back in [false, true] {
        let app = TestApp::new().await;
        let (_, token) = verified(&app).await;
        assert_eq!(refused(&app, &token).await, None);
        let subject = token.subject().clone();
        if back {
            app.clock.back(Duration::from_secs(3600));
        } else {
            app.forward(3600);
        }
        app.oauth2.server().unwrap().store().set_status(&subject, OwnerStatus::Disabled, NOW).await.unwrap();
        assert_eq!(refused(&app, &token).await, Some(Reason::OwnerDisabled), "back: {back}");
    }
}

/// The row is read, the user is disabled and that is heard, and then the row arrives.
#[tokio::test]
async fn c21_a_row_that_is_older_than_what_was_heard_is_not_remembered() {
    let store = Faulty::default();
    let app = TestApp::with(store.clone(), |builder| builder).await;
    let (_, token) = verified(&app).await;
    store.after_next({
        let (memory, oauth2, subject) = (store.memory(), app.oauth2.clone(), token.subject().clone());
        move || {
            assert_eq!(run(memory.set_status(&subject, OwnerStatus::Disabled, NOW)).unwrap(), Found::Yes);
            run(oauth2.hear_of_revocations()).unwrap();
        }
    });
    assert_eq!(refused(&app, &token).await, None, "it was read before");
    assert_eq!(refused(&app, &token).await, Some(Reason::OwnerDisabled));
}

#[tokio::test]
async fn c21_what_is_done_here_to_a_user_is_seen_when_it_is_answered() {
    let app = TestApp::new().await;
    let (_, token) = verified(&app).await;
    let (oauth2, subject) = (&app.oauth2, token.subject());
    for round in 0..2 {
        assert_eq!(refused(&app, &token).await, None, "{round}");
        assert_eq!(oauth2.disable_user(subject).await.unwrap(), Found::Yes);
        assert_eq!(refused(&app, &token).await, Some(Reason::OwnerDisabled));
        assert_eq!(oauth2.enable_user(subject).await.unwrap(), Found::Yes);
    }
    assert_eq!(refused(&app, &token).await, None);
    assert_eq!(oauth2.remove_user(subject).await.unwrap(), Found::Yes);
    assert_eq!(refused(&app, &token).await, Some(Reason::OwnerGone));
}

#[tokio::test]
async fn who_changes_says_nothing_of_others() {
    let store = Faulty::default();
    let app = TestApp::with(store.clone(), |builder| builder).await;
    let (token, _) = verified(&app).await;
    app.get_as("/user", &token).await.expect(StatusCode::OK);
    let dora = Username::parse("dora").unwrap();
    let dora = store.memory().find_by_username(&dora).await.unwrap().unwrap().subject;
    app.oauth2.enable_user(&dora).await.unwrap();
    store.fail_at(1);
    app.get_as("/user", &token).await.expect(StatusCode::OK);
    assert!(store.is_to_fail(), "nobody asked the store");
}

#[tokio::test]
async fn while_the_store_is_away_users_are_believed_for_as_long_as_tokens() {
    let store = Faulty::default();
    let app = TestApp::with(store.clone(), |builder| builder).await;
    let (_, token) = verified(&app).await;
    assert_eq!(refused(&app, &token).await, None);
    let away = async |seconds| {
        app.forward(seconds);
        store.fail_at(1);
        let answer = app.oauth2.find_active_owner(&token).await;
        assert!(!store.is_to_fail(), "the feed was asked for");
        answer.err()
    };
    assert_eq!(away(30).await, None);
    assert!(matches!(away(31).await, Some(BearerError::TemporarilyUnavailable { .. })));
}

#[tokio::test]
async fn users_of_a_table_of_the_authors_are_looked_up_each_time() {
    let users = Memory::new();
    let there = users.clone();
    // Whoever adds users to the author's table.
    let author = TestApp::with(there.clone(), |builder| builder).await;
    let app = TestApp::with(any_store().await, |builder| builder.users(users)).await;
    let (_, token) = verified(&app).await;
    assert_eq!(refused(&app, &token).await, None);
    there.set_status(token.subject(), OwnerStatus::Disabled, NOW).await.unwrap();
    assert_eq!(refused(&app, &token).await, Some(Reason::OwnerDisabled));
    drop(author);
}

#[tokio::test]
async fn what_a_handler_makes_of_its_user_is_its_own() {
    let app = TestApp::new().await;
    let (token, verified) = verified(&app).await;
    let change = async |mut user: CurrentUser| {
        user.username.push_str(" the changed");
        let username = user.username.clone();
        format!("{username} {}", user.into_inner().sub)
    };
    let router = app.oauth2.router().route("/change", get(change)).finish().unwrap();
    let expected = format!("alice the changed {}", verified.subject());
    for _ in 0..2 {
        let request = axum::http::Request::get("/change").header("authorization", format!("Bearer {token}"));
        let answered = answer(&router, request.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!(answered.expect(StatusCode::OK).body, expected);
    }
}

#[tokio::test]
async fn no_password_hash_is_remembered_and_nothing_of_a_user_is_shown() {
    for remembered in [0, 10] {
        let app = TestApp::with(any_store().await, |builder| builder.remembered_users(remembered)).await;
        let (_, token) = verified(&app).await;
        for _ in 0..2 {
            let owner = app.oauth2.find_active_owner(&token).await.unwrap();
            assert_eq!(
                (owner.password_hash, owner.subject),
                (None::<countersign::PasswordHash>, token.subject().clone())
            );
        }
        let shown = format!("{:?}", app.oauth2);
        let expected = format!("RememberedOwners({} remembered)", remembered.min(1));
        assert!(shown.contains(&expected), "{shown}");
        assert_ne!(Subject::new("alice"), *token.subject());
    }
}
