//! What the layers do when the routes do not do what they should.

use std::{
    io,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header::AUTHORIZATION},
    response::Response,
    routing::get,
};
use countersign::{AccessToken, Memory, NewUser, OAuth2, routing, scopes};
use serde_json::Value;
use tower::ServiceExt;

use super::with_layers;
use crate::{
    config::{LogFormat, LogLevel},
    telemetry,
};

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

scopes! {
    /// Water the plants.
    pub(crate) Water = "water";
}

/// A log that a test can read.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("a lock").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A token of alice's, who may grant no scope.
async fn token(oauth2: &OAuth2) -> String {
    oauth2.add_user(NewUser::new("alice").password("secret")).await.expect("a user");
    let login = Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
    let login = login.body(Body::from("username=alice&password=secret")).expect("a request");
    let answer = oauth2.router().finish().expect("a router").oneshot(login).await.expect("an answer");
    let body = to_bytes(answer.into_body(), 4096).await.expect("a body");
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    body["access_token"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn l2_a_scope_that_is_missing_is_in_the_log_and_the_token_is_not() {
    let oauth2 = OAuth2::new(Memory::new()).build().await.expect("a handle");
    let token = token(&oauth2).await;
    // Where there is one log alone, a line that another test's thread comes to first is taken for one that nobody wants.
    let _beside = tracing::Dispatch::new(tracing_subscriber::registry());
    for format in [LogFormat::Text, LogFormat::Json] {
        let kept = Kept::default();
        let writer = kept.clone();
        let _log = tracing::subscriber::set_default(telemetry::log(format, LogLevel::Trace, move || writer.clone()));
        let routes = oauth2.router().route("/plants", routing::get(async |_: AccessToken<Water>| "wet"));
        let app = with_layers(routes.finish().expect("a router"), &oauth2);
        let request = Request::get("/plants").header(AUTHORIZATION, format!("Bearer {token}"));
        let answer = app.oneshot(request.body(Body::empty()).expect("a request")).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        let log = String::from_utf8(kept.0.lock().expect("a lock").clone()).expect("text");
        let line = log.lines().find(|line| line.contains("a request was refused")).expect("a line");
        assert!(line.contains("INFO") && line.contains("/plants") && line.contains("403"), "{line}");
        let (reason, event) = match format {
            LogFormat::Text => ("reason=\"scope_missing\"", "event=\"access\""),
            LogFormat::Json => ("\"reason\":\"scope_missing\"", "\"event\":\"access\""),
        };
        assert!(line.contains(reason) && line.contains(event), "{line}");
        for part in token.split('.') {
            assert!(!log.contains(part), "{log}");
        }
    }
}
