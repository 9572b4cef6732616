//! Two apps in one process: an issuer, and an API elsewhere that believes its tokens.

mod ended;
mod following;
mod introspecting;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign::{
    BearerError, OAuth2, Reason, TokenFormat, async_trait,
    core::{clock::SeededRng, token::BearerToken},
    remote::{BasicAuthorization, Fetch, FetchError, Fetched, RemoteBuilder, lifetime_of},
};

use super::support::{AUDIENCE, ISSUER};
use crate::{
    store::{AnyStore, any_store},
    support::{Answer, SECRET, TestApp, answer, form},
};

/// The way from the API to the issuer, without a network.
#[derive(Clone, Debug)]
struct Wire(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    issuer: Mutex<axum::Router>,
    is_cut: AtomicBool,
    /// Whether those who wait for news hear nothing at all, so that a test alone says when the feed is read.
    is_quiet: AtomicBool,
    asked: Mutex<Vec<String>>,
}

impl Wire {
    fn to(issuer: &TestApp) -> Self {
        let issuer = Mutex::new(issuer.router.clone());
        Self(Arc::new(Inner {
            issuer,
            is_cut: AtomicBool::new(false),
            is_quiet: AtomicBool::new(true),
            asked: Mutex::default(),
        }))
    }

    fn lead_to(&self, issuer: &TestApp) {
        *self.0.issuer.lock().unwrap() = issuer.router.clone();
    }

    fn cut(&self, is_cut: bool) {
        self.0.is_cut.store(is_cut, Ordering::SeqCst);
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.asked.lock().unwrap())
    }

    async fn send(&self, url: &str, request: Request<Body>) -> Result<Fetched, FetchError> {
        self.0.asked.lock().unwrap().push(url.to_owned());
        if self.0.is_cut.load(Ordering::SeqCst) {
            return Err(FetchError::Unavailable("the wire is cut".into()));
        }
        let router = self.0.issuer.lock().unwrap().clone();
        let answer = answer(&router, request).await;
        let header = |name: &str| answer.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        Ok(Fetched {
            status: answer.status.as_u16(),
            media_type: header("content-type"),
            lifetime: lifetime_of(&header("cache-control")),
            body: answer.body.into_bytes(),
        })
    }
}

fn path(url: &str) -> &str {
    url.strip_prefix(ISSUER).unwrap()
}

#[async_trait]
impl Fetch for Wire {
    async fn get(&self, url: &str, _: usize) -> Result<Fetched, FetchError> {
        self.send(url, Request::get(path(url)).body(Body::empty()).unwrap()).await
    }

    async fn get_as(
        &self,
        url: &str,
        authorization: &BasicAuthorization,
        _: usize,
        _: Duration,
    ) -> Result<Fetched, FetchError> {
        if self.0.is_quiet.load(Ordering::SeqCst) && !url.ends_with("wait=0") {
            return std::future::pending().await;
        }
        let request = Request::get(path(url)).header(header::AUTHORIZATION, authorization.secret());
        self.send(url, request.body(Body::empty()).unwrap()).await
    }

    async fn post_form(
        &self,
        url: &str,
        authorization: &BasicAuthorization,
        body: &str,
        _: usize,
    ) -> Result<Fetched, FetchError> {
        let mut request = form(path(url), body);
        request.headers_mut().insert(header::AUTHORIZATION, authorization.secret().parse().unwrap());
        self.send(url, request).await
    }
}

async fn issuer(store: AnyStore, format: TokenFormat) -> TestApp {
    issuer_of_seed(store, format, 1).await
}

/// With other randomness than the first, it makes no name a second time.
async fn issuer_of_seed(store: AnyStore, format: TokenFormat, seed: u64) -> TestApp {
    let change = |builder: countersign::Builder| {
        let builder = builder.issuer(ISSUER).audience(AUDIENCE).token_format(format);
        builder.rng(Arc::new(SeededRng::new(seed)))
    };
    let issuer = TestApp::with(store, change).await;
    issuer.put_api("items", &[AUDIENCE]).await;
    issuer
}

/// An issuer, and an API that follows its feed.
struct Two {
    issuer: TestApp,
    store: AnyStore,
    wire: Wire,
    api: OAuth2,
    router: axum::Router,
}

impl Two {
    async fn new() -> Self {
        Self::with(any_store().await, |builder| builder).await
    }

    async fn with(store: AnyStore, change: impl FnOnce(RemoteBuilder) -> RemoteBuilder) -> Self {
        let issuer = issuer(store.clone(), TokenFormat::Jwt).await;
        let wire = Wire::to(&issuer);
        let builder = OAuth2::remote(ISSUER).audience(AUDIENCE).fetch(wire.clone()).clock(issuer.clock.clone());
        let api = change(builder.following_feed("items", SECRET)).build().await.unwrap();
        let router = crate::support::routes(api.router()).finish().unwrap();
        Self { issuer, store, wire, api, router }
    }

    /// A login at the issuer: an access token and a refresh token.
    async fn login(&self) -> (String, String) {
        let login = "username=alice&password=correct+horse&scope=read:items";
        let body = self.issuer.post_token(login).await.expect(StatusCode::OK).json();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        (text("access_token"), text("refresh_token"))
    }

    async fn token(&self) -> String {
        self.login().await.0
    }

    async fn revoke(&self, token: &str) {
        self.issuer.send(form("/revoke", &format!("token={token}"))).await.expect(StatusCode::OK);
    }

    async fn get(&self, token: &str) -> Answer {
        answer(&self.router, super::support::request("/items", token)).await
    }

    async fn accepts(&self, token: &str) {
        self.get(token).await.expect(StatusCode::OK);
    }

    /// 401, because it has ended.
    async fn refuses(&self, token: &str) {
        self.get(token).await.expect_invalid_token();
        let refused = self.api.verify(&BearerToken::new(token)).await.unwrap_err();
        assert_eq!(refused, BearerError::InvalidToken(Reason::Revoked));
    }

    /// 503: it may have ended.
    async fn cannot_know(&self, token: &str) {
        let answer = self.get(token).await.expect(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.header("retry-after"), "1");
    }

    async fn hears(&self) {
        self.api.hear_of_revocations().await.unwrap();
    }

    fn staleness(&self) -> Option<u64> {
        self.api.revocation_staleness().map(|staleness| staleness.as_secs())
    }
}
