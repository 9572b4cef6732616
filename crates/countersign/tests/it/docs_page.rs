//! The docs page: off, elsewhere, restyled, and what it may do.

use axum::http::StatusCode;
use countersign::{CurrentUser, DocsPage, Memory, OAuth2, StartError, routing::get};

use crate::store::any_store;
use crate::support::TestApp;

async fn app(docs: DocsPage) -> TestApp {
    TestApp::with(any_store().await, |builder| builder.docs(docs)).await
}

async fn refused(docs: DocsPage) -> StartError {
    OAuth2::new(Memory::new()).docs(docs).build().await.expect_err("it started")
}

#[tokio::test]
async fn j13_a_path_that_is_none_does_not_start() {
    for bad in [
        "",
        "/",
        "docs",
        "//docs",
        "/docs/",
        "/a//b",
        "/.",
        "/../docs",
        "/a/./b",
        "/a/../b",
        "/{page}",
        "/docs/{*rest}",
        "/docs?x",
        "/docs#x",
        "/docs;x",
        "/a b",
        "/%64ocs",
        "/dócs",
        "/docs\\x",
        "/docs\"",
        "/docs:x",
        "https://elsewhere.example/docs",
    ] {
        for docs in [
            DocsPage::new().at(bad),
            DocsPage::new().document_at(bad),
            DocsPage::new().redoc_at(bad),
            DocsPage::new().scalar_at(bad),
        ] {
            let StartError::DocsPath { path, why } = refused(docs).await else { panic!("{bad}") };
            assert_eq!(path, bad);
            assert!(why.starts_with("it "), "{why}");
        }
    }
}

#[tokio::test]
async fn j13_a_path_where_something_of_ours_is_does_not_start() {
    for docs in [
        DocsPage::new().at("/token"),
        DocsPage::new().at("/users/me"),
        DocsPage::new().document_at("/.well-known/jwks.json"),
        DocsPage::new().document_at("/.well-known/oauth-authorization-server"),
        DocsPage::new().document_at("/docs"),
        DocsPage::new().document_at("/docs/start.js"),
        DocsPage::new().document_at("/docs/own.css"),
        DocsPage::new().at("/x").redoc_at("/x"),
        DocsPage::new().redoc_at("/docs/start.js"),
        DocsPage::new().scalar_at("/openapi.json"),
    ] {
        let StartError::DocsPath { why, .. } = refused(docs.clone()).await else { panic!("{docs:?}") };
        assert!(why.contains("something else of countersign"), "{why}");
    }
}

#[tokio::test]
async fn j13_a_page_without_a_document_does_not_start() {
    let error = refused(DocsPage::off().at("/docs")).await;
    assert!(error.to_string().contains("document_at"), "{error}");
    let app = app(DocsPage::off().at("/docs").document_at("/x.json")).await;
    app.get("/docs").await.expect(StatusCode::OK);
}

#[tokio::test]
async fn j13_no_route_of_the_authors_is_where_a_moved_page_is_and_any_is_where_it_was() {
    let oauth2 = || async {
        let docs = DocsPage::new().at("/internal/api-docs").document_at("/schema.json").redoc_at("/redoc");
        OAuth2::new(Memory::new()).docs(docs).build().await.unwrap()
    };
    for path in ["/internal/api-docs", "/internal/api-docs/{*rest}", "/schema.json", "/schema.json/", "/redoc/x"] {
        let app = oauth2().await.router().route(path, get(async |_: CurrentUser| "mine"));
        let Err(StartError::PathTaken(taken)) = app.finish() else { panic!("{path}") };
        assert!(path.starts_with(&taken), "{taken}");
    }
    for path in ["/docs", "/docs/{page}", "/openapi.json", "/internal/mine", "/internal"] {
        drop(oauth2().await.router().route(path, get(async |_: CurrentUser| "mine")).finish().unwrap());
    }
}

#[tokio::test]
async fn j13_switched_off_there_is_neither_page_nor_document() {
    let app = app(DocsPage::off().stylesheet("body {}")).await;
    for path in ["/docs", "/docs/", "/docs/start.js", "/docs/own.css", "/openapi.json"] {
        app.get(path).await.expect(StatusCode::NOT_FOUND);
    }
    app.token("me").await;
}

