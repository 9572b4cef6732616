//! `TestApp`: an API in process, with a clock to turn and seeded randomness.

use std::{any::Any, num::NonZeroUsize, sync::Arc, time::Duration};

use axum::{
    Json,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use countersign::{
    AccessToken, BearerToken, Builder, CurrentUser, GrantType, NewClient, NewClientProblem, NewUser, OAuth2, Router,
    Store, User,
    core::{
        clock::{SeededRng, Timestamp, TurnableClock},
        password::{Argon2Cost, HashingSettings},
    },
    routing::{get, public},
    scopes,
};
use serde_json::Value;
use tower::ServiceExt;

use crate::store::{AnyStore, any_store};

scopes! {
    /// Read items.
    pub(crate) ReadItems = "read:items";
    /// Information about the user.
    pub(crate) Me = "me";
    /// Full access.
    pub(crate) Admin = "admin";
}

pub(crate) const ISSUER: &str = "https://api.example.com";
pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const SECRET: &str = "the-secret-of-every-api-of-the-tests";

/// When the tests begin.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// Hashing that costs next to nothing, on one thread, with room for every caller of a test, however slow the machine is.
pub(crate) fn cheap_hashing() -> HashingSettings {
    HashingSettings {
        threads: NonZeroUsize::MIN,
        queue: 1024,
        longest_wait: Duration::from_secs(60),
        ..HashingSettings::of_cost(Argon2Cost::weak_for_tests())
    }
}

pub(crate) struct TestApp {
    pub(crate) oauth2: OAuth2,
    pub(crate) clock: Arc<TurnableClock>,
    pub(crate) router: axum::Router,
    /// What it stands on, if a test did not bring a store of its own.
    store: Option<AnyStore>,
}

impl TestApp {
    /// An API over the store of the tests with alice (`read:items me`), disabled dora, and the routes of [`routes`].
    pub(crate) async fn new() -> Self {
        Self::with(any_store().await, |builder| builder).await
    }

    pub(crate) async fn with(store: impl Store, change: impl FnOnce(Builder) -> Builder) -> Self {
        let clock = Arc::new(TurnableClock::at(NOW));
        let any_store = (&store as &dyn Any).downcast_ref().cloned();
        let builder = OAuth2::new(store)
            .issuer(ISSUER)
            .clock(clock.clone())
            .rng(Arc::new(SeededRng::new(1)))
            .hashing(cheap_hashing());
        let oauth2 = change(builder).build().await.unwrap();
        for user in [
            NewUser::new("alice").full_name("Alice Wonderland").email("alice@example.com").scope("read:items me"),
            NewUser::new("dora").scope("read:items").disabled(),
            NewUser::new("bare"),
        ] {
            // Over a store that fails on purpose, users are there already or are not needed.
            let _ = oauth2.add_user(user.password(PASSWORD)).await;
        }
        let router = routes(oauth2.router()).finish().unwrap();
        Self { oauth2, clock, router, store: any_store }
    }

    /// Waits until all attempts so far have been counted as what they were.
    pub(crate) async fn settled(&self) {
        if let Some(store) = &self.store {
            store.settled().await;
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        answer(&self.router, request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn get_with(&self, path: &str, authorization: &str) -> Answer {
        self.send(Request::get(path).header(header::AUTHORIZATION, authorization).body(Body::empty()).unwrap()).await
    }

    /// A token request with this body.
    pub(crate) async fn post_token(&self, body: &str) -> Answer {
        self.send(form("/token", body)).await
    }

    /// A token for alice with this scope.
    pub(crate) async fn token(&self, scope: &str) -> String {
        self.token_of("alice", scope).await
    }

    pub(crate) async fn token_of(&self, username: &str, scope: &str) -> String {
        let scope = scope.replace(' ', "+");
        let answer = self.post_token(&format!("username={username}&password=correct+horse&scope={scope}")).await;
        answer.expect(StatusCode::OK).json()["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn get_as(&self, path: &str, token: &str) -> Answer {
        self.get_with(path, &format!("Bearer {token}")).await
    }

    /// Registers a confidential client with the secret [`SECRET`] that serves these APIs.
    pub(crate) async fn put_api(&self, id: &str, serves: &[&str]) {
        let client = NewClient::new(id).secret(SECRET).first_party().any_scope();
        let client = client.grant_type(GrantType::Password).grant_type(GrantType::RefreshToken);
        let client = serves.iter().fold(client, |client, audience| client.serves(*audience));
        match self.oauth2.add_client(client).await {
            // In another process on the same store it was registered.
            Ok(_) | Err(NewClientProblem::Taken) => {}
            Err(problem) => panic!("{problem}"),
        }
    }

    /// What the introspection endpoint tells this client of a token.
    pub(crate) async fn introspect(&self, client: &str, token: &str) -> Answer {
        let mut request = form("/introspect", &format!("token={token}"));
        request.headers_mut().insert(header::AUTHORIZATION, basic(client, SECRET).parse().unwrap());
        self.send(request).await
    }

    pub(crate) fn forward(&self, seconds: u64) {
        self.clock.forward(Duration::from_secs(seconds));
    }
}

/// The header of a client with a secret.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// What `router` answers.
pub(crate) async fn answer(router: &axum::Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

/// One route of each guard.
pub(crate) fn routes(router: Router) -> Router {
    router
        .route("/bearer", get(async |token: BearerToken| token.secret().len().to_string()))
        .route("/any", get(async |_: AccessToken| "any"))
        .route("/items", get(async |_: AccessToken<ReadItems>| "items"))
        .route("/both", get(async |_: AccessToken<(ReadItems, Me)>| "both"))
        .route("/admin", get(async |user: CurrentUser<Admin>| user.username.clone()))
        .route("/user", get(async |user: CurrentUser| Json(user.into_inner())))
        .route("/optional", get(async |user: Option<CurrentUser<Me>>| Json(user.map(CurrentUser::into_inner))))
        .route(
            "/optional-token",
            get(async |token: Option<AccessToken>| Json(token.map(|token| token.scope().clone().to_string()))),
        )
        .route("/optional-bearer", get(async |token: Option<BearerToken>| Json(token.is_some())))
        .route("/two", get(async |_: AccessToken<ReadItems>, user: CurrentUser<Me>| Json::<User>(user.into_inner())))
        .route("/public", public(get(async || "public")))
        .route("/raw", public(axum::routing::get(async || "raw")))
}

pub(crate) fn form(path: &str, body: &str) -> Request<Body> {
    Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body.to_owned()))
        .unwrap()
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: StatusCode) -> Self {
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.body);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers)).to_str().unwrap()
    }

    /// A refusal of the token endpoint: its shape, and that nobody keeps it.
    #[track_caller]
    pub(crate) fn expect_error(self, status: StatusCode, code: &str) -> Self {
        let answer = self.expect(status);
        let body = answer.json();
        assert_eq!(body["error"], code, "{body}");
        assert!(body["error_description"].is_string() && !body["detail"].is_null(), "{body}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
        answer
    }

    /// A refusal of a guard, with this challenge.
    #[track_caller]
    pub(crate) fn expect_challenge(self, status: StatusCode, challenge: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.header("www-authenticate"), challenge);
        assert_eq!(answer.headers.get_all("www-authenticate").iter().count(), 1);
        answer
    }

    #[track_caller]
    pub(crate) fn expect_invalid_token(self) -> Self {
        let answer = self.expect(StatusCode::UNAUTHORIZED);
        assert_eq!(answer.json()["error"], "invalid_token", "{}", answer.body);
        assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""));
        answer
    }
}
