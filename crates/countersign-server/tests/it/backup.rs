//! `countersign backup` and `countersign restore`: what was issued before is worth nothing afterwards, here and elsewhere.

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use countersign::{
    Clock, OAuth2, Reason, Timestamp, async_trait,
    core::{clock::System, token::BearerToken},
    remote::{BasicAuthorization, Fetch, FetchError, Fetched},
};
use reqwest::{RequestBuilder, Response, StatusCode, header};
use serde_json::Value;

use crate::support::{PASSWORD, PATIENCE, Place, SECRET, Server, expect_json};

const ISSUER: &str = "https://login.example.com";

/// A clock that can be put ahead, by so many seconds.
#[derive(Debug, Default)]
struct Ahead(AtomicU64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        System.now().plus(Duration::from_secs(self.0.load(Ordering::SeqCst)))
    }
}

/// The way from an API elsewhere to whichever server runs now.
#[derive(Clone, Debug)]
struct Wire(Arc<Mutex<String>>);

impl Wire {
    fn to(server: &Server) -> Self {
        Self(Arc::new(Mutex::new(server.url.clone())))
    }

    fn lead_to(&self, server: &Server) {
        self.0.lock().unwrap().clone_from(&server.url);
    }

    fn request(&self, url: &str) -> RequestBuilder {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        client.get(url.replacen(ISSUER, &self.0.lock().unwrap(), 1))
    }
}

async fn send(request: RequestBuilder) -> Result<Fetched, FetchError> {
    let answer = request.send().await.map_err(|error| FetchError::Unavailable(error.into()))?;
    let media_type = answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    let (status, lifetime) = (answer.status().as_u16(), Some(Duration::from_secs(300)));
    Ok(Fetched { status, media_type, lifetime, body: answer.bytes().await.unwrap().to_vec() })
}

#[async_trait]
impl Fetch for Wire {
    async fn get(&self, url: &str, _: usize) -> Result<Fetched, FetchError> {
        send(self.request(url)).await
    }

    /// Who waits for news hears nothing, so that a test alone says when the feed is read.
    async fn get_as(
        &self,
        url: &str,
        authorization: &BasicAuthorization,
        _: usize,
        _: Duration,
    ) -> Result<Fetched, FetchError> {
        if !url.ends_with("wait=0") {
            return std::future::pending().await;
        }
        send(self.request(url).header(header::AUTHORIZATION, authorization.secret())).await
    }

    async fn post_form(&self, _: &str, _: &BasicAuthorization, _: &str, _: usize) -> Result<Fetched, FetchError> {
        Err(FetchError::Unavailable("nobody is asked".into()))
    }
}

fn serve(place: &Place) -> Server {
    Server::start(place.command(["serve", "--listen", "127.0.0.1:0", "--issuer", ISSUER]))
}

fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap().to_owned()
}

/// A login: the access token and the refresh token. In the second in which the database was put back nobody gets one.
async fn log_in(server: &Server, form: &[(&str, &str)]) -> (String, String) {
    let began = tokio::time::Instant::now();
    loop {
        let form = [&[("grant_type", "password"), ("password", PASSWORD)], form].concat();
        let answer: Response = server.token(&form).await;
        if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
            assert!(began.elapsed() < PATIENCE, "nobody can log in");
            continue;
        }
        let answer = expect_json(answer, StatusCode::OK).await;
        return (text(&answer, "access_token"), answer["refresh_token"].as_str().unwrap_or_default().to_owned());
    }
}

async fn status(server: &Server, token: &str) -> StatusCode {
    server.get_with("/users/me", token).await.status()
}

async fn key_ids(server: &Server) -> Vec<String> {
    let keys = expect_json(server.get("/.well-known/jwks.json").await, StatusCode::OK).await;
    keys["keys"].as_array().unwrap().iter().map(|key| text(key, "kid")).collect()
}

