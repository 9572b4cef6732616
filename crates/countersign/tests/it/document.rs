//! The OpenAPI document: what it says is what happens.

use axum::http::StatusCode;
use countersign::{
    Builder,
    testing::{self, Expected},
};
use serde_json::{Value, json};

use crate::store::any_store;
use crate::support::{TestApp, routes};

#[tokio::test]
async fn b12_the_document_and_the_behaviour_agree() {
    let app = TestApp::new().await;
    let report = testing::walk(routes(app.oauth2.router())).as_user("alice").await.unwrap();
    report.assert_held();
    assert!(report.unclear().is_empty(), "{report}");
    assert_eq!(report.operations(), 18, "{report}");
    let let_in = report.calls().iter().filter(|call| call.expected == Expected::LetIn);
    let to_logins = |call: &&testing::Call| call.operation.contains(" /users/me/");
    let (to_logins, let_in): (Vec<_>, Vec<_>) = let_in.partition(to_logins);
    assert!(let_in.iter().all(|call| call.status == StatusCode::OK), "{:?}", report.calls());
    let answers: Vec<_> = to_logins.iter().map(|call| (call.operation.as_str(), call.status.as_u16())).collect();
    // The tokens of a walk are in no login, and no client got them that is the operator's own.
    let expected = [("GET /users/me/grants", 200), ("DELETE /users/me/grants/{id}", 404)];
    assert_eq!(answers, expected, "the others keep a rule");
    // All but the three that everybody may call.
    assert_eq!(let_in.len(), 11);
    let forbidden = report.calls().iter().filter(|call| call.expected == Expected::Forbidden);
    let forbidden: Vec<_> = forbidden.map(|call| (call.operation.as_str(), call.with.as_str())).collect();
    let lacking = [
        ("GET /admin", "OAuth2PasswordBearer"),
        ("GET /both", "OAuth2PasswordBearer me"),
        ("GET /both", "OAuth2PasswordBearer read:items"),
        ("GET /items", "OAuth2PasswordBearer"),
        ("GET /optional", "OAuth2PasswordBearer"),
        ("GET /two", "OAuth2PasswordBearer me"),
        ("GET /two", "OAuth2PasswordBearer read:items"),
    ];
    assert_eq!(forbidden, lacking);
}

#[tokio::test]
async fn no_attack_gets_through_any_guard() {
    let app = TestApp::new().await;
    let report = testing::attack(routes(app.oauth2.router())).as_user("alice").await.unwrap();
    report.assert_held();
    assert!(report.unclear().is_empty(), "{report}");
    assert_eq!(report.routes(), 15, "{report}");
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
            "refreshUrl": "token",
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
async fn b12_the_document_tells_of_the_forms_that_the_token_endpoint_takes() {
    /// The summary, and the forms by their titles, with what each needs.
    async fn told(change: impl FnOnce(Builder) -> Builder) -> (Value, Value) {
        let document = TestApp::with(any_store().await, change).await.get("/openapi.json").await.json();
        let operation = &document["paths"]["/token"]["post"];
        let schema = &operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
        let forms = schema["oneOf"].as_array().unwrap();
        let needed = forms.iter().map(|form| json!([form["title"], form["required"]])).collect();
        for form in forms {
            assert_eq!(form["properties"]["grant_type"]["const"], form["title"]);
            for name in form["required"].as_array().unwrap() {
                assert!(schema["properties"][name.as_str().unwrap()].is_object(), "{name} has no field");
            }
        }
        let named: Vec<_> = forms.iter().map(|form| form["title"].clone()).collect();
        assert_eq!(schema["properties"]["grant_type"]["enum"], Value::from(named));
        (operation["summary"].clone(), needed)
    }

    let (summary, forms) = told(|builder| builder).await;
    assert_eq!(summary, "Get a token for a login or a refresh token or a client's own credentials");
    let renewal = json!(["refresh_token", ["grant_type", "refresh_token"]]);
    let of_clients = json!(["client_credentials", ["grant_type"]]);
    assert_eq!(forms, json!([["password", ["username", "password"]], renewal, of_clients]));

    let (summary, forms) =
        told(|builder| builder.require_grant_type().without_refresh_tokens().without_client_credentials_grant()).await;
    assert_eq!(summary, "Get a token for a login");
    assert_eq!(forms, json!([["password", ["grant_type", "username", "password"]]]));

    let (_, forms) = told(Builder::without_password_grant).await;
    assert_eq!(forms, json!([renewal, of_clients]));
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
    let app = TestApp::with(any_store().await, |builder| builder.title("<script>alert('x')</script>")).await;
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
