//! A user sees their logins and ends them, with software of the operator's or of somebody else's.

use axum::http::StatusCode;
use countersign::{GrantType, NewClient, Reason, testing::TokenFor};
use serde_json::json;

use super::Login;
use crate::support::{NOW, TestApp};

#[tokio::test]
async fn f12_a_user_sees_their_logins_and_nobody_elses() {
    let app = TestApp::new().await;
    let first = Login::read(app.post_token("username=alice&password=correct+horse&scope=me").await);
    app.log_in("bare").await;
    app.forward(60);
    let second = app.log_in("alice").await;
    app.forward(60);
    let first = Login::read(app.refresh(&first.refresh).await);

    let logins = app.logins(&first.access).await;
    assert_eq!(logins.len(), 2);
    let current = logins.iter().find(|login| login["current"] == true).unwrap();
    let day = 24 * 60 * 60;
    assert_eq!(
        *current,
        json!({
            "id": current["id"],
            "client_id": "countersign",
            "scope": "me",
            "created_at": NOW.seconds(),
            "last_used_at": NOW.seconds() + 120,
            "expires_at": NOW.seconds() + 120 + 14 * day,
            "current": true,
        })
    );
    let other = logins.iter().find(|login| login["current"] == false).unwrap();
    assert_eq!(other["created_at"], NOW.seconds() + 60);
    assert_eq!(other["id"].as_str(), Some(app.id_of(&second.access).await.as_str()));
    let text = format!("{logins:?}");
    for secret in [&first.access, &first.refresh, &second.access, &second.refresh] {
        assert!(!text.contains(secret.as_str()) && !text.contains("cs_refresh_"), "{text}");
    }
    assert_eq!(app.get_as("/users/me/grants/", &first.access).await.expect(StatusCode::OK).json(), json!(logins));
}

#[tokio::test]
async fn f12_logins_come_in_pages_and_expired_ones_not_at_all() {
    let app = TestApp::new().await;
    for _ in 0..3 {
        app.log_in("alice").await;
    }
    app.forward(14 * 24 * 60 * 60);
    let mut alive = Vec::new();
    for _ in 0..5 {
        alive.push(app.id_of(&app.log_in("alice").await.access).await);
    }
    alive.sort();
    let token = app.log_in("bare").await.access;
    assert_eq!(app.logins(&token).await.len(), 1);
    let token = app.log_in("alice").await.access;
    alive.push(app.id_of(&token).await);
    alive.sort();

    let (mut listed, mut after) = (Vec::new(), String::new());
    loop {
        let page = app.get_as(&format!("/users/me/grants?limit=4{after}"), &token).await.expect(StatusCode::OK).json();
        let ids: Vec<_> = page.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
        assert!(ids.len() <= 4, "{page}");
        listed.extend(ids.iter().cloned());
        if ids.len() < 4 {
            break;
        }
        after = format!("&after={}", ids.last().unwrap());
    }
    assert_eq!(listed, alive);
    for bad in ["limit=0", "limit=101", "limit=x", "limit=-1", "limit=%FF", &format!("after={}", "x".repeat(65))] {
        let answer = app.get_as(&format!("/users/me/grants?{bad}"), &token).await.expect(StatusCode::BAD_REQUEST);
        assert!(answer.json()["detail"].is_string(), "{bad}: {}", answer.body);
    }
}

