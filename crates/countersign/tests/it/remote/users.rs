//! Who the user of a token from elsewhere is: what the token says, or a user of a table of the author's.

use std::time::Duration;

use axum::http::StatusCode;
use countersign::{
    ClientChangeProblem, ClientId, KeyChangeProblem, KeyId, NewUser, NewUserProblem, OAuth2, OwnerStatus,
    ResourceOwner, ResourceOwners, StoreError, Subject, Username, async_trait, core::token::BearerToken,
};
use serde_json::{Value, json};

use super::support::{AUDIENCE, KEYS, Key, METADATA, Network, RemoteApp, claims, json_at, key_set};

fn key() -> Key {
    Key::new("first", 1)
}

fn token(said: &Value) -> String {
    key().sign(&claims(|claims| {
        let claims = claims.as_object_mut().unwrap();
        claims.extend(said.as_object().unwrap().clone());
    }))
}

#[tokio::test]
async fn a_user_is_what_the_token_says() {
    let app = RemoteApp::new(&key()).await;
    for (said, username) in [
        (json!({ "sub": "Alice-1", "preferred_username": "Ali", "username": "x" }), "ali"),
        (json!({ "sub": "Alice-1", "username": "ali" }), "ali"),
        (json!({ "sub": "Alice-1" }), "alice-1"),
        (json!({ "sub": "Alice-1", "preferred_username": ["ali"], "username": "" }), "alice-1"),
        (json!({ "sub": "Alice-1", "preferred_username": "Alice Wonderland" }), "alice-1"),
        (json!({ "sub": "auth0|5f7c" }), "auth0|5f7c"),
        (json!({ "sub": "alice wonderland" }), "alice+wonderland"),
    ] {
        let user = app.get("/user", &token(&said)).await.expect(StatusCode::OK).json();
        assert_eq!((&user["sub"], &user["username"]), (&said["sub"], &username.into()), "{said}");
        assert_eq!((&user["disabled"], &user["scopes"]), (&json!(false), &json!([])));
    }
    let said = json!({
        "name": "Alice Wonderland", "email": "alice@example.com", "email_verified": true, "scope": "me read:items",
    });
    let user = app.get("/users/me", &token(&said)).await.expect(StatusCode::OK).json();
    assert_eq!(user["full_name"], "Alice Wonderland");
    assert_eq!((&user["email"], &user["scopes"]), (&json!("alice@example.com"), &json!(["me", "read:items"])));
    app.get("/user", &token(&json!({ "sub": "a".repeat(256) }))).await.expect_invalid_token();
}

