//! What the document tells beside locks: operations, types, and what the API is.

use super::*;

/// Only utoipa knows this type.
#[derive(serde::Serialize, serde::Deserialize, ToSchema)]
struct Item {
    name: String,
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
