//! Two apps in one process: an issuer, and an API elsewhere that believes its tokens.

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
    BearerError, ClientId, OAuth2, OwnerStatus, PasswordHash, Reason, RevocationSettings, TokenFormat, WhenStale,
    async_trait,
    core::{
        clock::SeededRng,
        names::KeyId,
        store::{Ended, Feed, Found, Keys, OwnerRegistry},
        token::BearerToken,
    },
    remote::{BasicAuthorization, Fetch, FetchError, Fetched, RemoteBuilder, lifetime_of},
};
use serde_json::json;

use super::support::{AUDIENCE, FEED, ISSUER, METADATA, settle};
use crate::store::{AnyStore, any_store};
use crate::support::{Answer, NOW, SECRET, TestApp, answer, form};

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

#[tokio::test]
async fn f3_a_token_that_ended_is_refused_at_another_api_after_its_next_read() {
    let two = Two::new().await;
    let [(token, _), (of_a_grant, refresh), (good, _)] = [two.login().await, two.login().await, two.login().await];
    for token in [&token, &of_a_grant, &good] {
        two.accepts(token).await;
    }
    two.revoke(&token).await;
    two.revoke(&refresh).await;
    two.accepts(&token).await;
    two.hears().await;
    two.refuses(&token).await;
    two.refuses(&of_a_grant).await;
    two.accepts(&good).await;
    let shown = format!("{:?}", two.api);
    assert!(!shown.contains(SECRET) && shown.contains("Follower"), "{shown}");
}

#[tokio::test]
async fn c21_a_user_who_is_disabled_or_removed_is_locked_out_of_other_apis() {
    for change in ["disabled", "removed", "password", "everywhere"] {
        let two = Two::new().await;
        let token = two.token().await;
        two.accepts(&token).await;
        let verified = two.api.verify(&BearerToken::new(&token)).await.unwrap();
        let subject = verified.subject().clone();
        let found = match change {
            "disabled" => two.store.set_status(&subject, OwnerStatus::Disabled, NOW).await.unwrap(),
            "removed" => two.store.remove_owner(&subject, NOW).await.unwrap(),
            "password" => two.store.set_password(&subject, &PasswordHash::new("another"), NOW).await.unwrap(),
            _ => {
                assert_eq!(two.issuer.oauth2.server().unwrap().end_grants_of(&subject).await.unwrap(), 1);
                Found::Yes
            }
        };
        assert_eq!(found, Found::Yes);
        two.hears().await;
        two.refuses(&token).await;
    }
}

#[tokio::test]
async fn a_key_that_was_withdrawn_ends_its_tokens_though_it_is_still_published() {
    let two = Two::new().await;
    let token = two.token().await;
    two.accepts(&token).await;
    let key = two.store.find_keys().await.unwrap().remove(0).id;
    let until = NOW.plus(Duration::from_secs(900));
    two.store.append_feed(&Ended::Key(KeyId::new("another")), until).await.unwrap();
    two.hears().await;
    two.accepts(&token).await;
    two.store.append_feed(&Ended::Key(key), until).await.unwrap();
    two.hears().await;
    two.refuses(&token).await;
    // The issuer hears of it too, and signs with another from then on.
    let fresh = two.token().await;
    two.accepts(&fresh).await;
}

#[tokio::test]
async fn a_client_that_ended_ends_the_tokens_it_had_and_no_later_ones() {
    let two = Two::new().await;
    let before = two.token().await;
    let ended = |until| Ended::Client(ClientId::new("countersign"), until);
    two.store.append_feed(&ended(NOW), NOW.plus(Duration::from_secs(900))).await.unwrap();
    two.issuer.forward(1);
    let after = two.token().await;
    two.hears().await;
    two.refuses(&before).await;
    two.accepts(&after).await;
    // An older entry takes nothing back of what a newer one said.
    two.store.append_feed(&ended(NOW.plus(Duration::from_secs(1))), NOW.plus(Duration::from_secs(900))).await.unwrap();
    two.store.append_feed(&ended(NOW), NOW).await.unwrap();
    two.hears().await;
    two.refuses(&before).await;
    two.refuses(&after).await;
}

