//! Traces: what a collector gets, what it does not, and that nobody waits for it.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use reqwest::StatusCode;
use serde_json::Value;

use crate::support::{PASSWORD, PATIENCE, Place, Ran, Server, header};

/// The kind of a span that is a request (opentelemetry-proto, `SpanKind`).
const SERVER: u64 = 2;

/// A collector, and what it got.
struct Collector {
    url: String,
    got: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    async fn start() -> Self {
        async fn take(State(got): State<Arc<Mutex<Vec<Value>>>>, headers: HeaderMap, body: Bytes) -> &'static str {
            assert_eq!(headers["content-type"], "application/json");
            got.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            "{}"
        }
        let got = Arc::<Mutex<Vec<Value>>>::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(got.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, got }
    }

    fn serve(&self, place: &Place, settings: &[(&str, &str)]) -> Server {
        let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
        command.env("COUNTERSIGN_OTEL_ENDPOINT", &self.url).envs(settings.iter().copied());
        Server::start(command)
    }

    /// Every span that came.
    fn spans(&self) -> Vec<Value> {
        let got = self.got.lock().unwrap();
        let spans = got.iter().flat_map(|sent| sent["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap());
        spans.cloned().collect()
    }
}

/// Tells the server to end while the collector goes on.
async fn stop(server: Server) -> Ran {
    tokio::task::spawn_blocking(|| server.stop()).await.unwrap()
}

fn attribute<'a>(span: &'a Value, name: &str) -> &'a Value {
    let all = span["attributes"].as_array().unwrap();
    let found = all.iter().find(|attribute| attribute["key"] == name);
    &found.unwrap_or_else(|| panic!("no {name} in {span}"))["value"]
}

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

#[tokio::test(flavor = "multi_thread")]
async fn l1_a_request_is_a_trace_with_what_took_its_time_and_no_canary() {
    const SECRET: &str = "canary horse 7f3a91 staple";
    let place = Place::new();
    place.run_with_input(SECRET, ["user", "add", "alice", "--password-stdin"]).expect_code(0);
    let collector = Collector::start().await;
    let server = collector.serve(&place, &[("COUNTERSIGN_LOG_LEVEL", "trace"), ("COUNTERSIGN_LOG_FORMAT", "json")]);
    let login = server.client.post(format!("{}/token?password=canary", server.url)).header("traceparent", PARENT);
    let login = login.header("tracestate", "canary=1").header("baggage", "canary=1");
    let login = login.form(&[("username", "alice"), ("password", SECRET)]).send().await.unwrap();
    assert_eq!(login.status(), StatusCode::OK);
    let id = header(&login, "x-request-id").to_owned();
    let tokens: Value = serde_json::from_str(&login.text().await.unwrap()).unwrap();
    let token = tokens["access_token"].as_str().unwrap();
    server.get_with("/users/me", token).await;
    server.get_with("/canary?access_token=canary", "canary7f3a91").await;
    server.log_in("canary7f3a91", SECRET).await;
    let line = server.wait_for_log(&[&id, "answered"]);
    // What it has not sent by its end it sends for a while only, and a slow machine may take longer.
    let since = Instant::now();
    while collector.spans().iter().filter(|span| span["kind"] == SERVER).count() < 4 {
        assert!(since.elapsed() < PATIENCE, "{:#?}", collector.spans());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let ran = stop(server).await.expect_code(0);

    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["span"]["name"], "request", "the log is as without traces: {line}");
    assert_eq!(line["span"]["path"], "/token");
    assert!(!ran.stderr.contains("4bf92f3577b34da6"), "{ran:?}");
    let spans = collector.spans();
    let of = |name: &str| spans.iter().filter(|span| span["name"] == name).collect::<Vec<_>>();
    let [first, denied] = of("POST /token")[..] else { panic!("{spans:#?}") };
    assert_eq!(first["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(first["parentSpanId"], "00f067aa0ba902b7");
    assert_eq!(first["kind"], SERVER);
    assert_eq!(attribute(first, "http.request.method")["stringValue"], "POST");
    assert_eq!(attribute(first, "http.route")["stringValue"], "/token");
    assert_eq!(attribute(first, "http.response.status_code")["intValue"], "200");
    assert_eq!(attribute(first, "countersign.request_id")["stringValue"], id.as_str());
    assert!(denied["parentSpanId"].is_null() && denied["traceId"] != first["traceId"], "{denied}");
    let parts: Vec<_> = spans.iter().filter(|span| span["parentSpanId"] == first["spanId"]).collect();
    for part in ["hash", "store"] {
        assert!(
            parts.iter().any(|span| span["name"] == part && span["traceId"] == first["traceId"]),
            "{part}: {spans:#?}"
        );
    }
    let nanoseconds = |span: &Value, name: &str| span[name].as_str().unwrap().parse::<u128>().unwrap();
    for part in parts {
        assert!(nanoseconds(part, "startTimeUnixNano") >= nanoseconds(first, "startTimeUnixNano"), "{part}");
        assert!(nanoseconds(part, "endTimeUnixNano") <= nanoseconds(first, "endTimeUnixNano"), "{part}");
    }
    assert_eq!(of("GET /users/me").len(), 1);
    assert_eq!(of("GET").len(), 1, "no route matched: {spans:#?}");
    let all = serde_json::to_string(&*collector.got.lock().unwrap()).unwrap();
    assert!(all.contains("service.name"), "{all}");
    for canary in ["canary", "7f3a91", "alice", token, token.rsplit('.').next().unwrap()] {
        assert!(!all.contains(canary), "{canary} is in {all}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_outside_makes_the_server_trace() {
    let place = Place::new();
    let collector = Collector::start().await;
    let server = collector.serve(&place, &[("COUNTERSIGN_OTEL_SAMPLE", "0")]);
    let sampled = PARENT.replace("-00", "-01");
    for _ in 0..10 {
        let request = server.client.get(format!("{}/health/live", server.url)).header("traceparent", &sampled);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    }
    stop(server).await.expect_code(0);
    assert_eq!(collector.spans(), [0; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_keeps_nobody_waiting() {
    let place = Place::new();
    place.add_user("alice", &[]);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let collector = Collector { url: format!("http://{nobody}"), got: Arc::default() };
    let server = collector.serve(&place, &[("COUNTERSIGN_METRICS_LISTEN", "127.0.0.1:0")]);
    server.token_of("alice", PASSWORD).await;
    for _ in 0..20 {
        assert_eq!(server.get("/health/ready").await.status(), StatusCode::OK);
    }
    let ran = stop(server).await.expect_code(0);
    assert_eq!(ran.stderr.matches("does not take traces").count(), 1, "{ran:?}");
}

#[test]
fn a_collector_or_a_share_that_cannot_be_is_refused() {
    let place = Place::new();
    for (name, wrong) in [
        ("OTEL_ENDPOINT", "127.0.0.1:4318"),
        ("OTEL_ENDPOINT", "ftp://127.0.0.1"),
        ("OTEL_ENDPOINT", "http://name:canary@127.0.0.1:4318"),
        ("OTEL_ENDPOINT", "http://127.0.0.1:4318/?key=canary"),
        ("OTEL_SAMPLE", "1.1"),
        ("OTEL_SAMPLE", "-0.1"),
        ("OTEL_SAMPLE", "NaN"),
        ("OTEL_SAMPLE", "half"),
    ] {
        let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
        command.env(format!("COUNTERSIGN_{name}"), wrong);
        let ran = Ran::with_input(command, "").expect_refusal(2, &[&name.to_lowercase()]);
        assert!(!ran.stderr.contains("canary"), "{ran:?}");
    }
}
