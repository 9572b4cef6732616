//! Each example does what it says.

#[expect(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/fastapi_twin.rs"]
mod fastapi_twin_program;
#[expect(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/first_steps.rs"]
mod first_steps_program;
#[expect(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/jwt_and_scopes.rs"]
mod jwt_and_scopes_program;
#[expect(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/schemes.rs"]
pub(crate) mod schemes_program;
#[expect(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/simple_login.rs"]
mod simple_login_program;

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use serde_json::{Value, json};

use crate::support::{Answer, answer, form};

pub(crate) struct Program(axum::Router);

impl Program {
    pub(crate) fn of(router: countersign::Result<countersign::Router>) -> Self {
        Self(router.unwrap().finish().unwrap())
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        answer(&self.0, request).await
    }

    async fn call(&self, request: Request<Body>) -> (StatusCode, Value) {
        let Answer { status, body, .. } = self.send(request).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|_| body.into()))
    }

    async fn log_in(&self, body: &str) -> String {
        let (status, answer) = self.call(form("/token", body)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["access_token"].as_str().unwrap().to_owned()
    }

    async fn get(&self, path: &str, token: &str) -> (StatusCode, Value) {
        let request = Request::get(path).header("authorization", format!("Bearer {token}"));
        self.call(request.body(Body::empty()).unwrap()).await
    }

    async fn get_without_token(&self, path: &str) -> StatusCode {
        self.call(Request::get(path).body(Body::empty()).unwrap()).await.0
    }
}

#[tokio::test]
async fn first_steps() {
    let program = Program::of(first_steps_program::app().await);
    assert_eq!(program.get_without_token("/hello").await, StatusCode::UNAUTHORIZED);
    let token = program.log_in("username=alice&password=secret").await;
    assert_eq!(program.get("/hello", &token).await, (StatusCode::OK, "Hello, alice!".into()));
}

#[tokio::test]
async fn simple_login() {
    let program = Program::of(simple_login_program::app().await);
    let (status, answer) = program.call(form("/token", "username=alice&password=wrong")).await;
    assert_eq!((status, &answer["error"]), (StatusCode::BAD_REQUEST, &"invalid_grant".into()));
    let token = program.log_in("username=alice&password=secret").await;
    let (status, user) = program.get("/users/me", &token).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&user["username"], &user["full_name"]), (&"alice".into(), &"Alice Wonderland".into()));
}

#[tokio::test]
async fn jwt_and_scopes() {
    let program = Program::of(jwt_and_scopes_program::app().await);
    let (_, answer) = program.call(form("/token", "username=manish&password=secret&scope=read:items")).await;
    assert_eq!(answer["expires_in"], 1800);
    let token = program.log_in("username=manish&password=secret&scope=read:items").await;
    assert_eq!(program.get("/users/me", &token).await.1["username"], "manish");
    assert_eq!(program.get("/items", &token).await.0, StatusCode::OK);
    let admin = program.log_in("username=manish&password=secret&scope=admin").await;
    assert_eq!(program.get("/items", &admin).await.0, StatusCode::FORBIDDEN);
    let bare = program.log_in("username=manish&password=secret").await;
    assert_eq!(program.get("/items", &bare).await.0, StatusCode::FORBIDDEN);
    assert_eq!(program.get("/users/me", &bare).await.0, StatusCode::OK);
}

#[tokio::test]
async fn fastapi_twin() {
    let program = Program::of(fastapi_twin_program::app().await);
    let token = program.log_in("grant_type=password&username=johndoe&password=secret&scope=me+items").await;
    let (status, user) = program.get("/users/me/", &token).await;
    assert_eq!(status, StatusCode::OK);
    for (member, value) in [
        ("username", json!("johndoe")),
        ("full_name", json!("John Doe")),
        ("email", json!("johndoe@example.com")),
        ("disabled", json!(false)),
    ] {
        assert_eq!(user[member], value);
    }
    let items = json!([{ "item_id": "Foo", "owner": "johndoe" }]);
    assert_eq!(program.get("/users/me/items/", &token).await, (StatusCode::OK, items));
    assert_eq!(program.get("/status/", &token).await, (StatusCode::OK, json!({ "status": "ok" })));

    let me = program.log_in("username=johndoe&password=secret&scope=me").await;
    assert_eq!(program.get("/users/me/items/", &me).await.0, StatusCode::FORBIDDEN);
    let bare = program.log_in("username=johndoe&password=secret").await;
    assert_eq!(program.get("/users/me/", &bare).await.0, StatusCode::FORBIDDEN);
    assert_eq!(program.get("/status/", &bare).await.0, StatusCode::OK);
    for path in ["/users/me/", "/users/me/items/", "/status/"] {
        assert_eq!(program.get_without_token(path).await, StatusCode::UNAUTHORIZED);
    }
    let (status, answer) = program.call(form("/token", "username=alice&password=secretalice")).await;
    assert_eq!((status, &answer["detail"]), (StatusCode::BAD_REQUEST, &"Incorrect username or password".into()));
    let (_, document) = program.call(Request::get("/openapi.json").body(Body::empty()).unwrap()).await;
    assert_eq!(
        document["paths"]["/users/me/items/"]["get"]["security"],
        json!([{ "OAuth2PasswordBearer": ["items", "me"] }])
    );
}
