//! Guesses at passwords, secrets and tokens: counted on every path, slowed, and nobody locked out for ever.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode, header},
};
use countersign::{
    Builder, ForwardedHeader, Memory, NewClient, NewUser, ResourceOwner, ResourceOwners, StartError, StoreError,
    Subject, ThrottleSettings, Username, async_trait,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::store::any_store;
use crate::support::{Answer, PASSWORD, SECRET, TestApp, basic, form};

const WRONG: &str = "username=alice&password=wrong";
const RIGHT: &str = "username=alice&password=correct+horse";

/// A client, a stranger, and one more.
const HERE: &str = "198.51.100.7";
const THERE: &str = "203.0.113.9";
const ELSEWHERE: &str = "192.0.2.33";

fn from(mut request: Request<Body>, address: &str) -> Request<Body> {
    request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address.parse().unwrap(), 4711)));
    request
}

fn authenticated(mut request: Request<Body>, authorization: &str) -> Request<Body> {
    request.headers_mut().insert(header::AUTHORIZATION, authorization.parse().unwrap());
    request
}

/// An API over memory, for thousands of turns or hundreds at once, and for what a database is told of in the background alone:
/// that a client's secret was wrong, or a token nobody's. The rules are the same, and that a database keeps them its own tests show.
async fn in_memory() -> TestApp {
    TestApp::with(Memory::new(), |builder| builder).await
}

impl TestApp {
    async fn log_in_from(&self, address: &str, body: &str) -> Answer {
        self.send(from(form("/token", body), address)).await
    }

    fn hashes(&self) -> u64 {
        self.oauth2.server().unwrap().hashing().hashes_computed()
    }

    async fn change_password_with(&self, token: &str, current: &str) -> Answer {
        let body = format!("current_password={current}&new_password=another+horse+staple");
        self.send(authenticated(form("/users/me/password", &body), &format!("Bearer {token}"))).await
    }
}

