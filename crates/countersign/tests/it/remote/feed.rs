//! A feed that is not as it should be: what was not understood was not heard, and nobody is believed meanwhile.

use axum::http::StatusCode;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::support::{FEED, Key, METADATA, Place, RemoteApp, fetched, json_at};

async fn app(key: &Key) -> RemoteApp {
    let app = RemoteApp::with(key, |builder| builder.following_feed("api", "the secret")).await;
    app.network.metadata(|metadata| metadata["revocation_feed_endpoint"] = FEED.into());
    app
}

fn empty() -> Place {
    json_at(&json!({ "entries": [], "next": 0 }))
}

#[tokio::test]
async fn c23_what_is_no_page_of_a_feed_is_not_heard() {
    let key = Key::new("first", 1);
    for (name, place) in [
        ("nothing", fetched(404, "text/plain", "")),
        ("refuses", Place::Refuses),
        ("a redirect", fetched(307, "application/json", r#"{"entries":[],"next":0}"#)),
        ("our secret is wrong", fetched(401, "application/json", r#"{"error":"invalid_client"}"#)),
        ("we serve nothing", fetched(403, "application/json", r#"{"detail":"This client serves no API"}"#)),
        ("an error", fetched(500, "application/json", r#"{"entries":[],"next":0}"#)),
        ("a page", fetched(200, "text/html", r#"{"entries":[],"next":0}"#)),
        ("no JSON", fetched(200, "application/json", "entries")),
        ("a list", json_at(&json!([]))),
        ("a thing twice", fetched(200, "application/json", r#"{"entries":[],"entries":[],"next":0}"#)),
        ("out of order", json_at(&json!({ "entries": [], "next": "1" }))),
        (
            "another kind, without its end",
            json_at(&json!({ "entries": [{ "number": 1, "owner_id": "x" }], "next": 1 })),
        ),
        (
            "too large",
            fetched(200, "application/json", format!("{{\"entries\":[],\"next\":0}}{}", " ".repeat(1 << 20))),
        ),
    ] {
        let app = app(&key).await;
        app.network.put(FEED, place);
        assert!(app.oauth2.hear_of_revocations().await.is_err(), "{name}");
        app.cannot_know(&key.token("")).await;
        app.network.put(FEED, empty());
        app.oauth2.hear_of_revocations().await.unwrap();
        app.accepts(&key.token("")).await;
    }
}

#[tokio::test]
async fn c23_an_entry_of_another_kind_is_not_skipped() {
    let key = Key::new("first", 1);
    // Whose tokens it is about nobody knows, but none that expires later.
    for (until, is_about_it) in [(1, false), (1_i64 << 40, true)] {
        let app = app(&key).await;
        let page = json!({ "entries": [{ "number": 1, "until": until, "owner_id": "x" }], "next": 1 });
        for page in [page, json!({ "entries": [], "next": 1 })] {
            app.network.put(FEED, json_at(&page));
            app.oauth2.hear_of_revocations().await.unwrap();
            match is_about_it {
                true => app.cannot_know(&key.token("")).await,
                false => app.accepts(&key.token("")).await,
            }
        }
    }
}

#[tokio::test]
async fn c23_a_feed_that_tells_the_same_for_ever_is_not_asked_for_ever() {
    let key = Key::new("first", 1);
    let app = app(&key).await;
    let entry = |number| json!({ "number": number, "token_id": "x", "until": 1 });
    let entries: Vec<_> = (1..=1000).map(entry).collect();
    app.network.put(FEED, json_at(&json!({ "entries": entries, "next": 1000 })));
    assert!(app.oauth2.hear_of_revocations().await.is_err());
    app.cannot_know(&key.token("")).await;
}

#[tokio::test(start_paused = true)]
async fn c23_a_feed_that_never_answers_is_not_waited_for() {
    let key = Key::new("first", 1);
    let app = app(&key).await;
    app.network.put(FEED, Place::Hangs);
    let began = tokio::time::Instant::now();
    app.cannot_know(&key.token("")).await;
    assert_eq!(began.elapsed().as_secs(), 5);
    assert!(app.oauth2.hear_of_revocations().await.is_err());
    let began = tokio::time::Instant::now();
    app.cannot_know(&key.token("")).await;
    assert_eq!(began.elapsed().as_secs(), 0, "once it was found to be away nobody waits to find out");
}

#[tokio::test]
async fn c23_the_feed_is_asked_for_where_the_issuer_may_send_us() {
    let key = Key::new("first", 1);
    for told in [
        json!(null),
        json!("http://issuer.example.com/feed"),
        json!("https://127.0.0.1/feed"),
        json!("https://169.254.169.254/feed"),
        json!("https://a@issuer.example.com/feed"),
        json!("file:///feed"),
    ] {
        let app = app(&key).await;
        app.network.metadata(|metadata| metadata["revocation_feed_endpoint"] = told.clone());
        app.network.asked();
        assert!(app.oauth2.hear_of_revocations().await.is_err(), "{told}");
        assert!(app.network.asked().iter().all(|asked| asked.url == METADATA), "{told}");
    }
    let app = app(&key).await;
    app.network.metadata(|metadata| metadata["revocation_feed_endpoint"] = "https://x.example/a?b=c".into());
    app.network.put("https://x.example/a", empty());
    app.oauth2.hear_of_revocations().await.unwrap();
    let asked = app.network.asked();
    assert!(asked.iter().any(|asked| asked.url == "https://x.example/a?b=c&after=0&wait=0"), "{asked:?}");
}

#[tokio::test]
async fn the_client_proves_itself_in_the_header_and_nowhere_else() {
    let key = Key::new("first", 1);
    let app = app(&key).await;
    app.network.put(FEED, empty());
    app.network.asked();
    app.oauth2.hear_of_revocations().await.unwrap();
    let asked = app.network.asked().into_iter().find(|asked| asked.url.starts_with(FEED)).unwrap();
    let authorization = format!("Basic {}", STANDARD.encode("api:the+secret"));
    assert_eq!(asked.posted, Some((authorization, String::new())));
    assert_eq!((asked.url.as_str(), asked.most), ("https://issuer.example.com/feed?after=0&wait=0", 1 << 20));
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_does_not_wait_is_not_asked_all_the_time() {
    let key = Key::new("first", 1);
    let app = app(&key).await;
    app.network.put(FEED, empty());
    app.oauth2.hear_of_revocations().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    app.network.asked();
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    assert!((9..=11).contains(&app.network.count(FEED_WAITING)), "{}", app.network.count(FEED_WAITING));
    app.get("/any", &key.token("")).await.expect(StatusCode::OK);
}

const FEED_WAITING: &str = "https://issuer.example.com/feed?after=0&wait=10";
