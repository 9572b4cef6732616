//! The endpoints of a user's logins: in the document, beside routes of the author's, and without a token or a store.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use countersign::{
    CurrentUser,
    routing::{get, post},
};
use serde_json::json;

use crate::{
    faults::Faulty,
    support::{TestApp, answer, form},
};

#[tokio::test]
async fn f12_nobody_sees_or_ends_logins_without_a_token() {
    let app = TestApp::new().await;
    let login = app.log_in("alice").await;
    let id = app.id_of(&login.access).await;
    for (method, path) in [
        (Method::GET, "/users/me/grants".to_owned()),
        (Method::GET, "/users/me/grants/".to_owned()),
        (Method::DELETE, "/users/me/grants".to_owned()),
        (Method::DELETE, format!("/users/me/grants/{id}")),
        (Method::DELETE, format!("/users/me/grants/{id}/")),
        (Method::POST, "/users/me/password".to_owned()),
        (Method::POST, "/users/me/password/".to_owned()),
    ] {
        let none = Request::builder().method(method.clone()).uri(&path).body(Body::empty()).unwrap();
        app.send(none).await.expect(StatusCode::UNAUTHORIZED);
        app.call(method, &path, "forged").await.expect_invalid_token();
    }
    assert_eq!(app.refused(&login.access).await, None);
}

#[tokio::test]
async fn l6_a_store_that_is_away_is_a_503_and_ends_nothing_unsaid() {
    let store = Faulty::default();
    let app = TestApp::with(store.clone(), |builder| builder.remembered_users(0)).await;
    let token = app.log_in("alice").await.access;
    let id = app.id_of(&app.log_in("alice").await.access).await;
    let body = "current_password=correct+horse&new_password=another+horse+staple";
    let request = |what: &str| match what {
        "password" => {
            let mut request = form("/users/me/password", body);
            request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
            request
        }
        path => {
            let (method, path) = path.split_once(' ').unwrap();
            let request = Request::builder().method(method).uri(path);
            request.header(header::AUTHORIZATION, format!("Bearer {token}")).body(Body::empty()).unwrap()
        }
    };
    let list = "GET /users/me/grants".to_owned();
    for (what, calls) in [
        (list, 3),
        (format!("DELETE /users/me/grants/{id}"), 5),
        ("DELETE /users/me/grants?except=current".to_owned(), 4),
        ("password".to_owned(), 5),
    ] {
        for call in 1..=calls {
            store.fail_at(call);
            let answer = app.send(request(&what)).await.expect(StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(answer.json()["error"], "temporarily_unavailable", "{what}");
            assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1, "{what}");
            assert!(!answer.body.contains("canary") && answer.headers.get("www-authenticate").is_none(), "{what}");
        }
    }
}

#[tokio::test]
async fn routes_of_the_authors_take_the_place_of_ours() {
    let app = TestApp::new().await;
    let paths = |router: countersign::Router| -> Vec<String> {
        router.audit().routes.iter().map(ToString::to_string).filter(|route| route.contains("/users/me/")).collect()
    };
    let ours = ["GET /users/me/grants", "DELETE /users/me/grants", "DELETE /users/me/grants/{id}"];
    let password = "POST /users/me/password";
    assert_eq!(paths(app.oauth2.router()), [&ours[..], &[password]].concat());
    let mine = || get(async |_: CurrentUser| "mine");
    for path in ["/users/me/grants", "/users/me/grants/", "/users/me/grants/{grant}", "/users/me/grants/{a}/{b}"] {
        let router = app.oauth2.router().route(path, mine());
        assert_eq!(paths(router), [password.to_owned(), format!("GET {path}")]);
        drop(app.oauth2.router().route(path, mine()).finish().unwrap());
    }
    for path in ["/users/me/password", "/users/me/password/"] {
        let router = app.oauth2.router().route(path, post(async |_: CurrentUser| "mine"));
        assert_eq!(paths(router).len(), 4);
        let router = app.oauth2.router().route(path, post(async |_: CurrentUser| "mine")).finish().unwrap();
        let token = app.log_in("alice").await.access;
        let request = Request::post(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        let mine = answer(&router, request.body(Body::empty()).unwrap()).await;
        assert_eq!(mine.expect(StatusCode::OK).body, "mine");
    }
}

#[tokio::test]
async fn f12_the_document_tells_of_logins() {
    let app = TestApp::new().await;
    let document = app.get("/openapi.json").await.json();
    let lock = json!([{ "OAuth2PasswordBearer": [] }]);
    for (path, method, statuses) in [
        ("/users/me/grants", "get", &["200", "400", "401", "503"][..]),
        ("/users/me/grants", "delete", &["204", "400", "401", "403", "503"]),
        ("/users/me/grants/{id}", "delete", &["204", "401", "404", "503"]),
        ("/users/me/password", "post", &["204", "400", "401", "403", "429", "503"]),
    ] {
        let operation = &document["paths"][path][method];
        assert_eq!(operation["security"], lock, "{method} {path}");
        let mut told: Vec<_> = operation["responses"].as_object().unwrap().keys().map(String::as_str).collect();
        told.sort_unstable();
        assert_eq!(told, statuses, "{method} {path}");
    }
    let parameters = |path: &str, method: &str| -> Vec<String> {
        let all = document["paths"][path][method]["parameters"].as_array().unwrap().iter();
        all.map(|one| format!("{} {}", one["in"].as_str().unwrap(), one["name"].as_str().unwrap())).collect()
    };
    assert_eq!(parameters("/users/me/grants", "get"), ["query after", "query limit"]);
    assert_eq!(parameters("/users/me/grants", "delete"), ["query except"]);
    assert_eq!(parameters("/users/me/grants/{id}", "delete"), ["path id"]);
    let form = &document["paths"]["/users/me/password"]["post"]["requestBody"]["content"];
    let fields = &form["application/x-www-form-urlencoded"]["schema"]["required"];
    assert_eq!(*fields, json!(["current_password", "new_password"]));
    let schema =
        &document["paths"]["/users/me/grants"]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(schema["items"]["$ref"], "#/components/schemas/ActiveLogin");
    let types: Vec<_> = document["components"]["schemas"].as_object().unwrap().keys().collect();
    assert_eq!(types, ["ActiveLogin", "AuthenticatedUser", "TokenError", "TokenResponse"], "and no parameters");
}
