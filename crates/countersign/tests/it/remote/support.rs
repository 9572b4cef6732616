//! An issuer elsewhere, with the network to it in the test's hand.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use countersign::{
    OAuth2, async_trait,
    core::clock::{Clock, SeededRng, TurnableClock},
    remote::{BasicAuthorization, Fetch, FetchError, Fetched, IntrospectingBuilder, RemoteBuilder},
};
use serde_json::{Value, json};

use crate::support::{Answer, NOW, answer, routes};

pub(super) const ISSUER: &str = "https://issuer.example.com";
pub(super) const AUDIENCE: &str = "https://api.example.com";
pub(super) const METADATA: &str = "https://issuer.example.com/.well-known/oauth-authorization-server";
pub(super) const OPENID: &str = "https://issuer.example.com/.well-known/openid-configuration";
pub(super) const KEYS: &str = "https://issuer.example.com/keys";
pub(super) const INTROSPECT: &str = "https://issuer.example.com/introspect";
pub(super) const FEED: &str = "https://issuer.example.com/feed";

/// The network: what stands at each address, and who was asked what.
#[derive(Clone, Debug, Default)]
pub(super) struct Network(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    places: HashMap<String, Place>,
    asked: Vec<Asked>,
}

/// What stands at an address.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Answers(Fetched),
    /// The connection is refused.
    Refuses,
    /// It takes the request, and never answers.
    Hangs,
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) url: String,
    /// The `Authorization` header and the body, if it had them.
    pub(super) posted: Option<(String, String)>,
    pub(super) most: usize,
}

pub(super) fn fetched(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Place {
    Place::Answers(Fetched { status, media_type: media_type.to_owned(), lifetime: None, body: body.into() })
}

pub(super) fn json_at(body: &Value) -> Place {
    fetched(200, "application/json", body.to_string())
}

impl Place {
    pub(super) fn kept_for(self, seconds: u64) -> Self {
        let Self::Answers(fetched) = self else { panic!("it does not answer") };
        Self::Answers(Fetched { lifetime: Some(Duration::from_secs(seconds)), ..fetched })
    }
}

impl Network {
    pub(super) fn put(&self, url: &str, place: Place) {
        self.0.lock().unwrap().places.insert(url.to_owned(), place);
    }

    pub(super) fn metadata(&self, change: impl FnOnce(&mut Value)) {
        let mut metadata = json!({ "issuer": ISSUER, "jwks_uri": KEYS, "introspection_endpoint": INTROSPECT });
        change(&mut metadata);
        self.put(METADATA, json_at(&metadata));
    }

    /// Publishes these keys, and no others.
    pub(super) fn publish(&self, keys: &[&Key]) {
        self.put(KEYS, key_set(keys));
    }

    /// Everything that was asked, since this was last looked at.
    pub(super) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }

    /// How often `url` was asked, since [`Network::asked`] was last looked at.
    pub(super) fn count(&self, url: &str) -> usize {
        self.0.lock().unwrap().asked.iter().filter(|asked| asked.url == url).count()
    }

    async fn ask(&self, asked: Asked) -> Result<Fetched, FetchError> {
        let place = {
            let mut state = self.0.lock().unwrap();
            let place = state.places.get(asked.url.split('?').next().unwrap()).cloned();
            state.asked.push(asked);
            place
        };
        tokio::task::yield_now().await;
        match place {
            Some(Place::Answers(fetched)) => Ok(fetched),
            Some(Place::Hangs) => std::future::pending().await,
            Some(Place::Refuses) => Err(FetchError::Unavailable("connection refused".into())),
            None => Ok(Fetched { status: 404, media_type: "text/plain".into(), lifetime: None, body: Vec::new() }),
        }
    }
}

#[async_trait]
impl Fetch for Network {
    async fn get(&self, url: &str, most: usize) -> Result<Fetched, FetchError> {
        self.ask(Asked { url: url.to_owned(), posted: None, most }).await
    }

    async fn get_as(
        &self,
        url: &str,
        authorization: &BasicAuthorization,
        most: usize,
        _: Duration,
    ) -> Result<Fetched, FetchError> {
        let posted = Some((authorization.secret().to_owned(), String::new()));
        self.ask(Asked { url: url.to_owned(), posted, most }).await
    }

    async fn post_form(
        &self,
        url: &str,
        authorization: &BasicAuthorization,
        body: &str,
        most: usize,
    ) -> Result<Fetched, FetchError> {
        let posted = Some((authorization.secret().to_owned(), body.to_owned()));
        self.ask(Asked { url: url.to_owned(), posted, most }).await
    }
}

