//! What ends the logins of a user, and every token with them.

use axum::http::StatusCode;
use countersign::{
    Found, GrantId, Memory, OwnerStatus, PasswordHash, Reason, Subject, TokenFormat,
    core::store::{Grants, OwnerRegistry},
};

use super::Login;
use crate::{
    faults::Faulty,
    store::any_store,
    support::{NOW, TestApp, form},
};

/// What ends the logins of a user.
const ENDINGS: [&str; 9] = [
    "disable",
    "remove",
    "set password",
    "change password",
    "end one",
    "end all",
    "end in code",
    "all in code",
    "revoke",
];

async fn bring_about(app: &TestApp, ending: &str, login: &Login) {
    let subject = app.subject("alice").await;
    let id = app.id_of(&login.access).await;
    let (oauth2, token) = (&app.oauth2, &login.access);
    match ending {
        "disable" => assert_eq!(oauth2.disable_user(&subject).await.unwrap(), Found::Yes),
        "remove" => assert_eq!(oauth2.remove_user(&subject).await.unwrap(), Found::Yes),
        "set password" => assert_eq!(oauth2.set_password(&subject, "short").await.unwrap(), Found::Yes),
        "change password" => {
            let body = "current_password=correct+horse&new_password=another+horse+staple";
            drop(app.change_password(token, body).await.expect(StatusCode::NO_CONTENT));
        }
        "end one" => {
            drop(app.delete(&format!("/users/me/grants/{id}"), token).await.expect(StatusCode::NO_CONTENT));
        }
        "end all" => drop(app.delete("/users/me/grants", token).await.expect(StatusCode::NO_CONTENT)),
        "end in code" => assert_eq!(oauth2.end_grant(&GrantId::new(id)).await.unwrap(), Found::Yes),
        "all in code" => assert_eq!(oauth2.end_grants_of(&subject).await.unwrap(), 1),
        "revoke" => {
            drop(app.send(form("/revoke", &format!("token={}", login.refresh))).await.expect(StatusCode::OK));
        }
        other => panic!("{other}"),
    }
}

/// JWTs, for a guard that does not look for the user, at the same second; and opaque tokens.
#[tokio::test]
async fn e13_c21_whatever_ends_a_login_ends_every_token_of_it_at_once() {
    for format in [TokenFormat::Jwt, TokenFormat::Opaque] {
        for ending in ENDINGS {
            let app = TestApp::with(any_store().await, |builder| builder.token_format(format)).await;
            let (login, other) = (app.log_in("alice").await, app.log_in("bare").await);
            let renewed = Login::read(app.refresh(&login.refresh).await);
            for token in [&login.access, &renewed.access, &other.access] {
                assert_eq!(app.refused(token).await, None, "{ending}");
            }
            bring_about(&app, ending, &renewed).await;
            // The record of an opaque token goes with its grant.
            let reason = if format == TokenFormat::Jwt { Reason::Revoked } else { Reason::UnknownToken };
            app.expect_dead(&renewed, reason).await;
            app.expect_dead(&login, reason).await;
            assert_eq!(app.refused(&other.access).await, None, "{ending}");
            app.refresh(&other.refresh).await.expect(StatusCode::OK);
        }
    }
}

/// Only that table knows that its user is disabled, and says so by this.
#[tokio::test]
async fn e13_an_api_with_a_table_of_its_own_ends_the_logins_of_a_user() {
    let table = Memory::new();
    let of_table = TestApp::with(table.clone(), |builder| builder).await;
    let subject = of_table.subject("alice").await;
    let app = TestApp::with(any_store().await, |builder| builder.users(table)).await;
    let (login, other) = (app.log_in("alice").await, app.log_in("bare").await);
    assert_eq!(app.refused(&login.access).await, None);
    assert_eq!(app.oauth2.end_grants_of(&subject).await.unwrap(), 1);
    app.expect_dead(&login, Reason::Revoked).await;
    assert_eq!(app.refused(&other.access).await, None);
    assert_eq!(app.oauth2.end_grants_of(&subject).await.unwrap(), 0);
}

/// Between the look at the user and the write that renews.
#[tokio::test]
async fn a18_a_refresh_under_way_gets_nothing_once_its_user_changed() {
    for change in ["disable", "remove", "password"] {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder).await;
        let login = app.log_in("alice").await;
        let subject = app.subject("alice").await;
        // Grant, user; then the grant is renewed.
        store.before(3, {
            let memory = store.memory();
            move || {
                let done = match change {
                    "disable" => crate::faults::run(memory.set_status(&subject, OwnerStatus::Disabled, NOW)),
                    "remove" => crate::faults::run(memory.remove_owner(&subject, NOW)),
                    _ => crate::faults::run(memory.set_password(&subject, &PasswordHash::new("x"), NOW)),
                };
                assert_eq!(done.unwrap(), Found::Yes);
            }
        });
        app.refresh(&login.refresh).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        app.forward(1);
        assert_eq!(app.refused(&login.access).await, Some(Reason::Revoked), "{change}");
    }
}

/// Code that goes to the store itself: as another process does.
#[tokio::test]
async fn c21_what_another_process_ends_is_dead_within_a_second() {
    for ending in ["disable", "remove", "password", "one", "all"] {
        let store = Memory::new();
        let app = TestApp::with(store.clone(), |builder| builder).await;
        let login = app.log_in("alice").await;
        let (subject, id) = (app.subject("alice").await, GrantId::new(app.id_of(&login.access).await));
        assert_eq!(app.refused(&login.access).await, None, "and the feed was read in this second");
        match ending {
            "disable" => drop(store.set_status(&subject, OwnerStatus::Disabled, NOW).await.unwrap()),
            "remove" => drop(store.remove_owner(&subject, NOW).await.unwrap()),
            "password" => drop(store.set_password(&subject, &PasswordHash::new("x"), NOW).await.unwrap()),
            "one" => drop(store.revoke_grant(&id).await.unwrap()),
            _ => drop(store.revoke_grants_of(&subject, NOW).await.unwrap()),
        }
        app.refresh(&login.refresh).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        app.forward(1);
        assert_eq!(app.refused(&login.access).await, Some(Reason::Revoked), "{ending}");
    }
}

#[tokio::test]
async fn c21_a_user_who_is_enabled_again_gets_no_old_login_back() {
    let app = TestApp::new().await;
    let login = app.log_in("alice").await;
    let subject = app.subject("alice").await;
    app.oauth2.disable_user(&subject).await.unwrap();
    assert_eq!(app.oauth2.enable_user(&subject).await.unwrap(), Found::Yes);
    app.expect_dead(&login, Reason::Revoked).await;
    let again = app.log_in("alice").await;
    assert_eq!(app.refused(&again.access).await, None);
    assert_eq!(app.oauth2.enable_user(&subject).await.unwrap(), Found::Yes);
    assert_eq!(app.refused(&again.access).await, None, "enabling ends nothing");
    assert_eq!(app.oauth2.disable_user(&Subject::new("nobody")).await.unwrap(), Found::No);
}
