//! The OpenAPI document: what it says is what happens.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::support::TestApp;

/// Every operation of the document with its method, path and `security`.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| -> Vec<_> {
        let methods = item.as_object().unwrap().iter();
        methods.map(|(method, op)| (method.to_uppercase(), path.clone(), op["security"].clone())).collect()
    };
    paths.iter().flat_map(of_path).collect()
}

#[tokio::test]
async fn b12_the_document_and_the_behaviour_agree() {
    let app = TestApp::new().await;
    let document = app.get("/openapi.json").await.expect(StatusCode::OK).json();
    let all = operations(&document);
    assert_eq!(all.len(), 13, "{all:?}");
    for (method, path, security) in all {
        let call = |authorization: Option<String>| {
            let mut request = axum::http::Request::builder().method(method.as_str()).uri(&path);
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            app.send(request.body(axum::body::Body::empty()).unwrap())
        };
        let alternatives = security.as_array().cloned().unwrap_or_default();
        let open = alternatives.is_empty() || alternatives.contains(&json!({}));
        let answer = call(None).await;
        assert_eq!(answer.status == StatusCode::UNAUTHORIZED, !open, "{method} {path} without a token");
        if alternatives.is_empty() {
            continue;
        }
        let bad = call(Some("Bearer garbage".to_owned())).await;
        // `/bearer` hands the string over unverified.
        assert!(bad.status == StatusCode::UNAUTHORIZED || path.ends_with("bearer"), "{method} {path} with a bad one");
        let needed: Vec<String> = serde_json::from_value(alternatives[0]["OAuth2PasswordBearer"].clone()).unwrap();
        if needed.contains(&"admin".to_owned()) {
            continue;
        }
        let exactly = if needed.is_empty() { app.token("me").await } else { app.token(&needed.join(" ")).await };
        let answer = call(Some(format!("Bearer {exactly}"))).await;
        assert!(answer.status.is_success(), "{method} {path} with exactly its scopes: {answer:?}");
        for less in &needed {
            let others: Vec<_> = ["me", "read:items"].into_iter().filter(|scope| scope != less).collect();
            let token = app.token(&others.join(" ")).await;
            let answer = call(Some(format!("Bearer {token}"))).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path} without {less}");
        }
    }
}

#[tokio::test]
async fn locks_and_scopes_come_from_the_signatures() {
    let app = TestApp::new().await;
    let document = app.get("/openapi.json").await.json();
    let lock = |scopes: Value| json!({ "OAuth2PasswordBearer": scopes });
    for (path, security) in [
        ("/any", json!([lock(json!([]))])),
        ("/both", json!([lock(json!(["read:items", "me"]))])),
        ("/two", json!([lock(json!(["read:items", "me"]))])),
        ("/optional", json!([lock(json!(["me"])), {}])),
        ("/optional-token", json!([lock(json!([])), {}])),
        ("/public", Value::Null),
        ("/users/me", json!([lock(json!([]))])),
    ] {
        assert_eq!(document["paths"][path]["get"]["security"], security, "{path}");
    }
    assert_eq!(
        document["components"]["securitySchemes"],
        json!({ "OAuth2PasswordBearer": { "type": "oauth2", "flows": { "password": {
            "tokenUrl": "token",
            "scopes": { "read:items": "Read items.", "me": "Information about the user.", "admin": "Full access." },
        } } } })
    );
    assert!(!document.to_string().contains("x-countersign"), "no mark of ours is left");
    assert!(document["paths"].get("/raw").is_none(), "what cannot be read is not told of");
    assert_eq!(document["paths"]["/users/me"]["get"]["operationId"], "getUsersMe");
    assert!(document["paths"]["/both"]["get"]["responses"]["403"].is_object());
    assert!(document["paths"]["/any"]["get"]["responses"]["403"].is_null());
    assert!(document["paths"]["/optional"]["get"]["responses"]["401"].is_object());
    assert!(document["paths"]["/token"]["post"]["security"].is_null());
}

#[tokio::test]
async fn two_runs_write_the_same_document() {
    let (one, two) = (TestApp::new().await.get("/openapi.json").await, TestApp::new().await.get("/openapi.json").await);
    assert_eq!(one.body, two.body);
}

#[tokio::test]
async fn b16_the_docs_page_is_served_from_here_alone() {
    let app = TestApp::new().await;
    let page = app.get("/docs").await.expect(StatusCode::OK);
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    assert!(!page.body.contains("http"), "{}", page.body);
    for file in [
        "start.js",
        "swagger-ui-bundle.js",
        "swagger-ui.css",
        "favicon.png",
        "oauth2-redirect.html",
        "oauth2-redirect.js",
    ] {
        let request = axum::http::Request::get(format!("/docs/{file}")).body(axum::body::Body::empty()).unwrap();
        let response = tower::ServiceExt::oneshot(app.router.clone(), request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{file}");
    }
    app.get("/docs/nothing").await.expect(StatusCode::NOT_FOUND);
    assert_eq!(app.get("/docs/").await.header("location"), "../docs");
}

#[tokio::test]
async fn a_title_is_text_and_not_markup() {
    let app = TestApp::with(countersign::Memory::new(), |builder| builder.title("<script>alert('x')</script>")).await;
    let page = app.get("/docs").await.expect(StatusCode::OK).body;
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)"), "{page}");
}

#[tokio::test]
async fn i4_the_key_set_is_public() {
    let app = TestApp::new().await;
    let answer = app.get("/.well-known/jwks.json").await.expect(StatusCode::OK);
    assert!(answer.header("cache-control").starts_with("public, max-age="));
    let keys = answer.json()["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 1);
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        assert!(keys[0].get(member).is_none(), "{member}");
    }
    assert_eq!((&keys[0]["kty"], &keys[0]["alg"], &keys[0]["use"]), (&"EC".into(), &"ES256".into(), &"sig".into()));
}