async fn reason(api: &OAuth2, token: &str) -> Option<Reason> {
    api.verify(&BearerToken::new(token)).await.err().map(|refused| refused.reason())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_what_was_issued_before_or_after_the_copy_is_worth_nothing_once_it_is_put_back() {
    let place = Place::on_files();
    for name in ["alice", "bob", "carol"] {
        place.add_user(name, &[]);
    }
    let server = serve(&place);
    let api = place.run(["client", "add", "items", "--serves", ISSUER, "--json"]).expect_code(0).json();
    let opaque = ["--public", "--first-party", "--grant-type", "password", "--token-format", "opaque"];
    place.run(["client", "add", "app"].into_iter().chain(opaque)).expect_code(0);
    let wire = Wire::to(&server);
    let clock = Arc::new(Ahead::default());
    let elsewhere = OAuth2::remote(ISSUER).audience(ISSUER).fetch(wire.clone()).clock(clock.clone());
    let elsewhere = elsewhere.following_feed("items", text(&api, "client_secret")).build().await.unwrap();

    let (alice, alice_refresh) = log_in(&server, &[("username", "alice")]).await;
    let (carol, carol_refresh) = log_in(&server, &[("username", "carol")]).await;
    let (of_app, _) = log_in(&server, &[("username", "alice"), ("client_id", "app")]).await;
    assert!(!of_app.contains('.'), "it is opaque");
    let copied = place.run(["backup", "copy.db", "--json"]).expect_code(0).json();
    assert_eq!((&copied["users"], &copied["clients"], &copied["grants"]), (&3.into(), &2.into(), &3.into()));
    assert_eq!((&copied["private_keys"], &copied["plain_keys"]), (&1.into(), &1.into()));

    // Of what happens now the copy knows nothing: a login is revoked, a user disabled, the key withdrawn, and logins come.
    server.post("/revoke", &[("token", &alice_refresh)]).await.error_for_status().unwrap();
    place.run(["user", "disable", "carol"]).expect_code(0);
    let (bob, bob_refresh) = log_in(&server, &[("username", "bob")]).await;
    let of_copy = key_ids(&server).await;
    place.run(["key", "withdraw", &of_copy[0]]).expect_code(0);
    let began = tokio::time::Instant::now();
    while status(&server, &bob).await == StatusCode::OK {
        assert!(began.elapsed() < PATIENCE, "the server does not hear of it");
    }
    let (late, late_refresh) = log_in(&server, &[("username", "bob")]).await;
    let known: Vec<_> = of_copy.into_iter().chain(key_ids(&server).await).collect();
    assert_eq!((known.len(), status(&server, &late).await), (2, StatusCode::OK));
    elsewhere.hear_of_revocations().await.unwrap();
    assert_eq!(reason(&elsewhere, &late).await, None, "elsewhere its key is known");
    assert_eq!(reason(&elsewhere, &alice).await, Some(Reason::UnknownKey), "and the one before is published no more");
    server.stop();

    fs::rename(place.path().join("countersign.db"), place.path().join("lost.db")).unwrap();
    let said = place.run(["restore", "copy.db", "--json"]).expect_code(0).json();
    assert_eq!((&said["ended_grants"], &said["ended_opaque_tokens"]), (&3.into(), &1.into()));
    assert_eq!((&said["withdrawn_keys"], &said["users"]), (&1.into(), &3.into()));
    assert_eq!(place.files(), ["copy.db", "countersign.db", "lost.db"]);
    let server = serve(&place);
    let (fresh, fresh_refresh) = log_in(&server, &[("username", "carol")]).await;
    assert_eq!(status(&server, &fresh).await, StatusCode::OK, "users are as they were in the copy");
    for (name, token) in [("alice", &alice), ("carol", &carol), ("of app", &of_app), ("bob", &bob), ("late", &late)] {
        assert_eq!(status(&server, token).await, StatusCode::UNAUTHORIZED, "{name}");
    }
    for refresh in [&alice_refresh, &carol_refresh, &bob_refresh, &late_refresh] {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        assert_eq!(expect_json(server.token(&form).await, StatusCode::BAD_REQUEST).await["error"], "invalid_grant");
    }
    let form = [("grant_type", "refresh_token"), ("refresh_token", fresh_refresh.as_str())];
    expect_json(server.token(&form).await, StatusCode::OK).await;
    let now = key_ids(&server).await;
    assert!(now.len() == 1 && !known.contains(&now[0]), "{now:?} of {known:?}");

    // Elsewhere more had been heard of than the copy knew.
    wire.lead_to(&server);
    elsewhere.hear_of_revocations().await.unwrap();
    assert_eq!(reason(&elsewhere, &late).await, Some(Reason::Revoked), "though its key is known");
    for token in [&alice, &carol, &bob] {
        assert!(reason(&elsewhere, token).await.is_some());
    }
    // It asks for a key that it does not know once in thirty seconds.
    clock.0.store(31, Ordering::SeqCst);
    assert_eq!(reason(&elsewhere, &fresh).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a_database_that_was_put_back_by_other_means_is_made_harmless_in_place_and_never_in_use() {
    let place = Place::on_files();
    place.add_user("alice", &[]);
    let secret = place.write("secret", SECRET);
    // With one secret for ever it is the time of a token alone that tells.
    let serve = || {
        let mut command = place.command(["serve", "--listen", "127.0.0.1:0", "--issuer", ISSUER]);
        command.env("COUNTERSIGN_SIGNING_ALGORITHM", "HS256").env("COUNTERSIGN_HS256_SECRET_FILE", &secret);
        Server::start(command)
    };
    let server = serve();
    let (token, _) = log_in(&server, &[("username", "alice")]).await;
    place.run(["restore", "--in-place"]).expect_refusal(1, &["in use", "stop the server"]);
    assert_eq!(status(&server, &token).await, StatusCode::OK);
    server.stop();
    let said = place.run(["restore", "--in-place"]).expect_code(0);
    assert!(said.stdout.contains("logins that ended: 1") && said.stdout.contains("countersign user list"), "{said:?}");
    assert!(said.stderr.contains("restore") && said.stderr.contains("put back"), "it is a line of the log: {said:?}");
    assert_eq!(place.files(), ["countersign.db", "secret"]);
    let server = serve();
    let (fresh, _) = log_in(&server, &[("username", "alice")]).await;
    assert_eq!(status(&server, &fresh).await, StatusCode::OK);
    assert_eq!(status(&server, &token).await, StatusCode::UNAUTHORIZED);
}

#[test]
fn what_cannot_be_copied_or_put_back_is_a_failure_and_leaves_nothing_behind() {
    let place = Place::on_files();
    place.run(["backup", "copy.db"]).expect_refusal(1, &["there is no database"]);
    place.run(["restore", "copy.db"]).expect_refusal(1, &["there is no database", "copy.db"]);
    place.run(["restore", "--in-place"]).expect_refusal(1, &["there is no database"]);
    assert_eq!(place.files(), [""; 0]);
    place.add_user("alice", &[]);
    place.write("letter", "this is a letter to somebody, and long enough to have a header");
    let before = place.files();
    place.run(["backup"]).expect_code(2);
    place.run(["restore"]).expect_code(2);
    place.run(["restore", "copy.db", "--in-place"]).expect_code(2);
    place.run(["backup", "letter"]).expect_refusal(1, &["letter", "never overwritten"]);
    place.run(["backup", "missing/copy.db"]).expect_refusal(1, &["missing", "must exist"]);
    place.run(["restore", "countersign.db"]).expect_refusal(1, &["countersign.db", "--database", "-wal"]);
    place.run(["restore", "letter", "--database", "other.db"]).expect_refusal(1, &["cannot be opened"]);
    assert_eq!(place.files(), before);
}

#[test]
fn i7_who_copies_plain_keys_is_told() {
    let place = Place::on_files();
    place.add_user("alice", &[]);
    let said = place.run(["backup", "no-keys.db"]).expect_code(0).stdout;
    assert!(said.starts_with("no-keys.db is whole: users: 1") && said.lines().count() == 1, "{said}");
    place.serve().stop();
    let said = place.run(["backup", "plain.db"]).expect_code(0).stdout;
    assert!(said.contains("private keys: 1") && said.contains("Warning: its private keys are not encrypted"), "{said}");
    let key = place.write("key", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
    let mut serve = place.command(["serve", "--listen", "127.0.0.1:0"]);
    serve.env("COUNTERSIGN_KEY_ENCRYPTION_KEY_FILE", key);
    Server::start(serve).stop();
    let said = place.run(["backup", "sealed.db"]).expect_code(0).stdout;
    assert!(said.contains("private keys: 1") && !said.contains("Warning"), "{said}");
}
