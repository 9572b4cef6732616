//! The password grant: who gets a token, for what, and how little a refusal tells.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use countersign::{
    Builder, NewUser, OwnerStatus, PasswordHash, ResourceOwner, ResourceOwners, StoreError, Subject, Username,
    core::{
        resource_owner::Upgraded,
        store::{Grants, SWEEP_MARGIN},
    },
};
use tokio::time::Instant;

use crate::store::any_store;
use crate::support::{PASSWORD, TestApp};

fn login(username: &str, password: &str) -> String {
    format!("grant_type=password&username={username}&password={password}")
}

#[tokio::test]
async fn a7_a_wrong_password_is_an_invalid_grant() {
    let app = TestApp::new().await;
    let answer = app.post_token(&login("alice", "wrong")).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
    let expected = "Incorrect username or password";
    assert_eq!((&answer.json()["error_description"], &answer.json()["detail"]), (&expected.into(), &expected.into()));
    assert!(answer.headers.get("www-authenticate").is_none());
}

#[tokio::test]
async fn a8_unknown_wrong_and_disabled_are_told_apart_by_nobody() {
    let app = TestApp::new().await;
    app.oauth2.add_user(NewUser::new("hashless")).await.unwrap();
    app.oauth2.add_user(NewUser::new("broken").password_hash("$argon2id$v=19$garbage")).await.unwrap();
    let wrong = app.post_token(&login("alice", "wrong")).await;
    for (username, password) in [
        ("nobody", "correct+horse"),
        ("nobody", "x"),
        ("dora", "correct+horse"),
        ("dora", "wrong"),
        ("hashless", "correct+horse"),
        ("broken", "correct+horse"),
        ("%E2%80%8B", "correct+horse"),
        ("ALICE%00", "correct+horse"),
    ] {
        assert_eq!(app.post_token(&login(username, password)).await, wrong, "{username}");
    }
}

#[tokio::test]
async fn d12_unknown_wrong_and_disabled_cost_one_hash_each() {
    let app = TestApp::new().await;
    let hashing = app.oauth2.server().unwrap().hashing();
    for (username, password) in [
        ("nobody", "x"),
        ("alice", "wrong"),
        ("dora", "correct+horse"),
        ("dora", "wrong"),
        ("a%00", "x"),
        ("alice", "correct+horse"),
    ] {
        let before = hashing.hashes_computed();
        let _ = app.post_token(&login(username, password)).await;
        assert_eq!(hashing.hashes_computed() - before, 1, "{username}");
    }
}

#[tokio::test]
async fn a13_names_with_hidden_characters_are_nobody_and_are_not_registered() {
    let app = TestApp::new().await;
    for name in ["alice\u{0}", "alice\u{200b}", " alice", "alice ", "al ice", "\u{202e}alice", "a\nb", "аlice"] {
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = app.post_token(&login(&encoded, "correct+horse")).await;
        answer.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        assert!(app.oauth2.add_user(NewUser::new(name).password(PASSWORD)).await.is_err(), "{name:?}");
    }
    for name in ["ALICE", "%EF%BD%81lice"] {
        app.post_token(&login(name, "correct+horse")).await.expect(StatusCode::OK);
    }
}

#[tokio::test]
async fn a14_a_scope_is_well_formed_and_never_grows() {
    let app = TestApp::new().await;
    for scope in ["a%22b", "me%09items", "me++items", "+me", "me+", "me%5C", "%C3%A4"] {
        let answer = app.post_token(&format!("{}&scope={scope}", login("alice", "correct+horse"))).await;
        answer.expect_error(StatusCode::BAD_REQUEST, "invalid_scope");
    }
    for scope in ["unknown", "admin", "admin+unknown", "Me", "read:item", "read:itemss"] {
        let answer = app.post_token(&format!("{}&scope={scope}", login("alice", "correct+horse"))).await;
        answer.expect_error(StatusCode::BAD_REQUEST, "invalid_scope");
    }
    let narrowed = app.post_token(&format!("{}&scope=unknown+me", login("alice", "correct+horse"))).await;
    assert_eq!(narrowed.expect(StatusCode::OK).json()["scope"], "me");
    let answer = app.post_token(&format!("{}&scope=me", login("bare", "correct+horse"))).await;
    answer.expect_error(StatusCode::BAD_REQUEST, "invalid_scope");
}

#[tokio::test]
async fn a15_nobody_gets_a_scope_that_is_not_theirs() {
    let app = TestApp::new().await;
    let token = app.token("me read:items").await;
    app.get_as("/both", &token).await.expect(StatusCode::OK);
    app.get_as("/admin", &token).await.expect(StatusCode::FORBIDDEN);
    let answer = app.post_token(&format!("{}&scope=admin", login("alice", "correct+horse"))).await;
    answer.expect_error(StatusCode::BAD_REQUEST, "invalid_scope");
    let asked_for_nothing = app.token_without_scope().await;
    app.get_as("/items", &asked_for_nothing).await.expect(StatusCode::FORBIDDEN);
}

