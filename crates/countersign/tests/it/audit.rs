//! The audit: every route, who may call it, and where that was said.

use countersign::{
    AccessToken, CurrentUser, Routes, StartError,
    aide::{OperationInput, generate::GenContext, openapi::Operation},
    audit::{Audit, AuditedAccess, Finding},
    routing::{any, get, public},
};
use serde_json::json;

use crate::support::{Admin, Me, ReadItems, TestApp};

async fn audit(routes: Routes) -> Audit {
    TestApp::new().await.oauth2.router().merge(routes).audit()
}

fn example() -> Routes {
    let nested = Routes::new()
        .guard::<AccessToken<Admin>>()
        .route("/x", get(async |_: CurrentUser<Me>| "x").post(async || "x"))
        .fallback(any(async || "x"));
    Routes::new()
        .nest("/in", nested)
        .route("/open", public(get(async || "x")))
        .route("/maybe", get(async |_: Option<AccessToken<ReadItems>>| "x"))
        .route("/raw", public(axum::routing::get(async || "x")))
        .route("/route", get(async || "x").rule("late", "Too late.", async |_: CurrentUser| true))
}

#[tokio::test]
async fn every_route_is_there_with_what_it_needs_and_where_that_was_said() {
    let audit = audit(example()).await;
    let text = audit.to_string();
    for line in [
        "METHOD  PATH                                     ACCESS    NEEDS                                              GUARDS",
        "POST    /token                                   public",
        "GET     /users/me                                guarded   OAuth2PasswordBearer                               CurrentUser from argument 1",
        "POST    /introspect                              public",
        "GET     /feed                                    public",
        "GET     /.well-known/jwks.json                   public",
        "GET     /docs                                    public",
        "GET     /in/x                                    guarded   OAuth2PasswordBearer admin me                      AccessToken<Admin> from the router at /in; CurrentUser<Me> from argument 1",
        "POST    /in/x                                    guarded   OAuth2PasswordBearer admin                         AccessToken<Admin> from the router at /in",
        "*       /in/*                                    guarded   OAuth2PasswordBearer admin                         AccessToken<Admin> from the router at /in",
        "GET     /open                                    public",
        "GET     /maybe                                   optional  OAuth2PasswordBearer read:items or nothing         Option<AccessToken<ReadItems>> from argument 1",
        "*       /raw                                     public",
        "GET     /route                                   guarded   OAuth2PasswordBearer                               late from the route",
    ] {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            text.lines().any(|known| squeezed(known).replace("<(), User>", "") == squeezed(line)
                || squeezed(known).replace(", User>", ">") == squeezed(line)),
            "{line}\n{text}"
        );
    }
    let json = serde_json::to_value(&audit).unwrap();
    let route = json["routes"].as_array().unwrap().iter().find(|route| route["path"] == "/in/x").unwrap();
    assert_eq!(route["access"], "guarded");
    let need = json!([[{ "scheme": "OAuth2PasswordBearer", "scopes": ["admin", "me"], "checked_by": "countersign" }]]);
    assert_eq!(route["security"], need);
    assert_eq!(route["guards"][0]["from"], json!({ "router": "/in" }));
    assert_eq!(route["guards"][1]["from"], json!({ "argument": 1 }));
    assert_eq!(audit.of(AuditedAccess::Public).filter(|route| route.guards.is_empty()).count(), 10);
}

#[tokio::test]
async fn what_does_not_start_is_in_the_audit_all_the_same() {
    let audit = audit(
        Routes::new()
            .route("/open", get(async || "x"))
            .nest("/in", Routes::new().route("/raw", axum::routing::get(async || "x")))
            .merge(Routes::new().fallback(any(async || "x"))),
    )
    .await;
    let named = |access| audit.of(access).map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(named(AuditedAccess::Undecided), ["GET /open", "* /*"]);
    assert_eq!(named(AuditedAccess::Unreadable), ["* /in/raw"]);
}

/// An extractor that says in the document that it locks, and does not.
struct Pretender;

impl countersign::Argument for Pretender {}

impl OperationInput for Pretender {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        operation.security.push([("OAuth2PasswordBearer".to_owned(), Vec::new())].into_iter().collect());
    }
}

impl<S: Sync> axum::extract::FromRequestParts<S> for Pretender {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(_: &mut axum::http::request::Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self)
    }
}

#[tokio::test]
async fn a_documented_lock_without_a_check_is_found_and_does_not_start() {
    let routes = || Routes::new().route("/x", public(get(async |_: Pretender| "x")));
    let found = audit(routes()).await.findings;
    let route = "GET /x".to_owned();
    assert_eq!(found, [Finding::LockWithoutCheck { route, scheme: "OAuth2PasswordBearer".to_owned() }]);
    let Err(error) = TestApp::new().await.oauth2.router().merge(routes()).finish() else { panic!("it started") };
    assert!(matches!(error, StartError::LockWithoutCheck(_)) && error.to_string().contains("GET /x"), "{error}");
    let kept = Routes::new().route("/x", get(async |_: Pretender, _: AccessToken| "x"));
    assert_eq!(audit(kept).await.findings, []);
}

#[tokio::test]
async fn a_check_without_a_lock_is_found() {
    let routes = Routes::new()
        .route("/hidden", get(async |_: AccessToken| "x").undocumented())
        .route("/told", get(async |_: AccessToken| "x"))
        .route("/raw", axum::routing::get(async || "x"))
        .guard::<AccessToken<Me>>();
    let found: Vec<_> = audit(routes).await.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "GET /hidden is guarded, and the document does not tell of it",
            "* /raw is guarded, and the document does not tell of it"
        ]
    );
}

#[tokio::test]
async fn what_cannot_be_seen_is_said() {
    let app = TestApp::new().await.oauth2.router().map(|router| router).map(|router| router);
    assert_eq!(app.audit().unseen_changes, 2);
    assert!(app.audit().to_string().contains("2 change(s)"));
}
