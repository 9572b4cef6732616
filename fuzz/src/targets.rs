//! One function for each parser of outside input: it takes any bytes, and panics only where a property is broken.
//!
//! libFuzzer calls them (`make fuzz`), and so do the tests, on the seeds and on what a seeded mutator makes of them.

use std::{
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    path::Path,
    pin::pin,
    sync::{Arc, LazyLock, Mutex},
    task::Poll,
    time::Duration,
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Extensions, HeaderMap, HeaderValue, StatusCode, Uri, header},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use countersign::{
    BlocklistFile, ForwardedHeader, HashingSettings, HmacSecret, Memory, NewClient, OAuth2, Password, PasswordHash,
    Scope, SigningChoice, Timestamp, Username, async_trait,
    core::{
        authorization_server::Request,
        client::ClientKeys,
        clock::{SeededRng, TurnableClock},
        feed_page::FeedPage,
        form::{Form, decode},
        jose::{Jwk, VerifyingKey},
        key::KeySet,
        names::{Audience, Issuer},
        password::{Blocklist, HashingPool, Listed, check_supported},
        token::{
            BearerToken, introspected,
            verify::{Expected, Intended, Profile, verify},
        },
    },
    remote::{BasicAuthorization, Fetch, FetchError, Fetched, check_told, lifetime_of},
};
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// A parser under attack.
pub(crate) struct Target {
    /// Its name: that of its seeds' folder, and of its program for libFuzzer.
    pub(crate) name: &'static str,
    /// What is done with an input.
    pub(crate) run: fn(&[u8]),
}

/// All of them, but the program's own: those of the settings file and of `traceparent`.
pub(crate) const TARGETS: [Target; 18] = [
    Target { name: "form", run: form },
    Target { name: "authorization", run: authorization },
    Target { name: "jwt", run: jwt },
    Target { name: "signed_jwt", run: signed_jwt },
    Target { name: "jwk_set", run: jwk_set },
    Target { name: "client_assertion", run: client_assertion },
    Target { name: "scope", run: scope },
    Target { name: "password_hash", run: password_hash },
    Target { name: "username", run: username },
    Target { name: "feed_page", run: feed_page },
    Target { name: "handle", run: handle },
    Target { name: "introspection", run: introspection },
    Target { name: "metadata", run: metadata },
    Target { name: "cache_control", run: cache_control },
    Target { name: "forwarded", run: forwarded },
    Target { name: "network", run: network },
    Target { name: "blocklist_file", run: blocklist_file },
    Target { name: "feed_query", run: feed_query },
];

const ISSUER: &str = "https://issuer.example.com";
const AUDIENCE: &str = "https://api.example.com";

/// When all this happens, in seconds: seeds with times in them are of that time.
const NOW: i64 = 1_800_000_000;

const CLIENT: &str = "client";
const CLIENT_SECRET: &str = "Zq3vT9xWb7Lk2Rr8Yp5Nn6Hh4Jd1Ms0c";

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"));

static KEY: LazyLock<Ed25519KeyPair> = LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key"));

fn key_set() -> String {
    let x = BASE64URL.encode(KEY.public_key().as_ref());
    format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}","kid":"k","use":"sig","alg":"EdDSA"}}]}}"#)
}

fn clock() -> Arc<TurnableClock> {
    Arc::new(TurnableClock::at(Timestamp::from_seconds(NOW)))
}

/// A server with one user nobody knows, and two clients: one with a secret, one with [`KEY`].
static SERVER: LazyLock<OAuth2> = LazyLock::new(|| {
    RUNTIME.block_on(async {
        let secret = HmacSecret::new("b2Jc9vQ0sTz1mXw7Lk4Rr8Yp3Nn6Hh5D").expect("a secret");
        let server = OAuth2::new(Memory::new())
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .signing(SigningChoice::Secret(secret))
            .clock(clock())
            .rng(Arc::new(SeededRng::new(1)))
            .build()
            .await
            .expect("a server");
        server.add_client(NewClient::new(CLIENT).secret(CLIENT_SECRET).serves(AUDIENCE)).await.expect("a client");
        server.add_client(NewClient::new("signing").keys(key_set())).await.expect("a client");
        server
    })
});