impl TestApp {
    async fn token_without_scope(&self) -> String {
        let answer = self.post_token(&login("alice", "correct+horse")).await.expect(StatusCode::OK);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a16_every_token_is_another() {
    let app = TestApp::new().await;
    let mut seen = std::collections::HashSet::new();
    for _ in 0..50 {
        assert!(seen.insert(app.token("me").await));
    }
}

/// Users who are disabled while their password is hashed: active when they are looked up, gone when tokens are due.
#[derive(Debug)]
struct DisabledMeanwhile(PasswordHash);

#[countersign::async_trait]
impl ResourceOwners for DisabledMeanwhile {
    async fn find_by_username(&self, username: &Username) -> Result<Option<ResourceOwner>, StoreError> {
        let status = OwnerStatus::Active;
        Ok(Some(owner(username.clone(), self.0.clone(), status)))
    }

    async fn find_by_subject(&self, _: &Subject) -> Result<Option<ResourceOwner>, StoreError> {
        let username = Username::parse("alice").map_err(StoreError::corrupt)?;
        Ok(Some(owner(username, self.0.clone(), OwnerStatus::Disabled)))
    }
}

fn owner(username: Username, hash: PasswordHash, status: OwnerStatus) -> ResourceOwner {
    ResourceOwner {
        subject: Subject::new("7"),
        username,
        full_name: None,
        email: None,
        scope: "me".parse().unwrap(),
        status,
        password_hash: Some(hash),
    }
}

#[tokio::test]
async fn a18_the_user_is_looked_at_again_when_tokens_are_due() {
    let password = countersign::Password::typed(PASSWORD).unwrap();
    let hash = TestApp::new().await.oauth2.server().unwrap().hashing().hash(password).await.unwrap();
    let app = TestApp::with(any_store().await, |builder| builder.users(DisabledMeanwhile(hash))).await;
    let answer = app.post_token(&login("alice", "correct+horse")).await;
    answer.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
}

/// bcrypt of `secret` at cost 10.
const BCRYPT: &str = "$2b$10$EixZaYVK1fsbw1ZfbX3OXeCBc1Lzf5B2Hc9C1.0/lB92/uQG04v/a";

#[tokio::test]
async fn d4_an_old_hash_is_upgraded_at_login_and_parallel_logins_all_pass() {
    let app = Arc::new(TestApp::new().await);
    app.oauth2.add_user(NewUser::new("manish").password_hash(BCRYPT)).await.unwrap();
    let logins: Vec<_> = (0..20)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { app.post_token(&login("manish", "secret")).await.status })
        })
        .collect();
    for login in logins {
        assert_eq!(login.await.unwrap(), StatusCode::OK);
    }
    let manish = Username::parse("manish").unwrap();
    let stored =
        app.oauth2.server().unwrap().store().find_by_username(&manish).await.unwrap().unwrap().password_hash.unwrap();
    assert!(stored.secret().starts_with("$argon2id$"), "one whole new hash");
    app.post_token(&login("manish", "secret")).await.expect(StatusCode::OK);
    app.post_token(&login("manish", "Secret")).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
    let again = app.oauth2.server().unwrap().store().find_by_username(&manish).await.unwrap().unwrap();
    assert_eq!(again.password_hash.unwrap(), stored, "and no second upgrade");
    let late = PasswordHash::new(BCRYPT);
    let undone = app.oauth2.server().unwrap().store().upgrade_password(&again.subject, &late, &late).await.unwrap();
    assert_eq!(undone, Upgraded::No);
}

#[tokio::test]
async fn d7_passwords_are_verified_as_they_were_typed() {
    let app = TestApp::new().await;
    for (name, password) in [("lead", " lead and trail "), ("crab", "🦀🦀🦀🦀🦀🦀🦀🦀"), ("long", &"x".repeat(1024))]
    {
        app.oauth2.add_user(NewUser::new(name).password(password)).await.unwrap();
        let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        app.post_token(&login(name, &encode(password))).await.expect(StatusCode::OK);
        let trimmed = password.trim();
        let mut shorter = password.to_owned();
        shorter.pop();
        for other in [trimmed, &shorter, &password.to_uppercase(), &format!("{password}\0")] {
            if other != password {
                let answer = app.post_token(&login(name, &encode(other))).await;
                answer.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
            }
        }
    }
}

#[tokio::test]
async fn d9_an_endless_password_is_refused_before_it_is_hashed() {
    let app = TestApp::new().await;
    let before = app.oauth2.server().unwrap().hashing().hashes_computed();
    let answer = app.post_token(&login("alice", &"x".repeat(1025))).await;
    answer.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
    let answer = app.post_token(&login("alice", &"x".repeat(1024 * 1024))).await;
    answer.expect_error(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request");
    assert_eq!(app.oauth2.server().unwrap().hashing().hashes_computed(), before);
}

#[tokio::test]
async fn o5_a_token_lives_a_quarter_of_an_hour_at_most_by_default() {
    let app = TestApp::new().await;
    let answer = app.post_token(&login("alice", "correct+horse")).await.expect(StatusCode::OK).json();
    assert!(answer["expires_in"].as_u64().unwrap() <= 15 * 60);
    let token = answer["access_token"].as_str().unwrap();
    app.forward(15 * 60 - 1);
    app.get_as("/any", token).await.expect(StatusCode::OK);
    app.forward(1 + 5);
    app.get_as("/any", token).await.expect_invalid_token();
}

#[tokio::test]
async fn expired_grants_are_swept_as_new_ones_come() {
    let store = any_store().await;
    let app = TestApp::with(store.clone(), Builder::without_refresh_tokens).await;
    for _ in 0..64 {
        app.token("me").await;
    }
    let alice = store.find_by_username(&Username::parse("alice").unwrap()).await.unwrap().unwrap().subject;
    let kept = async || store.list_grants(&alice, None, 100_000).await.unwrap().len();
    assert_eq!(kept().await, 64);
    app.forward(16 * 60 + SWEEP_MARGIN.as_secs());
    // Beside the answer to the 65th request, which does not wait for it; if that finds another sweep running, to a later one.
    let (began, mut new) = (Instant::now(), 0);
    while new == 0 || kept().await > new {
        assert!(began.elapsed() < Duration::from_secs(60), "the first 64 are not swept");
        app.token("me").await;
        new += 1;
    }
}
