//! How a client proves who it is, by secret or by name: what is taken, and how little a refusal tells.

use axum::http::StatusCode;
use countersign::{
    ClientId, GrantType, NewClient, SecretMethods,
    core::{
        client::{ClientStatus, registry},
        key::KeyPairAlgorithm,
        token::verify::DEFAULT_LEEWAY,
    },
};

use super::support::{OF_ITS_OWN, SECRET, SigningClient, add, basic, form_encoded, post, service, with_assertion};
use crate::support::TestApp;

#[tokio::test]
async fn h1_both_ways_of_a_secret_are_read_as_they_are_written() {
    let app = TestApp::new().await;
    for id in ["s6BhdRkqt3", "a:b%c+d &=", "https://client.example.com/cb?x=1"] {
        add(&app.oauth2, service(id).secret(SECRET)).await;
        app.ask(OF_ITS_OWN, Some(&basic(id, SECRET))).await.expect(StatusCode::OK);
        app.ask(&format!("{OF_ITS_OWN}{}", post(id, SECRET)), None).await.expect(StatusCode::OK);
    }
    // The example of RFC 6749 §2.3.1 says these very letters; its secret is shorter than any of ours may be.
    assert_eq!(basic("s6BhdRkqt3", "gX1fBat3bV"), "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW");
    for scheme in ["basic", "BASIC", "Basic  "] {
        let header = basic("s6BhdRkqt3", SECRET).replace("Basic", scheme);
        app.ask(OF_ITS_OWN, Some(&header)).await.expect(StatusCode::OK);
    }
}

