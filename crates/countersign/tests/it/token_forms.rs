//! The form of a token request: type, encoding, size, repeated and missing parameters.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};

use crate::store::any_store;
use crate::support::{TestApp, form};

const LOGIN: &str = "grant_type=password&username=alice&password=correct+horse";

#[tokio::test]
async fn a1_the_token_endpoint_answers_post_only() {
    let app = TestApp::new().await;
    for method in [Method::GET, Method::PUT, Method::HEAD, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        for path in ["/token", "/token/"] {
            let mut request = form(path, LOGIN);
            *request.method_mut() = method.clone();
            let answer = app.send(request).await.expect(StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(answer.header("allow"), "POST");
            assert!(!answer.body.contains("access_token"));
        }
    }
}

#[tokio::test]
async fn a2_credentials_in_the_address_are_not_read() {
    let app = TestApp::new().await;
    let path = format!("/token?{LOGIN}");
    app.send(form(&path, "")).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    let answer = app.send(form(&path, "grant_type=password")).await;
    assert_eq!(answer.expect_error(StatusCode::BAD_REQUEST, "invalid_request").json()["detail"][0]["type"], "missing");
}

#[tokio::test]
async fn a3_only_forms_are_read() {
    let app = TestApp::new().await;
    let post = |content_type: Option<&str>, body: &str| {
        let mut request = Request::post("/token");
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        app.send(request.body(Body::from(body.to_owned())).unwrap())
    };
    let json = r#"{"username":"alice","password":"correct horse"}"#;
    for (content_type, body) in [
        (Some("application/json"), json),
        (Some("text/plain"), LOGIN),
        (Some("multipart/form-data; boundary=x"), LOGIN),
        (Some("application/x-www-form-urlencoded2"), LOGIN),
        (Some("application/x-www-form-urlencoded; charset=utf-16"), LOGIN),
        (Some("application/x-www-form-urlencoded; x"), LOGIN),
        (Some(""), LOGIN),
        (None, LOGIN),
        (None, json),
    ] {
        post(content_type, body).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    }
    for content_type in [
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=UTF-8",
        "Application/X-WWW-Form-URLEncoded;charset=\"utf-8\"",
    ] {
        post(Some(content_type), LOGIN).await.expect(StatusCode::OK);
    }
}

#[tokio::test]
async fn a4_a_repeated_parameter_is_refused() {
    let app = TestApp::new().await;
    for name in ["grant_type", "username", "password", "scope", "client_id", "client_secret", "refresh_token", "code"] {
        for twice in [format!("{LOGIN}&{name}=a&{name}=a"), format!("{name}=&{LOGIN}&{name}=")] {
            let answer = app.post_token(&twice).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
            assert_eq!(answer.json()["detail"], format!("Repeated parameter: {name}"));
        }
    }
    let mut request = form("/token", LOGIN);
    for _ in 0..2 {
        request.headers_mut().append(header::AUTHORIZATION, "Basic Og==".parse().unwrap());
    }
    app.send(request).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
}

#[tokio::test]
async fn a5_empty_values_are_absent_and_unknown_ones_are_ignored() {
    let app = TestApp::new().await;
    let plain = app.post_token(LOGIN).await.expect(StatusCode::OK).json();
    let odd = app.post_token(&format!("{LOGIN}&scope=&x=1&client_id=&client_secret=&y")).await.expect(StatusCode::OK);
    assert_eq!(
        odd.json().as_object().unwrap().keys().collect::<Vec<_>>(),
        plain.as_object().unwrap().keys().collect::<Vec<_>>()
    );
    app.post_token("refresh_token=").await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    app.post_token("username=alice&password=").await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
}

#[tokio::test]
async fn a6_the_grant_type_is_exact_or_plainly_a_login() {
    let app = TestApp::new().await;
    for absent in ["", "username=alice", "password=x", "scope=me", "client_id=x", "grant_type="] {
        app.post_token(absent).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    }
    for name in ["Password", "PASSWORD", "password+", "implicit", "xyz", "Client_credentials", "Refresh_Token"] {
        let body = format!("grant_type={name}&username=alice&password=correct+horse");
        app.post_token(&body).await.expect_error(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    app.post_token("username=alice&password=correct+horse").await.expect(StatusCode::OK);
    app.post_token("grant_type=&username=alice&password=correct+horse").await.expect(StatusCode::OK);

    let strict = TestApp::with(any_store().await, countersign::Builder::require_grant_type).await;
    let answer = strict.post_token("username=alice&password=correct+horse").await;
    let answer = answer.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    assert_eq!(answer.json()["detail"][0]["loc"][1], "grant_type");
    strict.post_token(LOGIN).await.expect(StatusCode::OK);
    let half = app.post_token("username=alice").await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    let missing =
        serde_json::json!([{ "type": "missing", "loc": ["body", "password"], "msg": "Field required", "input": null }]);
    assert_eq!(half.json()["detail"], missing, "as FastAPI tells it");
}

#[tokio::test]
async fn a12_forms_are_utf8_and_nothing_else() {
    let app = TestApp::new().await;
    for bad in ["%FF", "%C0%AF", "%", "%zz", "%4", "%ED%A0%80"] {
        for body in [format!("username={bad}&password=x"), format!("{LOGIN}&x={bad}"), format!("{LOGIN}&{bad}=x")] {
            app.post_token(&body).await.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
        }
    }
    app.post_token("username=+%25%26%2B%C2%A3%E2%82%AC&password=x")
        .await
        .expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
}

#[tokio::test]
async fn m1_bodies_and_fields_are_bounded() {
    let app = TestApp::new().await;
    let large = format!("{LOGIN}&x={}", "a".repeat(64 * 1024));
    let fields = format!("{LOGIN}&{}", "a=1&".repeat(100));
    let mut endless = form("/token", "");
    *endless.body_mut() = Body::from_stream(futures_like::endless());
    for request in [form("/token", &large), form("/token", &fields), endless] {
        app.send(request).await.expect_error(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request");
    }
    let fits = format!("{LOGIN}&x={}", "a".repeat(60 * 1024));
    app.post_token(&fits).await.expect(StatusCode::OK);
}

/// A body that never ends: who reads it all never answers.
mod futures_like {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
    };

    use axum::body::Bytes;

    pub(super) struct Endless;

    impl futures_core::Stream for Endless {
        type Item = Result<Bytes, Infallible>;

        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(Some(Ok(Bytes::from_static(&[b'a'; 1024]))))
        }
    }

    pub(super) fn endless() -> Endless {
        Endless
    }
}

#[tokio::test]
async fn m9_no_input_costs_more_than_its_bounded_length() {
    // Whatever is sent, what is looked at is bounded: nothing larger is decoded, and no field is decoded twice.
    let app = TestApp::new().await;
    let n = 64 * 1024;
    for (body, status) in [
        ("&".repeat(n), StatusCode::PAYLOAD_TOO_LARGE),
        ("=".repeat(n), StatusCode::BAD_REQUEST),
        ("%".repeat(n), StatusCode::BAD_REQUEST),
        ("%41".repeat(n / 3), StatusCode::BAD_REQUEST),
        ("+".repeat(n), StatusCode::BAD_REQUEST),
        ("a=b&".repeat(n / 4), StatusCode::PAYLOAD_TOO_LARGE),
        (format!("scope={}", "a+".repeat(n / 2 - 10)), StatusCode::BAD_REQUEST),
        (format!("{LOGIN}&scope={}", "a+".repeat(n / 2 - 100)), StatusCode::BAD_REQUEST),
        (format!("{LOGIN}&scope={}", "a".repeat(n - 100)), StatusCode::BAD_REQUEST),
        (format!("username={}&password=x", "a".repeat(n - 100)), StatusCode::BAD_REQUEST),
        (format!("username={}&password=x", "%CC%81".repeat(n / 6 - 10)), StatusCode::BAD_REQUEST),
        (format!("username=alice&password={}", "a".repeat(n - 100)), StatusCode::BAD_REQUEST),
        (format!("username=alice&password={}", "%CC%81".repeat(n / 6 - 10)), StatusCode::BAD_REQUEST),
        (format!("{LOGIN}&client_id={}", "a".repeat(n - 100)), StatusCode::OK),
        (format!("{LOGIN}&{}=x", "a".repeat(n - 100)), StatusCode::OK),
    ] {
        let before = app.oauth2.server().unwrap().hashing().hashes_computed();
        let answer = app.post_token(&body).await.expect(status);
        let hashed = app.oauth2.server().unwrap().hashing().hashes_computed() - before;
        assert!(hashed <= 1, "{hashed} hashes for {:.40}: {}", body, answer.body);
    }
}