#[tokio::test]
async fn n8_what_ended_at_a_newer_issuer_in_a_way_nobody_here_knows_is_not_believed() {
    for when_stale in [WhenStale::Refuse, WhenStale::Accept] {
        let settings = RevocationSettings { when_stale, ..RevocationSettings::default() };
        let two = Two::with(any_store().await, |builder| builder.revocation(settings)).await;
        let (token, revoked) = (two.token().await, two.token().await);
        two.accepts(&token).await;
        two.accepts(&revoked).await;
        two.store.append_feed(&Ended::Other(None), NOW.plus(Duration::from_secs(900))).await.unwrap();
        two.revoke(&revoked).await;
        two.issuer.forward(1);
        let later = two.token().await;
        two.hears().await;
        two.refuses(&revoked).await;
        match when_stale {
            WhenStale::Refuse => two.cannot_know(&token).await,
            WhenStale::Accept => two.accepts(&token).await,
        }
        two.accepts(&later).await;
    }
}

#[tokio::test]
async fn before_the_feed_was_heard_for_the_first_time_nobody_knows() {
    let issuer = issuer(any_store().await, TokenFormat::Jwt).await;
    let token = issuer.token("").await;
    let wire = Wire::to(&issuer);
    let api = async |secret: &str, when_stale: WhenStale| {
        let builder = OAuth2::remote(ISSUER).audience(AUDIENCE).fetch(wire.clone()).clock(issuer.clock.clone());
        let settings = RevocationSettings { when_stale, ..RevocationSettings::default() };
        builder.following_feed("items", secret).revocation(settings).build().await.unwrap()
    };
    let deaf = api("wrong", WhenStale::Refuse).await;
    // The keys are there, and what has ended is not.
    assert_eq!(deaf.verify(&BearerToken::new(&token)).await.unwrap_err().reason(), Reason::Unavailable);
    assert!(wire.asked().iter().any(|url| url.starts_with(FEED)));
    assert!(deaf.hear_of_revocations().await.is_err());
    assert_eq!(deaf.revocation_staleness(), None);
    // One that is no good, whatever has ended, is known to be none.
    let bad = BearerToken::new(format!("{}AAAA", &token[..token.len() - 4]));
    assert_eq!(deaf.verify(&bad).await.unwrap_err().reason(), Reason::BadSignature);
    let easy = api("wrong", WhenStale::Accept).await;
    assert!(easy.verify(&BearerToken::new(&token)).await.is_ok());
    // Who comes first waits until the feed was asked for, and is not refused because nobody was asked yet.
    let good = api(SECRET, WhenStale::Refuse).await;
    assert_eq!(good.revocation_staleness(), None);
    assert!(good.verify(&BearerToken::new(&token)).await.is_ok());
}

#[tokio::test]
async fn what_was_heard_is_good_enough_for_a_minute() {
    let two = Two::new().await;
    let (token, revoked) = (two.token().await, two.token().await);
    two.accepts(&token).await;
    two.revoke(&revoked).await;
    two.hears().await;
    assert_eq!(two.staleness(), Some(0));
    two.wire.cut(true);
    two.issuer.forward(60);
    two.accepts(&token).await;
    assert_eq!(two.staleness(), Some(60));
    two.issuer.forward(1);
    two.cannot_know(&token).await;
    two.refuses(&revoked).await;
    assert!(two.api.hear_of_revocations().await.is_err());
    two.cannot_know(&token).await;
    two.wire.cut(false);
    two.hears().await;
    two.accepts(&token).await;
}

#[tokio::test]
async fn who_prefers_it_believes_tokens_until_they_expire() {
    let settings = RevocationSettings { max_staleness: Duration::from_secs(5), when_stale: WhenStale::Accept };
    let two = Two::with(any_store().await, |builder| builder.revocation(settings)).await;
    let (token, revoked) = (two.token().await, two.token().await);
    two.accepts(&token).await;
    two.revoke(&revoked).await;
    two.hears().await;
    two.wire.cut(true);
    two.issuer.forward(899);
    two.accepts(&token).await;
    two.refuses(&revoked).await;
    two.issuer.forward(6);
    two.get(&token).await.expect_invalid_token();
}

#[tokio::test]
async fn it_goes_on_by_number_when_the_issuer_is_back() {
    let two = Two::new().await;
    let (first, second) = (two.token().await, two.token().await);
    two.accepts(&first).await;
    two.revoke(&first).await;
    two.hears().await;
    two.wire.cut(true);
    assert!(two.api.hear_of_revocations().await.is_err());
    // Another process on the same store.
    let again = issuer_of_seed(two.store.clone(), TokenFormat::Jwt, 2).await;
    again.send(form("/revoke", &format!("token={second}"))).await.expect(StatusCode::OK);
    two.wire.lead_to(&again);
    two.wire.cut(false);
    two.wire.asked();
    two.hears().await;
    let asked = two.wire.asked();
    assert_eq!(asked, [METADATA.to_owned(), format!("{FEED}?after=1&wait=0")], "where it was may have changed");
    two.refuses(&first).await;
    two.refuses(&second).await;
}

