//! What every answer carries, and the endpoints for those who look after the server.

use reqwest::{Method, StatusCode};

use crate::support::{PASSWORD, Place, Server, expect_json, header};

fn serve() -> (Place, Server) {
    let place = Place::new();
    let server = place.serve();
    (place, server)
}

#[tokio::test]
async fn health_is_told_as_json() {
    let (_place, server) = serve();
    for path in ["/health/live", "/health/ready"] {
        let answer = server.get(path).await;
        assert_eq!(header(&answer, "content-type"), "application/json");
        assert_eq!(header(&answer, "cache-control"), "no-store");
        assert_eq!(expect_json(answer, StatusCode::OK).await, serde_json::json!({ "status": "ok" }));
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_answered_in_json() {
    let (_place, server) = serve();
    let nowhere = server.get("/nowhere/at/all").await;
    assert_eq!(expect_json(nowhere, StatusCode::NOT_FOUND).await, serde_json::json!({ "detail": "Not Found" }));
    let answer = server.get("/token").await;
    assert_eq!(header(&answer, "allow"), "POST");
    let body = expect_json(answer, StatusCode::METHOD_NOT_ALLOWED).await;
    assert_eq!(body, serde_json::json!({ "detail": "Method Not Allowed" }));
}

const PATHS: [&str; 8] = [
    "/health/live",
    "/health/ready",
    "/nowhere",
    "/users/me",
    "/openapi.json",
    "/docs",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
];

#[tokio::test]
async fn k5_trace_and_made_up_methods_are_refused() {
    let (_place, server) = serve();
    for method in ["TRACE", "BREW", "PROPFIND"] {
        for path in PATHS.into_iter().filter(|path| *path != "/nowhere") {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = server.client.request(method.clone(), format!("{}{path}", server.url)).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn k5_no_version_banner() {
    let (_place, server) = serve();
    for path in PATHS {
        let answer = server.get(path).await;
        for name in ["server", "x-powered-by", "via"] {
            assert!(answer.headers().get(name).is_none(), "{path}: {answer:?}");
        }
        for (name, value) in answer.headers() {
            assert!(!value.to_str().unwrap().contains(env!("CARGO_PKG_VERSION")), "{path}: {name}");
        }
    }
}

#[tokio::test]
async fn k2_every_answer_carries_the_security_headers() {
    let place = Place::new();
    for issuer in ["", "https://login.example"] {
        let mut command = place.command(["serve", "--listen", "127.0.0.1:0"]);
        command.env("COUNTERSIGN_ISSUER", issuer);
        let server = Server::start(command);
        for path in PATHS {
            let answer = server.get(path).await;
            assert_eq!(header(&answer, "x-content-type-options"), "nosniff", "{path}");
            assert_eq!(header(&answer, "cross-origin-opener-policy"), "same-origin", "{path}");
            assert_eq!(header(&answer, "cross-origin-resource-policy"), "same-origin", "{path}");
            let strict = answer.headers().get("strict-transport-security");
            assert_eq!(strict.is_some(), !issuer.is_empty(), "{path}");
        }
    }
}

#[tokio::test]
async fn k4_headers_of_proxies_change_nothing() {
    let (_place, server) = serve();
    let path = format!("{}/.well-known/oauth-authorization-server", server.url);
    let honest = server.client.get(&path).send().await.unwrap().text().await.unwrap();
    let mut request = server.client.get(&path).header("host", "evil.example");
    for (name, value) in [
        ("forwarded", "for=1.2.3.4;host=evil.example;proto=https"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-uri", "/evil"),
        ("x-original-url", "/evil"),
    ] {
        request = request.header(name, value);
    }
    let spoofed = request.send().await.unwrap();
    assert!(spoofed.headers().get("strict-transport-security").is_none());
    assert_eq!(spoofed.text().await.unwrap(), honest);
}

/// Takes the tables away from under a running server, or gives them back.
fn rename_tables(place: &Place, from: &str, to: &str) {
    for table in ["owners", "clients", "keys", "grants", "one_time"] {
        place.sql(&format!("ALTER TABLE {from}_{table} RENAME TO {to}_{table}"));
    }
}

#[tokio::test]
async fn l6_a_broken_store_is_503_that_tells_nothing_and_the_server_lives_on() {
    let place = Place::new();
    place.add_user("alice", &[]);
    let server = place.serve();
    let token = server.token_of("alice", PASSWORD).await;
    rename_tables(&place, "oauth2", "gone");
    for answer in [server.log_in("alice", PASSWORD).await, server.get_with("/users/me", &token).await] {
        assert_eq!(header(&answer, "retry-after"), "1");
        let body = expect_json(answer, StatusCode::SERVICE_UNAVAILABLE).await;
        assert_eq!(body["error"], "temporarily_unavailable", "{body}");
        assert!(!body.to_string().contains("oauth2_") && !body.to_string().contains("table"), "{body}");
    }
    for _ in 0..2 {
        let ready = expect_json(server.get("/health/ready").await, StatusCode::SERVICE_UNAVAILABLE).await;
        assert_eq!(ready, serde_json::json!({ "status": "unavailable" }));
    }
    assert_eq!(server.get("/health/live").await.status(), StatusCode::OK);
    assert_eq!(server.get_with("/users/me", "forged").await.status(), StatusCode::UNAUTHORIZED);
    rename_tables(&place, "gone", "oauth2");
    for _ in 0..2 {
        assert_eq!(server.get("/health/ready").await.status(), StatusCode::OK);
    }
    assert_eq!(server.get_with("/users/me", &token).await.status(), StatusCode::OK);
    server.token_of("alice", PASSWORD).await;
    let ran = server.stop().expect_code(0);
    assert!(ran.stderr.contains("oauth2_owners"), "the log has the cause: {ran:?}");
    for words in ["\"not ready\"", "\"ready again\""] {
        assert_eq!(ran.stderr.matches(words).count(), 1, "probes are told what changed, once: {ran:?}");
    }
}
