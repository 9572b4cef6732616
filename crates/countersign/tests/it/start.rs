//! What keeps an API from starting, and what does not.

use std::time::Duration;

use axum::{
    Json,
    extract::{FromRequestParts, rejection::JsonRejection},
    http::{Method, request::Parts},
    response::Response,
};
use countersign::{
    CurrentUser, KeyPairAlgorithm, Memory, OAuth2, Refusal, Routes, SigningChoice, StartError, argument,
    core::jose::{HmacSecret, WeakSecret},
    routing::{get, post, public},
};

use crate::store::any_store;
use crate::support::{Me, TestApp};

async fn oauth2() -> OAuth2 {
    OAuth2::new(Memory::new()).build().await.unwrap()
}

#[tokio::test]
async fn a_route_that_is_neither_guarded_nor_public_does_not_start() {
    let oauth2 = oauth2().await;
    let open = || get(async || "open");
    let nested = Routes::new().route("/deep", open());
    let app = oauth2
        .router()
        .route("/open", open())
        .route("/half", get(async |_: CurrentUser| "guarded").post(async || "open"))
        .route("/guarded", get(async |_: CurrentUser<Me>| "guarded"))
        .route("/public", public(open()))
        .nest("/nested", nested)
        .merge(Routes::new().route("/merged", open()));
    let Err(error) = app.finish() else { panic!("it started") };
    let StartError::Undecided(routes) = &error else { panic!("{error}") };
    let mut routes = routes.clone();
    routes.sort();
    assert_eq!(routes, ["GET /merged", "GET /nested/deep", "GET /open", "POST /half"]);
    assert!(error.to_string().contains("GET /open") && error.to_string().contains("public("), "{error}");
    let said = error.to_string();
    assert_eq!(format!("{:?}", countersign::Error::from(error)), said, "a `main` that returns it says the same");
}

#[tokio::test]
async fn routes_that_meet_on_one_path_are_all_looked_at() {
    let open = || Routes::new().route("/x", post(async || "open"));
    let guarded = || Routes::new().route("/x", get(async |_: CurrentUser| "ok"));
    let hidden = || Routes::new().route("/x", public(axum::routing::put(async || "raw")));
    let router = oauth2().await;
    let router = || router.router();
    for app in [
        router().route("/api/x", post(async || "open")).nest("/api", guarded()),
        router().nest("/api", guarded()).route("/api/x", post(async || "open")),
        router().nest("/api", open()).nest("/api", guarded()),
        router().nest("/api", guarded()).nest("/api", open()),
        router().nest("/api", open()).nest("/api", hidden()),
        router().nest("/api/", open()).merge(Routes::new().nest("/api", hidden())),
        router().nest("/api", guarded().merge(open())),
    ] {
        let Err(StartError::Undecided(routes)) = app.finish() else { panic!("it started") };
        assert_eq!(routes, ["POST /api/x"]);
    }
    drop(router().nest("/api", guarded()).nest("/api", hidden()).finish().unwrap());
}

#[tokio::test]
async fn public_holds_for_what_is_there_and_not_for_what_is_chained_after_it() {
    let app = oauth2().await.router().route("/x", public(get(async || "list")).post(async || "create"));
    let Err(StartError::Undecided(routes)) = app.finish() else { panic!("it started") };
    assert_eq!(routes, ["POST /x"]);
    let app = oauth2().await.router().route("/x", public(axum::routing::get(async || "list")).post(async || "create"));
    let Err(StartError::Undecided(routes)) = app.finish() else { panic!("it started") };
    assert_eq!(routes, ["POST /x"]);
    let app = oauth2().await.router().route("/x", public(get(async || "list").post(async || "create")));
    drop(app.finish().unwrap());
}

/// A guard of an author's own, made of ours.
struct Editor;

impl FromRequestParts<OAuth2> for Editor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &OAuth2) -> Result<Self, Refusal> {
        <CurrentUser<Me> as FromRequestParts<_>>::from_request_parts(parts, state).await.map(|_| Self)
    }
}

argument!(Editor: CurrentUser<Me>);

#[tokio::test]
async fn a_guard_whose_refusal_is_handed_to_the_handler_locks_nothing() {
    let routes = || {
        [
            get(async |_: Result<CurrentUser<Me>, Refusal>| "whoever"),
            get(async |_: Result<Editor, Refusal>| "whoever"),
            get(async |_: Result<(CurrentUser<Me>, Method), Response>| "whoever"),
            get(async |_: Result<Option<CurrentUser>, Refusal>| "whoever"),
        ]
    };
    for methods in routes() {
        let Err(StartError::Undecided(routes)) = oauth2().await.router().route("/x", methods).finish() else {
            panic!("it started")
        };
        assert_eq!(routes, ["GET /x"]);
    }
    for methods in routes() {
        let app = oauth2().await.router().route("/x", public(methods));
        let document: serde_json::Value = serde_json::from_str(&app.openapi().unwrap()).unwrap();
        assert!(document["paths"]["/x"]["get"]["security"].is_null(), "and it is documented without a lock");
    }
    let beside = get(async |_: CurrentUser<Me>, _: Result<Json<Vec<u8>>, JsonRejection>| "guarded all the same");
    drop(oauth2().await.router().route("/x", beside).route("/y", get(async |_: Editor| "guarded")).finish().unwrap());
}

