//! Each example does what it says; those about the life of tokens in `examples/tokens.rs`.

#[expect(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/and_or.rs"]
mod and_or_program;
#[expect(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/docs_page.rs"]
mod docs_page_program;
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
#[path = "../../examples/opaque_tokens.rs"]
mod opaque_tokens_program;
#[expect(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/optional_login.rs"]
mod optional_login_program;
#[expect(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/own_claims.rs"]
mod own_claims_program;
#[expect(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/own_users.rs"]
mod own_users_program;
#[expect(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/refresh_and_logout.rs"]
mod refresh_and_logout_program;
#[expect(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/resource_server.rs"]
mod resource_server_program;
#[expect(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/router_guards.rs"]
mod router_guards_program;
#[expect(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/schemes.rs"]
pub(crate) mod schemes_program;
#[expect(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/service_to_service.rs"]
mod service_to_service_program;
#[expect(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/simple_login.rs"]
mod simple_login_program;
#[expect(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/testing_your_api.rs"]
mod testing_your_api_program;
#[expect(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/utoipa_document.rs"]
mod utoipa_document_program;
#[expect(dead_code, reason = "its `main` is for people")]
#[path = "../../examples/websocket.rs"]
mod websocket_program;

mod tokens;

use axum::{
    body::Body,
    extract::FromRef,
    http::{Request, StatusCode},
};
use countersign::{NewUser, OAuth2, Router, testing};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::support::{Answer, answer, form};

pub(crate) struct Program(axum::Router);