#[tokio::test]
async fn h9_a_clients_own_token_is_no_users() {
    let app = RemoteApp::new(&key()).await;
    let own = token(&json!({ "sub": "app", "client_id": "app", "scope": "me" }));
    for users in ["/user", "/users/me"] {
        app.get(users, &own).await.expect_invalid_token();
    }
    let users = token(&json!({ "sub": "app", "client_id": "another", "scope": "me" }));
    app.get("/user", &users).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn an_address_that_nobody_verified_is_none() {
    let app = RemoteApp::new(&key()).await;
    let email = async |said: &Value| {
        let user = app.get("/users/me", &token(said)).await.expect(StatusCode::OK).json();
        assert_eq!(user["full_name"], "Alice", "{said}");
        user["email"].clone()
    };
    let said = json!({ "name": "Alice", "email": "admin@example.com", "scope": "me" });
    assert_eq!(email(&said).await, json!(null));
    for (verified, expected) in [
        (json!(false), json!(null)),
        (json!("true"), json!(null)),
        (json!(1), json!(null)),
        (json!(null), json!(null)),
        (json!([true]), json!(null)),
        (json!(true), json!("admin@example.com")),
    ] {
        let mut said = said.clone();
        said["email_verified"] = verified;
        assert_eq!(email(&said).await, expected, "{said}");
    }
}

#[derive(Debug)]
struct Table;

#[async_trait]
impl ResourceOwners for Table {
    async fn find_by_username(&self, _: &Username) -> Result<Option<ResourceOwner>, StoreError> {
        Err(StoreError::unavailable("nobody logs in here"))
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<ResourceOwner>, StoreError> {
        let status = match subject.as_str() {
            "alice" => OwnerStatus::Active,
            "dora" => OwnerStatus::Disabled,
            "nobody" => return Ok(None),
            _ => return Err(StoreError::unavailable("away")),
        };
        Ok(Some(ResourceOwner {
            subject: subject.clone(),
            username: Username::parse("of-the-table").map_err(StoreError::corrupt)?,
            full_name: None,
            email: None,
            scope: "me".parse().unwrap(),
            status,
            password_hash: None,
        }))
    }
}

#[tokio::test]
async fn a_user_of_a_table_must_be_there_and_active() {
    let app = RemoteApp::with(&key(), |builder| builder.users(Table)).await;
    for gone in ["dora", "nobody"] {
        app.get("/user", &token(&json!({ "sub": gone, "preferred_username": "alice" }))).await.expect_invalid_token();
    }
    app.get("/user", &token(&json!({ "sub": "x" }))).await.expect(StatusCode::SERVICE_UNAVAILABLE);
    let user = app.get("/user", &token(&json!({ "preferred_username": "mallory" }))).await.expect(StatusCode::OK);
    assert_eq!(user.json()["username"], "of-the-table");
}

#[tokio::test]
async fn users_are_added_where_they_come_from() {
    let app = RemoteApp::new(&key()).await;
    let added = app.oauth2.add_user(NewUser::new("alice")).await;
    assert!(matches!(added, Err(NewUserProblem::OtherTable)), "{added:?}");
    assert!(app.oauth2.server().is_none());
}

#[tokio::test]
async fn clients_and_keys_are_changed_where_tokens_come_from() {
    let oauth2 = RemoteApp::new(&key()).await.oauth2;
    let id = ClientId::new("app");
    for refused in [
        oauth2.find_client(&id).await.map(drop),
        oauth2.list_clients(None, 1).await.map(drop),
        oauth2.disable_client(&id).await.map(drop),
        oauth2.enable_client(&id).await.map(drop),
        oauth2.remove_client(&id).await.map(drop),
        oauth2.rotate_client_secret(&id, Duration::ZERO).await.map(drop),
    ] {
        assert!(matches!(refused, Err(ClientChangeProblem::Elsewhere)), "{refused:?}");
    }
    assert!(matches!(oauth2.rotate_keys().await, Err(KeyChangeProblem::Elsewhere)));
    assert!(matches!(oauth2.withdraw_key(&KeyId::new("first")).await, Err(KeyChangeProblem::Elsewhere)));
}

#[tokio::test]
async fn b14_one_subject_of_two_issuers_is_two_users() {
    const OTHER: &str = "https://other.example.com";
    let app = RemoteApp::new(&key()).await;
    let network = Network::default();
    network.put(&METADATA.replace("issuer", "other"), json_at(&json!({ "issuer": OTHER, "jwks_uri": KEYS })));
    network.put(KEYS, key_set(&[&key()]));
    let builder = OAuth2::remote(OTHER).fetch(network).clock(app.clock.clone()).audience(AUDIENCE);
    let other = builder.build().await.unwrap();
    // Both sign with one key, so that nothing but the issuer tells them apart.
    let [ours, theirs] = [token(&json!({})), token(&json!({ "iss": OTHER }))].map(BearerToken::new);
    assert!(app.oauth2.verify(&theirs).await.is_err() && other.verify(&ours).await.is_err());
    let ours = app.oauth2.verify(&ours).await.unwrap();
    let theirs = other.verify(&theirs).await.unwrap();
    assert_eq!(ours.subject(), theirs.subject());
    assert_ne!(ours.identity(), theirs.identity());
}