fn signed(header: &[u8], payload: &[u8]) -> String {
    let said = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(payload));
    let signature = BASE64URL.encode(KEY.sign(said.as_bytes()));
    format!("{said}.{signature}")
}

/// Two parts with a line break between.
fn two(data: &[u8]) -> (&[u8], &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    (&data[..at], data.get(at + 1..).unwrap_or_default())
}

/// A form: what is read is what stands there.
fn form(data: &[u8]) {
    let Ok(form) = Form::parse(data) else { return };
    for pair in data.split(|byte| *byte == b'&') {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        let [name, value] = [parts.next(), parts.next()].map(|part| decode(part.unwrap_or_default()));
        let (name, value) = (name.expect("it was read"), value.expect("it was read"));
        assert!(value.is_empty() || form.find_all(&name).any(|found| found == value), "a field was lost");
    }
}

/// An `Authorization` header, at a guard and at the token endpoint: nobody gets in by it, and nothing breaks.
fn authorization(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let server = SERVER.server().expect("it is one");
    RUNTIME.block_on(async {
        let form = Form::parse(b"grant_type=client_credentials").expect("a form");
        let is_right = text.split_once(' ').is_some_and(|(scheme, given)| {
            let right = base64::engine::general_purpose::STANDARD.encode(format!("{CLIENT}:{CLIENT_SECRET}"));
            scheme.eq_ignore_ascii_case("basic") && given.trim_matches(' ') == right
        });
        if server.authenticate_client(Request::new(Some(text), &form)).await.is_ok_and(|client| !client.is_built_in()) {
            assert!(is_right, "a client that proved nothing");
        }
        let bearer = BearerToken::new(text);
        assert!(server.verify(&bearer).await.is_err(), "a token that nobody issued");
    });
}

/// What another issuer signed, whatever it is.
fn expected<T>(check: impl FnOnce(Expected<'_>) -> T, profile: Profile) -> T {
    static KEYS: LazyLock<KeySet> = LazyLock::new(|| KeySet::parse(key_set().as_bytes()).expect("keys"));
    let (issuer, audience) = (Issuer::new(ISSUER), Audience::new(AUDIENCE));
    let leeway = Duration::from_secs(5);
    check(Expected { keys: &*KEYS, profile, issuer: &issuer, audience: &audience, leeway })
}

/// A token as it came, that nobody signed.
fn jwt(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for profile in [Profile::Rfc9068, Profile::Plain] {
        let token = BearerToken::new(text);
        expected(|expected| assert!(verify(&token, expected, &*clock()).is_err(), "nobody signed this"), profile);
    }
}

/// A header and claims with a good signature: what is believed is for us, and of now, and has no second spelling.
fn signed_jwt(data: &[u8]) {
    let (header, payload) = two(data);
    let text = signed(header, payload);
    for profile in [Profile::Rfc9068, Profile::Plain] {
        let read = |text: &str| {
            let token = BearerToken::new(text);
            expected(|expected| verify(&token, expected, &*clock()), profile)
        };
        let Ok(token) = read(&text) else { continue };
        assert_eq!(token.issuer().as_str(), ISSUER);
        assert!(token.audience().iter().any(|audience| audience.as_str() == AUDIENCE));
        assert!(token.expires_at().seconds() + 5 > NOW, "it has expired");
        for more in ["A", "=", ".", " ", "\n", ".e30", "\0"] {
            assert!(read(&format!("{text}{more}")).is_err(), "the same token in two spellings");
            assert!(read(&format!("{more}{text}")).is_err(), "the same token in two spellings");
        }
    }
}

/// The keys of another issuer, or of a client.
fn jwk_set(data: &[u8]) {
    if let Ok(keys) = KeySet::parse(data) {
        let again = KeySet::parse(data).expect("it was read");
        assert_eq!((keys.len(), keys.skipped()), (again.len(), again.skipped()));
    }
    if let Ok(jwk) = Jwk::parse(data) {
        assert_eq!(jwk.thumbprint(), Jwk::parse(data).expect("it was read").thumbprint());
        let _ = VerifyingKey::all_from_jwk(&jwk);
    }
    if let Ok(keys) = std::str::from_utf8(data).map_err(drop).and_then(|text| ClientKeys::parse(text).map_err(drop)) {
        assert_eq!(ClientKeys::parse(keys.document()), Ok(keys), "what is kept is what was read");
    }
}

/// An assertion: as it came it proves nothing; signed, it is good once, and for its client alone.
fn client_assertion(data: &[u8]) {
    const TYPE: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    let server = SERVER.server().expect("it is one");
    let ask = |assertion: &str| {
        let encoded: String = assertion.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let body = format!("grant_type=client_credentials&client_assertion_type={TYPE}&client_assertion={encoded}");
        let client = Form::parse(body.as_bytes())
            .ok()
            .map(|form| RUNTIME.block_on(server.authenticate_client(Request::new(None, &form))));
        client.and_then(Result::ok).filter(|client| !client.is_built_in())
    };
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(ask(text).is_none(), "nobody signed this");
    }
    let (header, payload) = two(data);
    let assertion = signed(header, payload);
    if let Some(client) = ask(&assertion) {
        assert_eq!(client.id.as_str(), "signing");
        assert!(ask(&assertion).is_none(), "a second time");
    }
}

