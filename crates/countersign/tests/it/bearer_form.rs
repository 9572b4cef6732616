//! A token in a form beside the one in the header (RFC 6750 §2), and alone (RFC 6750 §2.2).

use std::{
    collections::BTreeMap,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use axum::{
    Extension, Form, Json,
    body::{Body, Bytes, HttpBody},
    http::{HeaderValue, Request, StatusCode, header},
};
use countersign::{
    AccessToken, BearerToken, Credentials, Either, Routes,
    routing::{post, public},
    scheme::{ApiKey, HttpBearer},
    security_schemes,
};

use crate::support::{Answer, TestApp, answer, form};

security_schemes! {
    /// A key.
    Key: ApiKey = ApiKey::header("X-Key");
    /// A token of somebody else's.
    Theirs: HttpBearer = HttpBearer::new().realm("theirs");
}

type Fields = BTreeMap<String, String>;

/// What a handler saw of a body, whatever it answered.
type Seen = Arc<Mutex<Vec<u8>>>;

/// Reads what there is, forgives errors, and remembers what it saw.
async fn forgiving(Extension(seen): Extension<Seen>, body: Body) -> &'static str {
    let mut body = body;
    while let Some(chunk) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let data = chunk.ok().and_then(|frame| frame.into_data().ok()).unwrap_or_default();
        seen.lock().unwrap().extend_from_slice(&data);
    }
    "read"
}

async fn form_app() -> (TestApp, Seen) {
    let mut app = TestApp::new().await;
    let seen = Seen::default();
    let read = async |Form(fields): Form<Fields>| Json(fields);
    let routes = app
        .oauth2
        .router()
        .route("/argument", post(async |_: AccessToken, Form(fields): Form<Fields>| Json(fields)))
        .route("/string", post(async |_: BearerToken, body: String| body))
        .route("/optional", post(async |_: Option<AccessToken>, Form(fields): Form<Fields>| Json(fields)))
        .route("/theirs", post(async |_: Credentials<Theirs>, Form(fields): Form<Fields>| Json(fields)))
        .route("/key", post(async |_: Credentials<Key>, body: String| body))
        .route("/key-or-token", post(async |_: Either<Credentials<Key>, AccessToken>, body: String| body))
        .route(
            "/any-body",
            post(async |_: AccessToken, body: String| body).get(async |_: AccessToken, body: String| body),
        )
        .route("/forgiving", post(async |_: AccessToken, seen, body| forgiving(seen, body).await))
        .route("/unread", post(async |_: AccessToken| "unread"))
        .route("/public", public(post(read)))
        .merge(Routes::new().guard::<AccessToken>().route("/router", post(read)))
        .merge(Routes::new().guard::<AccessToken>().route("/raw", axum::routing::post(read)))
        .merge(
            Routes::new()
                .guard::<AccessToken>()
                .route("/both", post(async |_: AccessToken, Form(fields): Form<Fields>| Json(fields))),
        );
    let layer = Extension(seen.clone());
    app.router = routes.map(move |router| router.layer(layer)).finish().unwrap();
    (app, seen)
}

/// A body that comes in these chunks.
struct Chunks(std::vec::IntoIter<String>);

impl futures_core::Stream for Chunks {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().map(|chunk| Ok(Bytes::from(chunk))))
    }
}

fn with_token(mut request: Request<Body>, token: &str) -> Request<Body> {
    request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    request
}

/// A form with a token in the header too.
async fn send_form(app: &TestApp, path: &str, token: &str, body: &str) -> Answer {
    app.send(with_token(form(path, body), token)).await
}

#[track_caller]
fn expect_one_too_many(answer: Answer) {
    let answer = answer.expect_challenge(StatusCode::BAD_REQUEST, "Bearer realm=\"api\", error=\"invalid_request\"");
    assert_eq!(answer.json()["error"], "invalid_request");
}

/// Every route of [`form_app`] that reads a form behind a guard of our own tokens.
const FORMS: [&str; 8] =
    ["/argument", "/string", "/optional", "/key-or-token", "/router", "/raw", "/both", "/forgiving"];

#[tokio::test]
async fn b7_a_token_in_a_form_beside_the_header_is_one_too_many() {
    let (app, seen) = form_app().await;
    let token = app.token("me").await;
    let by_address = send_form(&app, &format!("/argument?access_token={token}"), &token, "").await;
    for path in FORMS {
        for body in [
            format!("access_token={token}"),
            "access_token=garbage".to_owned(),
            format!("x=1&access_token={token}&y=2"),
            format!("access%5Ftoken={token}"),
            "%61ccess_token=".to_owned(),
        ] {
            let answer = send_form(&app, path, &token, &body).await;
            assert_eq!(answer, by_address, "{path} {body}: as in the address");
            expect_one_too_many(answer);
        }
    }
    assert_eq!(*seen.lock().unwrap(), b"", "nothing of a chunk with a token reaches a handler");
    let theirs = send_form(&app, "/theirs", "any", "access_token=x").await;
    theirs.expect_challenge(StatusCode::BAD_REQUEST, "Bearer realm=\"theirs\", error=\"invalid_request\"");
}