#[tokio::test]
async fn it_begins_anew_when_the_issuer_does() {
    let two = Two::new().await;
    for _ in 0..3 {
        two.revoke(&two.token().await).await;
    }
    two.hears().await;
    let store = any_store().await;
    for key in two.store.find_keys().await.unwrap() {
        store.put_first_key(&key).await.unwrap();
    }
    let anew = issuer_of_seed(store, TokenFormat::Jwt, 2).await;
    two.wire.lead_to(&anew);
    let token = anew.token("read:items").await;
    two.accepts(&token).await;
    anew.send(form("/revoke", &format!("token={token}"))).await.expect(StatusCode::OK);
    two.hears().await;
    two.refuses(&token).await;
    two.wire.asked();
    two.hears().await;
    assert_eq!(two.wire.asked(), [format!("{FEED}?after=1&wait=0")]);
}

#[tokio::test]
async fn all_pages_are_read() {
    let two = Two::new().await;
    let token = two.token().await;
    for number in 0..2500 {
        two.store.append_feed(&Ended::Token(number.to_string()), NOW).await.unwrap();
    }
    two.revoke(&token).await;
    two.hears().await;
    two.refuses(&token).await;
}

#[tokio::test]
async fn what_stops_nothing_any_more_is_forgotten() {
    let two = Two::new().await;
    for number in 0..100 {
        two.store.append_feed(&Ended::Token(number.to_string()), NOW).await.unwrap();
    }
    two.hears().await;
    assert!(format!("{:?}", two.api).contains("Revoked(100 entries, up to 100)"));
    two.issuer.forward(2 * 60 * 60);
    two.hears().await;
    assert!(format!("{:?}", two.api).contains("Revoked(0 entries, up to 100)"));
}

