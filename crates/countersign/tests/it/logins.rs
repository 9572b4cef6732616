//! A user's logins, seen and ended by the user, and what else ends them.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use countersign::{
    BearerError, CurrentUser, Found, GrantId, GrantType, Memory, NewClient, NewUser, OwnerStatus, PasswordHash,
    PasswordPolicy, Reason, Subject, TokenFormat, UserProblem,
    core::{
        store::{Grants, OwnerRegistry},
        token::BearerToken,
    },
    routing::{get, post},
    testing::TokenFor,
};
use serde_json::{Value, json};

use crate::store::any_store;
use crate::{
    faults::Faulty,
    support::{Answer, NOW, TestApp, answer, form},
};

/// What a login is answered with.
struct Login {
    access: String,
    refresh: String,
}

impl Login {
    fn read(answer: Answer) -> Self {
        let body = answer.expect(StatusCode::OK).json();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

impl TestApp {
    async fn log_in(&self, username: &str) -> Login {
        Login::read(self.post_token(&format!("username={username}&password=correct+horse")).await)
    }

    async fn refresh(&self, refresh: &str) -> Answer {
        self.post_token(&format!("grant_type=refresh_token&refresh_token={refresh}")).await
    }

    async fn call(&self, method: Method, path: &str, token: &str) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn delete(&self, path: &str, token: &str) -> Answer {
        self.call(Method::DELETE, path, token).await
    }

    async fn logins(&self, token: &str) -> Vec<Value> {
        let answer = self.get_as("/users/me/grants", token).await.expect(StatusCode::OK);
        assert_eq!(answer.header("cache-control"), "no-store");
        answer.json().as_array().unwrap().clone()
    }

    /// The name of the login of this token.
    async fn id_of(&self, token: &str) -> String {
        let current = self.logins(token).await.into_iter().find(|login| login["current"] == true).unwrap();
        current["id"].as_str().unwrap().to_owned()
    }

    /// Why a token is refused by a guard that does not look for its user.
    async fn refused(&self, token: &str) -> Option<Reason> {
        match self.oauth2.verify(&BearerToken::new(token)).await {
            Ok(_) => {
                self.get_as("/any", token).await.expect(StatusCode::OK);
                None
            }
            Err(error) => {
                assert!(matches!(error, BearerError::InvalidToken(_)), "{error:?}");
                self.get_as("/any", token).await.expect_invalid_token();
                Some(error.reason())
            }
        }
    }

    /// Neither token opens anything any more.
    async fn expect_dead(&self, login: &Login, reason: Reason) {
        assert_eq!(self.refused(&login.access).await, Some(reason));
        self.refresh(&login.refresh).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
    }

    async fn change_password(&self, token: &str, body: &str) -> Answer {
        let mut request = form("/users/me/password", body);
        request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        self.send(request).await
    }

    async fn subject(&self, username: &str) -> Subject {
        self.oauth2.find_user(username).await.unwrap().unwrap().subject
    }
}

#[tokio::test]
async fn f12_nobody_sees_or_ends_logins_without_a_token() {
    let app = TestApp::new().await;
    let login = app.log_in("alice").await;
    let id = app.id_of(&login.access).await;
    for (method, path) in [
        (Method::GET, "/users/me/grants".to_owned()),
        (Method::GET, "/users/me/grants/".to_owned()),
        (Method::DELETE, "/users/me/grants".to_owned()),
        (Method::DELETE, format!("/users/me/grants/{id}")),
        (Method::DELETE, format!("/users/me/grants/{id}/")),
        (Method::POST, "/users/me/password".to_owned()),
        (Method::POST, "/users/me/password/".to_owned()),
    ] {
        let none = Request::builder().method(method.clone()).uri(&path).body(Body::empty()).unwrap();
        app.send(none).await.expect(StatusCode::UNAUTHORIZED);
        app.call(method, &path, "forged").await.expect_invalid_token();
    }
    assert_eq!(app.refused(&login.access).await, None);
}

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

#[tokio::test]
async fn l6_a_store_that_is_away_is_a_503_and_ends_nothing_unsaid() {
    let store = Faulty::default();
    let app = TestApp::with(store.clone(), |builder| builder.remembered_users(0)).await;
    let token = app.log_in("alice").await.access;
    let id = app.id_of(&app.log_in("alice").await.access).await;
    let body = "current_password=correct+horse&new_password=another+horse+staple";
    let request = |what: &str| match what {
        "password" => {
            let mut request = form("/users/me/password", body);
            request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
            request
        }
        path => {
            let (method, path) = path.split_once(' ').unwrap();
            let request = Request::builder().method(method).uri(path);
            request.header(header::AUTHORIZATION, format!("Bearer {token}")).body(Body::empty()).unwrap()
        }
    };
    let list = "GET /users/me/grants".to_owned();
    for (what, calls) in [
        (list, 3),
        (format!("DELETE /users/me/grants/{id}"), 5),
        ("DELETE /users/me/grants?except=current".to_owned(), 4),
        ("password".to_owned(), 5),
    ] {
        for call in 1..=calls {
            store.fail_at(call);
            let answer = app.send(request(&what)).await.expect(StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(answer.json()["error"], "temporarily_unavailable", "{what}");
            assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1, "{what}");
            assert!(!answer.body.contains("canary") && answer.headers.get("www-authenticate").is_none(), "{what}");
        }
    }
}

#[tokio::test]
async fn routes_of_the_authors_take_the_place_of_ours() {
    let app = TestApp::new().await;
    let paths = |router: countersign::Router| -> Vec<String> {
        router.audit().routes.iter().map(ToString::to_string).filter(|route| route.contains("/users/me/")).collect()
    };
    let ours = ["GET /users/me/grants", "DELETE /users/me/grants", "DELETE /users/me/grants/{id}"];
    let password = "POST /users/me/password";
    assert_eq!(paths(app.oauth2.router()), [&ours[..], &[password]].concat());
    let mine = || get(async |_: CurrentUser| "mine");
    for path in ["/users/me/grants", "/users/me/grants/", "/users/me/grants/{grant}", "/users/me/grants/{a}/{b}"] {
        let router = app.oauth2.router().route(path, mine());
        assert_eq!(paths(router), [password.to_owned(), format!("GET {path}")]);
        drop(app.oauth2.router().route(path, mine()).finish().unwrap());
    }
    for path in ["/users/me/password", "/users/me/password/"] {
        let router = app.oauth2.router().route(path, post(async |_: CurrentUser| "mine"));
        assert_eq!(paths(router).len(), 4);
        let router = app.oauth2.router().route(path, post(async |_: CurrentUser| "mine")).finish().unwrap();
        let token = app.log_in("alice").await.access;
        let request = Request::post(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        let mine = answer(&router, request.body(Body::empty()).unwrap()).await;
        assert_eq!(mine.expect(StatusCode::OK).body, "mine");
    }
}

#[tokio::test]
async fn f12_the_document_tells_of_logins() {
    let app = TestApp::new().await;
    let document = app.get("/openapi.json").await.json();
    let lock = json!([{ "OAuth2PasswordBearer": [] }]);
    for (path, method, statuses) in [
        ("/users/me/grants", "get", &["200", "400", "401", "503"][..]),
        ("/users/me/grants", "delete", &["204", "400", "401", "403", "503"]),
        ("/users/me/grants/{id}", "delete", &["204", "401", "404", "503"]),
        ("/users/me/password", "post", &["204", "400", "401", "403", "429", "503"]),
    ] {
        let operation = &document["paths"][path][method];
        assert_eq!(operation["security"], lock, "{method} {path}");
        let mut told: Vec<_> = operation["responses"].as_object().unwrap().keys().map(String::as_str).collect();
        told.sort_unstable();
        assert_eq!(told, statuses, "{method} {path}");
    }
    let parameters = |path: &str, method: &str| -> Vec<String> {
        let all = document["paths"][path][method]["parameters"].as_array().unwrap().iter();
        all.map(|one| format!("{} {}", one["in"].as_str().unwrap(), one["name"].as_str().unwrap())).collect()
    };
    assert_eq!(parameters("/users/me/grants", "get"), ["query after", "query limit"]);
    assert_eq!(parameters("/users/me/grants", "delete"), ["query except"]);
    assert_eq!(parameters("/users/me/grants/{id}", "delete"), ["path id"]);
    let form = &document["paths"]["/users/me/password"]["post"]["requestBody"]["content"];
    let fields = &form["application/x-www-form-urlencoded"]["schema"]["required"];
    assert_eq!(*fields, json!(["current_password", "new_password"]));
    let schema =
        &document["paths"]["/users/me/grants"]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(schema["items"]["$ref"], "#/components/schemas/ActiveLogin");
    let types: Vec<_> = document["components"]["schemas"].as_object().unwrap().keys().collect();
    assert_eq!(types, ["ActiveLogin", "AuthenticatedUser", "TokenError", "TokenResponse"], "and no parameters");
}