#[tokio::test]
async fn b7_a_second_token_is_found_in_chunks_and_ends_the_body() {
    let (app, seen) = form_app().await;
    let token = app.token("me").await;
    let send = async |path: &str, chunks: &[&str]| {
        let chunks: Vec<_> = chunks.iter().map(|chunk| (*chunk).to_owned()).collect();
        let mut request = form(path, "");
        *request.body_mut() = Body::from_stream(Chunks(chunks.into_iter()));
        app.send(with_token(request, &token)).await
    };
    for path in FORMS {
        for chunks in
            [&["x=1&acc", "", "ess_to", "ken", "=", "secret"][..], &["access%", "5", "Ftoken=x"], &["access_token"]]
        {
            expect_one_too_many(send(path, chunks).await);
        }
        send(path, &["x_", "access_token=1&access_tok", "=2&y=access_token"]).await.expect(StatusCode::OK);
    }
    seen.lock().unwrap().clear();
    expect_one_too_many(send("/forgiving", &["x=1&", "access_token", "=se", "cret&", "y=2"]).await);
    assert_eq!(*seen.lock().unwrap(), b"x=1&access_token", "nothing of the value");
}

#[tokio::test]
async fn b7_forms_without_a_second_token_reach_the_handler_whole() {
    let (app, seen) = form_app().await;
    let token = app.token("me").await;
    let body = "x_access_token=1&y=access_token&z=%26access_token%3D2&access_tokens=3&access=_token";
    let fields = serde_json::json!({
        "x_access_token": "1", "y": "access_token", "z": "&access_token=2", "access_tokens": "3", "access": "_token",
    });
    for path in FORMS {
        let answer = send_form(&app, path, &token, body).await.expect(StatusCode::OK);
        match path {
            "/string" | "/key-or-token" => assert_eq!(answer.body, body),
            "/forgiving" => assert_eq!(*seen.lock().unwrap(), body.as_bytes()),
            _ => assert_eq!(answer.json(), fields, "{path}"),
        }
        send_form(&app, path, &token, "").await.expect(StatusCode::OK);
    }
    // A body that nobody reads says nothing.
    send_form(&app, "/unread", &token, "access_token=x").await.expect(StatusCode::OK);
}

#[tokio::test]
async fn b7_a_body_is_watched_only_where_it_could_be_a_second_way() {
    let (app, _) = form_app().await;
    let token = app.token("me").await;
    let body = "access_token=x";
    // No form.
    for content_type in ["application/json", "text/plain", "multipart/form-data; boundary=x", ""] {
        let request = Request::post("/any-body").header(header::CONTENT_TYPE, content_type);
        let request = request.body(Body::from(body)).unwrap();
        assert_eq!(app.send(with_token(request, &token)).await.expect(StatusCode::OK).body, body, "{content_type}");
    }
    for content_type in ["Application/X-WWW-Form-URLencoded", "application/x-www-form-urlencoded;charset=utf-8"] {
        let request = Request::post("/any-body").header(header::CONTENT_TYPE, content_type);
        expect_one_too_many(app.send(with_token(request.body(Body::from(body)).unwrap(), &token)).await);
    }
    // RFC 6750 §2.2: in a GET it is no way of sending one.
    let mut request = with_token(form("/any-body", body), &token);
    *request.method_mut() = axum::http::Method::GET;
    assert_eq!(app.send(request).await.expect(StatusCode::OK).body, body);
    // Nobody reads the header.
    send_form(&app, "/public", &token, body).await.expect(StatusCode::OK);
    let mut request = with_token(form("/key", body), &token);
    request.headers_mut().insert("x-key", HeaderValue::from_static("k"));
    assert_eq!(app.send(request).await.expect(StatusCode::OK).body, body);
    // There is no header, or of another scheme.
    for authorization in [None, Some("Basic YTpi"), Some("Bearers x")] {
        let mut request = form("/optional", body);
        if let Some(value) = authorization {
            request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        assert_eq!(app.send(request).await.expect(StatusCode::OK).json()["access_token"], "x");
    }
}

#[tokio::test]
async fn b7_no_body_is_read_before_the_header_is_believed() {
    /// Nobody may ask for it.
    struct Untouched;

    impl futures_core::Stream for Untouched {
        type Item = Result<Bytes, Infallible>;

        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            panic!("the body was read")
        }
    }

    let (app, _) = form_app().await;
    let token = app.token("me").await;
    for path in FORMS {
        let mut request = form(path, "");
        *request.body_mut() = Body::from_stream(Untouched);
        let answer = app.send(with_token(request, "a b")).await.expect(StatusCode::UNAUTHORIZED);
        assert_eq!(answer.json()["error"], "invalid_token");
    }
    let mut request = form("/unread", "");
    *request.body_mut() = Body::from_stream(Untouched);
    app.send(with_token(request, &token)).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn b7_a_router_inside_of_another_watches_for_itself() {
    let (inner, _) = form_app().await;
    let (token, outer) = (inner.token("me").await, TestApp::new().await);
    // The outer guard reads no bearer token.
    let keyed = Routes::new()
        .rule("key", "The key is not good.", async |_: Credentials<Key>| true)
        .route("/{*rest}", axum::routing::any_service(inner.router.clone()));
    let router = outer.oauth2.router().merge(keyed).finish().unwrap();
    let mut request = with_token(form("/argument", "access_token=x"), &token);
    request.headers_mut().insert("x-key", HeaderValue::from_static("k"));
    expect_one_too_many(answer(&router, request).await);
}

#[tokio::test]
async fn b9_a_token_in_a_form_alone_is_not_read() {
    let (app, seen) = form_app().await;
    let token = app.token("me").await;
    for path in FORMS.into_iter().filter(|path| *path != "/optional") {
        let answer = app.send(form(path, &format!("access_token={token}"))).await.expect(StatusCode::UNAUTHORIZED);
        assert!(answer.headers.get_all(header::WWW_AUTHENTICATE).iter().any(|one| one == "Bearer realm=\"api\""));
    }
    assert_eq!(*seen.lock().unwrap(), b"");
}