#[tokio::test]
async fn a_route_whose_guards_cannot_be_read_does_not_start_and_is_told_why() {
    let nested = Routes::new().route("/raw", axum::routing::get(async |_: CurrentUser| "raw"));
    let Err(error) = oauth2().await.router().nest("/nested", nested).finish() else { panic!("it started") };
    assert!(matches!(&error, StartError::Unreadable(paths) if paths == &["* /nested/raw"]));
    assert!(error.to_string().contains("countersign::routing::get"), "{error}");
}

#[tokio::test]
async fn layers_and_fallbacks_are_put_around_the_finished_router() {
    let router = oauth2().await.router().map(|router| router.fallback(async || "nobody is here")).finish().unwrap();
    let request = axum::http::Request::get("/nowhere").body(axum::body::Body::empty()).unwrap();
    let answer = tower::ServiceExt::oneshot(router, request).await.unwrap();
    assert_eq!(answer.status(), axum::http::StatusCode::OK);
}

#[tokio::test]
async fn guarded_optional_and_public_routes_start_however_they_are_put_together() {
    let parts = Routes::new()
        .route("/raw", public(axum::routing::get(async || "raw")))
        .route("/optional", get(async |_: Option<CurrentUser>| "maybe"))
        .route("/both", get(async |_: CurrentUser| "get").post(async |_: CurrentUser<Me>| "post"));
    let app =
        oauth2().await.router().nest("/a", Routes::new().nest("/b", parts)).route("/p", public(post(async || "p")));
    drop(app.finish().unwrap());
}

#[tokio::test]
async fn a_path_of_ours_is_not_given_away() {
    for path in
        ["/token", "/token/", "/docs", "/docs/{page}", "/docs/{*rest}", "/openapi.json", "/.well-known/jwks.json"]
    {
        let app = oauth2().await.router().route(path, get(async |_: CurrentUser| "mine"));
        assert!(matches!(app.finish(), Err(StartError::PathTaken(_))), "{path}");
    }
}

#[tokio::test]
async fn a_users_me_of_the_authors_takes_the_place_of_ours() {
    for path in ["/users/me", "/users/me/"] {
        let app = oauth2().await.router().route(path, get(async |_: CurrentUser<Me>| "mine"));
        drop(app.finish().unwrap());
    }
}

mod one {
    #[derive(serde::Serialize, schemars::JsonSchema)]
    pub(super) struct Item {
        pub(super) one: u8,
    }
}

mod two {
    #[derive(serde::Serialize, schemars::JsonSchema)]
    pub(super) struct Item {
        pub(super) two: String,
    }
}

