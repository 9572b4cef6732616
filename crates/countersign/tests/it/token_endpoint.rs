//! What the token endpoint answers: shapes, headers, clients.

use axum::http::{Request, StatusCode, header};
use countersign::{
    Builder,
    core::{
        client::{AllowedScope, Authentication, Client, ClientSecret, ClientSecrets, Party, SecretMethods},
        grant_type::GrantType,
        names::ClientId,
    },
};

use crate::store::any_store;
use crate::support::{Admin, Answer, Me, NOW, TestApp, form};

const LOGIN: &str = "username=alice&password=correct+horse";

#[tokio::test]
async fn a9_success_has_the_shape_of_rfc_6749() {
    let app = TestApp::new().await;
    for path in ["/token", "/token/"] {
        let answer = app.send(form(path, &format!("{LOGIN}&scope=me"))).await.expect(StatusCode::OK);
        let body = answer.json();
        assert!(body["access_token"].is_string());
        assert_eq!((&body["token_type"], &body["expires_in"]), (&"bearer".into(), &900.into()), "{body}");
        assert!(body.get("scope").is_none(), "what was asked for was granted: {body}");
        assert_eq!(answer.header("content-type"), "application/json");
    }
    let narrowed = app.post_token(&format!("{LOGIN}&scope=me+admin")).await.expect(StatusCode::OK).json();
    assert_eq!(narrowed["scope"], "me");
    let reordered = app.post_token(&format!("{LOGIN}&scope=read:items+me")).await.expect(StatusCode::OK).json();
    assert!(reordered.get("scope").is_none(), "{reordered}");
    let none = app.post_token(LOGIN).await.expect(StatusCode::OK).json();
    assert!(none.get("scope").is_none(), "never an empty scope: {none}");
}

#[tokio::test]
async fn a9_a_default_scope_is_told() {
    let app = TestApp::with(any_store().await, Builder::default_scopes::<(Me, Admin)>).await;
    let body = app.post_token(LOGIN).await.expect(StatusCode::OK).json();
    assert_eq!(body["scope"], "me", "of the default scope, what the user has");
    let bare = app.post_token("username=bare&password=correct+horse").await.expect(StatusCode::OK).json();
    assert!(bare.get("scope").is_none());
}

#[tokio::test]
async fn a10_nothing_of_it_is_kept_by_anybody() {
    let app = TestApp::new().await;
    for body in [LOGIN, "username=alice&password=wrong", "", "grant_type=x"] {
        let answer = app.post_token(body).await;
        assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"), "{body}");
    }
}

