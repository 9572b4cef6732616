//! Guards of routers, routes and arguments together: what they need, and how they refuse.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Json,
    body::Body,
    extract::FromRef,
    http::{Request, StatusCode},
};
use countersign::{
    AccessToken, Allowed, Both, Claims, Credentials, CurrentUser, Denied, Either, FromResourceOwner, Memory, OAuth2,
    ResourceOwner, ResourceOwners, Routes, Rule, StartError, StoreError, Subject, Username,
    extract::Plain,
    routing::{any, delete, get, post, public},
    scheme::ApiKey,
    security_schemes,
};
use serde_json::{Value, json};

use crate::store::any_store;
use crate::support::{Admin, Answer, Me, ReadItems, TestApp, answer};

security_schemes! {
    /// A key.
    pub(crate) Key: ApiKey = ApiKey::header("X-Key");
}

/// An API of these routes, and tokens for it.
struct Api {
    app: TestApp,
    router: axum::Router,
    document: Value,
}

impl Api {
    async fn of(routes: Routes) -> Self {
        let app = TestApp::new().await;
        let document = app.oauth2.router().merge(routes.clone()).openapi().unwrap();
        let router = app.oauth2.router().merge(routes).finish().unwrap();
        Self { app, router, document: serde_json::from_str(&document).unwrap() }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(&self.router, request.body(Body::empty()).unwrap()).await
    }

    async fn get(&self, path: &str, scope: &str) -> Answer {
        let token = self.app.token(scope).await;
        self.send("GET", path, &[("authorization", &format!("Bearer {token}"))]).await
    }

    fn operation(&self, path: &str) -> &Value {
        &self.document["paths"][path]["get"]
    }
}

fn lock(scopes: &Value) -> Value {
    json!({ "OAuth2PasswordBearer": scopes })
}

#[tokio::test]
async fn requirements_add_up_outermost_first_and_one_challenge_lists_them() {
    let inner = Routes::new()
        .route("/x", get(async |_: AccessToken<Me>| "x").guard::<AccessToken<ReadItems>>())
        .guard::<CurrentUser>();
    let api = Api::of(Routes::new().nest("/in", inner).guard::<AccessToken<Admin>>()).await;
    assert_eq!(api.operation("/in/x")["security"], json!([lock(&json!(["admin", "read:items", "me"]))]));
    let challenge = "Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"admin read:items me\"";
    for scope in ["me", "read:items", "me read:items"] {
        api.get("/in/x", scope).await.expect_challenge(StatusCode::FORBIDDEN, challenge);
    }
    let challenge = "Bearer realm=\"api\", error=\"invalid_token\", scope=\"admin read:items me\"";
    let bad = api.send("GET", "/in/x", &[("authorization", "Bearer bad")]).await;
    bad.expect_challenge(StatusCode::UNAUTHORIZED, challenge);
    let none = api.send("GET", "/in/x", &[]).await;
    none.expect_challenge(StatusCode::UNAUTHORIZED, "Bearer realm=\"api\"");
}

