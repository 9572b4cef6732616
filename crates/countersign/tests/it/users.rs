//! Users from a table of the author's, and a user type of the author's.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{FromRef, State},
    http::{Request, StatusCode},
};
use countersign::{
    CurrentUser, FromResourceOwner, Memory, NewUser, NewUserProblem, OAuth2, OAuth2PasswordRequestForm, OwnerStatus,
    Password, PasswordHash, ResourceOwner, ResourceOwners, StoreError, Subject, Username,
    core::store::Added,
    routing::{get, post, public},
};
use serde_json::json;
use tower::ServiceExt;

use crate::support::{Me, cheap_hashing, form};

/// A table of somebody else's making.
#[derive(Debug)]
struct Staff(Vec<(u32, &'static str, PasswordHash)>);

impl Staff {
    fn owner((id, name, hash): &(u32, &'static str, PasswordHash)) -> Result<ResourceOwner, StoreError> {
        Ok(ResourceOwner {
            subject: Subject::new(id.to_string()),
            username: Username::parse(name).map_err(StoreError::corrupt)?,
            full_name: None,
            email: None,
            scope: "me".parse().map_err(StoreError::corrupt)?,
            status: OwnerStatus::Active,
            password_hash: Some(hash.clone()),
        })
    }
}

#[countersign::async_trait]
impl ResourceOwners for Staff {
    async fn find_by_username(&self, username: &Username) -> Result<Option<ResourceOwner>, StoreError> {
        self.0.iter().find(|(_, name, _)| *name == username.as_str()).map(Self::owner).transpose()
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<ResourceOwner>, StoreError> {
        self.0.iter().find(|(id, ..)| id.to_string() == subject.as_str()).map(Self::owner).transpose()
    }
}

/// The author's state, and the author's user type that is looked up in it.
#[derive(Clone)]
struct AppState {
    oauth2: OAuth2,
    badges: Arc<Vec<(&'static str, u32)>>,
}

impl FromRef<AppState> for OAuth2 {
    fn from_ref(state: &AppState) -> Self {
        state.oauth2.clone()
    }
}

#[derive(Clone)]
struct Employee {
    name: String,
    badge: u32,
}

impl FromResourceOwner<AppState> for Employee {
    async fn from_resource_owner(owner: ResourceOwner, state: &AppState) -> Result<Option<Self>, StoreError> {
        let badge = state.badges.iter().find(|(name, _)| *name == owner.username.as_str());
        Ok(badge.map(|(_, badge)| Self { name: owner.username.to_string(), badge: *badge }))
    }
}

#[tokio::test]
async fn names_and_addresses_with_control_characters_are_refused() {
    let oauth2 = OAuth2::new(Memory::new()).hashing(cheap_hashing()).build().await.unwrap();
    for control in ['\0', '\n', '\u{7f}', '\u{85}'] {
        let named = oauth2.add_user(NewUser::new("alice").full_name(format!("Alice{control}"))).await;
        assert!(matches!(named, Err(NewUserProblem::FullName)), "{control:?}: {named:?}");
        let addressed = oauth2.add_user(NewUser::new("alice").email(format!("a{control}@example.com"))).await;
        assert!(matches!(addressed, Err(NewUserProblem::Email)), "{control:?}: {addressed:?}");
    }
    let alice = NewUser::new("alice").full_name("Älice \u{200d} W.").email("alice@example.com");
    assert_eq!(oauth2.add_user(alice).await.unwrap(), Added::Yes);
}

async fn api() -> axum::Router {
    let hashing =
        countersign::core::password::HashingPool::new(cheap_hashing(), countersign::core::clock::System::rng());
    let hash = hashing.unwrap().hash(Password::typed("secret").unwrap()).await.unwrap();
    let staff = Staff(vec![(1, "alice", hash.clone()), (2, "bob", hash)]);
    let oauth2 = OAuth2::new(Memory::new()).users(staff).hashing(cheap_hashing()).build().await.unwrap();
    let refused = oauth2.add_user(NewUser::new("carol")).await;
    assert!(matches!(refused, Err(NewUserProblem::OtherTable)), "nobody would look there");
    let state = AppState { oauth2: oauth2.clone(), badges: Arc::new(vec![("alice", 42)]) };
    oauth2
        .router_with_state(state)
        .route(
            "/badge",
            get(async |user: CurrentUser<Me, Employee>, State(state): State<AppState>| {
                Json(json!([user.name, user.badge, state.badges.len()]))
            }),
        )
        .route("/echo", public(post(async |form: OAuth2PasswordRequestForm| Json(json!([form.username, form.scope])))))
        .finish()
        .unwrap()
}

async fn call(router: &axum::Router, request: Request<Body>) -> (StatusCode, String) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn users_come_from_the_authors_table_as_the_authors_type() {
    let api = api().await;
    for (name, status, body) in [("alice", StatusCode::OK, "[\"alice\",42,1]"), ("bob", StatusCode::UNAUTHORIZED, "")] {
        let (granted, answer) = call(&api, form("/token", &format!("username={name}&password=secret&scope=me"))).await;
        assert_eq!(granted, StatusCode::OK, "{answer}");
        let token =
            serde_json::from_str::<serde_json::Value>(&answer).unwrap()["access_token"].as_str().unwrap().to_owned();
        let request = Request::get("/badge").header("authorization", format!("Bearer {token}"));
        let answer = call(&api, request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.0, status);
        assert!(body.is_empty() || answer.1 == body, "{}", answer.1);
    }
}

#[tokio::test]
async fn a_token_endpoint_of_the_authors_reads_the_same_form() {
    let api = api().await;
    let (status, body) = call(&api, form("/echo", "username=Alice&password=secret&scope=a+b&client_id=")).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "[\"Alice\",\"a b\"]"));
    for (bad, code) in [
        ("username=alice", "invalid_request"),
        ("username=alice&password=x&grant_type=code", "unsupported_grant_type"),
        ("username=alice&password=x&scope=%22", "invalid_scope"),
        ("username=alice&password=%00", "invalid_grant"),
        ("username=alice&username=bob&password=x", "invalid_request"),
    ] {
        let (status, body) = call(&api, form("/echo", bad)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(body.contains(code), "{body}");
    }
}