#[tokio::test]
async fn h2_two_mechanisms_in_one_request_are_refused() {
    let app = TestApp::new().await;
    add(&app.oauth2, service("app").secret(SECRET)).await;
    let key = SigningClient::new(KeyPairAlgorithm::Es256);
    add(&app.oauth2, service("signer").keys(key.jwks())).await;
    let header = basic("app", SECRET);
    let assertion = with_assertion(&key.assertion("signer", "1"));
    let in_form = post("app", SECRET);
    for (header, credentials) in [
        (Some(&header), in_form.as_str()),
        (Some(&header), "&client_secret=x"),
        (Some(&header), "&client_id=another"),
        (Some(&header), assertion.as_str()),
        (Some(&basic("app", "")), in_form.as_str()),
        (None, &format!("&client_secret=x{assertion}")),
        (Some(&header), &format!("{in_form}{assertion}")),
    ] {
        let answer = app.ask(&format!("{OF_ITS_OWN}{credentials}"), header.map(String::as_str)).await;
        answer.expect_error(StatusCode::BAD_REQUEST, "invalid_request");
    }
    let same_name = format!("{OF_ITS_OWN}&client_id=app");
    app.ask(&same_name, Some(&header)).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn h3_unknown_wrong_and_disabled_are_told_apart_by_nobody() {
    let app = TestApp::new().await;
    add(&app.oauth2, service("app").secret(SECRET)).await;
    add(&app.oauth2, service("ended").secret(SECRET).disabled()).await;
    add(&app.oauth2, service("posts").secret(SECRET).secret_methods(SecretMethods::Post)).await;
    add(&app.oauth2, NewClient::new("page").public()).await;
    let wrong = app.ask(OF_ITS_OWN, Some(&basic("app", "wrong"))).await;
    let wrong = wrong.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
    assert_eq!(wrong.header("www-authenticate"), "Basic realm=\"countersign\"");
    for header in [
        basic("nobody", "wrong"),
        basic("nobody", SECRET),
        basic("ended", SECRET),
        basic("ended", "wrong"),
        basic("posts", SECRET),
        basic("page", SECRET),
        basic("countersign", SECRET),
        basic("ü\u{0}", SECRET),
        basic(&"a".repeat(4000), SECRET),
        basic("app", ""),
        basic("", SECRET),
        "Basic !".to_owned(),
        "Basic YXBw".to_owned(),
    ] {
        assert_eq!(app.ask(OF_ITS_OWN, Some(&header)).await, wrong, "{header}");
    }
    for body in [post("app", "wrong"), post("nobody", SECRET), post("ended", SECRET), post("", SECRET)] {
        assert_eq!(app.ask(&format!("{OF_ITS_OWN}{body}"), None).await, wrong, "{body}");
    }
    for body in ["", "&client_id=app", "&client_id=nobody"] {
        assert_eq!(app.ask(&format!("{OF_ITS_OWN}{body}"), None).await, wrong, "{body}");
    }
}

/// All ways in which a request may authenticate.
const WAYS: [&str; 5] = ["none", "name only", "basic", "post", "assertion"];

#[tokio::test]
async fn h6_only_the_registered_method_is_taken() {
    let app = TestApp::new().await;
    let key = SigningClient::new(KeyPairAlgorithm::Es256);
    let both = |id: &str| service(id).secret(SECRET).first_party().grant_type(GrantType::Password);
    let clients = [
        (both("public").public(), &["name only"][..]),
        (both("basic").secret_methods(SecretMethods::Basic), &["basic"]),
        (both("post").secret_methods(SecretMethods::Post), &["post"]),
        (both("either").secret_methods(SecretMethods::Either), &["basic", "post"]),
        (both("keys").keys(key.jwks()), &["assertion"]),
    ];
    let ids = ["public", "basic", "post", "either", "keys"];
    for (id, (client, _)) in ids.into_iter().zip(&clients) {
        // Client credentials are not for public clients, so the password grant it is, for all.
        let client = if id == "public" {
            NewClient::new(id).public().first_party().grant_type(GrantType::Password)
        } else {
            client.clone()
        };
        add(&app.oauth2, client).await;
    }
    let login = "grant_type=password&username=alice&password=correct+horse";
    for (id, (_, taken)) in ids.into_iter().zip(clients) {
        for way in WAYS {
            for secret in [SECRET, "wrong", ""] {
                let (body, header) = match way {
                    "none" => (String::new(), None),
                    "name only" => (format!("&client_id={id}"), None),
                    "basic" => (String::new(), Some(basic(id, secret))),
                    "post" => (post(id, secret), None),
                    _ if secret == "wrong" => {
                        let other = SigningClient::new(KeyPairAlgorithm::Es256);
                        (with_assertion(&other.assertion(id, "wrong")), None)
                    }
                    _ => (with_assertion(&key.assertion(id, &format!("{id} {secret}"))), None),
                };
                let answer = app.ask(&format!("{login}{body}"), header.as_deref()).await;
                // The empty secret is none: what is left is a name, and that is enough for a public client alone.
                let named = id == "public" && secret.is_empty() && ["basic", "post"].contains(&way);
                let right = match way {
                    "none" => true,
                    "name only" => taken.contains(&way),
                    "assertion" => taken.contains(&way) && secret != "wrong",
                    _ => (taken.contains(&way) && secret == SECRET) || named,
                };
                let status = if right { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
                assert_eq!(answer.status, status, "{id} by {way} with {secret:?}: {}", answer.body);
            }
        }
    }
}

#[tokio::test]
async fn h8_both_secrets_are_good_for_a_while_and_the_old_one_is_not_after() {
    let app = TestApp::new().await;
    let first = add(&app.oauth2, service("app")).await;
    let server = app.oauth2.server().unwrap();
    let clock = app.clock.clone();
    let id = ClientId::new("app");
    let overlap = registry::DEFAULT_OVERLAP;
    let second = registry::rotate_secret(server.store(), &id, overlap, &*clock, server.rng()).await.unwrap();
    for good in [&first, second.secret()] {
        app.ask(OF_ITS_OWN, Some(&basic("app", good))).await.expect(StatusCode::OK);
    }
    app.forward(overlap.as_secs());
    app.ask(OF_ITS_OWN, Some(&basic("app", second.secret()))).await.expect(StatusCode::OK);
    let old = app.ask(OF_ITS_OWN, Some(&basic("app", &first))).await;
    old.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
    let now = std::time::Duration::ZERO;
    registry::rotate_secret(server.store(), &id, now, &*clock, server.rng()).await.unwrap();
    let leaked = app.ask(OF_ITS_OWN, Some(&basic("app", second.secret()))).await;
    leaked.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
}

#[tokio::test]
async fn h10_a_disabled_client_gets_nothing_by_any_method_until_it_is_enabled() {
    let app = TestApp::new().await;
    let key = SigningClient::new(KeyPairAlgorithm::Es256);
    let by_password = |client: NewClient| client.first_party().grant_type(GrantType::Password).scope("me");
    add(&app.oauth2, by_password(service("app").secret(SECRET))).await;
    add(&app.oauth2, service("signer").keys(key.jwks())).await;
    add(&app.oauth2, by_password(NewClient::new("page").public())).await;
    let server = app.oauth2.server().unwrap();
    let login = "username=alice&password=correct+horse&scope=me";
    let requests = |round: &str| {
        [
            ("app", OF_ITS_OWN.to_owned(), Some(basic("app", SECRET))),
            ("app", format!("{login}{}", post("app", SECRET)), None),
            ("signer", format!("{OF_ITS_OWN}{}", with_assertion(&key.assertion("signer", round))), None),
            ("page", format!("{login}&client_id=page"), None),
        ]
    };
    let set = async |status| {
        for id in ["app", "signer", "page"] {
            registry::set_status(server.store(), &ClientId::new(id), status, DEFAULT_LEEWAY, &*app.clock)
                .await
                .unwrap();
        }
    };
    let wrong = app.ask(OF_ITS_OWN, Some(&basic("app", "wrong"))).await;
    for (_, body, header) in requests("first") {
        app.ask(&body, header.as_deref()).await.expect(StatusCode::OK);
    }
    set(ClientStatus::Disabled).await;
    for (id, body, header) in requests("second") {
        assert_eq!(app.ask(&body, header.as_deref()).await, wrong, "{id}");
    }
    app.settled().await;
    let far = countersign::Timestamp::from_seconds(i64::MAX);
    let left = server.store().sweep(far, std::time::Duration::ZERO, 100).await.unwrap();
    assert_eq!(left, 4, "the one assertion that was used, what the feed says of three clients, and no grant");
    set(ClientStatus::Active).await;
    for (_, body, header) in requests("second") {
        app.ask(&body, header.as_deref()).await.expect(StatusCode::OK);
    }
}

#[tokio::test]
async fn h10_a_removed_client_is_an_unknown_one() {
    let app = TestApp::new().await;
    for id in ["app", "other"] {
        add(&app.oauth2, service(id).secret(SECRET)).await;
    }
    registry::remove(app.oauth2.server().unwrap().store(), &ClientId::new("app"), DEFAULT_LEEWAY, &*app.clock)
        .await
        .unwrap();
    let answer = app.ask(OF_ITS_OWN, Some(&basic("app", SECRET))).await;
    answer.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
    app.ask(OF_ITS_OWN, Some(&basic("other", SECRET))).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn clients_written_for_fastapi_go_on_beside_registered_ones() {
    let app = TestApp::new().await;
    add(&app.oauth2, service("app").secret(SECRET)).await;
    let login = "username=alice&password=correct+horse";
    for (body, header) in [("", None), ("&client_id=&client_secret=", None), ("", Some("Basic Og=="))] {
        app.ask(&format!("{login}{body}"), header).await.expect(StatusCode::OK);
    }
    let named = app.ask(&format!("{login}&client_id={}", form_encoded("some app")), None).await;
    named.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
}
