//! Tokens without a login: of the API's own keys, and of an issuer whose keys the test holds.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use countersign::{
    AccessToken, Claims, CurrentUser, ExtraClaims, IssuedFor, OAuth2, StoreError,
    core::{
        clock::Clock,
        extra_claims::{Map, Value},
        key::{KeyPairAlgorithm, KeySet},
        names::{Audience, Issuer as IssuerName},
        token::{
            self, BearerToken,
            verify::{Expected, Profile, TokenProblem, verify},
        },
    },
    routing::get,
    testing::{self, Issuer, TestError, TokenFor, TurnableClock},
};
use serde_json::json;

use crate::store::any_store;
use crate::{
    examples::Program,
    support::{Me, NOW, ReadItems, TestApp},
};

#[tokio::test]
async fn a_token_in_one_line_is_that_users_without_a_login() {
    let app = TestApp::new().await;
    let token = testing::token(&app.oauth2, "alice", "read:items me").await.unwrap();
    let user = app.get_as("/user", &token).await.expect(StatusCode::OK).json();
    assert_eq!(user["username"], "alice");
    app.get_as("/both", &token).await.expect(StatusCode::OK);
    app.get_as("/admin", &token).await.expect(StatusCode::FORBIDDEN);
    let bare = testing::token(&app.oauth2, "alice", "").await.unwrap();
    app.get_as("/any", &bare).await.expect(StatusCode::OK);
    app.get_as("/items", &bare).await.expect(StatusCode::FORBIDDEN);
    let end = countersign::Timestamp::from_seconds(i64::MAX);
    assert_eq!(
        app.oauth2.server().unwrap().store().sweep(end, Duration::ZERO, 100).await.unwrap(),
        0,
        "nothing is recorded"
    );
    app.forward(3600);
    app.get_as("/any", &token).await.expect_invalid_token();
}

#[tokio::test]
async fn a_name_that_no_user_has_is_the_subject() {
    let app = TestApp::new().await;
    for name in ["mallory", "not a\u{7}name"] {
        let token = testing::token(&app.oauth2, name, "me").await.unwrap();
        let token = app.oauth2.verify(&BearerToken::new(token)).await.unwrap();
        assert_eq!(token.subject().as_str(), name);
    }
    let refused = testing::token(&app.oauth2, "alice", "read:items  me").await;
    assert!(matches!(refused, Err(TestError::Scope(_))), "{refused:?}");
}

#[tokio::test]
async fn a_token_says_what_a_test_wants() {
    let app = TestApp::new().await;
    let alice = || TokenFor::user(&app.oauth2, "alice").scope("me");
    app.get_as("/user", &alice().sign().await.unwrap()).await.expect(StatusCode::OK);
    for bad in [
        alice().issuer("https://other.example.com"),
        alice().audience("https://other.example.com"),
        alice().typ("JWT"),
        alice().claim("exp", json!(NOW.seconds() - 60)),
        alice().without_claim("exp"),
        alice().without_header("kid"),
        alice().header("crit", json!(["x"])),
    ] {
        app.get_as("/user", &bad.sign().await.unwrap()).await.expect_invalid_token();
    }
    let short = alice().expires_in(Duration::from_secs(30)).sign().await.unwrap();
    app.get_as("/user", &short).await.expect(StatusCode::OK);
    app.forward(60);
    app.get_as("/user", &short).await.expect_invalid_token();
    let claimed = alice().claim("role", "editor").sign().await.unwrap();
    let claimed = app.oauth2.verify(&BearerToken::new(claimed)).await.unwrap();
    assert_eq!(claimed.claims()["role"], "editor");
}

/// Every token says that it is an editor's.
#[derive(Debug)]
struct Roles;

#[countersign::async_trait]
impl ExtraClaims for Roles {
    async fn claims(&self, issued: IssuedFor<'_>) -> Result<Map<String, Value>, StoreError> {
        Ok(Map::from_iter([("role".to_owned(), json!(format!("editor of {}", issued.scope)))]))
    }
}

#[derive(serde::Deserialize)]
struct Role {
    role: String,
}