impl Program {
    pub(crate) fn of<S>(router: countersign::Result<countersign::Router<S>>) -> Self
    where
        S: Clone + Send + Sync + 'static,
        OAuth2: FromRef<S>,
    {
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

    async fn send_to(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.call(request.body(Body::empty()).unwrap()).await
    }

    async fn get_without_token(&self, path: &str) -> StatusCode {
        self.call(Request::get(path).body(Body::empty()).unwrap()).await.0
    }
}

/// Holds every example to its document, and attacks it. One that has a table of users of its own names one of them, and
/// one that checks credentials of its own gives some that are good.
macro_rules! every_example {
    ($($program:ident $(as $user:literal)? $(below $prefix:literal)? $(with $scheme:literal $credentials:literal)*,)*) => {
        mod holds {
            $(
                #[tokio::test]
                async fn $program() {
                    let user = None$(.or(Some($user)))?;
                    let prefix = ""$(.to_owned() + $prefix)?;
                    let given = [$(($scheme, $credentials)),*];
                    let (one, two) = (super::$program::app().await.unwrap(), super::$program::app().await.unwrap());
                    super::walk_and_attack(one, two, user, &prefix, &given).await;
                }
            )*
        }
    };
}

every_example! {
    and_or_program with "MachineKey" "a-key-from-your-settings",
    docs_page_program below "/api/v1",
    fastapi_twin_program,
    first_steps_program,
    jwt_and_scopes_program,
    opaque_tokens_program,
    optional_login_program,
    own_claims_program,
    own_users_program as "ada",
    refresh_and_logout_program,
    router_guards_program,
    schemes_program,
    service_to_service_program,
    simple_login_program,
    testing_your_api_program,
    utoipa_document_program,
    websocket_program,
}

async fn walk_and_attack<S>(
    to_walk: Router<S>,
    to_attack: Router<S>,
    user: Option<&str>,
    prefix: &str,
    given: &[(&'static str, &'static str)],
) where
    S: Clone + Send + Sync + 'static,
    OAuth2: FromRef<S>,
{
    if user.is_none() {
        for app in [&to_walk, &to_attack] {
            app.oauth2().add_user(NewUser::new("tester").password("correct horse")).await.unwrap();
        }
    }
    let user = user.unwrap_or("tester");
    let walk = testing::walk(to_walk).as_user(user).below(prefix);
    let walked = given.iter().fold(walk, |walk, (scheme, good)| walk.credentials(scheme, good)).await.unwrap();
    walked.assert_held();
    assert!(walked.unclear().is_empty() && walked.calls().len() > walked.operations(), "{walked}");
    let attack = testing::attack(to_attack).as_user(user).below(prefix);
    let attacked = given.iter().fold(attack, |attack, (scheme, good)| attack.credentials(scheme, good)).await.unwrap();
    attacked.assert_held();
    assert!(attacked.unclear().is_empty() && attacked.requests() > 50, "{attacked}");
}

#[tokio::test]
async fn docs_page() {
    let program = Program::of(docs_page_program::app().await);
    for page in ["/api/v1/internal/api-docs", "/api/v1/redoc", "/api/v1/scalar"] {
        assert_eq!(program.get_without_token(page).await, StatusCode::OK, "{page}");
    }
    let (_, document) = program.get("/api/v1/schema/orders.json", "").await;
    assert_eq!(document["servers"], json!([{ "url": ".." }]));
    assert_eq!(program.get_without_token("/api/v1/docs").await, StatusCode::NOT_FOUND);
    assert_eq!(program.get_without_token("/api/v1/orders").await, StatusCode::UNAUTHORIZED);
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

#[tokio::test]
async fn own_users() {
    let program = Program::of(own_users_program::app().await);
    assert_eq!(program.get_without_token("/me").await, StatusCode::UNAUTHORIZED);
    let token = program.log_in("username=ada&password=secret").await;
    let me = json!({ "id": 1, "login": "ada", "department": "Engines" });
    assert_eq!(program.get("/me", &token).await, (StatusCode::OK, me));
    let (status, answer) = program.call(form("/token", "username=bert&password=secret")).await;
    assert_eq!((status, &answer["error"]), (StatusCode::BAD_REQUEST, &"invalid_grant".into()), "he is not active");
}

#[tokio::test]
async fn own_claims() {
    let program = Program::of(own_claims_program::app().await);
    let (ada, bert) =
        (program.log_in("username=ada&password=secret").await, program.log_in("username=bert&password=secret").await);
    assert_eq!(program.get("/role", &ada).await, (StatusCode::OK, json!({ "role": "editor" })));
    assert_eq!(program.get("/role", &bert).await, (StatusCode::OK, json!({ "role": "reader" })));
    assert_eq!(program.get("/articles/1", &ada).await, (StatusCode::OK, "article 1".into()));
    assert_eq!(program.get("/articles/2", &ada).await.0, StatusCode::NOT_FOUND);
    assert_eq!(program.get("/articles/1", "garbage").await.0, StatusCode::UNAUTHORIZED);
    let put = async |token: &str| {
        program.send_to("PUT", "/front-page", &[("authorization", &format!("Bearer {token}"))]).await
    };
    assert_eq!(put(&ada).await, (StatusCode::OK, "published".into()));
    assert_eq!(put(&bert).await, (StatusCode::FORBIDDEN, json!({ "detail": "You are not of the staff." })));
    assert_eq!(program.send_to("PUT", "/front-page", &[]).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn router_guards() {
    let program = Program::of(router_guards_program::app().await);
    let log_in = async |scope: &str| program.log_in(&format!("username=ada&password=secret&scope={scope}")).await;
    for (path, methods) in [("/", "public"), ("/stage", "optional")] {
        assert_eq!(program.get_without_token(path).await, StatusCode::OK, "{methods}");
    }
    assert_eq!(program.get("/stage", "garbage").await.0, StatusCode::UNAUTHORIZED);
    for path in ["/backstage/report", "/backstage/users", "/backstage/users/bert", "/backstage/nowhere"] {
        let method = if path.ends_with("bert") { "DELETE" } else { "GET" };
        assert_eq!(program.send_to(method, path, &[]).await.0, StatusCode::UNAUTHORIZED, "{path}");
    }
    let staff = log_in("staff").await;
    assert_eq!(program.get("/backstage/report", &staff).await, (StatusCode::OK, "all is well".into()));
    assert_eq!(program.get("/backstage/nowhere", &staff).await.0, StatusCode::OK);
    assert_eq!(program.get("/backstage/users", &staff).await.0, StatusCode::FORBIDDEN);
    let users = log_in("staff+users").await;
    assert_eq!(program.get("/backstage/users", &users).await, (StatusCode::OK, json!(["ada", "bert"])));
    let delete = async |token: &str| {
        let request = Request::delete("/backstage/users/bert").header("authorization", format!("Bearer {token}"));
        program.send(request.body(Body::empty()).unwrap()).await
    };
    let challenge = "Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"staff users delete\"";
    for too_little in [&staff, &users, &log_in("users+delete").await] {
        delete(too_little).await.expect_challenge(StatusCode::FORBIDDEN, challenge);
    }
    assert_eq!(delete(&log_in("delete+users+staff").await).await.expect(StatusCode::OK).body, "ada deletes");
}

#[tokio::test]
async fn and_or() {
    let program = Program::of(and_or_program::app().await);
    let token = program.log_in("username=ada&password=secret&scope=reports").await;
    let poor = program.log_in("username=ada&password=secret").await;
    let bearer = format!("Bearer {token}");
    let poor = format!("Bearer {poor}");
    let (token, poor, bad) = (("authorization", &*bearer), ("authorization", &*poor), ("authorization", "Bearer bad"));
    let (key, other_key) = (("x-machine-key", "a-key-from-your-settings"), ("x-machine-key", "another"));
    for (headers, status) in [
        (vec![], StatusCode::UNAUTHORIZED),
        (vec![token], StatusCode::UNAUTHORIZED),
        (vec![key], StatusCode::UNAUTHORIZED),
        (vec![token, other_key], StatusCode::UNAUTHORIZED),
        (vec![poor, key], StatusCode::FORBIDDEN),
        (vec![token, key], StatusCode::OK),
    ] {
        assert_eq!(program.send_to("POST", "/report/print", &headers).await.0, status, "both: {headers:?}");
    }
    for (headers, status) in [
        (vec![], StatusCode::UNAUTHORIZED),
        (vec![token], StatusCode::OK),
        (vec![key], StatusCode::OK),
        (vec![other_key], StatusCode::UNAUTHORIZED),
        (vec![poor], StatusCode::FORBIDDEN),
        (vec![poor, key], StatusCode::OK),
        (vec![bad, key], StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(program.send_to("GET", "/report", &headers).await.0, status, "either: {headers:?}");
    }
    let (_, document) = program.call(Request::get("/openapi.json").body(Body::empty()).unwrap()).await;
    let security = |path: &str, method: &str| document["paths"][path][method]["security"].clone();
    let (one, other) = (json!({ "OAuth2PasswordBearer": ["reports"] }), json!({ "MachineKey": [] }));
    assert_eq!(security("/report", "get"), json!([one, other]), "alternatives are two objects");
    let both = json!({ "OAuth2PasswordBearer": ["reports"], "MachineKey": [] });
    assert_eq!(security("/report/print", "post"), json!([both]), "needed together is one object");
    for (method, path) in [("GET", "/report"), ("POST", "/report/print")] {
        let answer = program.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await;
        let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
        assert_eq!(challenges, ["Bearer realm=\"api\"", "APIKey realm=\"api\""], "each scheme that would do");
    }
}

#[tokio::test]
async fn optional_login() {
    let program = Program::of(optional_login_program::app().await);
    let (status, page) = program.send_to("GET", "/", &[]).await;
    assert_eq!((status, &page["greeting"]), (StatusCode::OK, &"Hello, stranger!".into()));
    let token = program.log_in("username=alice&password=secret").await;
    assert_eq!(program.get("/", &token).await.1["drafts"], json!(["Unfinished"]));
    assert_eq!(program.get("/", "bad").await.0, StatusCode::UNAUTHORIZED, "a bad token is not taken for none");
}

#[tokio::test]
async fn utoipa_document() {
    let program = Program::of(utoipa_document_program::app().await);
    assert_eq!(program.get_without_token("/health").await, StatusCode::OK);
    for (method, path) in [("GET", "/items"), ("POST", "/items"), ("DELETE", "/items/1")] {
        assert_eq!(program.send_to(method, path, &[]).await.0, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
    let reader = program.log_in("username=ada&password=secret&scope=items:read").await;
    assert_eq!(program.get("/items", &reader).await, (StatusCode::OK, json!([{ "id": 1, "name": "Lamp" }])));
    let delete = async |token: &str| {
        program.send_to("DELETE", "/items/1", &[("authorization", &format!("Bearer {token}"))]).await.0
    };
    assert_eq!(delete(&reader).await, StatusCode::FORBIDDEN);
    let both = program.log_in("username=ada&password=secret&scope=items:read+items:write").await;
    assert_eq!(delete(&both).await, StatusCode::NO_CONTENT);
    let (_, document) = program.send_to("GET", "/openapi.json", &[]).await;
    assert_eq!((&document["info"]["title"], &document["info"]["version"]), (&"Shop".into(), &"2.1.0".into()));
    assert_eq!(document["tags"], json!([{ "name": "items", "description": "What is for sale." }]));
    let security = |path: &str, method: &str| document["paths"][path][method]["security"].clone();
    let lock = |scopes: Value| json!([{ "OAuth2PasswordBearer": scopes }]);
    assert_eq!(security("/items", "get"), lock(json!(["items:read"])));
    assert_eq!(security("/items", "post"), lock(json!(["items:write"])));
    assert_eq!(security("/items/{id}", "delete"), lock(json!(["items:read", "items:write"])));
    assert_eq!(security("/health", "get"), Value::Null);
    let (get, delete) = (&document["paths"]["/items"]["get"], &document["paths"]["/items/{id}"]["delete"]);
    assert_eq!(get["summary"], "All items.");
    assert_eq!(delete["responses"]["404"]["description"], "There is no such item.");
    assert!(get["responses"]["401"].is_object() && get["responses"]["403"].is_object());
    assert!(document["components"]["schemas"]["Item"].is_object() && document["paths"]["/users/me"].is_object());
}

#[tokio::test]
async fn websocket() {
    let program = Program::of(websocket_program::app().await);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = program.0.clone();
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let handshake = async |authorization: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET /chat HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{authorization}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        (stream, String::from_utf8(head).unwrap().to_lowercase())
    };
    let (_, refused) = handshake("").await;
    assert!(refused.starts_with("http/1.1 401 ") && refused.contains("www-authenticate: bearer"), "{refused}");
    let (_, refused) = handshake("Authorization: Bearer bad\r\n").await;
    assert!(refused.starts_with("http/1.1 401 ") && refused.contains("invalid_token"), "{refused}");
    let poor = program.log_in("username=alice&password=secret").await;
    let (_, refused) = handshake(&format!("Authorization: Bearer {poor}\r\n")).await;
    assert!(refused.starts_with("http/1.1 403 ") && refused.contains("scope=\"chat\""), "{refused}");
    let token = program.log_in("username=alice&password=secret&scope=chat").await;
    let (mut stream, opened) = handshake(&format!("Authorization: Bearer {token}\r\n")).await;
    assert!(opened.starts_with("http/1.1 101 "), "{opened}");
    // "hi", masked with zeros as RFC 6455 §5.3 allows.
    stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await.unwrap();
    let mut frame = [0; 11];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!((&frame[..2], &frame[2..]), (&[0x81, 9][..], &b"alice: hi"[..]));
    server.abort();

    assert_eq!(program.get_without_token("/count").await, StatusCode::UNAUTHORIZED);
    let (status, events) = program.get("/count", &token).await;
    assert_eq!((status, events), (StatusCode::OK, "data: 1\n\ndata: 2\n\ndata: 3\n\n".into()));
}

#[tokio::test]
async fn resource_server() {
    let program = Program::of(resource_server_program::app().await);
    let status = program.get_without_token("/status").await;
    assert_eq!(status, StatusCode::OK);
    for path in ["/items", "/whoami"] {
        assert_eq!(program.get_without_token(path).await, StatusCode::UNAUTHORIZED);
    }
    let (_, document) = program.call(Request::get("/openapi.json").body(Body::empty()).unwrap()).await;
    assert_eq!(document["paths"]["/items"]["get"]["security"], json!([{ "OpenIdConnect": ["read:items"] }]));
}