impl Answer {
    #[track_caller]
    fn expect_throttled(self, seconds: u64) -> Self {
        let answer = self.expect_error(StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable");
        assert_eq!(answer.header("retry-after"), seconds.to_string());
        answer
    }

    #[track_caller]
    fn expect_wrong(self) -> Self {
        self.expect_error(StatusCode::BAD_REQUEST, "invalid_grant")
    }
}

#[tokio::test]
async fn d18_a8_a_throttled_answer_is_the_same_for_every_user_and_for_none() {
    let mut answers = Vec::new();
    for user in ["alice", "dora", "nobody", "no+name"] {
        let app = TestApp::new().await;
        for _ in 0..10 {
            app.post_token(&format!("username={user}&password=wrong")).await.expect_wrong();
        }
        answers.push(app.post_token(&format!("username={user}&password=wrong")).await.expect_throttled(30));
        app.forward(30);
        app.post_token(&format!("username={user}&password=wrong")).await.expect_wrong();
        answers.push(app.post_token(&format!("username={user}&password=correct+horse")).await.expect_throttled(60));
    }
    let [first, second, others @ ..] = answers.as_slice() else { panic!("{answers:?}") };
    for pair in others.chunks(2) {
        assert_eq!(pair, [first.clone(), second.clone()]);
    }
}

#[tokio::test]
async fn d13_a_hundred_guesses_at_once_are_not_looked_at_and_the_owner_gets_in_after_the_delay() {
    let app = TestApp::new().await;
    let before = app.hashes();
    for _ in 0..10 {
        app.post_token(WRONG).await.expect_wrong();
    }
    for _ in 0..91 {
        app.post_token(WRONG).await.expect_throttled(30);
    }
    app.post_token(RIGHT).await.expect_throttled(30);
    assert_eq!(app.hashes() - before, 10, "a refused one is not hashed");
    app.post_token("username=bare&password=correct+horse").await.expect(StatusCode::OK);
    app.forward(29);
    app.post_token(RIGHT).await.expect_throttled(1);
    app.forward(1);
    app.post_token(RIGHT).await.expect(StatusCode::OK);
    app.post_token(WRONG).await.expect_wrong();
}

/// NIST SP 800-63B-4 §3.2.2.
#[tokio::test]
async fn d13_a_year_of_guesses_leaves_the_owner_at_home_alone() {
    let app = in_memory().await;
    app.log_in_from(HERE, RIGHT).await.expect(StatusCode::OK);
    for _ in 0..365 {
        for _ in 0..12 {
            app.log_in_from(THERE, WRONG).await;
        }
        assert_eq!(app.log_in_from(ELSEWHERE, RIGHT).await.status, StatusCode::TOO_MANY_REQUESTS);
        app.log_in_from(HERE, RIGHT).await.expect(StatusCode::OK);
        app.forward(24 * 60 * 60);
    }
}

#[tokio::test]
async fn d13_the_owner_gets_in_from_a_new_address_while_a_stranger_hammers() {
    let app = in_memory().await;
    for _ in 0..3_600 {
        app.log_in_from(THERE, WRONG).await;
        app.forward(1);
    }
    // As somebody who is told to wait does, each time for as long as it says, with the stranger always first.
    let mut waited = 0;
    loop {
        app.log_in_from(THERE, WRONG).await;
        let answer = app.log_in_from(HERE, RIGHT).await;
        if answer.status == StatusCode::OK {
            break;
        }
        let seconds: u64 = answer.header("retry-after").parse().unwrap();
        waited += seconds;
        assert!(waited <= 30 * 60, "locked out for {waited} seconds");
        for _ in 0..seconds {
            app.log_in_from(THERE, WRONG).await;
            app.forward(1);
        }
    }
}

#[tokio::test]
async fn d13_credential_stuffing_is_slowed_by_its_source() {
    let app = TestApp::new().await;
    for account in 0..50 {
        app.log_in_from(THERE, &format!("username=user{account}&password=wrong")).await.expect_wrong();
    }
    app.log_in_from(THERE, RIGHT).await.expect_throttled(12);
    app.log_in_from(HERE, RIGHT).await.expect(StatusCode::OK);
    app.forward(12);
    app.log_in_from(THERE, "username=another&password=wrong").await.expect_wrong();
    app.log_in_from(THERE, "username=another&password=wrong").await.expect_throttled(12);
}

#[tokio::test]
async fn d13_what_it_does_is_set_within_bounds_and_can_be_off() {
    let app = TestApp::with(any_store().await, Builder::without_throttle).await;
    for _ in 0..120 {
        app.log_in_from(THERE, WRONG).await.expect_wrong();
    }
    let settings = ThrottleSettings { failures_per_account: 1, failures_per_source: 2, ..ThrottleSettings::default() };
    let app = TestApp::with(any_store().await, |builder| builder.throttle(settings)).await;
    app.log_in_from(THERE, WRONG).await.expect_wrong();
    // The account waits for 30 seconds, and who failed at it for twice as long.
    app.log_in_from(THERE, WRONG).await.expect_throttled(60);
    app.log_in_from(HERE, WRONG).await.expect_throttled(30);
    let of = |failures_per_account, failures_per_source, longest_delay| {
        let settings = ThrottleSettings {
            failures_per_account,
            failures_per_source,
            longest_delay: Duration::from_millis(longest_delay),
            ..ThrottleSettings::default()
        };
        countersign::OAuth2::new(Memory::new()).throttle(settings).check()
    };
    for good in [of(1, 1, 30_000), of(100, 1, 3_600_000)] {
        good.unwrap();
    }
    for bad in [
        of(0, 1, 30_000),
        of(101, 1, 30_000),
        of(1, 0, 30_000),
        of(1, 1, 29_000),
        of(1, 1, 3_601_000),
        of(1, 1, 30_500),
    ] {
        assert!(matches!(bad, Err(StartError::Throttle { .. })), "{bad:?}");
    }
}

/// A table that finds its users by their address too.
#[derive(Debug)]
struct Aliases(Memory);

#[async_trait]
impl ResourceOwners for Aliases {
    async fn find_by_username(&self, username: &Username) -> Result<Option<ResourceOwner>, StoreError> {
        let name = username.as_str().strip_suffix("@example.com").unwrap_or(username.as_str());
        self.0.find_by_username(&Username::parse(name).unwrap()).await
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<ResourceOwner>, StoreError> {
        self.0.find_by_subject(subject).await
    }
}

#[tokio::test]
async fn d14_every_name_of_an_account_counts_for_it() {
    let table = Memory::new();
    let of_table = TestApp::with(table.clone(), |builder| builder).await;
    of_table.oauth2.add_user(NewUser::new("bob").password(PASSWORD)).await.unwrap();
    let app = TestApp::with(any_store().await, |builder| builder.users(Aliases(table))).await;
    let names = ["bob", "BOB", "bob%40example.com", "+bob+", "%EF%BD%82%EF%BD%8F%EF%BD%82"];
    for name in names.iter().cycle().take(10) {
        app.post_token(&format!("username={name}&password=wrong")).await.expect_wrong();
    }
    for name in names {
        app.post_token(&format!("username={name}&password=wrong")).await.expect_throttled(30);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d15_of_five_hundred_wrong_guesses_at_once_at_most_ten_are_hashed() {
    let app = Arc::new(in_memory().await);
    let before = app.hashes();
    let guesses: Vec<_> = (0..500)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { app.log_in_from(THERE, WRONG).await })
        })
        .collect();
    let (mut wrong, mut slowed) = (0, 0);
    for guess in guesses {
        let answer = guess.await.unwrap();
        match answer.status {
            StatusCode::BAD_REQUEST => wrong += 1,
            StatusCode::TOO_MANY_REQUESTS => slowed += 1,
            other => panic!("{other}: {}", answer.body),
        }
    }
    assert_eq!((wrong, slowed, app.hashes() - before), (10, 490, 10));
}

/// They are not to be taken for an attack (Keycloak's issue 48272).
#[tokio::test(flavor = "multi_thread")]
async fn d13_fifty_right_logins_at_once_all_pass() {
    for address in [None, Some(HERE)] {
        let app = Arc::new(in_memory().await);
        let logins: Vec<_> = (0..50)
            .map(|_| {
                let app = app.clone();
                tokio::spawn(async move {
                    match address {
                        Some(address) => app.log_in_from(address, RIGHT).await,
                        None => app.post_token(RIGHT).await,
                    }
                })
            })
            .collect();
        for login in logins {
            login.await.unwrap().expect(StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn d16_d19_logins_and_changes_of_password_share_a_counter() {
    let app = TestApp::new().await;
    let token = app.token("me").await;
    app.settled().await;
    for _ in 0..5 {
        app.post_token(WRONG).await.expect_wrong();
        app.change_password_with(&token, "wrong").await.expect(StatusCode::FORBIDDEN);
    }
    let before = app.hashes();
    app.post_token(RIGHT).await.expect_throttled(30);
    app.change_password_with(&token, "correct+horse").await.expect_throttled(30);
    assert_eq!(app.hashes(), before);
    app.forward(30);
    app.change_password_with(&token, "correct+horse").await.expect(StatusCode::NO_CONTENT);
    app.post_token("username=alice&password=another+horse+staple").await.expect(StatusCode::OK);
}

#[tokio::test]
async fn d17_a_spoofed_header_neither_resets_nor_frames() {
    let spoof = |n: usize| {
        let mut request = from(form("/token", &format!("username=user{n}&password=wrong")), THERE);
        let address = format!("192.0.2.{}", n % 250);
        request.headers_mut().insert("x-forwarded-for", address.parse().unwrap());
        request.headers_mut().insert("forwarded", format!("for={address}").parse().unwrap());
        request
    };
    let app = TestApp::new().await;
    for n in 0..50 {
        app.send(spoof(n)).await.expect_wrong();
    }
    app.send(spoof(50)).await.expect_throttled(12);
    app.log_in_from("192.0.2.50", WRONG).await.expect_wrong();
    // Behind a proxy that is trusted, by the header that it sets.
    let proxies = || ["203.0.113.0/24".parse().unwrap()];
    let app = TestApp::with(any_store().await, |builder| builder.trusted_proxies(proxies())).await;
    for n in 0..60 {
        app.send(spoof(n)).await.expect_wrong();
    }
    for n in 0..50 {
        app.log_in_from("192.0.2.250", &format!("username=user{n}&password=wrong")).await.expect_wrong();
    }
    app.log_in_from("192.0.2.250", WRONG).await.expect_throttled(12);
    let app = TestApp::with(any_store().await, |builder| {
        builder.trusted_proxies(proxies()).forwarded_header(ForwardedHeader::Forwarded)
    })
    .await;
    for n in 0..60 {
        app.send(spoof(n)).await.expect_wrong();
    }
}

#[tokio::test]
async fn h5_f7_a_wrong_secret_is_slowed_wherever_a_client_proves_who_it_is() {
    for path in ["/token", "/introspect", "/revoke", "/feed"] {
        let app = in_memory().await;
        app.put_api("items", &["https://items.example"]).await;
        let ask = async |secret: &str, address: &str| {
            let request = match path {
                "/feed" => Request::get("/feed").body(Body::empty()).unwrap(),
                _ => form(path, &format!("token=x&{RIGHT}")),
            };
            app.send(from(authenticated(request, &basic("items", secret)), address)).await
        };
        for _ in 0..10 {
            ask("wrong", THERE).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
        }
        ask("wrong", THERE).await.expect_throttled(30);
        ask(SECRET, THERE).await.expect_throttled(30);
        ask(SECRET, HERE).await.expect(StatusCode::OK);
        app.forward(30);
        ask(SECRET, THERE).await.expect(StatusCode::OK);
        ask("wrong", THERE).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
    }
}

#[tokio::test]
async fn h5_a_wrong_assertion_counts_and_a_client_that_does_not_exist_too() {
    let app = in_memory().await;
    app.put_api("items", &[]).await;
    // {"sub":"nobody"}, signed by nobody.
    let assertion = "client_assertion=e30.eyJzdWIiOiJub2JvZHkifQ.x&client_assertion_type=\
                     urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    for body in [assertion, "client_id=unknown&client_secret=wrong"] {
        for _ in 0..10 {
            app.log_in_from(THERE, body).await.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
        }
        app.log_in_from(THERE, body).await.expect_throttled(30);
    }
}

#[tokio::test]
async fn f10_a_client_that_asks_about_thousands_of_random_tokens_is_slowed() {
    let app = in_memory().await;
    app.put_api("items", &[crate::support::ISSUER]).await;
    app.put_api("other", &[crate::support::ISSUER]).await;
    let token = app.token_by("items").await;
    let (mut looked_at, mut slowed) = (0, 0);
    for n in 0..10_000 {
        let answer = app.introspect("items", &format!("random{n}")).await;
        match answer.status {
            StatusCode::OK => looked_at += 1,
            _ => slowed += usize::from(answer.expect_throttled(1).status == StatusCode::TOO_MANY_REQUESTS),
        }
        if n % 1_000 == 999 {
            assert_eq!(
                app.introspect("items", &token).await.json()["active"],
                true,
                "what is ours is told all the same"
            );
        }
        if n % 100 == 0 {
            assert_eq!(app.introspect("other", &token).await.json()["active"], true, "what is ours does not count");
        }
    }
    assert_eq!((looked_at, slowed), (1_000, 9_000));
    app.forward(1);
    assert_eq!(app.introspect("items", &token).await.json()["active"], true);
    // A refresh token of nobody's.
    for n in 0..50 {
        app.introspect("items", &format!("cs_refresh_{n}")).await.expect(StatusCode::OK);
    }
    app.introspect("items", "cs_refresh_x").await.expect_throttled(1);
}

#[tokio::test]
async fn f10_an_old_token_of_ours_is_no_probe() {
    let app = in_memory().await;
    app.put_api("items", &[crate::support::ISSUER]).await;
    let token = app.token_by("items").await;
    app.forward(60 * 60);
    for _ in 0..1_100 {
        assert_eq!(app.introspect("items", &token).await.expect(StatusCode::OK).json()["active"], false);
    }
}

impl TestApp {
    /// A token for alice that this client got.
    async fn token_by(&self, client: &str) -> String {
        let answer = self.send(authenticated(form("/token", RIGHT), &basic(client, SECRET))).await;
        answer.expect(StatusCode::OK).json()["access_token"].as_str().unwrap().to_owned()
    }
}

/// Only then has a client's failure a source, and is counted.
#[tokio::test]
async fn h5_an_api_that_is_served_knows_where_requests_come_from() {
    let app = in_memory().await;
    app.oauth2.add_client(NewClient::new("items").secret(SECRET)).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(countersign::serve_on(app.oauth2.router(), listener));
    let body = "client_id=items&client_secret=wrong";
    let request = format!(
        "POST /token HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut statuses = Vec::new();
    for _ in 0..11 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        statuses.push(answer.split(' ').nth(1).unwrap().to_owned());
    }
    served.abort();
    assert_eq!(statuses[..10], vec!["401"; 10]);
    assert_eq!(statuses[10], "429");
}

#[tokio::test]
async fn the_document_tells_of_429() {
    let document = TestApp::new().await.get("/openapi.json").await.json();
    for path in ["/token", "/revoke", "/users/me/password"] {
        assert!(document["paths"][path]["post"]["responses"]["429"].is_object(), "{path}");
    }
}