#[tokio::test]
async fn the_authors_claims_are_in_every_token_so_that_guards_on_them_can_be_tested() {
    let app = TestApp::with(any_store().await, |builder| builder.claims(Roles)).await;
    let router = || app.oauth2.router().route("/role", get(async |claims: Claims<Role>| claims.role.clone()));
    let program = Program::of(Ok(router()));
    let token = testing::token(&app.oauth2, "alice", "me").await.unwrap();
    let request = axum::http::Request::get("/role").header("authorization", format!("Bearer {token}"));
    let answer = program.send(request.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(answer.expect(StatusCode::OK).body, "editor of me");
    testing::walk(router()).as_user("alice").await.unwrap().assert_held();
    testing::attack(router()).as_user("alice").await.unwrap().assert_held();
}

fn believes(key_set: &str, token: &str, clock: &dyn Clock) -> Result<token::AccessToken, TokenProblem> {
    let keys = KeySet::parse(key_set.as_bytes()).unwrap();
    let (issuer, audience) = (IssuerName::new("https://issuer.example.com"), Audience::new("https://api.example.com"));
    let leeway = Duration::ZERO;
    let expected = Expected { keys: &keys, profile: Profile::Rfc9068, issuer: &issuer, audience: &audience, leeway };
    verify(&BearerToken::new(token), expected, clock)
}

#[test]
fn tokens_of_an_issuer_are_believed_by_its_key_set_and_by_no_other() {
    let clock = Arc::new(TurnableClock::at(NOW));
    for algorithm in KeyPairAlgorithm::ALL {
        let issuer = || {
            let issuer = Issuer::new("https://issuer.example.com").audience("https://api.example.com");
            issuer.algorithm(algorithm).clock(clock.clone())
        };
        let (issuer, other) = (issuer(), issuer());
        let token = issuer.token("alice", "read:items").unwrap();
        let believed = believes(&issuer.key_set(), &token, &*clock).unwrap();
        assert_eq!((believed.subject().as_str(), believed.scope().to_string()), ("alice", "read:items".to_owned()));
        assert_eq!(believes(&other.key_set(), &token, &*clock).err(), Some(TokenProblem::UnknownKey));
        assert!(!issuer.key_set().contains("\"d\""), "nothing private is published");
    }
    let unaimed = Issuer::new("https://issuer.example.com").clock(clock.clone());
    let token = unaimed.token("alice", "me").unwrap();
    assert_eq!(believes(&unaimed.key_set(), &token, &*clock).err(), Some(TokenProblem::OtherAudience));
}

#[tokio::test]
async fn an_issuer_rotates_and_retires_its_keys_and_its_clones_do_too() {
    let clock = Arc::new(TurnableClock::at(NOW));
    let issuer = Issuer::new("https://issuer.example.com").audience("https://api.example.com").clock(clock.clone());
    let published = issuer.clone();
    let old = issuer.token("alice", "me").unwrap();
    issuer.rotate();
    let new = issuer.token_for("alice").claim("role", "editor").sign().await.unwrap();
    for token in [&old, &new] {
        assert!(believes(&published.key_set(), token, &*clock).is_ok());
    }
    issuer.retire_old_keys();
    assert_eq!(believes(&published.key_set(), &old, &*clock).err(), Some(TokenProblem::UnknownKey));
    assert!(believes(&published.key_set(), &new, &*clock).is_ok());
    clock.forward(Duration::from_secs(3600));
    assert_eq!(believes(&published.key_set(), &new, &*clock).err(), Some(TokenProblem::Expired));
}

#[tokio::test]
async fn an_api_that_believes_an_issuer_elsewhere_is_tested_without_a_network() {
    let clock = Arc::new(TurnableClock::at(NOW));
    let issuer = Issuer::new("https://issuer.example.com").audience("https://api.example.com").clock(clock.clone());
    let builder = || {
        let remote = OAuth2::remote(issuer.name()).audience("https://api.example.com");
        remote.clock(clock.clone()).fetch(issuer.clone())
    };
    for builder in [builder(), builder().plain_profile()] {
        let oauth2 = builder.build().await.unwrap();
        let app = || {
            let items = get(async |_: AccessToken<(ReadItems, Me)>| "items");
            oauth2.router().route("/items", items).route("/who", get(async |user: CurrentUser| user.username.clone()))
        };
        let attacked = testing::attack(app()).signed_by(&issuer).await.unwrap();
        attacked.assert_held();
        assert!(attacked.unclear().is_empty() && attacked.requests() > 150, "{attacked}");
        issuer.rotate();
        clock.forward(Duration::from_secs(60));
        let walked = testing::walk(app()).signed_by(&issuer).as_user("alice").await.unwrap();
        walked.assert_held();
        assert!(walked.unclear().is_empty(), "{walked}");
        assert!(matches!(testing::attack(app()).await, Err(TestError::IssuerNeeded)));
        assert!(matches!(testing::token(&oauth2, "alice", "me").await, Err(TestError::IssuerNeeded)));
    }
}

#[tokio::test]
async fn tokens_of_an_issuer_that_the_api_does_not_trust_are_no_good_for_a_test() {
    let app = TestApp::new().await;
    let stranger = Issuer::new("https://issuer.example.com");
    let refused = testing::attack(app.oauth2.router()).signed_by(&stranger).await;
    assert!(matches!(refused, Err(TestError::GoodTokenRefused(_))), "{refused:?}");
}
