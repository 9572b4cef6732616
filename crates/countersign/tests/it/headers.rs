//! Headers, methods and paths: the same on every route of ours.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};

use crate::store::any_store;
use crate::support::{ISSUER, TestApp, form};

const PAGES: [&str; 8] = [
    "/users/me",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/openapi.json",
    "/docs",
    "/docs/start.js",
    "/docs/swagger-ui.css",
    "/docs/oauth2-redirect.html",
];

#[tokio::test]
async fn k2_every_route_of_ours_has_its_headers() {
    let app = TestApp::new().await;
    let token = app.token("me").await;
    let mut answers = vec![app.post_token("").await, app.post_token("username=alice&password=correct+horse").await];
    for path in PAGES {
        answers.push(app.get(path).await);
        answers.push(app.get_as(path, &token).await);
    }
    for answer in answers {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            assert_eq!(answer.header(name), value);
        }
        let content_type = answer.header("content-type");
        assert!(content_type == "application/json" || content_type.ends_with("; charset=utf-8"), "{content_type}");
        assert!(answer.headers.get("server").is_none());
    }
    let plain = TestApp::with(any_store().await, |builder| builder.issuer("http://127.0.0.1:8000")).await;
    let answer = plain.get("/docs").await;
    assert!(answer.headers.get("strict-transport-security").is_none(), "over http it means nothing (RFC 6797 §7.2)");
}

#[tokio::test]
async fn k4_forwarded_headers_change_nothing() {
    let app = TestApp::new().await;
    for path in PAGES {
        let plain = app.get(path).await;
        let mut request = Request::get(path);
        for (name, value) in [
            ("host", "evil.example"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-uri", "/public"),
            ("x-forwarded-prefix", "/evil"),
            ("x-original-url", "/public"),
            ("x-rewrite-url", "/public"),
            ("x-http-method-override", "DELETE"),
            ("forwarded", "for=6.6.6.6;host=evil.example;proto=http"),
        ] {
            request = request.header(name, value);
        }
        let spoofed = app.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(spoofed, plain, "{path}");
        assert!(!spoofed.body.contains("evil"));
    }
    let mut request = form("/token", "username=alice&password=correct+horse");
    request.headers_mut().insert("x-forwarded-host", "evil.example".parse().unwrap());
    let token = app.send(request).await.expect(StatusCode::OK).json()["access_token"].as_str().unwrap().to_owned();
    let verified =
        app.oauth2.server().unwrap().verify(&countersign::core::token::BearerToken::new(token)).await.unwrap();
    assert_eq!(verified.issuer().as_str(), ISSUER);
}

#[tokio::test]
async fn k5_other_methods_are_not_allowed() {
    let app = TestApp::new().await;
    for path in PAGES {
        for method in ["TRACE", "POST", "DELETE", "FOO", "CONNECT", "PROPFIND"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            let answer = app.send(request).await.expect(StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!((answer.header("cache-control"), answer.header("referrer-policy")), ("no-store", "no-referrer"));
            assert_eq!(answer.header("allow"), "GET,HEAD", "{path}");
        }
    }
}

#[tokio::test]
async fn k8_no_spelling_of_a_path_loses_its_guard() {
    let app = TestApp::new().await;
    for path in [
        "//items",
        "/./items",
        "/x/../items",
        "/items;x",
        "/items;x=1",
        "/%69tems",
        "/ITEMS",
        "/Items",
        "/items/",
        "/items//",
        "/items%2f",
        "/items%00",
        "/items.json",
        "/items%20",
        "/items?x",
        "/items#x",
        "/%2fitems",
        "/.items",
        "/public/../items",
        "/public/..;/items",
        "/public%2f..%2fitems",
        "/users//me",
        "/users/me//",
        "/users/./me",
        "/users/me;x",
        "/USERS/ME",
        "/users%2fme",
    ] {
        let Ok(request) = Request::get(path).body(Body::empty()) else { continue };
        let answer = app.send(request).await;
        let refused = matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND);
        assert!(refused, "{path}: {answer:?}");
    }
}