#[tokio::test(start_paused = true)]
async fn news_come_by_themselves_and_at_once() {
    let two = Two::with(AnyStore::memory(), |builder| builder).await;
    two.wire.0.is_quiet.store(false, Ordering::SeqCst);
    let token = two.token().await;
    two.accepts(&token).await;
    let began = tokio::time::Instant::now();
    settle().await;
    two.revoke(&token).await;
    settle().await;
    two.refuses(&token).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn silence_is_heard_every_ten_seconds_and_more_often_where_less_is_allowed() {
    for (max_staleness, waits) in [(60, 10), (20, 10), (8, 4), (1, 1), (0, 1)] {
        let settings =
            RevocationSettings { max_staleness: Duration::from_secs(max_staleness), ..RevocationSettings::default() };
        let two = Two::with(AnyStore::memory(), |builder| builder.revocation(settings)).await;
        two.wire.0.is_quiet.store(false, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(40_500)).await;
        let asked = two.wire.asked();
        let long: Vec<_> = asked.iter().filter(|url| **url == format!("{FEED}?after=0&wait={waits}")).collect();
        assert_eq!(long.len(), 40 / waits + 1, "{max_staleness}: {asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_away_is_asked_less_and_less_often() {
    let two = Two::with(AnyStore::memory(), |builder| builder).await;
    two.wire.0.is_quiet.store(false, Ordering::SeqCst);
    two.wire.cut(true);
    let began = tokio::time::Instant::now();
    let mut asked = 0;
    for (half_past, expected) in [
        (0, 1),
        (1, 2),
        (2, 2),
        (3, 3),
        (6, 3),
        (7, 4),
        (14, 4),
        (15, 5),
        (30, 5),
        (31, 6),
        (60, 6),
        (61, 7),
        (90, 7),
        (91, 8),
    ] {
        tokio::time::sleep_until(began + Duration::from_millis(half_past * 1000 + 500)).await;
        asked += two.wire.asked().len();
        assert_eq!(asked, expected, "after {half_past} seconds");
    }
    two.wire.cut(false);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(two.staleness(), Some(0), "and heard again");
    two.wire.asked();
    drop((two.api, two.router));
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(two.wire.asked(), [] as [String; 0], "it ends with the handle");
}

/// An API whose handle was made in a runtime that is gone, as in a `main` that makes two.
#[test]
fn it_is_followed_in_whichever_runtime_lives() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let two = first.block_on(Two::new());
    drop(first);
    runtime().block_on(async {
        let token = two.token().await;
        two.accepts(&token).await;
        assert_eq!(two.staleness(), Some(0));
    });
}

#[tokio::test]
async fn c21_where_no_feed_is_followed_nobody_says_that_one_is() {
    let two = Two::new().await;
    let builder = OAuth2::remote(ISSUER).audience(AUDIENCE).fetch(two.wire.clone()).clock(two.issuer.clock.clone());
    let deaf = builder.build().await.unwrap();
    assert_eq!(deaf.revocation_staleness(), None);
    assert!(deaf.hear_of_revocations().await.is_err());
    two.issuer.oauth2.hear_of_revocations().await.unwrap();
    two.issuer.forward(3);
    assert_eq!(two.issuer.oauth2.revocation_staleness(), Some(Duration::from_secs(3)));
    two.issuer.oauth2.hear_of_revocations().await.unwrap();
    assert_eq!(two.issuer.oauth2.revocation_staleness(), Some(Duration::ZERO));
}

#[tokio::test]
async fn f3_opaque_tokens_are_introspected_until_they_are_revoked() {
    let store = any_store().await;
    let issuer = issuer(store.clone(), TokenFormat::Opaque).await;
    issuer.put_api("orders", &["https://orders.example.com"]).await;
    let wire = Wire::to(&issuer);
    let api = async |client: &str, secret: &str| {
        let builder = OAuth2::introspecting(ISSUER, client, secret).audience(AUDIENCE).fetch(wire.clone());
        builder.clock(issuer.clock.clone()).remember_for(Duration::ZERO).build().await.unwrap()
    };
    let (items, orders, impostor) = (api("items", SECRET).await, api("orders", SECRET).await, api("items", "x").await);
    let login = issuer.post_token("username=alice&password=correct+horse&scope=read:items").await.json();
    let [token, refresh] =
        ["access_token", "refresh_token"].map(|name| BearerToken::new(login[name].as_str().unwrap()));
    let verified = items.verify(&token).await.unwrap();
    assert_eq!((verified.scope().to_string().as_str(), verified.audience()[0].as_str()), ("read:items", AUDIENCE));
    let user = items.find_active_owner(&verified).await.unwrap();
    assert_eq!(user.username.as_str(), "alice");
    assert_eq!(orders.verify(&token).await.unwrap_err().reason(), Reason::Inactive);
    assert_eq!(items.verify(&refresh).await.unwrap_err().reason(), Reason::Inactive);
    assert_eq!(impostor.verify(&token).await.unwrap_err().reason(), Reason::Unavailable, "our fault, not the token's");
    wire.cut(true);
    assert_eq!(items.verify(&token).await.unwrap_err().reason(), Reason::Unavailable);
    wire.cut(false);
    let router = crate::support::routes(items.router()).finish().unwrap();
    let get = async || answer(&router, super::support::request("/items", token.secret())).await;
    get().await.expect(StatusCode::OK);
    issuer.send(form("/revoke", &format!("token={}", token.secret()))).await.expect(StatusCode::OK);
    get().await.expect_invalid_token();
}

/// A client that is its own API: what it hears of its refresh token makes no access token of it.
#[tokio::test]
async fn f9_no_refresh_token_opens_the_api_that_got_it() {
    let issuer = issuer(any_store().await, TokenFormat::Jwt).await;
    let wire = Wire::to(&issuer);
    let builder = OAuth2::introspecting(ISSUER, "items", SECRET).audience(AUDIENCE).fetch(wire.clone());
    let items = builder.clock(issuer.clock.clone()).build().await.unwrap();
    let login = format!("username=alice&password=correct+horse&client_id=items&client_secret={SECRET}");
    let refresh = issuer.post_token(&login).await.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(issuer.introspect("items", &refresh).await.json()["active"], true);
    let refused = items.verify(&BearerToken::new(refresh)).await.unwrap_err();
    assert!(matches!(refused, BearerError::InvalidToken(_)), "{refused:?}");
}

#[tokio::test]
async fn the_metadata_tell_of_both() {
    let issuer = issuer(any_store().await, TokenFormat::Jwt).await;
    let metadata = issuer.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["introspection_endpoint"], format!("{ISSUER}/introspect"));
    let methods = json!(["client_secret_basic", "client_secret_post", "private_key_jwt"]);
    assert_eq!(metadata["introspection_endpoint_auth_methods_supported"], methods, "a name alone is no proof");
    assert_eq!(metadata["revocation_feed_endpoint"], FEED);
}
