//! Every scheme of the example, request by request: what it hands over, and how it refuses.

use axum::http::{Request, StatusCode, request::Builder};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    examples::{Program, schemes_program},
    support::{Answer, form},
};

async fn program() -> Program {
    Program::of(schemes_program::app().await)
}

fn get(path: &str) -> Builder {
    Request::get(path)
}

fn authorized(path: &str, authorization: &str) -> Builder {
    get(path).header("authorization", authorization)
}

impl Program {
    async fn answer(&self, request: Builder) -> Answer {
        self.send(request.body(axum::body::Body::empty()).unwrap()).await
    }

    /// Both routes of a scheme hand this over.
    async fn hands_over(&self, request: impl Fn(&str) -> Builder, value: &Value) {
        for kind in ["req", "opt"] {
            let answer = self.answer(request(kind)).await.expect(StatusCode::OK);
            assert_eq!(answer.json(), json!({ "v": value }));
        }
    }

    /// Both routes of a scheme refuse what is there and bad.
    async fn refuses(&self, request: impl Fn(&str) -> Builder, status: StatusCode, challenge: &str) {
        for kind in ["req", "opt"] {
            let answer = self.answer(request(kind)).await.expect(status);
            assert!(answer.header("www-authenticate").starts_with(challenge), "{:?}", answer.headers);
        }
    }

    /// What is no credential of this scheme is challenged where it is needed, and nothing where it may be missing.
    async fn misses(&self, request: impl Fn(&str) -> Builder, challenge: &str) {
        let answer = self.answer(request("req")).await.expect(StatusCode::UNAUTHORIZED);
        assert!(answer.header("www-authenticate").starts_with(challenge), "{:?}", answer.headers);
        assert!(!answer.header("www-authenticate").contains("error="), "{:?}", answer.headers);
        assert_eq!(answer.json()["detail"], "Not authenticated");
        let answer = self.answer(request("opt")).await.expect(StatusCode::OK);
        assert_eq!(answer.json(), json!({ "v": null }));
    }
}

