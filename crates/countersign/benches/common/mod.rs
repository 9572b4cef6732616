//! What both benchmarks measure: an API with a user, a disabled user and a route of each kind.

use axum::{
    Router,
    body::Body,
    http::{Request, header},
};
use countersign::{
    AccessToken, CurrentUser, HmacSecret, Memory, NewUser, OAuth2, SigningChoice,
    routing::{get, public},
};
use tower::ServiceExt;

/// HS256, with a secret that is one.
pub(crate) fn secret() -> SigningChoice {
    let secret = HmacSecret::new("q3Z!r8Lk0vWn5xTb7yHc2mJd9pSf4gAe");
    SigningChoice::Secret(secret.unwrap_or_else(|error| panic!("{error}")))
}

/// A token request with this name and this password.
pub(crate) fn login(username: &str, password: &str) -> Request<Body> {
    form(format!("username={username}&password={password}"))
}

/// A token request with this body.
pub(crate) fn form(body: String) -> Request<Body> {
    let body = Body::from(body);
    let request = Request::post("/token").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
    request.unwrap_or_else(|error| panic!("{error}"))
}

/// An API with a bare route and a guarded one of each kind, and a token for it.
pub(crate) async fn api(choice: SigningChoice) -> (OAuth2, Router, String) {
    // Refusals are timed by the thousand.
    let oauth2 = OAuth2::new(Memory::new()).signing(choice).without_throttle();
    let oauth2 = oauth2.build().await.unwrap_or_else(|error| panic!("{error}"));
    let added = oauth2.add_user(NewUser::new("alice").password("correct horse")).await;
    added.unwrap_or_else(|error| panic!("{error}"));
    let added = oauth2.add_user(NewUser::new("dora").password("correct horse").disabled()).await;
    added.unwrap_or_else(|error| panic!("{error}"));
    let router = oauth2
        .router()
        .route("/bare", public(get(async || "hello")))
        .route("/token-only", get(async |_: AccessToken| "hello"))
        .route("/user", get(async |_: CurrentUser| "hello"))
        .finish()
        .unwrap_or_else(|error| panic!("{error}"));
    let Ok(answer) = router.clone().oneshot(login("alice", "correct+horse")).await;
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap_or_default();
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    (oauth2, router, answer["access_token"].as_str().unwrap_or_default().to_owned())
}
