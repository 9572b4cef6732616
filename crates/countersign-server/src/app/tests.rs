//! What the layers do when the routes do not do what they should.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
    response::Response,
    routing::get,
};
use countersign::{Memory, OAuth2};
use tower::ServiceExt;

use super::with_layers;

async fn ask(routes: Router, path: &str) -> Response {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let oauth2 = OAuth2::new(Memory::new()).build().await.expect("a handle");
    with_layers(routes, &oauth2).oneshot(request).await.expect("an answer")
}

#[tokio::test]
async fn l6_a_panic_is_a_500_that_tells_nothing() {
    #[expect(clippy::panic, reason = "this is what is tried")]
    async fn fall() {
        panic!("SELECT canary FROM /etc/passwd");
    }
    let answer = ask(Router::new().route("/fall", get(fall)), "/fall").await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert!(answer.headers().contains_key("x-request-id"));
    let body = to_bytes(answer.into_body(), 1024).await.expect("a body");
    assert_eq!(body, r#"{"detail":"Internal Server Error"}"#);
}

#[tokio::test]
async fn what_an_endpoint_says_of_itself_is_kept() {
    let routes = Router::new().route("/", get(async || [("referrer-policy", "same-origin")]));
    let answer = ask(routes, "/").await;
    assert_eq!(answer.headers()["referrer-policy"], "same-origin");
    assert_eq!(answer.headers()["cross-origin-opener-policy"], "same-origin");
}
