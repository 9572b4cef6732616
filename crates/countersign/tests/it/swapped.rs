//! Guards of one request share what they found, and not when somebody changed the `Authorization` header between them.

use std::convert::Infallible;

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
    middleware::{Next, from_fn},
    response::Response,
};
use countersign::{AccessToken, CurrentUser, OAuth2, Routes, argument, routing::get};

use crate::support::{Answer, Me, TestApp, answer};

/// The header that stands in the place of `Authorization` from here on, if it is there; of two, the second is added.
const INSTEAD: &str = "x-instead";

fn swap(headers: &mut HeaderMap) {
    let instead: Vec<_> = headers.get_all(INSTEAD).iter().cloned().collect();
    if !instead.is_empty() {
        headers.remove(header::AUTHORIZATION);
    }
    for value in instead.into_iter().filter(|value| !value.is_empty()) {
        headers.append(header::AUTHORIZATION, value);
    }
}

/// A guard of the author's that changes headers.
struct Swap;

argument!(Swap);

impl FromRequestParts<OAuth2> for Swap {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &OAuth2) -> Result<Self, Infallible> {
        swap(&mut parts.headers);
        Ok(Self)
    }
}

/// A layer that does.
async fn layer(mut request: Request, next: Next) -> Response {
    swap(request.headers_mut());
    next.run(request).await
}

/// Who a handler's own guard says is there: the user's name, and their token's subject and scope.
async fn who(user: CurrentUser) -> String {
    let token = user.access_token();
    assert_eq!(token.subject().as_str(), user.sub, "the user is the token's");
    format!("{} ({})", user.username, token.scope())
}

async fn scope(token: AccessToken<Me>) -> String {
    token.scope().to_string()
}

/// The paths behind which [`who`] is asked after a guard of the router.
const WHO: [&str; 4] = ["/guard/user", "/guard/token", "/arguments", "/layer/user"];

async fn app() -> (TestApp, axum::Router) {
    let app = TestApp::new().await;
    let between = || Routes::new().guard::<CurrentUser>().guard::<Swap>();
    let layered = |handler: axum::routing::MethodRouter<OAuth2>| handler.layer(from_fn(layer));
    let router = app
        .oauth2
        .router()
        .merge(between().route("/guard/user", get(who)).route("/guard/scope", get(scope)))
        .merge(Routes::new().guard::<AccessToken>().guard::<Swap>().route("/guard/token", get(who)))
        .route("/arguments", get(async |_: CurrentUser, _: Swap, user: CurrentUser| who(user).await))
        // Behind a layer of axum's the guards are those of axum's handler, whose route has two before it.
        .merge(
            Routes::new()
                .guard::<AccessToken>()
                .guard::<CurrentUser>()
                .route("/layer/user", layered(axum::routing::get(who)))
                .route("/layer/scope", layered(axum::routing::get(scope))),
        );
    let router = router.finish().unwrap();
    (app, router)
}

async fn call(router: &axum::Router, path: &str, token: &str, instead: &[&str]) -> Answer {
    let mut request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
    for instead in instead {
        request = request.header(INSTEAD, *instead);
    }
    answer(router, request.body(axum::body::Body::empty()).unwrap()).await
}

#[tokio::test]
async fn b15_a_token_that_was_put_in_anothers_place_is_looked_at_anew() {
    let (app, router) = app().await;
    let (alice, bare) = (app.token("me").await, app.token_of("bare", "").await);
    let (as_alice, as_bare) = (format!("Bearer {alice}"), format!("Bearer {bare}"));
    for path in WHO {
        let whose =
            async |token, instead: &[&str]| call(&router, path, token, instead).await.expect(StatusCode::OK).body;
        assert_eq!(whose(&alice, &[&as_bare]).await, "bare ()", "{path}");
        assert_eq!(whose(&bare, &[&as_alice]).await, "alice (me)", "{path}");
        assert_eq!(whose(&alice, &[]).await, "alice (me)", "{path}");
        assert_eq!(whose(&alice, &[&as_alice]).await, "alice (me)", "{path}");
    }
}

#[tokio::test]
async fn b15_another_token_of_the_same_user_has_its_own_scopes() {
    let (app, router) = app().await;
    let (me, items) = (app.token("me").await, app.token("read:items").await);
    for path in ["/guard/scope", "/layer/scope"] {
        call(&router, path, &me, &[&format!("Bearer {items}")]).await.expect(StatusCode::FORBIDDEN);
        let answer = call(&router, path, &items, &[&format!("Bearer {me}")]).await;
        assert_eq!(answer.expect(StatusCode::OK).body, "me");
    }
}

#[tokio::test]
async fn b15_what_is_put_in_a_good_tokens_place_must_be_one() {
    let (app, router) = app().await;
    let token = app.token("me").await;
    let whole = format!("Bearer {token}");
    for path in WHO {
        call(&router, path, &token, &["Bearer garbage"]).await.expect_invalid_token();
        call(&router, path, &token, &[whole.trim_end_matches(char::is_alphanumeric)]).await.expect_invalid_token();
        let removed = call(&router, path, &token, &[""]).await;
        removed.expect_challenge(StatusCode::UNAUTHORIZED, "Bearer realm=\"api\"");
        call(&router, path, &token, &["Basic YTpi"]).await.expect(StatusCode::UNAUTHORIZED);
        call(&router, path, &token, &[&whole, "Bearer garbage"]).await.expect(StatusCode::BAD_REQUEST);
    }
}
