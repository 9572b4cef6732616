//! utoipa: its handlers as routes, its documents locked, and the same locks as by the other generator.

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

/// Only utoipa knows this type.
#[derive(serde::Serialize, serde::Deserialize, ToSchema)]
struct Item {
    name: String,
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

#[tokio::test]
async fn both_generators_tell_of_the_same_locks() {
    let aide = locks(&document(router().await.merge(by_aide())));
    let utoipa = locks(&document(router().await.merge(by_utoipa())));
    assert_eq!(aide.0.len(), 17, "{aide:?}");
    assert_eq!(aide, utoipa);
    let based = router().await.merge(by_utoipa()).document(&Documented::openapi()).unwrap();
    assert_eq!(locks(&document(based)), aide);
    let based = router().await.merge(by_aide()).document(&Documented::openapi()).unwrap();
    assert_eq!(locks(&document(based)), aide, "whoever reads the handlers");

    let own = |scopes: Value| json!({ "OAuth2PasswordBearer": scopes });
    for (operation, security) in [
        ("get /token-only", json!([own(json!([]))])),
        ("get /and", json!([{ "OAuth2PasswordBearer": ["read:items", "me"], "MachineKey": [] }])),
        ("get /or", json!([own(json!(["read:items"])), { "MachineKey": [] }])),
        ("get /optional", json!([own(json!(["me"])), {}])),
        ("get /in/{name}", json!([own(json!(["admin"]))])),
        ("post /in/{name}", json!([own(json!(["admin", "me"]))])),
        ("get /open", Value::Null),
    ] {
        assert_eq!(utoipa.0[operation][0], security, "{operation}");
    }
    assert_eq!(utoipa.0["get /ruled"][3], json!([{ "known_machine": "This machine is not known." }]));
}

#[tokio::test]
async fn a_document_that_is_served_elsewhere_gets_the_same_locks() {
    let router = router().await.merge(by_utoipa());
    let mut locked = Documented::openapi();
    router.lock_document(&mut locked).unwrap();
    let locked = serde_json::to_value(&locked).unwrap();
    let (mut served, mut schemes) = locks(&document(router));
    let is_ours = |path: &str| ["/token", "/revoke"].contains(&path) || path.starts_with("/users/me");
    served.retain(|operation, _| !operation.split_once(' ').is_some_and(|(_, path)| is_ours(path)));
    // Its first server has a path, to which the token endpoint is relative.
    for url in ["tokenUrl", "refreshUrl"] {
        schemes["OAuth2PasswordBearer"]["flows"]["password"][url] = "v7/token".into();
    }
    assert_eq!(locks(&locked), (served, schemes));
    assert_eq!(locked["info"]["title"], "Documented");
    assert!(locked["paths"].get("/token").is_none(), "it gets no operation that it does not have");
}

#[tokio::test]
async fn a_document_that_cannot_be_locked_stays_as_it_was() {
    let mut locked =
        one("get", "/open", &[], |operation| operation.security(SecurityRequirement::new("Nobody", [""; 0])));
    let before = locked.clone();
    let error = router().await.merge(by_utoipa()).lock_document(&mut locked).unwrap_err();
    assert!(matches!(error, StartError::LockWithoutCheck(_)), "{error}");
    assert!(locked == before);
}

#[tokio::test]
async fn two_runs_write_the_same_bytes() {
    let write = async || {
        let router = router().await.merge(by_utoipa()).document(&Documented::openapi()).unwrap();
        let mut locked = Documented::openapi();
        router.lock_document(&mut locked).unwrap();
        (router.openapi().unwrap(), locked.to_json().unwrap())
    };
    assert_eq!(write().await, write().await);
}

async fn send(router: &axum::Router, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(router, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn b12_what_is_locked_is_refused_without_a_token_and_nothing_else_is() {
    let app = TestApp::new().await;
    let router = || app.oauth2.router().merge(by_utoipa()).document(&Documented::openapi()).unwrap();
    let document = document(router());
    let router = router().finish().unwrap();
    let mut locked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let alternatives = operation["security"].as_array().cloned().unwrap_or_default();
            let open = alternatives.is_empty() || alternatives.contains(&json!({}));
            locked += usize::from(!open);
            let answer = send(&router, &method.to_uppercase(), &path.replace("{name}", "x"), &[]).await;
            assert_eq!(answer.status == StatusCode::UNAUTHORIZED, !open, "{method} {path}: {answer:?}");
        }
    }
    assert_eq!(locked, 13);
    let (less, token) = (app.token("me").await, app.token("me read:items").await);
    let (less, token) = (format!("Bearer {less}"), format!("Bearer {token}"));
    for (headers, status) in [
        (vec![("authorization", &*token)], StatusCode::UNAUTHORIZED),
        (vec![("x-machine-key", "known")], StatusCode::UNAUTHORIZED),
        (vec![("authorization", &*less), ("x-machine-key", "known")], StatusCode::FORBIDDEN),
        (vec![("authorization", &*token), ("x-machine-key", "known")], StatusCode::OK),
    ] {
        assert_eq!(send(&router, "GET", "/and", &headers).await.status, status, "{headers:?}");
    }
}

#[tokio::test]
async fn a_route_of_utoipa_that_nobody_decided_about_does_not_start_and_is_named() {
    let Err(error) = router().await.routes(routes!(open, scope)).document(&Documented::openapi()).unwrap().finish()
    else {
        panic!("it started")
    };
    let StartError::Undecided(routes) = &error else { panic!("{error}") };
    assert_eq!(routes, &["GET /open"]);
    for decided in [
        public(routes!(open)),
        routes!(open).guard::<AccessToken>(),
        routes!(open).rule("never", "Never.", async |_: CurrentUser| false),
    ] {
        drop(router().await.routes(decided).finish().unwrap());
    }
    let nested = Routes::new().routes(routes!(open));
    let audit = router().await.nest("/api", nested).audit();
    assert_eq!(audit.of(AuditedAccess::Undecided).map(ToString::to_string).collect::<Vec<_>>(), ["GET /api/open"]);
}

#[utoipa::path(method(get, head), path = "/items", operation_id = "items", responses((status = 200, body = Item)))]
async fn first_item(_: AccessToken) -> Json<Item> {
    Json(Item { name: "Lamp".into() })
}

#[utoipa::path(put, path = "/items", request_body = Item)]
async fn put_item(_: CurrentUser<Me>, Json(_): Json<Item>) -> StatusCode {
    StatusCode::NO_CONTENT
}

#[tokio::test]
async fn paths_methods_operations_and_types_come_from_the_attribute() {
    let app = TestApp::new().await;
    let router = || app.oauth2.router().nest("/api", Routes::new().routes(routes!(first_item, self::put_item,)));
    let document = document(router());
    let item = &document["paths"]["/api/items"];
    let content = &item["get"]["responses"]["200"]["content"]["application/json"];
    assert_eq!(content["schema"], json!({ "$ref": "#/components/schemas/Item" }));
    assert_eq!(item["get"]["operationId"], "items");
    assert_eq!(item["head"]["operationId"], "headApiItems2", "an operation's name is one's own");
    assert!(item["put"]["requestBody"].is_object());
    assert!(document["components"]["schemas"]["Item"].is_object());
    let router = router().finish().unwrap();
    let token = format!("Bearer {}", app.token("me").await);
    for (method, status) in [("GET", 200), ("HEAD", 200), ("PUT", 415), ("DELETE", 405)] {
        let answer = send(&router, method, "/api/items", &[("authorization", &token)]).await;
        assert_eq!(answer.status, status, "{method}");
    }
}

#[tokio::test]
async fn an_undocumented_route_is_checked_all_the_same() {
    let routes = Routes::new().routes(routes!(scope).undocumented());
    let router = router().await.merge(routes);
    assert_eq!(router.audit().findings, [Finding::CheckWithoutLock { route: "GET /scope".to_owned() }]);
    let router = router.finish().unwrap();
    assert_eq!(send(&router, "GET", "/scope", &[]).await.status, StatusCode::UNAUTHORIZED);
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

async fn audit(document: &OpenApi) -> Audit {
    router().await.merge(by_utoipa()).document(document).unwrap().audit()
}

#[tokio::test]
async fn a_lock_by_hand_that_no_guard_checks_does_not_start() {
    let by_hand =
        |path: &str, scheme: &str| one("get", path, &[], |it| it.security(SecurityRequirement::new(scheme, ["x"])));
    let found =
        |route: &str, scheme: &str| Finding::LockWithoutCheck { route: route.to_owned(), scheme: scheme.to_owned() };
    for (path, scheme) in
        [("/scope", "Nobody"), ("/open", "OAuth2PasswordBearer"), ("/or", "Elsewhere"), ("/raw", "Nobody")]
    {
        let document = by_hand(path, scheme);
        assert_eq!(audit(&document).await.findings, [found(&format!("GET {path}"), scheme)]);
        let router = router().await.merge(by_utoipa()).document(&document).unwrap();
        let Err(error) = router.finish() else { panic!("it started") };
        assert!(matches!(&error, StartError::LockWithoutCheck(locks) if locks.len() == 1), "{error}");
    }
    let mut everywhere = Documented::openapi();
    everywhere.security = Some(vec![SecurityRequirement::new("OAuth2PasswordBearer", [""; 0])]);
    let found_everywhere = audit(&everywhere).await.findings;
    assert!(found_everywhere.contains(&found("GET /open", "OAuth2PasswordBearer")), "{found_everywhere:?}");
    assert!(!found_everywhere.contains(&found("GET /scope", "OAuth2PasswordBearer")), "{found_everywhere:?}");
}

#[utoipa::path(get, path = "/pretended", security(("Nobody" = [])))]
async fn pretended(_: AccessToken) {}

#[tokio::test]
async fn a_lock_in_the_attribute_that_no_guard_checks_does_not_start() {
    let Err(error) = router().await.routes(routes!(pretended)).finish() else { panic!("it started") };
    assert!(error.to_string().contains("GET /pretended with Nobody"), "{error}");
}

#[tokio::test]
async fn a_lock_by_hand_with_a_scheme_that_is_checked_is_replaced() {
    let by_hand =
        one("get", "/scope", &[], |it| it.security(SecurityRequirement::new("OAuth2PasswordBearer", [""; 0])));
    let of_nobody = one("get", "/open", &[], |it| it.security(SecurityRequirement::default()));
    for (base, path, security) in
        [(by_hand, "/scope", json!([{ "OAuth2PasswordBearer": ["read:items"] }])), (of_nobody, "/open", Value::Null)]
    {
        assert_eq!(audit(&base).await.findings, []);
        let mut locked = base.clone();
        router().await.merge(by_utoipa()).lock_document(&mut locked).unwrap();
        let served = document(router().await.merge(by_utoipa()).document(&base).unwrap());
        for document in [served, serde_json::to_value(locked).unwrap()] {
            assert_eq!(document["paths"][path]["get"]["security"], security, "{path}");
        }
    }
}

#[tokio::test]
async fn a_scope_by_hand_that_no_guard_checks_does_not_start() {
    let by_hand =
        one("get", "/scope", &[], |it| it.security(SecurityRequirement::new("OAuth2PasswordBearer", ["else"])));
    let found = Finding::ScopeWithoutCheck { route: "GET /scope".to_owned(), scope: "else".to_owned() };
    assert_eq!(audit(&by_hand).await.findings, [found]);
    let Err(error) = router().await.merge(by_utoipa()).document(&by_hand).unwrap().finish() else {
        panic!("it started")
    };
    assert!(error.to_string().contains("the scope else"), "{error}");
}

#[tokio::test]
async fn what_is_documented_and_not_answered_is_found_and_kept() {
    let mut base = one("delete", "/scope", &[], |it| it);
    base.paths.paths.extend(one("get", "/gone", &[], |it| it).paths.paths);
    base.paths.paths.extend(one("get", "/docs", &[], |it| it).paths.paths);
    base.security = Some(vec![SecurityRequirement::new("Theirs", [""; 0])]);
    let found = |route: &str| Finding::DocumentedWithoutRoute { route: route.to_owned() };
    let audit = audit(&base).await;
    assert_eq!(audit.findings, [found("GET /gone"), found("DELETE /scope")], "the docs page answers");
    assert!(audit.to_string().contains("the document tells of GET /gone, which no route answers"), "{audit}");
    let mut locked = base.clone();
    router().await.merge(by_utoipa()).lock_document(&mut locked).unwrap();
    let served = document(router().await.merge(by_utoipa()).document(&base).unwrap());
    for document in [served, serde_json::to_value(locked).unwrap()] {
        assert_eq!(document["paths"]["/gone"]["get"]["security"], json!([{ "Theirs": [] }]), "as its author wrote it");
        assert!(document.get("security").is_none(), "it would lock what is public");
    }
}

#[tokio::test]
async fn what_an_axum_router_or_any_method_answers_is_locked_as_it_is_guarded() {
    let mut base = one("get", "/raw", &[], |it| it);
    base.paths.paths.extend(one("delete", "/any/{x}", &[], |it| it).paths.paths);
    base.paths.paths.extend(one("get", "/things/{thing}", &[], |it| it).paths.paths);
    let routes = Routes::new()
        .route("/things/{id}", get(async |_: AccessToken<Me>| "x"))
        .route("/raw", axum::routing::get(async || "x"))
        .route("/any/{y}", any(async |_: AccessToken<Me>| "x"))
        .guard::<AccessToken<Admin>>();
    let router = router().await.merge(routes).document(&base).unwrap();
    assert_eq!(router.audit().findings, []);
    let document = document(router);
    assert_eq!(document["paths"]["/raw"]["get"]["security"], json!([{ "OAuth2PasswordBearer": ["admin"] }]));
    let lock = json!([{ "OAuth2PasswordBearer": ["admin", "me"] }]);
    assert_eq!(document["paths"]["/any/{x}"]["delete"]["security"], lock);
    assert_eq!(document["paths"]["/things/{thing}"]["get"]["security"], lock);
    assert!(document["paths"].get("/things/{id}").is_none(), "it is the same path, and told of once");
}

fn key(name: &str) -> SecurityScheme {
    SecurityScheme::ApiKey(UtoipaApiKey::Header(ApiKeyValue::with_description(name, "The key of a machine.")))
}

#[tokio::test]
async fn schemes_of_the_document_stay_unless_they_are_others_of_the_same_name() {
    let with = |name: &str, scheme| one("get", "/scope", &[(name, scheme)], |it| it);
    for (base, kept) in
        [(with("Theirs", key("X-Theirs")), "Theirs"), (with("MachineKey", key("X-Machine-Key")), "MachineKey")]
    {
        let document = document(router().await.merge(by_utoipa()).document(&base).unwrap());
        let schemes = &document["components"]["securitySchemes"];
        assert_eq!(schemes[kept], serde_json::to_value(&base).unwrap()["components"]["securitySchemes"][kept]);
        assert_eq!(schemes["OAuth2PasswordBearer"]["type"], "oauth2");
    }
    for (name, scheme) in [("MachineKey", key("X-Another")), ("OAuth2PasswordBearer", key("X-Machine-Key"))] {
        let mut base = with(name, scheme);
        let router = router().await.merge(by_utoipa());
        for error in [
            router.lock_document(&mut base).unwrap_err(),
            router.document(&base).unwrap().finish().map(drop).unwrap_err(),
        ] {
            assert!(matches!(&error, StartError::SchemeTwice(twice) if twice == name), "{error}");
        }
    }
}

mod another {
    #[derive(serde::Serialize, utoipa::ToSchema)]
    pub(super) struct Item {
        pub(super) price: u32,
    }

    #[utoipa::path(get, path = "/price", responses((status = 200, body = Item)))]
    pub(super) async fn price(_: countersign::AccessToken) -> axum::Json<Item> {
        axum::Json(Item { price: 1 })
    }
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(first_item))]
struct OfFirstItem;

#[tokio::test]
async fn two_types_of_one_name_do_not_start() {
    let twice = |router: Router| match router.finish() {
        Err(StartError::SchemaTwice(name)) => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(twice(router().await.routes(routes!(first_item, another::price))), "Item");
    let based = router().await.routes(routes!(another::price)).document(&OfFirstItem::openapi()).unwrap();
    assert_eq!(twice(based), "Item");
    let same = router().await.routes(routes!(first_item, put_item)).document(&OfFirstItem::openapi()).unwrap();
    drop(same.finish().unwrap());
}

#[tokio::test]
async fn the_document_says_what_the_api_is_unless_the_builder_does() {
    let with = async |change: fn(countersign::Builder) -> countersign::Builder| {
        let app = TestApp::with(any_store().await, change).await;
        let router = app.oauth2.router().merge(by_utoipa()).document(&Documented::openapi()).unwrap();
        let document = document(router);
        let router = app.oauth2.router().document(&Documented::openapi()).unwrap().finish().unwrap();
        (document, send(&router, "GET", "/docs", &[]).await.body)
    };
    let (document, page) = with(|builder| builder).await;
    assert_eq!(document["info"]["title"], "Documented");
    assert_eq!(document["info"]["version"], "7.0.0");
    assert_eq!(document["info"]["description"], "By hand.");
    assert_eq!(document["tags"], json!([{ "name": "all", "description": "All of it." }]));
    assert_eq!(document["servers"], json!([{ "url": "." }, { "url": "https://api.example.com/v7" }]));
    assert_eq!(document["openapi"], "3.1.0");
    assert!(page.contains("<title>Documented"), "{page}");
    let (document, page) = with(|builder| builder.title("Built").version("8")).await;
    assert_eq!((&document["info"]["title"], &document["info"]["version"]), (&"Built".into(), &"8".into()));
    assert_eq!(document["info"]["description"], "By hand.");
    assert!(page.contains("<title>Built"), "{page}");
    let plain = OpenApiBuilder::new().info(InfoBuilder::new().title("T").version("V").build()).build();
    let nothing = crate::utoipa::document(router().await.document(&plain).unwrap());
    assert_eq!(nothing["info"], json!({ "title": "T", "version": "V" }));
}

#[tokio::test]
async fn an_answer_that_the_author_describes_stays() {
    let base = one("get", "/scope", &[], |it| it.response("401", utoipa::openapi::Response::new("Log in first.")));
    let mut locked = base.clone();
    router().await.merge(by_utoipa()).lock_document(&mut locked).unwrap();
    let served = document(router().await.merge(by_utoipa()).document(&base).unwrap());
    for document in [served, serde_json::to_value(locked).unwrap()] {
        let answers = &document["paths"]["/scope"]["get"]["responses"];
        assert_eq!(answers["401"], json!({ "description": "Log in first." }));
        assert!(answers["403"].is_object());
    }
}

/// The other generator's type of the same name.
#[derive(serde::Serialize, schemars::JsonSchema)]
#[schemars(rename = "Item")]
struct ItemOfAide {
    price: u32,
}

#[tokio::test]
async fn what_the_document_tells_of_a_path_and_beside_stays() {
    let base: OpenApi = serde_json::from_value(json!({
        "openapi": "3.1.0",
        "info": { "title": "T", "version": "V" },
        "paths": {
            "/files/{*rest}": {
                "summary": "Files.",
                "parameters": [{ "name": "rest", "in": "path", "required": true, "schema": { "type": "integer" } }],
                "get": { "responses": {} },
                "head": { "responses": {} },
            },
        },
        "components": {
            "schemas": { "Item": { "type": "string" } },
            "responses": { "Gone": { "description": "It is gone." } },
        },
        "externalDocs": { "url": "https://docs.example.com" },
        "x-team": "shop",
    }))
    .unwrap();
    let routes = Routes::new().route("/files/{*rest}", get(async |_: AccessToken| Json(ItemOfAide { price: 1 })));
    let router = router().await.merge(routes).document(&base).unwrap();
    assert_eq!(router.audit().findings, [], "axum answers HEAD by the handler of GET");
    let mut locked = base.clone();
    router.lock_document(&mut locked).unwrap();
    let (served, locked) = (document(router), serde_json::to_value(locked).unwrap());
    for (document, path) in [(&served, "/files/{rest}"), (&locked, "/files/{*rest}")] {
        let item = &document["paths"][path];
        assert_eq!(item["summary"], "Files.");
        for method in ["get", "head"] {
            assert_eq!(item[method]["security"], json!([{ "OAuth2PasswordBearer": [] }]), "{method}");
            assert!(item[method]["parameters"].is_null(), "it is told of for all methods: {item}");
        }
        assert_eq!(document["components"]["responses"]["Gone"]["description"], "It is gone.");
        assert_eq!(document["components"]["schemas"]["Item"], json!({ "type": "string" }), "as its author has it");
        assert_eq!(document["externalDocs"]["url"], "https://docs.example.com");
        assert_eq!(document["x-team"], "shop");
    }
}

#[tokio::test]
async fn handlers_are_collected_without_the_macro_too() {
    let alone: PathHandlers = PathHandlers::new().handler(one("get", "/alone", &[], |it| it), scope);
    let mut base = OpenApiBuilder::new().servers(Some([Server::new("/")])).build();
    let router = router().await.routes(alone);
    router.lock_document(&mut base).unwrap();
    assert_eq!(
        document(router)["paths"]["/alone"]["get"]["security"],
        json!([{ "OAuth2PasswordBearer": ["read:items"] }])
    );
}