/// A scope: printed and read again it is the same, and a broken one is not mended by more.
fn scope(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Scope::parse(text) {
        Ok(scope) => assert_eq!(Scope::parse(&scope.to_string()), Ok(scope)),
        Err(_) => assert!(Scope::parse(&format!("{text} x")).is_err()),
    }
}

/// A hash that was imported. What is cheap is computed too.
fn password_hash(data: &[u8]) {
    static POOL: LazyLock<HashingPool> = LazyLock::new(|| {
        let settings = HashingSettings { threads: std::num::NonZeroUsize::MIN, queue: 8, ..HashingSettings::default() };
        HashingPool::new(settings, Arc::new(SeededRng::new(1))).expect("a thread")
    });
    let Ok(text) = std::str::from_utf8(data) else { return };
    let hash = PasswordHash::new(text);
    let is_supported = check_supported(&hash).is_ok();
    assert!(!is_supported || text.bytes().all(|byte| byte.is_ascii_graphic()));
    let is_cheap = ["$2a$04$", "$2b$04$", "$2y$04$"].iter().any(|start| text.starts_with(start));
    if is_supported && is_cheap {
        let password = Password::typed("a password of nobody's").expect("a password");
        let _ = RUNTIME.block_on(POOL.verify(password, Some(hash)));
    }
}

/// A user name: its canonical form is its own.
fn username(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(name) = Username::parse(text) {
        assert_eq!(Username::parse(name.as_str()), Ok(name));
    }
}

/// A page of the feed: written and read again it is the same.
fn feed_page(data: &[u8]) {
    if let Ok(page) = FeedPage::parse(data) {
        assert_eq!(FeedPage::parse(page.to_json().to_string().as_bytes()), Ok(page));
    }
}

/// A random string of ours: one that we did not make opens nothing.
fn handle(data: &[u8]) {
    let encoded: String = data.iter().map(|byte| format!("%{byte:02X}")).collect();
    let server = SERVER.server().expect("it is one");
    let proof = format!("client_id={CLIENT}&client_secret={CLIENT_SECRET}");
    RUNTIME.block_on(async {
        for body in [
            format!("grant_type=refresh_token&refresh_token={encoded}"),
            format!("grant_type=refresh_token&refresh_token={encoded}&{proof}"),
        ] {
            if let Ok(form) = Form::parse(body.as_bytes()) {
                assert!(server.token(Request::new(None, &form)).await.is_err(), "a refresh token that nobody issued");
            }
        }
        if let Ok(form) = Form::parse(format!("token={encoded}&{proof}").as_bytes()) {
            let _ = server.revoke(Request::new(None, &form)).await;
            let _ = server.introspect(Request::new(None, &form)).await;
        }
        if let Ok(text) = std::str::from_utf8(data) {
            assert!(server.verify(&BearerToken::new(text)).await.is_err(), "a token that nobody issued");
        }
    });
}