#[tokio::test]
async fn f12_a_login_of_somebody_else_is_answered_as_one_that_is_not_there() {
    let app = TestApp::new().await;
    let (mine, theirs) = (app.log_in("alice").await, app.log_in("bare").await);
    let id = app.id_of(&theirs.access).await;
    let unknown = app.delete(&format!("/users/me/grants/{}", "A".repeat(22)), &mine.access).await;
    assert_eq!(unknown.clone().expect(StatusCode::NOT_FOUND).json(), json!({ "detail": "Not Found" }));
    for path in [id.clone(), "x".repeat(300), "%FF".to_owned(), "%00".to_owned()] {
        assert_eq!(app.delete(&format!("/users/me/grants/{path}"), &mine.access).await, unknown, "{path}");
    }
    assert_eq!(app.refused(&theirs.access).await, None);
    app.refresh(&theirs.refresh).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn f12_a_user_ends_one_login_and_keeps_the_others() {
    let app = TestApp::new().await;
    let (here, lost) = (app.log_in("alice").await, app.log_in("alice").await);
    let id = app.id_of(&lost.access).await;
    let path = format!("/users/me/grants/{id}");
    let ended = app.delete(&path, &here.access).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(ended.body, "");
    app.expect_dead(&lost, Reason::Revoked).await;
    app.delete(&path, &here.access).await.expect(StatusCode::NOT_FOUND);
    assert_eq!(app.refused(&here.access).await, None);

    let own = format!("/users/me/grants/{}/", app.id_of(&here.access).await);
    app.delete(&own, &here.access).await.expect(StatusCode::NO_CONTENT);
    app.expect_dead(&here, Reason::Revoked).await;
}

#[tokio::test]
async fn f12_log_out_everywhere_ends_all_or_all_but_this_one() {
    let app = TestApp::new().await;
    let (here, there, other) = (app.log_in("alice").await, app.log_in("alice").await, app.log_in("bare").await);
    for misspelt in ["?except=curent", "?except=", "?execpt=current", "?except=current&x=1", "?x"] {
        app.delete(&format!("/users/me/grants{misspelt}"), &here.access).await.expect(StatusCode::BAD_REQUEST);
    }
    assert_eq!(app.refused(&there.access).await, None, "nothing was ended");

    app.delete("/users/me/grants?except=current", &here.access).await.expect(StatusCode::NO_CONTENT);
    app.expect_dead(&there, Reason::Revoked).await;
    assert_eq!(app.refused(&here.access).await, None);
    app.delete("/users/me/grants", &here.access).await.expect(StatusCode::NO_CONTENT);
    app.expect_dead(&here, Reason::Revoked).await;
    assert_eq!(app.refused(&other.access).await, None, "another user's");
    assert_eq!(app.log_in("alice").await.access.split('.').count(), 3, "and may log in again");
}

/// More than are read at once.
#[tokio::test]
async fn f12_all_but_this_one_are_all_however_many() {
    let app = TestApp::new().await;
    let here = app.log_in("alice").await;
    for _ in 0..205 {
        app.log_in("alice").await;
    }
    app.delete("/users/me/grants?except=current", &here.access).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(app.logins(&here.access).await.len(), 1);
}

/// A token in alice's login `grant` that the client `id` got.
async fn token_with(app: &TestApp, id: &str, grant: &str) -> String {
    let token = TokenFor::user(&app.oauth2, "alice").claim("client_id", id).claim("grant_id", grant);
    token.sign().await.unwrap()
}

#[tokio::test]
async fn f12_a_client_of_somebody_elses_sees_and_ends_its_own_login_alone() {
    for client in ["shop", "nobody-knows"] {
        let app = TestApp::new().await;
        let (lent, wide) = (app.log_in("alice").await, app.log_in("alice").await);
        let [own, others] = [app.id_of(&lent.access).await, app.id_of(&wide.access).await];
        app.oauth2.add_client(NewClient::new("shop").name("The Shop")).await.unwrap();
        let narrow = token_with(&app, client, &own).await;

        let seen = app.logins(&narrow).await;
        assert_eq!(seen.iter().map(|login| login["id"].as_str().unwrap()).collect::<Vec<_>>(), [own.as_str()]);
        assert_eq!(app.get_as(&format!("/users/me/grants?after={own}"), &narrow).await.json(), json!([]));
        let unknown = app.delete(&format!("/users/me/grants/{}", "A".repeat(22)), &narrow).await;
        let of_others = app.delete(&format!("/users/me/grants/{others}"), &narrow).await;
        assert_eq!(of_others.expect(StatusCode::NOT_FOUND), unknown);
        for query in ["", "?except=current"] {
            let refused = app.delete(&format!("/users/me/grants{query}"), &narrow).await;
            let detail = "Only this API's own applications may do that.";
            assert_eq!(refused.expect(StatusCode::FORBIDDEN).json(), json!({ "detail": detail }));
        }
        let body = "current_password=correct+horse&new_password=another+horse+staple";
        app.change_password(&narrow, body).await.expect(StatusCode::FORBIDDEN);
        assert_eq!(app.refused(&wide.access).await, None);
        app.delete(&format!("/users/me/grants/{own}"), &narrow).await.expect(StatusCode::NO_CONTENT);
        assert_eq!(app.refused(&narrow).await, Some(Reason::Revoked));
        app.log_in("alice").await;
    }
}

#[tokio::test]
async fn f12_a_registered_client_of_the_operators_own_sees_all_logins_each_with_its_name() {
    let app = TestApp::new().await;
    let desk = NewClient::new("desk").name("The Desk").first_party().public().grant_type(GrantType::Password);
    app.oauth2.add_client(desk.grant_type(GrantType::RefreshToken).any_scope()).await.unwrap();
    let other = app.log_in("alice").await;
    let login = "username=alice&password=correct+horse&client_id=desk";
    let desk = Login::read(app.post_token(login).await);
    let logins = app.logins(&desk.access).await;
    let shown = |current| {
        let login = logins.iter().find(|login| login["current"] == current).unwrap();
        (login["client_id"].as_str().unwrap(), login.get("client_name"))
    };
    assert_eq!((logins.len(), shown(true)), (2, ("desk", Some(&json!("The Desk")))));
    assert_eq!(shown(false), ("countersign", None), "which has no name");
    app.delete("/users/me/grants", &desk.access).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(app.refused(&other.access).await, Some(Reason::Revoked));
}

#[tokio::test]
async fn f12_code_sees_the_logins_of_a_user_in_pages() {
    let app = TestApp::new().await;
    let subject = app.subject("alice").await;
    for _ in 0..3 {
        app.log_in("alice").await;
    }
    let first = app.oauth2.grants_of(&subject, None, 2).await.unwrap();
    let rest = app.oauth2.grants_of(&subject, Some(&first[1].id), 2).await.unwrap();
    assert_eq!((first.len(), rest.len()), (2, 1));
    assert!(first.iter().chain(&rest).all(|grant| grant.subject == subject));
    assert!(
        app.oauth2.find_user("\u{0}").await.unwrap().is_none()
            && app.oauth2.find_user("nobody").await.unwrap().is_none()
    );
}