/// A key of the issuer's.
pub(super) struct Key {
    id: String,
    pair: Ed25519KeyPair,
}

pub(super) fn key_set(keys: &[&Key]) -> Place {
    let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
    json_at(&json!({ "keys": keys }))
}

impl Key {
    pub(super) fn new(id: &str, seed: u8) -> Self {
        Self { id: id.to_owned(), pair: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap() }
    }

    pub(super) fn jwk(&self) -> Value {
        let x = BASE64URL.encode(self.pair.public_key().as_ref());
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.id, "x": x })
    }

    /// A token with these claims.
    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_with(&json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": self.id }), claims)
    }

    pub(super) fn sign_with(&self, header: &Value, claims: &Value) -> String {
        let input = format!("{}.{}", BASE64URL.encode(header.to_string()), BASE64URL.encode(claims.to_string()));
        format!("{input}.{}", BASE64URL.encode(self.pair.sign(input.as_bytes())))
    }

    /// A token for alice that lives two days, with this scope.
    pub(super) fn token(&self, scope: &str) -> String {
        self.sign(&claims(|claims| claims["scope"] = scope.into()))
    }
}

/// The claims of a good token (RFC 9068 §2.2), changed.
pub(super) fn claims(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = json!({
        "iss": ISSUER,
        "sub": "alice",
        "aud": AUDIENCE,
        "client_id": "app",
        "jti": "1",
        "iat": NOW.seconds(),
        "exp": NOW.seconds() + 2 * 24 * 60 * 60,
    });
    change(&mut claims);
    claims
}

/// An API that believes [`ISSUER`].
pub(super) struct RemoteApp {
    pub(super) network: Network,
    pub(super) clock: Arc<TurnableClock>,
    pub(super) oauth2: OAuth2,
    pub(super) router: axum::Router,
}

impl RemoteApp {
    /// By its keys, of which there is one.
    pub(super) async fn new(key: &Key) -> Self {
        Self::with(key, |builder| builder).await
    }

    pub(super) async fn with(key: &Key, change: impl FnOnce(RemoteBuilder) -> RemoteBuilder) -> Self {
        let (network, clock) = world();
        network.publish(&[key]);
        let builder = OAuth2::remote(ISSUER).fetch(network.clone()).clock(clock.clone());
        let builder = builder.rng(Arc::new(SeededRng::new(1))).audience(AUDIENCE);
        let oauth2 = change(builder).build().await.unwrap();
        Self::of(network, clock, oauth2)
    }

    /// By asking it.
    pub(super) async fn introspecting(change: impl FnOnce(IntrospectingBuilder) -> IntrospectingBuilder) -> Self {
        let (network, clock) = world();
        let builder = OAuth2::introspecting(ISSUER, "api", "the secret");
        let builder = builder.fetch(network.clone()).clock(clock.clone()).audience(AUDIENCE);
        let oauth2 = change(builder).build().await.unwrap();
        Self::of(network, clock, oauth2)
    }

    fn of(network: Network, clock: Arc<TurnableClock>, oauth2: OAuth2) -> Self {
        let router = routes(oauth2.router()).finish().unwrap();
        Self { network, clock, oauth2, router }
    }

    pub(super) async fn get(&self, path: &str, token: &str) -> Answer {
        answer(&self.router, request(path, token)).await
    }

    #[track_caller]
    pub(super) fn expects(&self, token: &str, status: StatusCode) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        let (router, request) = (self.router.clone(), request("/any", token));
        async move {
            let answer = answer(&router, request).await;
            assert_eq!(answer.status, status, "at {caller}: {:?}\n{}", answer.headers, answer.body);
        }
    }

    pub(super) async fn accepts(&self, token: &str) {
        self.expects(token, StatusCode::OK).await;
    }

    pub(super) async fn refuses(&self, token: &str) {
        self.get("/any", token).await.expect_invalid_token();
    }

    /// 503, with when to come back.
    pub(super) async fn cannot_know(&self, token: &str) {
        let answer = self.get("/any", token).await.expect(StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers.contains_key("retry-after") && !answer.headers.contains_key("www-authenticate"));
    }

    pub(super) fn forward(&self, seconds: u64) {
        self.clock.forward(Duration::from_secs(seconds));
    }

    pub(super) fn now(&self) -> i64 {
        self.clock.now().seconds()
    }
}

pub(super) fn request(path: &str, token: &str) -> Request<Body> {
    Request::get(path).header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap()
}

fn world() -> (Network, Arc<TurnableClock>) {
    let network = Network::default();
    network.metadata(|_| {});
    (network, Arc::new(TurnableClock::at(NOW)))
}

/// Lets what runs in the background come to its end.
pub(super) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