/// What an issuer says of a token: what is believed is for us, and of now.
fn introspection(data: &[u8]) {
    let (issuer, audience) = (Issuer::new(ISSUER), Audience::new(AUDIENCE));
    let intended = Intended { issuer: &issuer, audience: &audience, leeway: Duration::from_secs(5) };
    let Ok(token) = introspected(data, intended, &*clock()) else { return };
    assert_eq!(token.issuer().as_str(), ISSUER);
    assert!(token.audience().contains(&audience));
    assert!(token.expires_at().seconds() + 5 > NOW, "it has expired");
    let more = [data, b"x"].concat();
    assert!(introspected(&more, intended, &*clock()).is_err(), "with something behind it");
}

/// A network where everything answers with these bytes.
#[derive(Clone, Debug)]
struct Network {
    body: Arc<[u8]>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Network {
    fn answer(&self, url: &str) -> Result<Fetched, FetchError> {
        self.asked.lock().expect("a lock").push(url.to_owned());
        let media_type = "application/json".to_owned();
        Ok(Fetched { status: 200, media_type, lifetime: None, body: self.body.to_vec() })
    }
}

#[async_trait]
impl Fetch for Network {
    async fn get(&self, url: &str, _: usize) -> Result<Fetched, FetchError> {
        self.answer(url)
    }

    async fn get_as(&self, url: &str, _: &BasicAuthorization, _: usize, _: Duration) -> Result<Fetched, FetchError> {
        self.answer(url)
    }