#[tokio::test]
async fn a11_no_error_repeats_what_was_sent() {
    let app = TestApp::new().await;
    let hostile = "%22%5C%0D%0A%E2%80%AE%00canary";
    for name in ["grant_type", "username", "password", "scope", "client_id", "client_secret", hostile] {
        for body in [format!("{name}={hostile}"), format!("{LOGIN}&{name}={hostile}&{name}={hostile}")] {
            let answer = app.post_token(&body).await;
            if answer.status == StatusCode::OK {
                continue;
            }
            let description = answer.json()["error_description"].as_str().unwrap().to_owned();
            let allowed = |byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
            assert!(description.bytes().all(allowed), "{description}");
            assert!(!answer.body.contains("canary"), "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn a16_a17_a_token_stands_in_its_answer_and_nowhere_else() {
    let app = TestApp::new().await;
    let token = app.token("me").await;
    for path in ["/token", "/users/me", "/openapi.json", "/docs", "/.well-known/jwks.json", "/nowhere"] {
        let answer = app.get_as(path, &token).await;
        assert!(!format!("{answer:?}").contains(&token), "{path}");
        assert!(answer.headers.get(header::LOCATION).is_none(), "{path}");
    }
    let refused = app.get_as("/admin", &token).await.expect(StatusCode::FORBIDDEN);
    assert!(!format!("{refused:?}").contains(&token));
}

#[tokio::test]
async fn a17_no_answer_sends_anybody_elsewhere_with_a_token() {
    let app = TestApp::new().await;
    for body in [LOGIN, "username=alice&password=wrong", "redirect_uri=https://evil.example&username=alice&password=x"]
    {
        assert!(app.post_token(body).await.headers.get(header::LOCATION).is_none());
    }
}

#[tokio::test]
async fn a19_no_cookies_are_set_or_read() {
    let app = TestApp::new().await;
    let answer = app.post_token(LOGIN).await.expect(StatusCode::OK);
    assert!(answer.headers.get(header::SET_COOKIE).is_none());
    let token = app.token("me").await;
    let mut request = form("/token", "grant_type=password");
    request.headers_mut().insert(header::COOKIE, format!("access_token={token}; session=1").parse().unwrap());
    app.send(request).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    let request = Request::get("/user").header(header::COOKIE, format!("access_token={token}"));
    app.send(request.body(String::new().into()).unwrap()).await.expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn without_registered_clients_any_client_is_the_built_in_one() {
    let app = TestApp::new().await;
    for body in [format!("{LOGIN}&client_id=whatever"), format!("{LOGIN}&client_id=x&client_secret=y")] {
        app.post_token(&body).await.expect(StatusCode::OK);
    }
    for basic in ["Basic Og==", "basic eDp5", "Basic !", "Bearer x", "Negotiate"] {
        with_header(&app, LOGIN, basic).await.expect(StatusCode::OK);
    }
}

async fn with_header(app: &TestApp, body: &str, authorization: &str) -> Answer {
    let mut request = form("/token", body);
    request.headers_mut().insert(header::AUTHORIZATION, authorization.parse().unwrap());
    app.send(request).await
}

const SECRET: &str = "s3cr:t ü%+";

/// An app with two registered clients: `app`, confidential, and `page`, public; both may use the password grant.
async fn with_clients(party: Party, grant_types: Vec<GrantType>) -> TestApp {
    let app = TestApp::new().await;
    let secrets = ClientSecrets::of(&ClientSecret::new(SECRET));
    let by_secret = Authentication::Secret { methods: SecretMethods::Either, secrets };
    for (id, authentication) in [("app", by_secret), ("page", Authentication::None)] {
        let client = Client {
            party,
            grant_types: grant_types.clone(),
            scope: AllowedScope::Only("me".parse().unwrap()),
            ..Client::new(ClientId::new(id), authentication, NOW)
        };
        app.oauth2.server().unwrap().store().add_client(&client).await.unwrap();
    }
    app
}

#[tokio::test]
async fn a_registered_client_proves_who_it_is() {
    let app = with_clients(Party::First, vec![GrantType::Password]).await;
    for (body, basic) in [
        ("client_id=nobody", None),
        ("client_id=app", None),
        ("client_id=app&client_secret=wrong", None),
        ("client_id=page&client_secret=x", None),
        ("client_secret=x", None),
        ("", Some("Basic YXBwOndyb25n")),
        ("", Some("Basic !")),
        ("", Some("Basic YXBw")),
        ("", Some("Basic YXBwOg==")),
    ] {
        let body = format!("{LOGIN}&{body}");
        let answer = match basic {
            Some(basic) => with_header(&app, &body, basic).await,
            None => app.post_token(&body).await,
        };
        let answer = answer.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"countersign\"");
    }
    // `app:s3cr%3At+%C3%BC%25%2B`, form-encoded before it is encoded (RFC 6749 §2.3.1).
    let basic = "Basic YXBwOnMzY3IlM0F0KyVDMyVCQyUyNSUyQg==";
    with_header(&app, LOGIN, basic).await.expect(StatusCode::OK);
    app.post_token(&format!("{LOGIN}&client_id=app&client_secret=s3cr%3At+%C3%BC%25%2B")).await.expect(StatusCode::OK);
    app.post_token(&format!("{LOGIN}&client_id=page")).await.expect(StatusCode::OK);
    with_header(&app, LOGIN, "Basic Og==").await.expect(StatusCode::OK);
    with_header(&app, &format!("{LOGIN}&client_id=app"), basic).await.expect(StatusCode::OK);
    for second in ["client_id=page", "client_id=app&client_secret=x"] {
        let answer = with_header(&app, &format!("{LOGIN}&{second}"), basic).await;
        answer.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    }
}

#[tokio::test]
async fn a15_a_client_narrows_what_its_users_grant() {
    let app = with_clients(Party::First, vec![GrantType::Password]).await;
    let body = app.post_token(&format!("{LOGIN}&client_id=page&scope=me+read:items")).await.expect(StatusCode::OK);
    assert_eq!(body.json()["scope"], "me");
    let answer = app.post_token(&format!("{LOGIN}&client_id=page&scope=read:items")).await;
    answer.expect_error(StatusCode::BAD_REQUEST, "invalid_scope");
}

#[tokio::test]
async fn o1_the_password_grant_is_for_first_party_clients_alone() {
    let app = with_clients(Party::Third, vec![GrantType::Password]).await;
    let answer = app.post_token(&format!("{LOGIN}&client_id=page")).await;
    answer.expect_error(StatusCode::BAD_REQUEST, "unauthorized_client");
    let before = app.oauth2.server().unwrap().hashing().hashes_computed();
    let answer = app.post_token("username=alice&password=wrong&client_id=page").await;
    answer.expect_error(StatusCode::BAD_REQUEST, "unauthorized_client");
    assert_eq!(app.oauth2.server().unwrap().hashing().hashes_computed(), before, "it tells nothing of the login");
    // A public client is only named, so whoever leaves the name out is the built-in client, with a password all the same.
    app.post_token(LOGIN).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn c20_a_token_says_all_that_rfc_9068_wants() {
    let app = TestApp::new().await;
    let decode = |segment: &str| -> serde_json::Value {
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, segment).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    let mut seen = std::collections::HashSet::new();
    for _ in 0..3 {
        let token = app.token("me read:items").await;
        let segments: Vec<_> = token.split('.').collect();
        let (header, claims) = (decode(segments[0]), decode(segments[1]));
        let published = app.get("/.well-known/jwks.json").await.json();
        let expected = serde_json::json!({ "alg": "ES256", "typ": "at+jwt", "kid": published["keys"][0]["kid"] });
        assert_eq!(header, expected);
        let now = crate::support::NOW.seconds();
        for (claim, value) in [
            ("iss", crate::support::ISSUER.into()),
            ("aud", crate::support::ISSUER.into()),
            ("client_id", "countersign".into()),
            ("scope", "me read:items".into()),
            ("iat", now.into()),
            ("exp", serde_json::Value::from(now + 900)),
        ] {
            assert_eq!(claims[claim], value, "{claim}");
        }
        let user = app.get_as("/users/me", &token).await.json();
        assert_eq!(claims["sub"], user["sub"]);
        assert!(claims["grant_id"].is_string());
        assert!(seen.insert(claims["jti"].as_str().unwrap().to_owned()), "each has a name of its own");
        assert_eq!(claims.as_object().unwrap().len(), 9, "and nothing else: {claims}");
    }
}

#[tokio::test]
async fn o2_a_new_client_has_no_password_grant_and_one_setting_ends_it_for_all() {
    let app = with_clients(Party::First, Vec::new()).await;
    let answer = app.post_token(&format!("{LOGIN}&client_id=page")).await;
    answer.expect_error(StatusCode::BAD_REQUEST, "unauthorized_client");

    let off = TestApp::with(any_store().await, Builder::without_password_grant).await;
    for body in [LOGIN.to_owned(), format!("grant_type=password&{LOGIN}")] {
        off.post_token(&body).await.expect_error(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
}

#[tokio::test]
async fn o4_the_password_grant_is_advertised_while_it_is_on() {
    const METADATA: &str = "/.well-known/oauth-authorization-server";
    let on = TestApp::new().await.get(METADATA).await.json();
    assert_eq!(on["grant_types_supported"], serde_json::json!(["password", "refresh_token", "client_credentials"]));
    assert_eq!(on["issuer"], crate::support::ISSUER);
    assert_eq!(on["token_endpoint"], "https://api.example.com/token");
    assert_eq!(on["revocation_endpoint"], "https://api.example.com/revoke");
    assert_eq!(on["jwks_uri"], "https://api.example.com/.well-known/jwks.json");
    assert_eq!(on["scopes_supported"], serde_json::json!(["read:items", "me", "admin"]));
    let off = TestApp::with(any_store().await, Builder::without_password_grant).await;
    // Who logged in before it was switched off stays.
    let left = serde_json::json!(["refresh_token", "client_credentials"]);
    assert_eq!(off.get(METADATA).await.json()["grant_types_supported"], left);
    let document = off.get("/openapi.json").await.json();
    assert!(document["components"]["securitySchemes"].to_string().contains("http"), "{document}");
    assert!(!document["components"]["securitySchemes"].to_string().contains("password"), "{document}");
}
