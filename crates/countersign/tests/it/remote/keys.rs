//! Keys of an issuer elsewhere: when it is asked for them, how often, and what is believed while it is away.

use std::{pin::pin, time::Duration};

use axum::http::StatusCode;
use countersign::remote::RemoteBuilder;
use serde_json::json;

use super::support::{
    AUDIENCE, ISSUER, KEYS, Key, METADATA, OPENID, Place, RemoteApp, claims, fetched, json_at, key_set, request, settle,
};
use crate::support::answer;

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

fn key() -> Key {
    Key::new("first", 1)
}

/// Everything that an issuer that is not well may say in place of its keys.
fn ailments() -> Vec<(&'static str, Place)> {
    let one = key().jwk();
    vec![
        ("refuses", Place::Refuses),
        ("a redirect", fetched(302, "application/json", key_set_text())),
        ("not modified", fetched(304, "application/json", key_set_text())),
        ("created", fetched(201, "application/json", key_set_text())),
        ("an error", fetched(500, "application/json", key_set_text())),
        ("a page", fetched(200, "text/html", key_set_text())),
        ("no type", fetched(200, "", key_set_text())),
        ("a type that looks like it", fetched(200, "text/application/json", key_set_text())),
        ("nothing", fetched(200, "application/json", "")),
        ("no JSON", fetched(200, "application/json", "<html>")),
        ("no set", json_at(&json!([one]))),
        ("no list", json_at(&json!({ "keys": one }))),
        ("a thing twice", fetched(200, "application/json", r#"{"keys":[],"keys":[]}"#)),
        ("too many", json_at(&json!({ "keys": vec![&one; 101] }))),
        ("50 MiB", fetched(200, "application/json", vec![b' '; 50 * 1024 * 1024])),
    ]
}

fn key_set_text() -> Vec<u8> {
    match key_set(&[&key()]) {
        Place::Answers(fetched) => fetched.body,
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn c23_keys_that_cannot_be_had_are_unavailable_and_never_a_bad_token() {
    for (name, place) in ailments() {
        let app = RemoteApp::new(&key()).await;
        app.network.put(KEYS, place);
        app.get("/any", &key().token("")).await.expect(StatusCode::SERVICE_UNAVAILABLE);
        app.cannot_know("opaque").await;
        assert_eq!(app.network.count(KEYS), 1, "{name}: it is left in peace for a while");
        app.network.publish(&[&key()]);
        app.forward(9);
        app.cannot_know(&key().token("")).await;
        app.forward(1);
        app.accepts(&key().token("")).await;
    }
}

#[tokio::test]
async fn c23_no_more_than_was_allowed_is_asked_for() {
    let app = RemoteApp::new(&key()).await;
    app.accepts(&key().token("")).await;
    let asked = app.network.asked();
    let places: Vec<_> = asked.iter().map(|asked| (asked.url.as_str(), asked.most, asked.posted.is_some())).collect();
    assert_eq!(places, [(METADATA, 64 * 1024, false), (KEYS, 256 * 1024, false)]);
}

#[tokio::test(start_paused = true)]
async fn c23_an_issuer_that_never_answers_is_waited_for_five_seconds() {
    for slow in [METADATA, KEYS] {
        let app = RemoteApp::new(&key()).await;
        app.network.put(slow, Place::Hangs);
        let began = tokio::time::Instant::now();
        app.cannot_know(&key().token("")).await;
        assert_eq!(began.elapsed().as_secs(), 5, "{slow}");
        app.cannot_know(&key().token("")).await;
        assert_eq!(began.elapsed().as_secs(), 5, "nobody else waits for it so soon");
    }
}

#[tokio::test]
async fn c23_nobody_is_asked_before_a_token_comes_and_then_once_for_all() {
    let app = RemoteApp::new(&key()).await;
    answer(&app.router, axum::http::Request::get("/any").body(axum::body::Body::empty()).unwrap())
        .await
        .expect(StatusCode::UNAUTHORIZED);
    assert!(app.network.asked().is_empty(), "not for a request without a token");
    let requests: Vec<_> = (0..100).map(|_| tokio::spawn(answer_of(&app, key().token("")))).collect();
    for request in requests {
        assert_eq!(request.await.unwrap(), StatusCode::OK);
    }
    assert_eq!((app.network.count(METADATA), app.network.count(KEYS)), (1, 1));
}

fn answer_of(app: &RemoteApp, token: String) -> impl Future<Output = StatusCode> + use<> {
    let router = app.router.clone();
    async move { answer(&router, request("/any", &token)).await.status }
}

#[tokio::test]
async fn c23_an_unknown_key_is_asked_for_once_in_thirty_seconds() {
    let app = RemoteApp::new(&key()).await;
    app.accepts(&key().token("")).await;
    app.network.asked();
    for number in 0..1000 {
        app.refuses(&Key::new(&format!("unknown {number}"), 2).token("")).await;
    }
    assert_eq!(app.network.count(KEYS), 1);
    app.forward(29);
    app.refuses(&Key::new("another", 2).token("")).await;
    assert_eq!(app.network.count(KEYS), 1);
    app.forward(1);
    let requests: Vec<_> =
        (0..100).map(|n| tokio::spawn(answer_of(&app, Key::new(&format!("u{n}"), 2).token("")))).collect();
    for request in requests {
        assert_eq!(request.await.unwrap(), StatusCode::UNAUTHORIZED, "those who wait for one answer share it");
    }
    assert_eq!(app.network.count(KEYS), 2);
    app.accepts(&key().token("")).await;
}

#[tokio::test]
async fn c23_a_bad_token_of_a_known_key_asks_nobody() {
    let app = RemoteApp::new(&key()).await;
    app.accepts(&key().token("")).await;
    app.network.asked();
    app.refuses(&Key::new("first", 2).token("")).await;
    app.refuses(&key().sign(&claims(|claims| claims["aud"] = "https://other.example.com".into()))).await;
    app.refuses("not.a.token").await;
    assert_eq!(app.network.asked(), []);
}

#[tokio::test]
async fn c23_whether_a_key_is_known_is_not_known_while_its_issuer_is_away() {
    let app = RemoteApp::new(&key()).await;
    app.accepts(&key().token("")).await;
    app.network.asked();
    app.network.put(KEYS, Place::Refuses);
    let (new, token) = (Key::new("second", 2), Key::new("second", 2).token(""));
    app.cannot_know(&token).await;
    app.network.publish(&[&new]);
    app.cannot_know(&token).await;
    assert_eq!(app.network.count(KEYS), 1);
    app.accepts(&key().token("")).await;
    app.forward(30);
    app.accepts(&token).await;
    app.refuses(&key().token("")).await;
}

#[tokio::test]
async fn c23_a_token_whose_algorithm_no_published_key_has_asks_nobody() {
    let app = RemoteApp::new(&key()).await;
    app.accepts(&key().token("")).await;
    app.network.asked();
    for (alg, kid) in [
        (json!("none"), json!("second")),
        (json!("HS256"), json!("second")),
        (json!("ES256K"), json!("second")),
        (json!("eddsa"), json!("second")),
        (json!("EdDSA"), json!(2)),
    ] {
        let header = json!({ "alg": alg, "typ": "at+jwt", "kid": kid });
        app.refuses(&Key::new("second", 2).sign_with(&header, &claims(|_| {}))).await;
    }
    assert_eq!(app.network.asked(), []);
    app.refuses(&Key::new("second", 2).token("")).await;
    assert_eq!(app.network.count(KEYS), 1);
}

#[tokio::test]
async fn c23_a_token_issued_after_the_keys_were_fetched_is_not_refused_before_its_issuer_may_be_asked() {
    let app = RemoteApp::new(&key()).await;
    let new = Key::new("second", 2);
    let issued = |at: i64| new.sign(&claims(|claims| claims["iat"] = at.into()));
    app.accepts(&key().token("")).await;
    app.refuses(&Key::new("unknown", 3).token("")).await;
    app.network.asked();
    app.network.publish(&[&key(), &new]);
    app.forward(12);
    let token = issued(app.now());
    let answer = app.get("/any", &token).await.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers["retry-after"], "18", "then it may be asked");
    for old_or_never in [issued(app.now() - 12), issued(app.now() + 6)] {
        app.refuses(&old_or_never).await;
    }
    for _ in 0..1000 {
        app.cannot_know(&token).await;
    }
    assert_eq!(app.network.count(KEYS), 0);
    app.forward(18);
    app.accepts(&token).await;
    app.refuses(&Key::new("unknown", 3).sign(&claims(|claims| claims["iat"] = app.now().into()))).await;
    assert_eq!(app.network.count(KEYS), 1, "what is unknown after that is refused");
}

#[tokio::test]
async fn c23_what_was_learned_since_an_attempt_failed_counts() {
    let app = RemoteApp::new(&key()).await;
    app.network.put(KEYS, key_set(&[&key()]).kept_for(0));
    app.accepts(&key().token("")).await;
    app.forward(290);
    app.network.put(KEYS, Place::Refuses);
    app.cannot_know(&Key::new("unknown", 2).token("")).await;
    app.network.publish(&[&key()]);
    app.forward(10);
    app.accepts(&key().token("")).await;
    app.refuses(&Key::new("unknown", 2).token("")).await;
}

#[tokio::test]
async fn a_key_that_came_is_used_and_one_that_left_is_not_even_for_tokens_that_were_seen() {
    let app = RemoteApp::new(&key()).await;
    let (old, new) = (key(), Key::new("second", 2));
    let token = old.token("");
    app.accepts(&token).await;
    app.network.publish(&[&old, &new]);
    app.accepts(&new.token("")).await;
    app.accepts(&token).await;
    app.network.publish(&[&new]);
    app.forward(HOUR * 3 / 4);
    app.accepts(&token).await;
    settle().await;
    app.refuses(&token).await;
    app.accepts(&new.token("")).await;
}

#[tokio::test]
async fn keys_are_refreshed_in_the_background_before_they_run_out() {
    let app = RemoteApp::new(&key()).await;
    let token = key().token("");
    app.accepts(&token).await;
    app.network.asked();
    app.forward(HOUR * 3 / 4 - 1);
    app.accepts(&token).await;
    settle().await;
    assert_eq!(app.network.asked(), []);
    app.forward(1);
    app.network.put(KEYS, Place::Hangs);
    for _ in 0..10 {
        app.accepts(&token).await;
        settle().await;
    }
    assert_eq!(app.network.count(KEYS), 1, "once, and nobody waits for it");
}

#[tokio::test]
async fn keys_live_as_long_as_their_issuer_says_within_bounds() {
    for (said, seconds) in [
        (None, HOUR),
        (Some(0), 300),
        (Some(299), 300),
        (Some(301), 301),
        (Some(2 * HOUR), 2 * HOUR),
        (Some(DAY + 1), DAY),
    ] {
        let app = RemoteApp::new(&key()).await;
        let keys = key_set(&[&key()]);
        app.network.put(
            KEYS,
            match said {
                Some(said) => keys.kept_for(said),
                None => keys,
            },
        );
        let token = key().sign(&claims(|claims| claims["exp"] = json!(app.now() + 9_999_999)));
        app.accepts(&token).await;
        app.network.asked();
        app.forward(seconds * 3 / 4 - 1);
        app.accepts(&token).await;
        settle().await;
        assert_eq!(app.network.count(KEYS), 0, "{said:?}");
        app.forward(seconds - (seconds * 3 / 4 - 1));
        app.network.publish(&[]);
        app.refuses(&token).await;
    }
}

#[tokio::test]
async fn c23_keys_are_kept_for_a_day_while_their_issuer_is_away_and_for_one_lifetime_if_it_says_something_else() {
    for (name, place) in ailments() {
        let app = RemoteApp::new(&key()).await;
        let token = key().sign(&claims(|claims| claims["exp"] = json!(app.now() + 9_999_999)));
        app.accepts(&token).await;
        app.network.put(KEYS, place);
        app.forward(HOUR);
        app.expects(&token, StatusCode::OK).await;
        app.refuses(&key().sign(&claims(|claims| claims["exp"] = json!(app.now() - 10)))).await;
        let grace = if ["refuses", "an error"].contains(&name) { DAY } else { HOUR };
        app.forward(grace - 1);
        app.expects(&token, StatusCode::OK).await;
        settle().await;
        app.forward(1);
        app.cannot_know(&token).await;
        app.network.publish(&[&key()]);
        app.forward(10);
        app.accepts(&token).await;
    }
}

#[tokio::test]
async fn c23_keys_with_a_short_lifetime_are_kept_for_twenty_four_of_them_while_their_issuer_is_away() {
    for (lifetime, grace) in [(300, 24 * 300), (HOUR - 1, 24 * (HOUR - 1)), (DAY, DAY)] {
        let app = RemoteApp::new(&key()).await;
        app.network.put(KEYS, key_set(&[&key()]).kept_for(lifetime));
        let token = key().sign(&claims(|claims| claims["exp"] = json!(app.now() + 9_999_999)));
        app.accepts(&token).await;
        app.network.put(KEYS, Place::Refuses);
        app.forward(lifetime + grace - 1);
        app.accepts(&token).await;
        app.forward(1);
        app.cannot_know(&token).await;
    }
}

#[tokio::test]
async fn c23_what_an_issuer_took_back_does_not_come_back_when_it_is_away() {
    let app = RemoteApp::new(&key()).await;
    let token = key().token("");
    app.accepts(&token).await;
    app.network.put(KEYS, fetched(404, "text/plain", ""));
    app.forward(3 * HOUR);
    app.cannot_know(&token).await;
    app.network.put(KEYS, Place::Refuses);
    app.forward(10);
    app.cannot_know(&token).await;
    app.network.publish(&[&key()]);
    app.forward(10);
    app.accepts(&token).await;
    app.network.put(KEYS, Place::Refuses);
    app.forward(3 * HOUR);
    app.accepts(&token).await;
}

#[tokio::test]
async fn c23_metadata_is_away_where_one_place_fails_and_another_where_it_is_another_issuers() {
    let error = || fetched(503, "text/plain", "");
    let other = json_at(&json!({ "issuer": "https://other.example.com", "jwks_uri": KEYS }));
    let gone = || fetched(404, "text/plain", "");
    for (first, second, status) in [
        (error(), gone(), StatusCode::OK),
        (gone(), error(), StatusCode::OK),
        (gone(), gone(), StatusCode::SERVICE_UNAVAILABLE),
        (other, gone(), StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let app = RemoteApp::new(&key()).await;
        let token = key().token("");
        app.accepts(&token).await;
        app.network.put(METADATA, first);
        app.network.put(OPENID, second);
        app.forward(3 * HOUR);
        app.expects(&token, status).await;
    }
}

#[tokio::test(start_paused = true)]
async fn c23_only_the_first_waits_for_an_issuer_that_went_away() {
    let app = RemoteApp::new(&key()).await;
    app.accepts(&key().token("")).await;
    app.network.put(METADATA, Place::Hangs);
    app.forward(HOUR);
    let began = tokio::time::Instant::now();
    app.accepts(&key().token("")).await;
    assert_eq!(began.elapsed().as_secs(), 5);
    app.forward(20);
    app.accepts(&key().token("")).await;
    assert_eq!(began.elapsed().as_secs(), 5, "the next attempt is in the background");
}

#[tokio::test]
async fn a_key_that_left_while_nobody_came_is_not_used_once_more() {
    let app = RemoteApp::new(&key()).await;
    app.accepts(&key().token("")).await;
    app.network.publish(&[&Key::new("second", 2)]);
    app.forward(HOUR);
    app.refuses(&key().token("")).await;
}

#[tokio::test]
async fn c23_who_goes_away_does_not_end_the_fetch_of_those_who_wait() {
    let app = RemoteApp::new(&key()).await;
    {
        let mut gone = pin!(app.get("/any", "whoever.goes.away"));
        assert!(std::future::poll_fn(|context| std::task::Poll::Ready(gone.as_mut().poll(context))).await.is_pending());
    }
    app.accepts(&key().token("")).await;
    assert_eq!((app.network.count(METADATA), app.network.count(KEYS)), (1, 1));
}

#[tokio::test]
async fn a_clock_that_went_back_does_not_make_keys_immortal() {
    let app = RemoteApp::new(&key()).await;
    app.forward(DAY);
    app.accepts(&key().token("")).await;
    app.clock.back(Duration::from_secs(DAY - 10));
    app.network.publish(&[]);
    app.refuses(&key().token("")).await;
}

#[tokio::test]
async fn c8_c9_c10_tokens_for_others_are_refused() {
    let app = RemoteApp::new(&key()).await;
    for (name, value) in [
        ("iss", json!("https://issuer.example.com/")),
        ("iss", json!("https://issuer.example.co")),
        ("aud", json!("https://api.example.com/")),
        ("aud", json!([])),
        ("aud", json!(null)),
        ("exp", json!(app.now() - 5)),
        ("exp", json!(null)),
        ("nbf", json!(app.now() + 6)),
        ("sub", json!(null)),
        ("client_id", json!(null)),
    ] {
        app.refuses(&key().sign(&claims(|claims| claims[name] = value.clone()))).await;
    }
    for header in [
        json!({ "alg": "EdDSA", "typ": "JWT", "kid": "first" }),
        json!({ "alg": "EdDSA", "kid": "first" }),
        json!({ "alg": "none", "typ": "at+jwt", "kid": "first" }),
        json!({ "alg": "HS256", "typ": "at+jwt", "kid": "first" }),
    ] {
        app.refuses(&key().sign_with(&header, &claims(|_| {}))).await;
    }
    app.accepts(&key().sign(&claims(|claims| claims["aud"] = json!(["https://x.example", AUDIENCE])))).await;
    app.accepts(&key().sign(&claims(|claims| claims["exp"] = json!(app.now() - 4)))).await;
}

#[tokio::test]
async fn c3_a_token_says_nothing_of_where_its_keys_are() {
    let app = RemoteApp::new(&key()).await;
    let attacker = Key::new("first", 2);
    for (name, value) in [
        ("jku", json!("https://attacker.example/keys")),
        ("x5u", json!("https://attacker.example/keys")),
        ("jwk", attacker.jwk()),
    ] {
        let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": "first", name: value });
        app.refuses(&attacker.sign_with(&header, &claims(|_| {}))).await;
    }
    assert!(app.network.asked().iter().all(|asked| asked.url.starts_with(ISSUER)));
}

#[tokio::test]
async fn issuers_without_a_profile_are_believed_by_name_only() {
    let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": "first" });
    let plain = claims(|claims| {
        for name in ["client_id", "jti"] {
            claims.as_object_mut().unwrap().remove(name);
        }
    });
    let token = key().sign_with(&header, &plain);
    RemoteApp::new(&key()).await.refuses(&token).await;
    let app = RemoteApp::with(&key(), RemoteBuilder::plain_profile).await;
    app.accepts(&token).await;
    let mut id_token = plain;
    id_token["nonce"] = "n".into();
    app.refuses(&key().sign_with(&header, &id_token)).await;
}

#[tokio::test]
async fn b15_a_token_that_was_seen_is_looked_at_for_its_scope_each_time() {
    let app = RemoteApp::new(&key()).await;
    let token = key().token("read:items");
    app.get("/items", &token).await.expect(StatusCode::OK);
    app.get("/both", &token).await.expect(StatusCode::FORBIDDEN);
    app.get("/any", &token[..token.len() - 1]).await.expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn two_handles_ask_for_themselves() {
    let (one, two) = (RemoteApp::new(&key()).await, RemoteApp::new(&Key::new("first", 2)).await);
    one.accepts(&key().token("")).await;
    two.refuses(&key().token("")).await;
}