    async fn post_form(&self, url: &str, _: &BasicAuthorization, _: &str, _: usize) -> Result<Fetched, FetchError> {
        self.answer(url)
    }
}

/// An issuer's metadata: nobody is sent where they must not go.
fn metadata(data: &[u8]) {
    let network = Network { body: data.into(), asked: Arc::default() };
    let token = signed(br#"{"alg":"EdDSA","kid":"k","typ":"at+jwt"}"#, b"{}");
    RUNTIME.block_on(async {
        let by_keys = OAuth2::remote(ISSUER).audience(AUDIENCE).clock(clock()).fetch(network.clone());
        let by_keys = by_keys.rng(Arc::new(SeededRng::new(1))).build().await.expect("a handle");
        assert!(by_keys.verify(&BearerToken::new(token)).await.is_err());
        let asking = OAuth2::introspecting(ISSUER, "api", "secret").audience(AUDIENCE).clock(clock());
        let asking = asking.fetch(network.clone()).rng(Arc::new(SeededRng::new(1))).build().await.expect("a handle");
        let _ = asking.verify(&BearerToken::new("opaque")).await;
    });
    let issuer = Issuer::new(ISSUER);
    for url in network.asked.lock().expect("a lock").iter() {
        assert_eq!(check_told(url, &issuer), Ok(()), "{url}");
        assert!(url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://")), "{url}");
    }
}

/// A `Cache-Control` header: what must not be kept is not.
fn cache_control(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = lifetime_of(text);
    assert_eq!(lifetime_of(&format!("{text},no-store")), Some(Duration::ZERO));
}

/// What is said of where a request comes from, a header a line: a stranger is not heard, and of all that stands there what the
/// trusted proxy added counts.
fn forwarded(data: &[u8]) {
    static BELIEVING: LazyLock<[(OAuth2, &str, &str); 2]> = LazyLock::new(|| {
        let believing = |header| {
            let server = OAuth2::new(Memory::new()).issuer(ISSUER).forwarded_header(header);
            let server = server.trusted_proxies(["10.0.0.0/8".parse().expect("a network")]);
            RUNTIME.block_on(server.clock(clock()).build()).expect("a server")
        };
        [
            (believing(ForwardedHeader::XForwardedFor), "x-forwarded-for", "198.51.100.7"),
            (believing(ForwardedHeader::Forwarded), "forwarded", "for=198.51.100.7"),
        ]
    });
    for (server, name, added) in &*BELIEVING {
        let lines = data.split(|byte| *byte == b'\n').take(64);
        let mut headers = HeaderMap::new();
        for value in lines.filter_map(|line| HeaderValue::from_bytes(line).ok()) {
            headers.append(*name, value);
        }
        let source = |peer: [u8; 4], headers: &HeaderMap| {
            let mut extensions = Extensions::new();
            extensions.insert(ConnectInfo(SocketAddr::from((peer, 1))));
            server.source(&extensions, headers).address()
        };
        let _ = source([10, 0, 0, 1], &headers);
        assert_eq!(source([203, 0, 113, 9], &headers), Some(IpAddr::from([203, 0, 113, 9])), "a stranger was heard");
        headers.append(*name, HeaderValue::from_static(added));
        assert_eq!(source([10, 0, 0, 1], &headers), Some(IpAddr::from([198, 51, 100, 7])), "the proxy was not heard");
    }
}

/// A network of proxies: printed and read again it is the same, and it has the address that it is written by.
fn network(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(network) = text.parse::<countersign::Network>() else { return };
    assert_eq!(network.to_string().parse(), Ok(network));
    assert!(network.contains(text.split('/').next().and_then(|address| address.parse().ok()).expect("an address")));
}

/// A file of known passwords: whatever stands in it, a password that is added to it is known.
fn blocklist_file(data: &[u8]) {
    const KNOWN: &str = "nobody's zebra";
    let path = std::env::temp_dir().join(format!("countersign-blocklist-{}", std::process::id()));
    let open = |path: &Path, data: &[u8]| {
        std::fs::write(path, data).expect("a file");
        BlocklistFile::open(path)
    };
    let as_it_is = open(&path, data).map(|list| list.loaded());
    let more = open(&path, &[data, b"\n", KNOWN.as_bytes()].concat());
    std::fs::remove_file(&path).expect("a file");
    if let Ok(list) = more {
        assert!(as_it_is.is_err() || as_it_is.is_ok_and(|loaded| loaded <= list.loaded()), "it has lost some");
        let password = Password::typed(KNOWN).expect("a password");
        assert_eq!(RUNTIME.block_on(list.find(&password)).ok(), Some(Listed::Yes));
    }
}

/// The query of who follows the feed: what is answered had whole numbers, each there once at most.
fn feed_query(data: &[u8]) {
    static ROUTER: LazyLock<axum::Router> = LazyLock::new(|| SERVER.router().finish().expect("a router"));
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(uri) = format!("/feed?{text}").parse::<Uri>() else { return };
    let query = uri.query().unwrap_or_default().to_owned();
    let proof = base64::engine::general_purpose::STANDARD.encode(format!("{CLIENT}:{CLIENT_SECRET}"));
    let request = axum::http::Request::get(uri).header(header::AUTHORIZATION, format!("Basic {proof}"));
    let request = request.body(Body::empty()).expect("a request");
    // Made outside of the runtime: it uses that itself.
    let router = ROUTER.clone();
    let answer = RUNTIME.block_on(async {
        let mut answer = pin!(router.oneshot(request));
        // Whoever waits for news was read, and is not waited for.
        poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await
    });
    let Poll::Ready(Ok(answer)) = answer else { return };
    let is_fine = ["after", "wait"].iter().all(|name| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let mut values = pairs.filter(|(known, _)| known == name).map(|(_, value)| value.parse::<u64>());
        values.next().is_none_or(|value| value.is_ok()) && values.next().is_none()
    });
    let expected = if is_fine { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    assert_eq!(answer.status(), expected, "{query}");
}