#[tokio::test]
async fn j13_the_document_can_be_there_alone() {
    let app = app(DocsPage::document_only()).await;
    app.get("/docs").await.expect(StatusCode::NOT_FOUND);
    app.get("/docs/start.js").await.expect(StatusCode::NOT_FOUND);
    assert_eq!(app.get("/openapi.json").await.expect(StatusCode::OK).json()["openapi"], "3.1.0");
}

#[tokio::test]
async fn b16_a_moved_page_and_its_files_are_nowhere_else_and_its_links_are_relative() {
    let docs =
        DocsPage::new().at("/internal/api-docs").document_at("/schema/v1.json").stylesheet("body { margin: 1rem }");
    let app = app(docs).await;
    let page = app.get("/internal/api-docs").await.expect(StatusCode::OK);
    for link in ["\"../schema/v1.json\"", "\"api-docs/start.js\"", "\"api-docs/own.css\"", "\"api-docs/docs.css\""] {
        assert!(page.body.contains(link), "{link}: {}", page.body);
    }
    assert!(!page.body.contains("=\"/") && !page.body.contains('{'), "{}", page.body);
    assert_eq!(app.get("/internal/api-docs/").await.header("location"), "../api-docs");
    app.get("/internal/api-docs/oauth2-redirect.html").await.expect(StatusCode::OK);
    let style = app.get("/internal/api-docs/own.css").await.expect(StatusCode::OK);
    assert_eq!(style.body, "body { margin: 1rem }");
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    for path in ["/docs", "/docs/start.js", "/openapi.json", "/internal/start.js"] {
        app.get(path).await.expect(StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn b16_the_document_names_the_root_of_the_api_relative_to_itself() {
    for (document, root) in [("/openapi.json", "."), ("/a/openapi.json", ".."), ("/a/b/c.json", "../..")] {
        let app = app(DocsPage::new().document_at(document)).await;
        let document = app.get(document).await.json();
        assert_eq!(document["servers"][0]["url"], root);
        assert_eq!(document["servers"].as_array().unwrap().len(), 1);
        let scheme = &document["components"]["securitySchemes"]["OAuth2PasswordBearer"];
        assert_eq!(scheme["flows"]["password"]["tokenUrl"], "token");
    }
}

#[tokio::test]
async fn b16_without_style_of_the_authors_there_is_no_file_for_it() {
    let app = app(DocsPage::new()).await;
    assert!(!app.get("/docs").await.body.contains("own.css"));
    app.get("/docs/own.css").await.expect(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn j13_every_page_and_every_file_has_a_policy_without_inline_script() {
    let app = app(DocsPage::new().redoc_at("/docs/redoc").scalar_at("/scalar").stylesheet("")).await;
    for (path, style) in [
        ("/docs", "style-src 'self';"),
        ("/docs/start.js", "style-src 'self';"),
        ("/docs/own.css", "style-src 'self';"),
        ("/docs/oauth2-redirect.html", "style-src 'self';"),
        ("/docs/redoc", "style-src 'self' 'sha256-"),
        ("/scalar", "style-src 'self' 'unsafe-inline';"),
    ] {
        let answer = app.get(path).await.expect(StatusCode::OK);
        let policy = answer.header("content-security-policy");
        for part in [
            style,
            "default-src 'none';",
            "script-src 'self';",
            "connect-src 'self';",
            "base-uri 'none';",
            "form-action 'none';",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {part} in {policy}");
        }
        assert_eq!(policy.contains("unsafe"), path == "/scalar", "{path}: {policy}");
        assert!(!answer.body.contains("<script>"), "{path}");
        assert!(!answer.body.contains("//cdn"), "{path}");
    }
}

#[tokio::test]
async fn b16_redoc_and_scalar_come_whole_out_of_the_program() {
    let app = app(DocsPage::document_only().redoc_at("/redoc").scalar_at("/scalar")).await;
    app.get("/docs").await.expect(StatusCode::NOT_FOUND);
    let redoc = app.get("/redoc/redoc.js").await.expect(StatusCode::OK).body;
    assert!(redoc.starts_with("/*! For license") && redoc.len() > 1_000_000);
    assert!(redoc.ends_with("redoc.standalone.js.map"));
    assert!(!redoc.contains("cdn.redoc.ly"), "the logo is not asked for elsewhere");
    let scalar = app.get("/scalar/scalar.js").await.expect(StatusCode::OK).body;
    assert!(scalar.starts_with("/**") && scalar.len() > 2_500_000);
    assert!(!scalar.contains("</script>") && scalar.contains("createApiReference"));
    assert!(app.get("/scalar").await.body.contains("scalar/scalar.js"));
}
