//! utoipa: its handlers as routes, its documents locked, and the same locks as by the other generator.

mod by_hand;
mod locks;
mod told;

use std::collections::BTreeMap;

use axum::{
    Json,
    body::Body,
    extract::Path,
    http::{Request, StatusCode},
};
use countersign::{
    AccessToken, Allowed, Credentials, CurrentUser, Denied, Either, OAuth2, Router, Routes, Rule, StartError,
    audit::{Audit, AuditedAccess, Finding},
    routing::{any, get, public},
    schemars,
    scheme::{ApiKey, OAuth2Flows},
    security_schemes,
    utoipa::{PathHandlers, routes},
};
use serde_json::{Value, json};
use utoipa::{
    OpenApi as _, ToSchema,
    openapi::{
        Components, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, Paths, SecurityRequirement, Server,
        path::{HttpMethod, OperationBuilder},
        security::{ApiKey as UtoipaApiKey, ApiKeyValue, SecurityScheme},
    },
};

use crate::store::any_store;
use crate::support::{Admin, Answer, Me, ReadItems, TestApp, answer};

security_schemes! {
    /// The key of a machine.
    pub(crate) MachineKey: ApiKey = ApiKey::header("X-Machine-Key");
    /// A login elsewhere.
    pub(crate) Elsewhere: OAuth2Flows =
        OAuth2Flows::authorization_code("https://issuer.example/authorize", "https://issuer.example/token");
}

/// A machine whose key is known.
struct Machine;

impl Rule for Machine {
    type Guard = Credentials<MachineKey>;
    type State = OAuth2;
    const NAME: &'static str = "known_machine";
    const DESCRIPTION: &'static str = "This machine is not known.";

    async fn check(
        key: Credentials<MachineKey>,
        _: &mut axum::http::request::Parts,
        _: &OAuth2,
    ) -> Result<Self, Denied> {
        if key.secret() == "known" { Ok(Self) } else { Err(Denied::Unauthenticated) }
    }
}

// Handlers for both generators: utoipa tells of them by their attribute, the other by their types.

#[utoipa::path(get, path = "/token-only")]
async fn token_only(_: AccessToken) {}

#[utoipa::path(get, path = "/scope")]
async fn scope(_: CurrentUser<ReadItems>) {}

#[utoipa::path(get, path = "/and")]
async fn and(_: AccessToken<ReadItems>, _: CurrentUser<Me>, _: Credentials<MachineKey>) {}

#[utoipa::path(get, path = "/or")]
async fn or(_: Either<AccessToken<ReadItems>, Credentials<MachineKey>>) {}

#[utoipa::path(get, path = "/optional")]
async fn optional(_: Option<CurrentUser<Me>>) {}

#[utoipa::path(get, path = "/ruled")]
async fn ruled(_: Allowed<Machine>) {}

#[utoipa::path(get, path = "/elsewhere")]
async fn elsewhere(_: Credentials<Elsewhere>) {}

#[utoipa::path(get, path = "/in/{name}", params(("name" = String, Path)))]
async fn inside(Path(_): Path<String>) {}

#[utoipa::path(post, path = "/in/{name}", params(("name" = String, Path)))]
async fn inside_too(Path(_): Path<String>, _: AccessToken<Me>) {}

#[utoipa::path(get, path = "/open")]
async fn open() {}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Documented", version = "7.0.0", description = "By hand."),
    servers((url = "https://api.example.com/v7")),
    tags((name = "all", description = "All of it.")),
    paths(token_only, scope, and, or, optional, ruled, elsewhere, inside, inside_too, open)
)]
struct Documented;

fn by_aide() -> Routes {
    let inner = Routes::new().route("/in/{name}", get(inside).post(inside_too));
    Routes::new()
        .route("/token-only", get(token_only))
        .route("/scope", get(scope))
        .route("/and", get(and))
        .route("/or", get(or))
        .route("/optional", get(optional))
        .route("/ruled", get(ruled))
        .route("/elsewhere", get(elsewhere))
        .route("/open", public(get(open)))
        .merge(guarded(inner))
}

fn by_utoipa() -> Routes {
    Routes::new()
        .routes(routes!(token_only, scope, and, or))
        .routes(routes!(optional, ruled, elsewhere))
        .routes(public(routes!(open)))
        .route("/raw", public(axum::routing::get(async || "raw")))
        .merge(guarded(Routes::new().routes(routes!(inside, inside_too))))
}

fn guarded(routes: Routes) -> Routes {
    routes.guard::<AccessToken<Admin>>().rule("weekdays", "Not on Sundays.", async |_: CurrentUser| true)
}

async fn router() -> Router {
    TestApp::new().await.oauth2.router()
}

fn document(router: Router) -> Value {
    serde_json::from_str(&router.openapi().unwrap()).unwrap()
}

/// What a document says of locks: of each operation, and the schemes.
fn locks(document: &Value) -> (BTreeMap<String, Value>, Value) {
    let mut locks = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let answers = &operation["responses"];
            let lock = json!([operation["security"], answers["401"], answers["403"], operation["x-rules"]]);
            locks.insert(format!("{method} {path}"), lock);
        }
    }
    (locks, document["components"]["securitySchemes"].clone())
}

async fn send(router: &axum::Router, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(router, request.body(Body::empty()).unwrap()).await
}

/// A document with one operation and these security schemes.
fn one(
    method: &str,
    path: &str,
    schemes: &[(&str, SecurityScheme)],
    change: impl FnOnce(OperationBuilder) -> OperationBuilder,
) -> OpenApi {
    let method = if method == "get" { HttpMethod::Get } else { HttpMethod::Delete };
    let mut paths = Paths::new();
    paths.paths.insert(path.to_owned(), PathItem::new(method, change(OperationBuilder::new())));
    let mut components = Components::new();
    for (name, scheme) in schemes {
        components.add_security_scheme(*name, scheme.clone());
    }
    OpenApiBuilder::new().paths(paths).components(Some(components)).build()
}
