//! The one line that moves an API from embedded to remote: what stays the same, and what is not there any more.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use countersign::{
    OAuth2, StartError,
    audit::AuditedAccess,
    routing::{get, public},
};
use serde_json::{Value, json};

use super::support::{AUDIENCE, ISSUER, KEYS, Key, METADATA, Network, RemoteApp, fetched};
use crate::store::any_store;
use crate::support::{Answer, Me, ReadItems, TestApp, answer, routes};

fn key() -> Key {
    Key::new("first", 1)
}

async fn get_from(router: &axum::Router, path: &str) -> Answer {
    answer(router, Request::get(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_same_handlers_answer_the_same_to_tokens_from_elsewhere() {
    let embedded = TestApp::with(any_store().await, |builder| builder.issuer(ISSUER).audience(AUDIENCE)).await;
    let network = Network::default();
    for (at, path) in [(METADATA, "/.well-known/oauth-authorization-server"), (KEYS, "/.well-known/jwks.json")] {
        let body = embedded.get(path).await.expect(StatusCode::OK).body.replace("/.well-known/jwks.json", "/keys");
        network.put(at, fetched(200, "application/json", body));
    }
    let builder = OAuth2::remote(ISSUER).fetch(network.clone()).clock(embedded.clock.clone()).audience(AUDIENCE);
    let remote = routes(builder.build().await.unwrap().router()).finish().unwrap();
    let tokens = [embedded.token("").await, embedded.token("read:items").await, embedded.token("read:items me").await];
    let headers: Vec<_> = tokens
        .iter()
        .flat_map(|token| [format!("Bearer {token}"), format!("bearer  {token}"), format!("Bearer {token}x")])
        .chain(["Basic x".to_owned(), "Bearer".to_owned(), "Bearer a b".to_owned()])
        .map(Some)
        .chain([None])
        .collect();
    for path in
        ["/bearer", "/any", "/items", "/both", "/admin", "/optional-token", "/optional-bearer", "/public", "/raw"]
    {
        for header in &headers {
            let request = || {
                let request = Request::get(path);
                let request = header.iter().fold(request, |request, value| request.header("authorization", value));
                request.body(Body::empty()).unwrap()
            };
            let (here, elsewhere) = (embedded.send(request()).await, answer(&remote, request()).await);
            assert_eq!((here.status, &here.body), (elsewhere.status, &elsewhere.body), "{path} {header:?}");
            assert_eq!(here.headers.get("www-authenticate"), elsewhere.headers.get("www-authenticate"));
        }
    }
    let user = |answer: Answer| answer.expect(StatusCode::OK).json()["sub"].clone();
    let whoami = |router| {
        let request = super::support::request("/user", &tokens[2]);
        async move { user(answer(router, request).await) }
    };
    assert_eq!(whoami(&embedded.router).await, whoami(&remote).await);
}

#[tokio::test]
async fn an_api_that_issues_nothing_has_no_endpoints_of_an_issuer() {
    let app = RemoteApp::new(&key()).await;
    for path in ["/token", "/token/", "/.well-known/jwks.json", "/.well-known/oauth-authorization-server"] {
        get_from(&app.router, path).await.expect(StatusCode::NOT_FOUND);
        let post = Request::post(path).body(Body::empty()).unwrap();
        answer(&app.router, post).await.expect(StatusCode::NOT_FOUND);
    }
    let audit = app.oauth2.router().audit();
    let paths: Vec<_> = audit.routes.iter().map(|route| route.path.as_str()).collect();
    assert_eq!(paths, ["/users/me", "/openapi.json", "/docs"]);
    assert_eq!(audit.of(AuditedAccess::Public).count(), 2);
    let own = app.oauth2.router().route("/token", public(get(async || "mine")));
    let own = own.route("/.well-known/jwks.json", public(get(async || "mine"))).finish().unwrap();
    assert_eq!(get_from(&own, "/token").await.expect(StatusCode::OK).body, "mine");
    for path in ["/docs", "/openapi.json"] {
        get_from(&app.router, path).await.expect(StatusCode::OK);
        let taken = app.oauth2.router().route(path, public(get(async || "mine")));
        assert!(matches!(taken.finish(), Err(StartError::PathTaken(_))));
    }
    assert_eq!(app.network.asked(), []);
}

fn document(oauth2: &OAuth2) -> (String, Value) {
    let text = routes(oauth2.router()).openapi().unwrap();
    let document = serde_json::from_str(&text).unwrap();
    (text, document)
}

#[tokio::test]
async fn the_document_tells_of_openid_connect_or_of_where_to_sign_in() {
    let app = RemoteApp::with(&key(), |builder| builder.scheme_description("Staff accounts.")).await;
    let (text, connect) = document(&app.oauth2);
    assert_eq!(
        connect["components"]["securitySchemes"],
        json!({ "OpenIdConnect": {
            "type": "openIdConnect",
            "openIdConnectUrl": "https://issuer.example.com/.well-known/openid-configuration",
            "description": "Staff accounts.",
        } })
    );
    assert_eq!(connect["paths"]["/items"]["get"]["security"], json!([{ "OpenIdConnect": ["read:items"] }]));
    assert!(connect["paths"]["/token"].is_null());
    let app = RemoteApp::with(&key(), |builder| builder.scheme_description("Staff accounts.")).await;
    assert_eq!(document(&app.oauth2).0, text, "the same bytes");
    assert_eq!(app.network.asked(), []);

    let sign_in = RemoteApp::with(&key(), |builder| {
        builder.sign_in_at("https://login.example.com/authorize", "https://login.example.com/token")
    })
    .await;
    let (_, code) = document(&sign_in.oauth2);
    let scheme = &code["components"]["securitySchemes"]["OAuth2AuthorizationCodeBearer"];
    assert_eq!(scheme["type"], "oauth2");
    let flow = &scheme["flows"]["authorizationCode"];
    assert_eq!(flow["authorizationUrl"], "https://login.example.com/authorize");
    assert_eq!(flow["tokenUrl"], "https://login.example.com/token");
    assert_eq!(flow["scopes"]["read:items"], "Read items.");

    let named = RemoteApp::with(&key(), |builder| builder.scheme_name("Staff").scopes::<(ReadItems, Me)>()).await;
    assert!(document(&named.oauth2).1["components"]["securitySchemes"]["Staff"].is_object());
}

#[tokio::test]
async fn the_docs_page_may_ask_where_people_sign_in_and_nowhere_else() {
    let policy = |answer: &Answer| {
        let policy = answer.header("content-security-policy").to_owned();
        policy.split("; ").find_map(|part| part.strip_prefix("connect-src ")).unwrap().to_owned()
    };
    let connect = RemoteApp::new(&key()).await;
    let page = get_from(&connect.router, "/docs").await.expect(StatusCode::OK);
    assert_eq!(policy(&page), "'self' https://issuer.example.com");
    // Its metadata may name a page to log in at, which opens in a window.
    assert_eq!(page.header("cross-origin-opener-policy"), "same-origin-allow-popups");

    let sign_in = |builder: countersign::remote::RemoteBuilder| {
        builder.sign_in_at("https://login.example.com/authorize", "https://tokens.example.com:8443/token")
    };
    let sign_in = RemoteApp::with(&key(), sign_in).await;
    let page = get_from(&sign_in.router, "/docs").await;
    assert_eq!(policy(&page), "'self' https://tokens.example.com:8443");
    assert_eq!(page.header("cross-origin-opener-policy"), "same-origin-allow-popups");
    let back = get_from(&sign_in.router, "/docs/oauth2-redirect.html").await.expect(StatusCode::OK);
    assert_eq!(back.header("cross-origin-opener-policy"), "unsafe-none");
    let other = get_from(&sign_in.router, "/docs/start.js").await.expect(StatusCode::OK);
    assert_eq!(other.header("cross-origin-opener-policy"), "same-origin");
    assert!(other.body.contains("usePkceWithAuthorizationCodeGrant: true"));

    let embedded = TestApp::new().await;
    assert_eq!(policy(&embedded.get("/docs").await), "'self'");
    let back = embedded.get("/docs/oauth2-redirect.html").await;
    assert_eq!(back.header("cross-origin-opener-policy"), "same-origin");
}

#[tokio::test]
async fn the_issuers_tls_says_nothing_of_this_api() {
    let app = RemoteApp::new(&key()).await;
    let page = get_from(&app.router, "/docs").await;
    assert!(!page.headers.contains_key("strict-transport-security"));
    app.oauth2.check_address("0.0.0.0:80".parse().unwrap()).unwrap();
    app.oauth2.settle_address("127.0.0.1:80".parse().unwrap());
}

#[tokio::test]
async fn c9_without_an_audience_nothing_starts() {
    for error in [
        OAuth2::remote(ISSUER).build().await.unwrap_err(),
        OAuth2::remote(ISSUER).audience("").build().await.unwrap_err(),
        OAuth2::introspecting(ISSUER, "api", "secret").build().await.unwrap_err(),
    ] {
        assert!(matches!(error, StartError::AudienceNeeded), "{error}");
        assert!(error.to_string().contains("set the audience"));
    }
}

#[tokio::test]
async fn c23_the_issuer_is_https_unless_it_is_this_machine() {
    let build = |issuer: &str| OAuth2::remote(issuer).fetch(Network::default()).audience(AUDIENCE).build();
    for good in [
        "https://issuer.example.com",
        "https://issuer.example.com/",
        "https://issuer.example.com/realms/x",
        "https://10.0.0.5:8443",
        "http://localhost:3000",
        "http://127.0.0.1:3000/oidc",
        "http://[::1]:3000",
    ] {
        build(good).await.unwrap();
    }
    for bad in [
        "http://issuer.example.com",
        "http://10.0.0.5",
        "http://localhost.evil.example",
        "https://user@issuer.example.com",
        "https://issuer.example.com/?x",
        "https://issuer.example.com/#x",
        "https://2130706433",
        "https://a.example;script-src *",
        "https://a.example;script-src",
        "issuer.example.com",
        "https://",
        "",
    ] {
        assert!(matches!(build(bad).await, Err(StartError::Issuer { .. })), "{bad}");
    }
}

#[tokio::test]
async fn settings_that_cannot_be_are_told_before_anything_starts() {
    let remote = || OAuth2::remote(ISSUER).fetch(Network::default()).audience(AUDIENCE);
    let introspecting = || OAuth2::introspecting(ISSUER, "api", "secret").fetch(Network::default()).audience(AUDIENCE);
    let good = "https://login.example.com/x";
    for bad in ["http://login.example.com/x", "javascript:alert(1)", "https://a@b.example/", "/token", ""] {
        for (authorization, token) in [(good, bad), (bad, good)] {
            let built = remote().sign_in_at(authorization, token).build().await;
            assert!(matches!(built, Err(StartError::Address { .. })), "{bad}");
        }
        let built = introspecting().introspection_endpoint(bad).build().await;
        assert!(matches!(built, Err(StartError::Address { .. })), "{bad}");
    }
    let built = introspecting().remember_for(Duration::from_secs(301)).build().await;
    assert!(matches!(built, Err(StartError::Remember { longest: 300 })));
    introspecting().remember_for(Duration::from_secs(300)).check().unwrap();
    assert!(matches!(remote().leeway(Duration::from_secs(61)).build().await, Err(StartError::Leeway)));
    assert!(matches!(remote().realm("a\"b").build().await, Err(StartError::Realm)));
    assert!(matches!(remote().scheme_name("a b").check(), Err(StartError::SchemeName(_))));
    for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let built = OAuth2::remote(ISSUER).audience(AUDIENCE).trust_certificate(pem).build().await;
        assert!(matches!(built, Err(StartError::Certificates(_))), "{pem}");
    }
    OAuth2::remote(ISSUER).audience(AUDIENCE).build().await.unwrap();
}
