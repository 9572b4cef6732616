//! The guards: what they read, what they refuse, and with which challenge (RFC 6750).

use axum::{
    body::Body,
    http::{HeaderValue, Request, StatusCode, header},
};
use countersign::{
    Found, Memory, OwnerStatus,
    core::{reason::Reason, token::BorrowedToken},
};

use crate::store::any_store;
use crate::support::{ISSUER, NOW, TestApp, form};

const GUARDED: [&str; 9] = ["/bearer", "/any", "/items", "/both", "/admin", "/user", "/two", "/users/me", "/users/me/"];

#[tokio::test]
async fn b1_no_credentials_are_challenged_without_a_code() {
    let app = TestApp::new().await;
    for path in GUARDED {
        let answer = app.get(path).await.expect_challenge(StatusCode::UNAUTHORIZED, "Bearer realm=\"api\"");
        assert_eq!(answer.body, r#"{"detail":"Not authenticated"}"#);
    }
    app.get("/public").await.expect(StatusCode::OK);
}

#[tokio::test]
async fn b2_the_scheme_has_no_case_and_one_or_more_spaces() {
    let app = TestApp::new().await;
    let token = app.token("me read:items").await;
    for scheme in ["Bearer ", "bearer ", "BEARER ", "bEaReR ", "Bearer  ", "bearer     "] {
        app.get_with("/both", &format!("{scheme}{token}")).await.expect(StatusCode::OK);
    }
}

#[tokio::test]
async fn b3_another_scheme_is_no_credential() {
    let app = TestApp::new().await;
    let token = app.token("me").await;
    for header in ["Basic YTpi", "Digest x", "Negotiate", "", " "]
        .map(str::to_owned)
        .into_iter()
        .chain(["Token", "DPoP", "JWT", "Bearer:", "Bearers", "Bear"].map(|scheme| format!("{scheme} {token}")))
    {
        let answer = app.get_with("/any", &header).await;
        answer.expect_challenge(StatusCode::UNAUTHORIZED, "Bearer realm=\"api\"");
    }
}

#[tokio::test]
async fn b4_malformed_credentials_are_a_bad_token() {
    let app = TestApp::new().await;
    let token = app.token("me").await;
    for header in
        ["Bearer", "Bearer ", "Bearer    ", "bearer a b", "Bearer a,b", "Bearer =", "Bearer a=b", "Bearer \"a\""]
    {
        app.get_with("/any", header).await.expect_invalid_token();
        app.get_with("/bearer", header).await.expect_invalid_token();
    }
    for header in [format!("Bearer {token},"), format!("Bearer {token} x"), format!("Bearer \t{token}")] {
        app.get_with("/any", &header).await.expect_invalid_token();
    }
    for bytes in [b"Bearer \xff\xfe".to_vec(), "Bearer ä".as_bytes().to_vec()] {
        let mut request = Request::get("/any").body(Body::empty()).unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_bytes(&bytes).unwrap());
        app.send(request).await.expect_invalid_token();
    }
    let tab = app.get_with("/any", &format!("Bearer\t{token}")).await;
    tab.expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn b15_a_token_that_is_remembered_lets_nothing_in_beside_it() {
    let app = TestApp::new().await;
    let token = app.token("me").await;
    for _ in 0..2 {
        app.get_as("/any", &token).await.expect(StatusCode::OK);
        app.get_with("/any", &format!("bearer   {token}  ")).await.expect(StatusCode::OK);
        for bad in ["=", "!", ",", " x", "\t", "\u{e9}"] {
            let mut request = Request::get("/any").body(Body::empty()).unwrap();
            let header = HeaderValue::from_bytes(format!("Bearer {token}{bad}").as_bytes()).unwrap();
            request.headers_mut().insert(header::AUTHORIZATION, header);
            app.send(request).await.expect_invalid_token();
        }
        app.get_with("/any", &format!("Basic {token}")).await.expect(StatusCode::UNAUTHORIZED);
        app.get_as(&format!("/any?access_token={token}"), &token).await.expect(StatusCode::BAD_REQUEST);
        let mut request = Request::get("/any").body(Body::empty()).unwrap();
        for _ in 0..2 {
            let header = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
            request.headers_mut().append(header::AUTHORIZATION, header);
        }
        app.send(request).await.expect(StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn b5_whatever_is_wrong_with_a_token_the_answer_is_one() {
    let app = TestApp::new().await;
    let other = TestApp::with(any_store().await, |builder| builder.issuer("https://other.example.com")).await;
    let token = app.token("me").await;
    let (input, signature) = token.rsplit_once('.').unwrap();
    let expected = app.get_as("/any", "garbage").await.expect_invalid_token();
    expected.clone().expect_challenge(StatusCode::UNAUTHORIZED, "Bearer realm=\"api\", error=\"invalid_token\"");
    for bad in [
        format!("{input}."),
        format!("{input}.{}", signature.chars().rev().collect::<String>()),
        format!("x{token}"),
        other.token("me").await,
        "a.b.c".to_owned(),
    ] {
        assert_eq!(app.get_as("/any", &bad).await, expected, "{bad}");
    }
    app.forward(3600);
    assert_eq!(app.get_as("/any", &token).await, expected, "expired");
}

#[tokio::test]
async fn b6_a_missing_scope_is_forbidden_and_named() {
    let app = TestApp::new().await;
    let token = app.token("me").await;
    for (path, scope) in [("/items", "read:items"), ("/both", "read:items me"), ("/admin", "admin")] {
        let challenge = format!("Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"{scope}\"");
        let answer = app.get_as(path, &token).await.expect_challenge(StatusCode::FORBIDDEN, &challenge);
        let body = answer.json();
        assert_eq!((&body["detail"], &body["error"]), (&"Not enough permissions".into(), &"insufficient_scope".into()));
    }
    let challenge = "Bearer realm=\"api\", error=\"invalid_token\", scope=\"read:items me\"";
    app.get_as("/both", "garbage").await.expect_challenge(StatusCode::UNAUTHORIZED, challenge);
}

#[tokio::test]
async fn b7_two_credentials_are_one_too_many() {
    let app = TestApp::new().await;
    let token = app.token("me").await;
    let bearer = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    for second in [bearer.clone(), HeaderValue::from_static("Basic YTpi"), HeaderValue::from_static("")] {
        let mut request = Request::get("/any").body(Body::empty()).unwrap();
        request.headers_mut().append(header::AUTHORIZATION, bearer.clone());
        request.headers_mut().append(header::AUTHORIZATION, second);
        let challenge = "Bearer realm=\"api\", error=\"invalid_request\"";
        let answer = app.send(request).await.expect_challenge(StatusCode::BAD_REQUEST, challenge);
        assert_eq!(answer.json()["error"], "invalid_request");
    }
    for name in ["access_token", "access%5ftoken", "%61ccess%5Ftoke%6e"] {
        let answer = app.get_as(&format!("/any?x=1&{name}={token}"), &token).await;
        assert_eq!(answer.expect(StatusCode::BAD_REQUEST).json()["error"], "invalid_request", "{name}");
    }
    for name in ["access%5ftokens", "access%255ftoken", "%zzaccess_token", "x"] {
        app.get_as(&format!("/any?{name}=access_token"), &token).await.expect(StatusCode::OK);
    }
}

#[tokio::test]
async fn b8_a_token_in_the_address_is_not_read() {
    let app = TestApp::new().await;
    let token = app.token("me").await;
    for path in
        [format!("/any?access_token={token}"), format!("/any?token={token}"), format!("/optional?access_token={token}")]
    {
        let answer = app.get(&path).await;
        assert!(answer.status == StatusCode::UNAUTHORIZED || answer.body == "null", "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn b9_a_token_in_a_body_is_not_read() {
    let app = TestApp::new().await;
    let token = app.token("me").await;
    let mut request = form("/any", &format!("access_token={token}"));
    *request.method_mut() = axum::http::Method::GET;
    app.send(request).await.expect_challenge(StatusCode::UNAUTHORIZED, "Bearer realm=\"api\"");
}

#[tokio::test]
async fn b10_an_optional_guard_lets_nobody_pass_for_nobody() {
    let app = TestApp::new().await;
    for path in ["/optional", "/optional-token"] {
        assert_eq!(app.get(path).await.expect(StatusCode::OK).body, "null");
        assert_eq!(app.get_with(path, "Basic YTpi").await.expect(StatusCode::OK).body, "null");
        for bad in ["Bearer garbage", "Bearer ", "Bearer a b"] {
            app.get_with(path, bad).await.expect_invalid_token();
        }
    }
    assert_eq!(app.get("/optional-bearer").await.expect(StatusCode::OK).body, "false");
    app.get_with("/optional-bearer", "Bearer ").await.expect_invalid_token();
    let token = app.token("me").await;
    assert_eq!(app.get_as("/optional", &token).await.expect(StatusCode::OK).json()["username"], "alice");
    let without_scope = app.token("read:items").await;
    app.get_as("/optional", &without_scope).await.expect(StatusCode::FORBIDDEN);
    app.forward(3600);
    app.get_as("/optional", &token).await.expect_invalid_token();
}

#[tokio::test]
async fn b11_every_scope_is_needed_and_each_whole() {
    let app = TestApp::new().await;
    for (scope, path, status) in [
        ("me", "/both", StatusCode::FORBIDDEN),
        ("read:items", "/both", StatusCode::FORBIDDEN),
        ("me read:items", "/both", StatusCode::OK),
        ("me", "/two", StatusCode::FORBIDDEN),
        ("read:items", "/two", StatusCode::FORBIDDEN),
        ("read:items me", "/two", StatusCode::OK),
    ] {
        let token = app.token(scope).await;
        app.get_as(path, &token).await.expect(status);
    }
}

#[tokio::test]
async fn b13_realm_and_scopes_cannot_break_out_of_a_challenge() {
    for realm in ["", "a\"b", "a\\b", "a\r\nb", "ä", "a\u{7f}"] {
        let builder = countersign::OAuth2::new(Memory::new()).realm(realm);
        assert!(matches!(builder.build().await, Err(countersign::StartError::Realm)), "{realm:?}");
    }
    let app = TestApp::with(any_store().await, |builder| builder.realm("my api")).await;
    app.get("/any").await.expect_challenge(StatusCode::UNAUTHORIZED, "Bearer realm=\"my api\"");
}

#[tokio::test]
async fn b14_the_same_subject_of_another_issuer_is_somebody_else() {
    let app = TestApp::new().await;
    let other =
        TestApp::with(any_store().await, |builder| builder.issuer("https://api.example.com.evil.example")).await;
    let (ours, theirs) = (app.token("me").await, other.token("me").await);
    app.get_as("/user", &theirs).await.expect_invalid_token();
    other.get_as("/user", &ours).await.expect_invalid_token();
    assert_eq!(app.oauth2.server().unwrap().issuer().as_str(), ISSUER);
}

#[tokio::test]
async fn b14_two_issuers_over_one_key_are_two() {
    let store = crate::faults::Faulty::default();
    let one = TestApp::with(store.clone(), |builder| builder.audience("https://shared.example")).await;
    let two =
        TestApp::with(store, |builder| builder.issuer("https://two.example").audience("https://shared.example")).await;
    let token = one.token("me").await;
    one.get_as("/any", &token).await.expect(StatusCode::OK);
    two.get_as("/any", &token).await.expect_invalid_token();
}

#[tokio::test]
async fn b15_one_token_passes_where_it_may_and_nowhere_else() {
    let app = TestApp::new().await;
    let (me, items) = (app.token("me").await, app.token("read:items").await);
    for _ in 0..3 {
        app.get_as("/items", &items).await.expect(StatusCode::OK);
        app.get_as("/items", &me).await.expect(StatusCode::FORBIDDEN);
        let mut altered = items.clone();
        let last = if altered.pop() == Some('A') { 'B' } else { 'A' };
        altered.push(last);
        app.get_as("/items", &altered).await.expect_invalid_token();
        app.get_as("/items", &items[..items.len() - 1]).await.expect_invalid_token();
    }
}

#[tokio::test]
async fn b17_an_endless_header_is_refused_unread() {
    let app = TestApp::new().await;
    for token in [".".repeat(1_000_000), "a".repeat(1024 * 1024), format!("{}.a.b", "a".repeat(16 * 1024))] {
        app.get_as("/any", &token).await.expect_invalid_token();
    }
}

#[tokio::test]
async fn c21_a_disabled_or_removed_user_is_refused_at_once() {
    for change in ["disabled", "removed"] {
        let app = TestApp::new().await;
        let token = app.token("me").await;
        let user = app.get_as("/user", &token).await.expect(StatusCode::OK).json();
        let subject = countersign::Subject::new(user["sub"].as_str().unwrap());
        let changed = match change {
            "disabled" => app.oauth2.disable_user(&subject).await.unwrap(),
            _ => app.oauth2.remove_user(&subject).await.unwrap(),
        };
        assert_eq!(changed, Found::Yes);
        app.get_as("/user", &token).await.expect_invalid_token();
    }
}

/// Of the user alone: the store has no grant that could end with the user.
#[tokio::test]
async fn c21_a_user_whom_another_process_changed_is_seen_within_a_second() {
    let app = TestApp::new().await;
    let token = app.token("me").await;
    let user = app.get_as("/user", &token).await.expect(StatusCode::OK).json();
    let subject = countersign::Subject::new(user["sub"].as_str().unwrap());
    let store = app.oauth2.server().unwrap().store();
    // Read before the grant ended, so that it opens what it opened.
    let verified = app.oauth2.verify(BorrowedToken::new(&token)).await.unwrap();
    let reason = async || app.oauth2.find_active_owner(&verified).await.err().map(|error| error.reason());
    for (disabled, expected) in [(OwnerStatus::Disabled, Some(Reason::OwnerDisabled)), (OwnerStatus::Active, None)] {
        store.set_status(&subject, disabled, NOW).await.unwrap();
        app.forward(1);
        assert_eq!(reason().await, expected);
    }
    store.remove_owner(&subject, NOW).await.unwrap();
    app.forward(1);
    assert_eq!(reason().await, Some(Reason::OwnerGone));
}

#[tokio::test]
async fn the_user_comes_without_anything_secret() {
    let app = TestApp::new().await;
    let token = app.token("me").await;
    for path in ["/users/me", "/users/me/"] {
        let user = app.get_as(path, &token).await.expect(StatusCode::OK).json();
        let sub = user["sub"].as_str().unwrap().to_owned();
        assert!(sub.len() >= 16 && !sub.contains("alice"), "opaque: {sub}");
        let expected = serde_json::json!({
            "sub": sub,
            "username": "alice",
            "full_name": "Alice Wonderland",
            "email": "alice@example.com",
            "disabled": false,
            "scopes": ["read:items", "me"],
        });
        assert_eq!(user, expected);
    }
}