#[tokio::test]
async fn a_guard_covers_what_is_added_after_it_and_nothing_beside_it() {
    let guarded = Routes::new()
        .route("/before", public(get(async || "x")))
        .guard::<AccessToken<Me>>()
        .route("/after", public(get(async || "x")))
        .route("/raw", axum::routing::get(async || "x"))
        .nest("/below", Routes::new().route("/x", public(get(async || "x").post(async || "x"))))
        .merge(Routes::new().route("/merged", public(get(async || "x"))));
    let beside = Routes::new().route("/x", public(get(async || "x"))).route("/mine", get(async |_: AccessToken| "x"));
    let api = Api::of(Routes::new().nest("/a", guarded).nest("/b", beside)).await;
    for path in ["/a/before", "/a/after", "/a/raw", "/a/below/x", "/a/merged"] {
        assert_eq!(api.send("GET", path, &[]).await.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(api.get(path, "read:items").await.status, StatusCode::FORBIDDEN, "{path}");
        api.get(path, "me").await.expect(StatusCode::OK);
        if path != "/a/raw" {
            assert_eq!(api.operation(path)["security"], json!([lock(&json!(["me"]))]), "{path}");
        }
    }
    assert_eq!(api.send("POST", "/a/below/x", &[]).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(api.send("DELETE", "/a/below/x", &[]).await.status, StatusCode::METHOD_NOT_ALLOWED);
    api.send("GET", "/b/x", &[]).await.expect(StatusCode::OK);
    api.get("/b/mine", "read:items").await.expect(StatusCode::OK);
    assert_eq!(api.operation("/b/mine")["security"], json!([lock(&json!([]))]));
}

#[tokio::test]
async fn a_guard_of_a_route_covers_methods_that_are_chained_after_it() {
    let api =
        Api::of(Routes::new().route(
            "/x",
            public(get(async || "x")).guard::<AccessToken<Me>>().delete(async |_: Option<AccessToken>| "x"),
        ))
        .await;
    for method in ["GET", "DELETE", "HEAD"] {
        assert_eq!(api.send(method, "/x", &[]).await.status, StatusCode::UNAUTHORIZED, "{method}");
    }
}

#[tokio::test]
async fn one_router_used_twice_is_guarded_as_each_place_has_it() {
    let routes = Routes::new().route("/x", get(async |_: AccessToken<Me>| "x"));
    let api = Api::of(
        Routes::new()
            .nest("/one", Routes::new().merge(routes.clone()).guard::<AccessToken<ReadItems>>())
            .nest("/two", routes),
    )
    .await;
    api.get("/two/x", "me").await.expect(StatusCode::OK);
    let challenge = "Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"read:items me\"";
    api.get("/one/x", "me").await.expect_challenge(StatusCode::FORBIDDEN, challenge);
    let challenge = "Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"me\"";
    api.get("/two/x", "read:items").await.expect_challenge(StatusCode::FORBIDDEN, challenge);
}

#[tokio::test]
async fn fallbacks_are_guarded_or_public_like_any_route() {
    let undecided = async |routes: Routes| {
        let Err(StartError::Undecided(names)) = TestApp::new().await.oauth2.router().merge(routes).finish() else {
            panic!("it started")
        };
        names
    };
    assert_eq!(undecided(Routes::new().fallback(any(async || "x"))).await, ["* /*"]);
    let nested = Routes::new().nest("/in", Routes::new().fallback(get(async || "x")));
    assert_eq!(undecided(nested).await, ["GET /in/*"]);
    let api = Api::of(
        Routes::new()
            .fallback(public(any(async || "outer")))
            .nest("/in", Routes::new().guard::<AccessToken<Me>>().fallback(any(async || "inner")))
            .route("/in/side/door", public(get(async || "side"))),
    )
    .await;
    assert_eq!(api.send("PATCH", "/nowhere", &[]).await.expect(StatusCode::OK).body, "outer");
    for path in ["/in/nowhere", "/in", "/in/", "/in/a/b/c", "/in/side", "/in/side/door/"] {
        assert_eq!(api.send("GET", path, &[]).await.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(api.get(path, "me").await.expect(StatusCode::OK).body, "inner", "{path}");
    }
    assert_eq!(api.send("GET", "/in/side/door", &[]).await.expect(StatusCode::OK).body, "side");
}

#[tokio::test]
async fn k8_no_other_spelling_of_a_path_loses_its_guard() {
    let routes = Routes::new()
        .route("/admin/x", get(async |_: AccessToken| "secret"))
        .route("/files/{*path}", get(async |_: AccessToken| "secret"))
        .route("/one/{id}", get(async |_: AccessToken| "secret"))
        .fallback(public(any(async || "nothing")));
    let api = Api::of(routes).await;
    for path in [
        "//admin/x",
        "/admin//x",
        "/./admin/x",
        "/admin/./x",
        "/admin/y/../x",
        "/admin/x/",
        "/admin/x//",
        "/ADMIN/x",
        "/admin/X",
        "/admin;a=b/x",
        "/admin/x;a",
        "/%61dmin/x",
        "/admin%2fx",
        "/admin%2Fx",
        "/admin/%2e/x",
        "/admin/x%00",
        "/admin/x%20",
        "/admin/x.",
        "/admin\\x",
        "/admin/x?",
        "/admin/x?a=b",
        "/files/../admin/x",
        "/files//x",
        "/files/a/",
        "/one/..",
        "/one/%2e%2e",
        "/one/a%2fb",
        "/one/;x",
        "http://other.example/admin/x",
        "/admin/x#",
    ] {
        let Ok(request) = Request::get(path).body(Body::empty()) else { continue };
        let answer = answer(&api.router, request).await;
        assert!(!answer.body.contains("secret"), "{path}: {answer:?}");
    }
    for path in ["/admin/x", "/admin/x?", "/admin/x?a=b", "/files/../admin/x", "/files//x", "/files/a/", "/one/%2e%2e"]
    {
        assert_eq!(api.send("GET", path, &[]).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn schemes_add_up_over_levels_and_optional_ones_stay_optional() {
    let routes = Routes::new()
        .route("/both", get(async |_: Credentials<Key>| "x").guard::<AccessToken<Me>>())
        .route("/maybe", get(async |key: Option<Credentials<Key>>, _: AccessToken| Json(key.is_some())))
        .route("/either", get(async |_: Either<Both<AccessToken<Me>, Credentials<Key>>, AccessToken<ReadItems>>| "x"))
        .route("/none", get(async |_: Option<Either<AccessToken<Me>, Credentials<Key>>>| "x"));
    let api = Api::of(routes).await;
    let key = || ("x-key", "k");
    assert_eq!(api.operation("/both")["security"], json!([{ "OAuth2PasswordBearer": ["me"], "Key": [] }]));
    let both = json!({ "Key": [], "OAuth2PasswordBearer": [] });
    assert_eq!(api.operation("/maybe")["security"], json!([both, lock(&json!([]))]));
    let both = json!({ "OAuth2PasswordBearer": ["me"], "Key": [] });
    assert_eq!(api.operation("/either")["security"], json!([both, lock(&json!(["read:items"]))]));
    assert_eq!(api.operation("/none")["security"], json!([lock(&json!(["me"])), { "Key": [] }, {}]));

    let token = format!("Bearer {}", api.app.token("me").await);
    let with_token = [("authorization", &*token)];
    let with_both = [("authorization", &*token), key()];
    let challenges = |answer: &Answer| -> Vec<String> {
        let all = answer.headers.get_all("www-authenticate").iter();
        all.map(|challenge| challenge.to_str().unwrap().to_owned()).collect()
    };
    let missing = api.send("GET", "/both", &with_token).await.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(challenges(&missing), ["Bearer realm=\"api\"", "APIKey realm=\"api\""]);
    let bad = api.send("GET", "/both", &[("authorization", "Bearer bad"), key()]).await;
    let challenge = "Bearer realm=\"api\", error=\"invalid_token\", scope=\"me\"";
    assert_eq!(challenges(&bad.expect(StatusCode::UNAUTHORIZED)), [challenge, "APIKey realm=\"api\""]);
    api.send("GET", "/both", &with_both).await.expect(StatusCode::OK);
    assert_eq!(api.send("GET", "/maybe", &with_token).await.expect(StatusCode::OK).body, "false");
    assert_eq!(api.send("GET", "/maybe", &with_both).await.expect(StatusCode::OK).body, "true");
    api.send("GET", "/maybe", &[key()]).await.expect(StatusCode::UNAUTHORIZED);
    api.send("GET", "/either", &with_both).await.expect(StatusCode::OK);
    api.get("/either", "read:items").await.expect(StatusCode::OK);
    let either = api.send("GET", "/either", &with_token).await.expect(StatusCode::FORBIDDEN);
    assert_eq!(
        challenges(&either),
        [
            "Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"me\"",
            "APIKey realm=\"api\"",
            "Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"read:items\"",
        ]
    );
    for (headers, status) in [
        (vec![], StatusCode::OK),
        (vec![key()], StatusCode::OK),
        (vec![("authorization", "Bearer bad")], StatusCode::UNAUTHORIZED),
        (vec![("authorization", "Bearer bad"), key()], StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(api.send("GET", "/none", &headers).await.status, status, "{headers:?}");
    }
}

struct Own;

impl Rule for Own {
    type Guard = CurrentUser<Me>;
    type State = OAuth2;
    const NAME: &'static str = "own";
    const DESCRIPTION: &'static str = "It is not yours.";

    async fn check(user: CurrentUser<Me>, parts: &mut axum::http::request::Parts, _: &OAuth2) -> Result<Self, Denied> {
        match parts.uri.query() {
            Some("gone") => Err(Denied::answer((StatusCode::NOT_FOUND, "no such thing"))),
            Some("away") => Err(Denied::Unavailable(StoreError::unavailable("the table is away"))),
            Some(owner) if owner == user.username => Ok(Self),
            _ => Err(Denied::Refused),
        }
    }
}

#[tokio::test]
async fn a_rule_has_a_403_of_its_own_and_the_document_tells_of_it() {
    let routes = Routes::new()
        .route("/type", get(async |_: Allowed<Own>| "x"))
        .route("/maybe", get(async |own: Option<Allowed<Own>>| Json(own.is_some())))
        .route("/function", get(async || "x").rule("late", "Too late.", async |_: AccessToken<ReadItems>| false));
    let api = Api::of(routes).await;
    api.get("/type?alice", "me").await.expect(StatusCode::OK);
    let refused = api.get("/type?bob", "me").await.expect(StatusCode::FORBIDDEN);
    assert_eq!(refused.json(), json!({ "detail": "It is not yours." }));
    assert!(refused.headers.get("www-authenticate").is_none(), "no other token would do");
    let refused = api.get("/type?alice", "read:items").await.expect(StatusCode::FORBIDDEN);
    assert_eq!(refused.json()["error"], "insufficient_scope");
    assert_eq!(api.get("/type?gone", "me").await.expect(StatusCode::NOT_FOUND).body, "no such thing");
    let away = api.get("/type?away", "me").await.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((away.header("retry-after"), &away.json()["error"]), ("1", &"temporarily_unavailable".into()));
    api.send("GET", "/type?alice", &[]).await.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(api.send("GET", "/maybe?bob", &[]).await.expect(StatusCode::OK).body, "false");
    api.get("/maybe?bob", "me").await.expect(StatusCode::FORBIDDEN);

    let late = api.get("/function", "read:items").await.expect(StatusCode::FORBIDDEN);
    assert_eq!(late.json(), json!({ "detail": "Too late." }));
    api.send("GET", "/function", &[]).await.expect(StatusCode::UNAUTHORIZED);
    let told = api.operation("/function");
    assert_eq!(told["security"], json!([lock(&json!(["read:items"]))]));
    assert_eq!(told["responses"]["403"]["description"], "Not enough permissions; or: Too late");
    assert_eq!(told["x-rules"], json!([{ "late": "Too late." }]));
    assert_eq!(api.operation("/type")["x-rules"], json!([{ "own": "It is not yours." }]));
}

#[derive(Debug, serde::Deserialize)]
struct Tenant {
    #[expect(dead_code, reason = "read for its type")]
    tenant: String,
}

#[tokio::test]
async fn claims_that_are_not_there_or_of_another_type_are_a_bad_token() {
    let api = Api::of(Routes::new().route("/x", get(async |_: Claims<Tenant, Me>| "x"))).await;
    api.get("/x", "me").await.expect_invalid_token();
    api.get("/x", "read:items").await.expect(StatusCode::FORBIDDEN);
    assert_eq!(api.operation("/x")["security"], json!([lock(&json!(["me"]))]));
}

/// A table that counts how often it is asked.
#[derive(Clone, Debug, Default)]
struct Counting {
    asked: Arc<AtomicUsize>,
    made: Arc<AtomicUsize>,
}

impl Counting {
    fn owner(&self) -> ResourceOwner {
        self.asked.fetch_add(1, Ordering::SeqCst);
        ResourceOwner {
            subject: Subject::new("1"),
            username: Username::parse("alice").unwrap(),
            full_name: None,
            email: None,
            scope: "me".parse().unwrap(),
            status: countersign::OwnerStatus::Active,
            password_hash: Some(countersign::PasswordHash::new(
                "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW",
            )),
        }
    }
}

#[countersign::async_trait]
impl ResourceOwners for Counting {
    async fn find_by_username(&self, _: &Username) -> Result<Option<ResourceOwner>, StoreError> {
        Ok(Some(self.owner()))
    }

    async fn find_by_subject(&self, _: &Subject) -> Result<Option<ResourceOwner>, StoreError> {
        Ok(Some(self.owner()))
    }
}

#[derive(Clone)]
struct State(OAuth2, Counting);

impl FromRef<State> for OAuth2 {
    fn from_ref(state: &State) -> Self {
        state.0.clone()
    }
}

#[derive(Clone)]
struct Person(String);

impl FromResourceOwner<State> for Person {
    async fn from_resource_owner(owner: ResourceOwner, state: &State) -> Result<Option<Self>, StoreError> {
        state.1.made.fetch_add(1, Ordering::SeqCst);
        Ok(Some(Self(owner.username.to_string())))
    }
}

#[tokio::test]
async fn the_user_is_loaded_once_a_request_however_many_guards_ask() {
    let table = Counting::default();
    let app = TestApp::with(any_store().await, |builder| builder.users(table.clone())).await;
    let state = State(app.oauth2.clone(), table.clone());
    let handler =
        async |one: CurrentUser<(), Person>, _: CurrentUser<Me>, _: Option<CurrentUser<Me, Person>>| one.0.clone();
    let routes = Routes::new().route("/x", get(handler)).guard::<CurrentUser<Me, Person>>().guard::<CurrentUser>();
    let router = app.oauth2.router_with_state(state).merge(routes).finish().unwrap();
    let answer_to_login = app.post_token("username=alice&password=secret&scope=me").await.expect(StatusCode::OK);
    let authorization = format!("Bearer {}", answer_to_login.json()["access_token"].as_str().unwrap());
    for requests in 1..=2 {
        table.asked.store(0, Ordering::SeqCst);
        let request = Request::get("/x").header("authorization", &authorization).body(Body::empty()).unwrap();
        assert_eq!(answer(&router, request).await.expect(StatusCode::OK).body, "alice");
        assert_eq!(table.asked.load(Ordering::SeqCst), 1, "and once again for each request");
        assert_eq!(table.made.load(Ordering::SeqCst), requests);
    }
}

#[tokio::test]
async fn an_extractor_that_guards_nothing_leaves_a_route_undecided() {
    let oauth2 = TestApp::new().await.oauth2;
    let hidden = oauth2.router().route("/x", get(async |_: Plain<CurrentUser>| "x"));
    assert!(matches!(hidden.finish(), Err(StartError::Undecided(_))), "even one that hides a guard");
}

#[tokio::test]
async fn two_schemes_of_one_name_do_not_start() {
    security_schemes! {
        /// Another key.
        Other as "Key": ApiKey = ApiKey::header("X-Other");
        /// The name of the handle's own.
        Mine as "OAuth2PasswordBearer": ApiKey = ApiKey::header("X-Mine");
    }
    let oauth2 = TestApp::new().await.oauth2;
    let two = oauth2
        .router()
        .route("/x", get(async |_: Credentials<Key>| "x"))
        .route("/y", get(async |_: Credentials<Other>| "y"));
    assert!(matches!(two.finish(), Err(StartError::SchemeTwice(name)) if name == "Key"));
    let taken = oauth2.router().route("/x", get(async |_: Credentials<Mine>| "x"));
    assert!(matches!(taken.finish(), Err(StartError::SchemeTwice(name)) if name == "OAuth2PasswordBearer"));
    let named =
        OAuth2::new(Memory::new()).scheme_name("Ours").scheme_description("Log in here.").build().await.unwrap();
    let app = named.router().route("/x", get(async |_: Credentials<Mine>| "x"));
    let document: Value = serde_json::from_str(&app.openapi().unwrap()).unwrap();
    assert_eq!(document["components"]["securitySchemes"]["Ours"]["description"], "Log in here.");
    assert_eq!(document["paths"]["/users/me"]["get"]["security"], json!([{ "Ours": [] }]));
    let bad = OAuth2::new(Memory::new()).scheme_name("not a name").build().await;
    assert!(matches!(bad, Err(StartError::SchemeName(_))));
}

#[tokio::test]
async fn developers_hear_why_and_others_do_not() {
    let routes = || Routes::new().route("/x", get(async |_: AccessToken<Me>| "x"));
    let app = TestApp::with(any_store().await, countersign::Builder::developer_mode).await;
    let router = app.oauth2.router().merge(routes()).finish().unwrap();
    let send = async |authorization: &str| {
        let request = Request::get("/x").header("authorization", authorization).body(Body::empty()).unwrap();
        answer(&router, request).await
    };
    let poor = format!("Bearer {}", app.token("read:items").await);
    let old = format!("Bearer {}", app.token("me").await);
    for (authorization, status, reason) in
        [("Basic YTpi", 401, "other_scheme"), ("Bearer bad", 401, "malformed"), (&*poor, 403, "scope_missing")]
    {
        let told = send(authorization).await.expect(StatusCode::from_u16(status).unwrap());
        assert_eq!(told.header("countersign-reason"), reason);
        assert!(!told.header("countersign-advice").is_empty());
        assert!(told.json().get("reason").is_none(), "the body is as in production");
    }
    app.forward(3600);
    assert_eq!(send(&old).await.header("countersign-reason"), "expired");
    let api = Api::of(routes()).await;
    let silent = api.send("GET", "/x", &[("authorization", "Bearer bad")]).await;
    assert!(silent.headers.get("countersign-reason").is_none());
    assert_eq!(silent.json(), json!({ "detail": "Could not validate credentials", "error": "invalid_token" }));
}

static_assertions::assert_not_impl_any!(countersign::BearerToken: serde::Serialize, std::fmt::Display);
static_assertions::assert_not_impl_any!(countersign::scheme::ApiKeyValue: serde::Serialize, std::fmt::Display);
static_assertions::assert_not_impl_any!(countersign::scheme::BasicCredentials: serde::Serialize, std::fmt::Display);
static_assertions::assert_not_impl_any!(countersign::scheme::HttpCredentials: serde::Serialize, std::fmt::Display);
static_assertions::assert_not_impl_any!(countersign::OAuth2PasswordRequestForm: serde::Serialize, std::fmt::Display);

#[tokio::test]
async fn l5_no_secret_is_shown_by_what_holds_it() {
    security_schemes! {
        /// Logins.
        Login: countersign::scheme::HttpBasic = countersign::scheme::HttpBasic::new();
        /// Tokens.
        Raw: countersign::scheme::HttpBearer = countersign::scheme::HttpBearer::new();
    }
    let routes = Routes::new()
        .route("/key", get(async |key: Credentials<Key>| format!("{key:?} {:?}", *key)))
        .route("/login", get(async |login: Credentials<Login>| format!("{login:?} {:?}", *login)))
        .route("/raw", post(async |raw: Credentials<Raw>| format!("{raw:?} {:?}", *raw)))
        .route("/token", delete(async |token: countersign::BearerToken| format!("{token:?}")));
    let router = TestApp::new().await.oauth2.router().nest("/show", routes).finish().unwrap();
    for (method, path, name, value) in [
        ("GET", "/show/key", "x-key", "canary"),
        ("GET", "/show/login", "authorization", "Basic YWxpY2U6Y2FuYXJ5"),
        ("POST", "/show/raw", "authorization", "Bearer canary"),
        ("DELETE", "/show/token", "authorization", "Bearer canary"),
    ] {
        let request = Request::builder().method(method).uri(path).header(name, value).body(Body::empty()).unwrap();
        let shown = answer(&router, request).await.expect(StatusCode::OK).body;
        assert!(!shown.contains("canary") && shown.contains("redacted"), "{shown}");
    }
}

#[tokio::test]
async fn b10_a_guard_of_two_never_passes_over_bad_credentials() {
    let routes = Routes::new()
        .route("/none", get(async |_: Option<Both<Credentials<Key>, CurrentUser>>| "x"))
        .route("/other", get(async |_: Either<Both<Credentials<Key>, CurrentUser>, Credentials<Third>>| "x"));
    security_schemes! {
        /// Another key.
        Third: ApiKey = ApiKey::header("X-Third");
    }
    let api = Api::of(routes).await;
    let good = format!("Bearer {}", api.app.token("me").await);
    let (bad, good) = (("authorization", "Bearer garbage"), ("authorization", &*good));
    let (key, third) = (("x-key", "k"), ("x-third", "t"));
    for (path, headers, status) in [
        ("/none", vec![], StatusCode::OK),
        ("/none", vec![bad], StatusCode::UNAUTHORIZED),
        ("/none", vec![bad, key], StatusCode::UNAUTHORIZED),
        ("/none", vec![good], StatusCode::UNAUTHORIZED),
        ("/none", vec![key], StatusCode::UNAUTHORIZED),
        ("/none", vec![good, key], StatusCode::OK),
        ("/other", vec![third], StatusCode::OK),
        ("/other", vec![bad, third], StatusCode::UNAUTHORIZED),
        ("/other", vec![good, third], StatusCode::OK),
        ("/other", vec![good], StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(api.send("GET", path, &headers).await.status, status, "{path} {headers:?}");
    }
}

#[tokio::test]
async fn an_alternative_is_told_of_as_it_is_enforced() {
    let handler = async |_: Either<AccessToken<Admin>, Credentials<Key>>| "x";
    let api = Api::of(Routes::new().route("/x", get(handler)).guard::<AccessToken<ReadItems>>()).await;
    let admin = lock(&json!(["read:items", "admin"]));
    let key = json!({ "OAuth2PasswordBearer": ["read:items"], "Key": [] });
    assert_eq!(api.operation("/x")["security"], json!([admin, key]));
    let token = format!("Bearer {}", api.app.token("read:items").await);
    let headers = [("authorization", &*token), ("x-key", "k")];
    api.send("GET", "/x", &headers).await.expect(StatusCode::OK);
    api.send("GET", "/x", &headers[..1]).await.expect(StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_guard_before_routes_that_checks_nothing_decides_nothing() {
    let oauth2 = TestApp::new().await.oauth2;
    let undecided = |routes: Routes| match oauth2.router().merge(routes).finish() {
        Err(StartError::Undecided(routes)) => routes,
        other => panic!("{other:?}"),
    };
    let open = || Routes::new().route("/x", get(async || "x"));
    assert_eq!(undecided(open().guard::<countersign::BearerToken>()), ["GET /x"]);
    assert_eq!(undecided(open().guard::<Credentials<Key>>()), ["GET /x"]);
    drop(oauth2.router().merge(open().guard::<Allowed<Own>>()).finish().unwrap());
    let checked = open().rule("key", "No.", async |key: Credentials<Key>| key.secret() == "k");
    drop(oauth2.router().merge(checked).finish().unwrap());
}

#[tokio::test]
async fn a_route_that_is_there_twice_or_has_no_slash_does_not_start() {
    let oauth2 = TestApp::new().await.oauth2;
    let open = || public(get(async || "x"));
    for routes in [
        Routes::new().route("/x", open()).route("/x", open()),
        Routes::new().route("/a/x", open()).nest("/a", Routes::new().route("/x", open())),
        Routes::new().fallback(public(any(async || "x"))).merge(Routes::new().fallback(public(any(async || "y")))),
        Routes::new().route("x", open()),
    ] {
        let refused = oauth2.router().merge(routes).finish();
        assert!(matches!(refused, Err(StartError::Route { .. })), "{refused:?}");
    }
}