#[tokio::test]
async fn two_types_of_one_name_get_two_names() {
    let app = oauth2()
        .await
        .router()
        .route("/one", get(async |_: CurrentUser| Json(one::Item { one: 1 })))
        .route("/two", get(async |_: CurrentUser| Json(two::Item { two: String::new() })))
        .route("/one/again", get(async |_: CurrentUser| Json(one::Item { one: 1 })));
    let document: serde_json::Value = serde_json::from_str(&app.openapi().unwrap()).unwrap();
    let returned = |path: &str| {
        let content = &document["paths"][path]["get"]["responses"]["200"]["content"];
        let name =
            content["application/json"]["schema"]["$ref"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        document["components"]["schemas"][&name]["properties"].clone()
    };
    assert!(returned("/one").get("one").is_some() && returned("/two").get("two").is_some());
    assert_eq!(returned("/one"), returned("/one/again"));
}

#[tokio::test]
async fn two_types_that_share_a_name_after_all_are_told() {
    // Names are given by thread: routes that were made on two may clash, and the document must not mix them up.
    let elsewhere = std::thread::spawn(|| {
        Routes::new().route("/two", get(async |_: CurrentUser| Json(two::Item { two: String::new() })))
    });
    let app = oauth2()
        .await
        .router()
        .route("/one", get(async |_: CurrentUser| Json(one::Item { one: 1 })))
        .merge(elsewhere.join().unwrap());
    assert!(matches!(app.finish(), Err(StartError::SchemaTwice(name)) if name == "Item"));
}

#[tokio::test]
async fn k1_the_issuer_is_https_unless_it_is_this_machine() {
    let build = |issuer: &str| OAuth2::new(Memory::new()).issuer(issuer).build();
    for good in [
        "https://api.example.com",
        "https://api.example.com/auth",
        "http://localhost:8000",
        "http://127.0.0.1",
        "http://127.8.9.1:1",
        "http://[::1]:8000",
    ] {
        build(good).await.unwrap();
    }
    for bad in [
        "http://api.example.com",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://localhost@evil.example",
        "https://user@api.example.com",
        "https://api.example.com/?x",
        "https://api.example.com/#x",
        "https://api.example.com/",
        "ftp://localhost",
        "api.example.com",
        "https://",
        "javascript:alert(1)",
        "https://api.example.com/\"",
        "",
    ] {
        assert!(matches!(build(bad).await, Err(StartError::Issuer { .. })), "{bad}");
    }
    OAuth2::new(Memory::new()).issuer("http://api.example.com").allow_insecure_issuer().build().await.unwrap();
}

#[tokio::test]
async fn k1_listening_to_other_machines_needs_an_issuer() {
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = countersign::serve_on(oauth2().await.router(), listener).await;
    assert!(matches!(served, Err(StartError::IssuerNeeded(_))), "{served:?}");
    let shouted = OAuth2::new(Memory::new()).issuer("HTTP://localhost:8000").build().await.unwrap();
    assert!(matches!(shouted.check_address(address), Err(StartError::PlainIssuer(_))));
    let plain = || OAuth2::new(Memory::new()).issuer("http://localhost:8000");
    let refused = plain().build().await.unwrap().check_address(address);
    assert!(matches!(refused, Err(StartError::PlainIssuer(_))), "{refused:?}");
    plain().allow_insecure_issuer().build().await.unwrap().check_address(address).unwrap();
    OAuth2::new(Memory::new()).issuer("https://a.example").build().await.unwrap().check_address(address).unwrap();
    plain().build().await.unwrap().check_address("127.0.0.1:8000".parse().unwrap()).unwrap();
}

#[tokio::test]
async fn lifetimes_and_leeways_have_bounds() {
    for seconds in [0, 24 * 60 * 60 + 1] {
        let builder = OAuth2::new(Memory::new()).access_token_lifetime(Duration::from_secs(seconds));
        assert!(matches!(builder.build().await, Err(StartError::Lifetime { .. })), "{seconds}");
    }
    let builder = OAuth2::new(Memory::new()).leeway(Duration::from_secs(61));
    assert!(matches!(builder.build().await, Err(StartError::Leeway)));
}

#[tokio::test]
async fn c18_known_and_weak_secrets_are_refused() {
    for (secret, why) in [
        ("swap-this-with-a-real-secret", WeakSecret::TooShort),
        ("secret", WeakSecret::TooShort),
        ("", WeakSecret::TooShort),
        ("09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7", WeakSecret::Published),
        ("your-super-secret-jwt-token-with-at-least-32-characters-long\n", WeakSecret::Published),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", WeakSecret::Pattern),
        ("abababababababababababababababababababab", WeakSecret::Pattern),
    ] {
        assert_eq!(HmacSecret::new(secret).err(), Some(why), "{secret}");
    }
    let shown = format!("{:?}", HmacSecret::new("q3Z!r8Lk0vWn5xTb7yHc2mJd9pSf4gAe").unwrap());
    assert_eq!(shown, "HmacSecret([redacted])");
}

#[tokio::test]
async fn every_algorithm_signs_and_verifies() {
    let secret = HmacSecret::new("q3Z!r8Lk0vWn5xTb7yHc2mJd9pSf4gAe").unwrap();
    for (choice, keys, algorithm) in [
        (SigningChoice::KeyPair(KeyPairAlgorithm::Es256), 1, "ES256"),
        (SigningChoice::KeyPair(KeyPairAlgorithm::EdDsa), 1, "EdDSA"),
        (SigningChoice::KeyPair(KeyPairAlgorithm::Rs256), 1, "RS256"),
        (SigningChoice::Secret(secret), 0, "HS256"),
    ] {
        let app = TestApp::with(any_store().await, |builder| builder.signing(choice)).await;
        let token = app.token("me").await;
        app.get_as("/user", &token).await.expect(axum::http::StatusCode::OK);
        assert_eq!(app.oauth2.server().unwrap().keys().algorithm().name(), algorithm);
        let published = app.get("/.well-known/jwks.json").await.json();
        assert_eq!(published["keys"].as_array().unwrap().len(), keys, "I6: a secret is never published");
        let metadata = app.get("/.well-known/oauth-authorization-server").await.json();
        assert_eq!(metadata.get("jwks_uri").is_some(), keys > 0);
    }
}
