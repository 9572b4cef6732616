//! The real way to an issuer, over sockets of this machine.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Redirect},
    routing::{any, get, post},
};
use countersign::{
    Clock, OAuth2, Reason,
    core::{clock::System, token::BearerToken},
};
use serde_json::json;
use tokio::{sync::watch, time::timeout};

use super::support::{AUDIENCE, Key, claims, request};
use crate::store::any_store;
use crate::support::{SECRET, TestApp, answer, form, routes};

/// A server on a free port of this machine, until the test ends.
async fn listen(make: impl FnOnce(&str) -> Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = make(&base);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    base
}

/// Its metadata, beside these routes.
fn issuer(base: &str, more: Router) -> Router {
    let metadata = json!({
        "issuer": base,
        "jwks_uri": format!("{base}/keys"),
        "introspection_endpoint": format!("{base}/introspect"),
    });
    more.route("/.well-known/openid-configuration", get(async move || Json(metadata)))
}

fn key() -> Key {
    Key::new("first", 1)
}

fn token(issuer: &str) -> String {
    let now = System.now().seconds();
    key().sign(&claims(|claims| {
        claims["iss"] = issuer.into();
        claims["iat"] = now.into();
        claims["exp"] = (now + 60).into();
    }))
}

async fn status_of(oauth2: OAuth2, token: &str) -> StatusCode {
    let router = routes(oauth2.router()).finish().unwrap();
    answer(&router, request("/any", token)).await.status
}

async fn status_at(base: &str) -> StatusCode {
    let oauth2 = OAuth2::remote(base).audience(AUDIENCE).build().await.unwrap();
    status_of(oauth2, &token(base)).await
}

#[tokio::test]
async fn keys_come_over_the_wire_and_nothing_goes_there_that_need_not() {
    let seen = Arc::new(Mutex::new(HeaderMap::new()));
    let keep = seen.clone();
    let keys = async move |headers: HeaderMap| {
        *keep.lock().unwrap() = headers;
        ([(header::SET_COOKIE, "a=b")], Json(json!({ "keys": [key().jwk()] })))
    };
    let base = listen(|base| issuer(base, Router::new().route("/keys", get(keys)))).await;
    assert_eq!(status_at(&base).await, StatusCode::OK);
    let headers = seen.lock().unwrap().clone();
    assert_eq!(headers["user-agent"], "countersign");
    assert_eq!(headers["accept"], "application/json");
    for name in ["authorization", "cookie", "referer", "accept-encoding"] {
        assert!(!headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn c23_a_redirect_is_not_followed() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let inside = listen(|_| {
        Router::new().fallback(any(async move || {
            count.fetch_add(1, Ordering::SeqCst);
            Json(json!({ "keys": [key().jwk()] }))
        }))
    })
    .await;
    let to = format!("{inside}/keys");
    let base =
        listen(|base| issuer(base, Router::new().route("/keys", get(async move || Redirect::temporary(&to))))).await;
    assert_eq!(status_at(&base).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

/// A body without an end, of which each piece is counted.
struct Endless(Arc<AtomicUsize>);

impl futures_core::Stream for Endless {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.fetch_add(1024, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Bytes::from_static(&[b' '; 1024]))))
    }
}

#[tokio::test]
async fn c23_a_body_without_an_end_is_let_go() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let keys = async move || ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(Endless(count)));
    let base = listen(|base| issuer(base, Router::new().route("/keys", get(keys)))).await;
    assert_eq!(status_at(&base).await, StatusCode::SERVICE_UNAVAILABLE);
    // What was on its way when the connection ended counts too.
    assert!(sent.load(Ordering::SeqCst) < 50 * 1024 * 1024);
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(status_at(&base).await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn tokens_are_introspected_over_the_wire() {
    let seen = Arc::new(Mutex::new(None));
    let keep = seen.clone();
    let introspect = async move |headers: HeaderMap, body: String| {
        *keep.lock().unwrap() = Some((headers, body));
        let now = System.now().seconds();
        let answer = json!({ "active": true, "sub": "alice", "aud": AUDIENCE, "iat": now, "exp": now + 60 });
        Json(answer).into_response()
    };
    let base = listen(|base| issuer(base, Router::new().route("/introspect", post(introspect)))).await;
    let oauth2 = OAuth2::introspecting(&base, "api", "secret").audience(AUDIENCE).build().await.unwrap();
    assert_eq!(status_of(oauth2, "opaque").await, StatusCode::OK);
    let (headers, body) = seen.lock().unwrap().take().unwrap();
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(headers["authorization"], "Basic YXBpOnNlY3JldA==");
    assert_eq!(body, "token=opaque&token_type_hint=access_token");
}

/// A whole issuer over sockets, and an API that hears from it what has ended.
#[tokio::test]
async fn f3_the_feed_is_followed_over_the_wire() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let issuer = TestApp::with(any_store().await, |builder| builder.issuer(&base).audience(AUDIENCE)).await;
    issuer.put_api("items", &[AUDIENCE]).await;
    let router = issuer.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let api = OAuth2::remote(&base).audience(AUDIENCE).clock(issuer.clock.clone());
    let api = api.following_feed("items", SECRET).build().await.unwrap();
    let token = BearerToken::new(issuer.token("").await);
    api.verify(&token).await.unwrap();
    issuer.send(form("/revoke", &format!("token={}", token.secret()))).await.expect(StatusCode::OK);
    api.hear_of_revocations().await.unwrap();
    assert_eq!(api.verify(&token).await.unwrap_err().reason(), Reason::Revoked);
}

/// How long a test waits for what must come: far longer than it takes, so that only a fault gets there.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longer than an issuer is waited for otherwise; the time is that of tokio, and passes when the test says so.
#[tokio::test(start_paused = true)]
async fn an_issuer_may_wait_for_news_longer_than_for_anything_else() {
    let wait = Duration::from_secs(10);
    let asked = watch::Sender::new(Vec::new());
    let keep = asked.clone();
    let feed = async move |uri: Uri| {
        keep.send_modify(|urls| urls.push(uri.to_string()));
        if !uri.to_string().ends_with("wait=0") {
            tokio::time::sleep(wait).await;
        }
        Json(json!({ "entries": [], "next": 0 }))
    };
    let base = listen(|base| {
        let metadata = json!({ "issuer": base, "revocation_feed_endpoint": format!("{base}/feed") });
        let metadata = get(async move || Json(metadata));
        Router::new().route("/.well-known/oauth-authorization-server", metadata).route("/feed", get(feed))
    })
    .await;
    // Of what is on its way between sockets tokio knows nothing: time would pass meanwhile, but for a thread that works.
    let (end, ended) = mpsc::channel::<()>();
    tokio::task::spawn_blocking(move || ended.recv_timeout(PATIENCE));
    let api = OAuth2::remote(&base).audience(AUDIENCE).following_feed("items", "secret").build().await.unwrap();
    for times in 2..=5 {
        timeout(PATIENCE, asked.subscribe().wait_for(|urls| urls.len() >= times)).await.unwrap().unwrap();
        if times < 5 {
            tokio::time::advance(wait).await;
        }
    }
    let waiting = "/feed?after=0&wait=10";
    assert_eq!(
        *asked.borrow(),
        ["/feed?after=0&wait=0", waiting, waiting, waiting, waiting],
        "nothing failed in between"
    );
    drop((api, end));
}