/// The schemes whose credentials are bearer tokens, with what they hand over for `Bearer t0ken`.
fn bearers() -> [(&'static str, Value); 5] {
    [
        ("pw", json!("t0ken")),
        ("code", json!("t0ken")),
        ("oauth2", json!("Bearer t0ken")),
        ("oidc", json!("Bearer t0ken")),
        ("bearer", json!({ "scheme": "Bearer", "credentials": "t0ken" })),
    ]
}

#[tokio::test]
async fn every_scheme_is_challenged_where_nothing_is_sent() {
    let program = program().await;
    for (scheme, challenge) in [
        ("pw", "Bearer realm=\"api\""),
        ("code", "Bearer realm=\"api\""),
        ("oauth2", "Bearer realm=\"api\""),
        ("oidc", "Bearer realm=\"api\""),
        ("bearer", "Bearer realm=\"api\""),
        ("basic", "Basic realm=\"api\", charset=\"UTF-8\""),
        ("basicrealm", "Basic realm=\"simple\", charset=\"UTF-8\""),
        ("digest", "Digest realm=\"api\", qop=\"auth\", algorithm=SHA-256, nonce=\""),
        ("base", "Other realm=\"api\""),
        ("akh", "APIKey realm=\"api\""),
        ("akq", "APIKey realm=\"api\""),
        ("akc", "APIKey realm=\"api\""),
    ] {
        program.misses(|kind| get(&format!("/{scheme}/{kind}")), challenge).await;
    }
}

#[tokio::test]
async fn a_digest_is_challenged_with_a_fresh_nonce() {
    let program = program().await;
    let nonce = async || program.answer(get("/digest/req")).await.header("www-authenticate").to_owned();
    assert_ne!(nonce().await, nonce().await);
}

#[tokio::test]
async fn b2_the_scheme_is_read_without_case_and_behind_spaces() {
    let program = program().await;
    for (scheme, _) in bearers() {
        for authorization in ["Bearer t0ken", "bearer t0ken", "BEARER t0ken", "bEaReR  t0ken", "Bearer t0ken  "] {
            let answer = program.answer(authorized(&format!("/{scheme}/req"), authorization)).await;
            answer.expect(StatusCode::OK);
        }
    }
    for (scheme, handed_over) in bearers() {
        program.hands_over(|kind| authorized(&format!("/{scheme}/{kind}"), "Bearer t0ken"), &handed_over).await;
    }
}

#[tokio::test]
async fn b3_another_scheme_is_none_of_ours() {
    let program = program().await;
    for (scheme, _) in bearers() {
        for other in ["Basic YTpi", "Token t0ken", "DPoP t0ken", "Bearert0ken", "t0ken", ""] {
            program.misses(|kind| authorized(&format!("/{scheme}/{kind}"), other), "Bearer").await;
        }
    }
    program.misses(|kind| authorized(&format!("/basic/{kind}"), "Bearer t0ken"), "Basic").await;
    program.misses(|kind| authorized(&format!("/digest/{kind}"), "Bearer t0ken"), "Digest").await;
    program.misses(|kind| authorized(&format!("/base/{kind}"), "Bearer t0ken"), "Other").await;
}

#[tokio::test]
async fn b4_b10_malformed_credentials_are_refused_even_where_none_are_needed() {
    let program = program().await;
    for (scheme, _) in bearers() {
        for bad in
            ["Bearer", "Bearer ", "Bearer\ta", "Bearer a b", "Bearer a,b", "Bearer \u{e9}", "Bearer =", "Bearer a=b"]
        {
            let request = |kind: &str| get(&format!("/{scheme}/{kind}")).header("authorization", bad.as_bytes());
            program.refuses(request, StatusCode::UNAUTHORIZED, "Bearer realm=\"api\", error=\"invalid_token\"").await;
        }
        let long = format!("Bearer {}", "a".repeat(17 * 1024));
        program
            .refuses(|kind| authorized(&format!("/{scheme}/{kind}"), &long), StatusCode::UNAUTHORIZED, "Bearer")
            .await;
    }
    for bad in ["Digest", "Digest ", "Digest a\tb"] {
        program.refuses(|kind| authorized(&format!("/digest/{kind}"), bad), StatusCode::UNAUTHORIZED, "Digest").await;
    }
    for bad in ["Other", "other  "] {
        program.refuses(|kind| authorized(&format!("/base/{kind}"), bad), StatusCode::UNAUTHORIZED, "Other").await;
    }
}

#[tokio::test]
async fn b7_more_than_one_credential_is_refused() {
    let program = program().await;
    for (scheme, _) in bearers() {
        let twice =
            |kind: &str| authorized(&format!("/{scheme}/{kind}"), "Bearer a").header("authorization", "Bearer a");
        let challenge = "Bearer realm=\"api\", error=\"invalid_request\"";
        program.refuses(twice, StatusCode::BAD_REQUEST, challenge).await;
        let and_in_the_address = |kind: &str| authorized(&format!("/{scheme}/{kind}?access_token=a"), "Bearer a");
        program.refuses(and_in_the_address, StatusCode::BAD_REQUEST, challenge).await;
    }
    for scheme in ["basic", "digest", "base"] {
        let path = |kind: &str| format!("/{scheme}/{kind}");
        let twice = |kind: &str| authorized(&path(kind), "Basic YTpi").header("authorization", "Digest x");
        program.refuses(twice, StatusCode::BAD_REQUEST, "").await;
    }
    let headers = |kind: &str| get(&format!("/akh/{kind}")).header("X-Key", "a").header("X-Key", "a");
    program.refuses(headers, StatusCode::BAD_REQUEST, "APIKey").await;
    program.refuses(|kind| get(&format!("/akq/{kind}?key=a&key=b")), StatusCode::BAD_REQUEST, "APIKey").await;
    let cookies = |kind: &str| get(&format!("/akc/{kind}")).header("cookie", "key=a; key=b");
    program.refuses(cookies, StatusCode::BAD_REQUEST, "APIKey").await;
}

#[tokio::test]
async fn b8_a_token_in_the_address_is_none() {
    let program = program().await;
    for (scheme, _) in bearers() {
        program.misses(|kind| get(&format!("/{scheme}/{kind}?access_token=t0ken")), "Bearer").await;
    }
}

#[tokio::test]
async fn basic_is_read_by_rfc_7617() {
    let program = program().await;
    for (pair, username, password) in [
        ("alice:secret", "alice", "secret"),
        ("test:123\u{a3}", "test", "123\u{a3}"),
        ("alice:a:b:c", "alice", "a:b:c"),
        (":", "", ""),
        ("alice:", "alice", ""),
        (" alice : secret ", " alice ", " secret "),
    ] {
        let encoded = STANDARD.encode(pair);
        for scheme in ["basic", "basicrealm"] {
            let request = |kind: &str| authorized(&format!("/{scheme}/{kind}"), &format!("basic {encoded}"));
            program.hands_over(request, &json!({ "username": username, "password": password })).await;
        }
    }
    // RFC 7617 §2.1 has this one.
    let request = |kind: &str| authorized(&format!("/basic/{kind}"), "Basic dGVzdDoxMjPCow==");
    program.hands_over(request, &json!({ "username": "test", "password": "123\u{a3}" })).await;
    for bad in [
        "",
        "x",
        "YWxpY2U6c2VjcmV0=",
        "YWxpY2U6c2VjcmV0 x",
        "YWxpY2U6c2VjcmV0\u{e9}",
        "YWxpY2Ux_-",
        &STANDARD.encode("without a colon"),
        &STANDARD.encode(b"latin:\xa3"),
        &STANDARD.encode("alice:a\0b"),
        &STANDARD.encode("al\nice:secret"),
        &STANDARD.encode(format!("alice:{}", "a".repeat(9000))),
    ] {
        let request =
            |kind: &str| get(&format!("/basic/{kind}")).header("authorization", format!("Basic {bad}").as_bytes());
        program.refuses(request, StatusCode::UNAUTHORIZED, "Basic realm=\"api\"").await;
    }
}

#[tokio::test]
async fn digests_and_schemes_of_ones_own_are_handed_over_as_they_stand() {
    let program = program().await;
    let digest = "username=\"alice\", realm=\"api\", nonce=\"n\", uri=\"/\", response=\"r\"";
    let request = |kind: &str| authorized(&format!("/digest/{kind}"), &format!("Digest {digest}"));
    program.hands_over(request, &json!({ "scheme": "Digest", "credentials": digest })).await;
    let request = |kind: &str| authorized(&format!("/base/{kind}"), "oThEr f00 bar");
    program.hands_over(request, &json!({ "scheme": "oThEr", "credentials": "f00 bar" })).await;
}

#[tokio::test]
async fn api_keys_are_found_where_they_are_declared_and_nowhere_else() {
    let program = program().await;
    let header = |kind: &str| get(&format!("/akh/{kind}")).header("x-kEY", "s3cret");
    program.hands_over(header, &json!("s3cret")).await;
    program.hands_over(|kind| get(&format!("/akq/{kind}?a=b&key=s3%20cret%2B+x")), &json!("s3 cret+ x")).await;
    let cookie = |kind: &str| get(&format!("/akc/{kind}")).header("cookie", "a=b; key=s3cret; c");
    program.hands_over(cookie, &json!("s3cret")).await;
    let quoted = |kind: &str| get(&format!("/akc/{kind}")).header("cookie", "keys=x;key=\"s3cret\"");
    program.hands_over(quoted, &json!("s3cret")).await;
    for scheme in ["akh", "akq", "akc"] {
        let elsewhere = |kind: &str| {
            let query = if scheme == "akq" { "Key=x&keys=x" } else { "key=x" };
            let request = get(&format!("/{scheme}/{kind}?{query}"));
            let request = if scheme == "akh" { request } else { request.header("X-Key", "x") };
            let request = if scheme == "akc" { request } else { request.header("cookie", "key=x") };
            request.header("authorization", "APIKey x")
        };
        program.misses(elsewhere, "APIKey").await;
    }
    for empty in [get("/akh/opt").header("X-Key", ""), get("/akq/opt?key="), get("/akc/opt").header("cookie", "key=")] {
        assert_eq!(program.answer(empty).await.expect(StatusCode::OK).json(), json!({ "v": null }));
    }
    let not_utf8 = |kind: &str| get(&format!("/akq/{kind}?key=%FF"));
    program.refuses(not_utf8, StatusCode::UNAUTHORIZED, "APIKey").await;
}

#[tokio::test]
async fn forms_are_echoed_as_they_were_read() {
    let program = program().await;
    let login = "username=johndoe&password=s%C3%A9cret&scope=me+items&client_id=app&client_secret=s";
    let echoed = |grant_type: Value| {
        json!({
            "grant_type": grant_type, "username": "johndoe", "password": "s\u{e9}cret", "scopes": ["me", "items"],
            "client_id": "app", "client_secret": "s",
        })
    };
    let answer = program.send(form("/form", login)).await.expect(StatusCode::OK);
    assert_eq!(answer.json(), echoed(Value::Null));
    for path in ["/form", "/formstrict"] {
        let answer = program.send(form(path, &format!("grant_type=password&{login}"))).await.expect(StatusCode::OK);
        assert_eq!(answer.json(), echoed("password".into()));
        let answer = program.send(form(path, "grant_type=password&username=a&password=b&scope=&client_id=")).await;
        let bare = json!({
            "grant_type": "password", "username": "a", "password": "b", "scopes": [], "client_id": null,
            "client_secret": null,
        });
        assert_eq!(answer.expect(StatusCode::OK).json(), bare);
        for (body, code) in [
            ("grant_type=password&username=a", "invalid_request"),
            ("grant_type=password&username=a&username=b&password=c", "invalid_request"),
            ("grant_type=implicit&username=a&password=b", "unsupported_grant_type"),
            ("grant_type=Password&username=a&password=b", "unsupported_grant_type"),
            ("grant_type=refresh_token&username=a&password=b", "unsupported_grant_type"),
            ("grant_type=password&username=a&password=b&scope=a%22", "invalid_scope"),
        ] {
            program.send(form(path, body)).await.expect_error(StatusCode::BAD_REQUEST, code);
        }
    }
    for without in [login.to_owned(), format!("grant_type=&{login}")] {
        let answer = program.send(form("/formstrict", &without)).await;
        let answer = answer.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        assert_eq!(answer.json()["detail"][0]["loc"], json!(["body", "grant_type"]));
    }
}

#[tokio::test]
async fn the_document_tells_of_every_scheme_by_its_name() {
    let program = program().await;
    let document = program.answer(get("/openapi.json")).await.json();
    let schemes = &document["components"]["securitySchemes"];
    for (name, definition) in [
        (
            "OAuth2AuthorizationCodeBearer",
            json!({
                "type": "oauth2", "description": "Tokens of a server elsewhere, had by the authorization code flow.",
                "flows": { "authorizationCode": {
                    "authorizationUrl": "https://login.example.com/authorize",
                    "tokenUrl": "https://login.example.com/token",
                    "scopes": { "items": "Read items." },
                } },
            }),
        ),
        (
            "OAuth2",
            json!({
                "type": "oauth2", "description": "Tokens of a server elsewhere, for programs and for people.",
                "flows": {
                    "password": { "tokenUrl": "https://login.example.com/token", "scopes": {} },
                    "clientCredentials": { "tokenUrl": "https://login.example.com/token", "scopes": {} },
                },
            }),
        ),
        ("HTTPBearer", json!({ "type": "http", "scheme": "bearer", "description": "A token, wherever it is from." })),
        ("HTTPBasic", json!({ "type": "http", "scheme": "basic", "description": "A user name and a password." })),
        ("HTTPDigest", json!({ "type": "http", "scheme": "digest", "description": "A digest." })),
        ("HTTPBase", json!({ "type": "http", "scheme": "Other", "description": "A scheme of one's own." })),
        (
            "OpenIdConnect",
            json!({
                "type": "openIdConnect", "description": "Tokens of a provider that tells of itself.",
                "openIdConnectUrl": "https://login.example.com/.well-known/openid-configuration",
            }),
        ),
        (
            "APIKeyHeader",
            json!({ "type": "apiKey", "in": "header", "name": "X-Key", "description": "A key in a header." }),
        ),
        (
            "APIKeyQuery",
            json!({ "type": "apiKey", "in": "query", "name": "key", "description": "A key in the address." }),
        ),
        (
            "APIKeyCookie",
            json!({ "type": "apiKey", "in": "cookie", "name": "key", "description": "A key in a cookie." }),
        ),
    ] {
        assert_eq!(schemes[name], definition);
    }
    let security = |path: &str| document["paths"][path]["get"]["security"].clone();
    assert_eq!(security("/basicrealm/req"), json!([{ "HTTPBasicSimple": [] }]));
    assert_eq!(security("/akh/opt"), json!([{ "APIKeyHeader": [] }, {}]));
    assert_eq!(security("/pw/req"), json!([{ "OAuth2PasswordBearer": [] }]));
}
