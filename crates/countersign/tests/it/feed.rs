//! The feed of what has ended, over HTTP: who hears it, how it goes on, and how long somebody waits for news.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign::{
    ClientId, NewClient, Timestamp,
    core::{
        names::{GrantId, KeyId, Subject},
        store::{Ended, Feed},
    },
};
use serde_json::{Value, json};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use crate::store::{AnyStore, any_store};
use crate::support::{Answer, ISSUER, NOW, SECRET, TestApp, answer, basic, form};

/// Of which so many are a page.
const PAGE: u64 = 1000;

async fn app() -> (TestApp, AnyStore) {
    app_over(any_store().await).await
}

async fn app_over(store: AnyStore) -> (TestApp, AnyStore) {
    let app = TestApp::with(store.clone(), |builder| builder).await;
    app.put_api("items", &[ISSUER]).await;
    (app, store)
}

fn request(query: &str) -> Request<Body> {
    let request = Request::get(format!("/feed{query}")).header(header::AUTHORIZATION, basic("items", SECRET));
    request.body(Body::empty()).unwrap()
}

async fn feed(app: &TestApp, query: &str) -> Answer {
    app.send(request(query)).await
}

async fn page(app: &TestApp, query: &str) -> Value {
    let answer = feed(app, query).await.expect(StatusCode::OK);
    assert_eq!((answer.header("cache-control"), answer.header("content-type")), ("no-store", "application/json"));
    answer.json()
}

/// Somebody who waits for news, and has begun to.
async fn waits(app: &TestApp, query: &str) -> JoinHandle<Answer> {
    let (router, request) = (app.router.clone(), request(query));
    let waits = tokio::spawn(async move { answer(&router, request).await });
    settle().await;
    waits
}

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

async fn end(store: &AnyStore, grant: &str) {
    store.append_feed(&Ended::Grant(GrantId::new(grant)), NOW).await.unwrap();
}

#[tokio::test]
async fn f7_the_feed_is_for_apis_that_prove_who_they_are() {
    let (app, _) = app().await;
    app.put_api("web", &[]).await;
    app.oauth2.add_client(NewClient::new("page").public().serves(ISSUER)).await.unwrap();
    let token = app.token("me").await;
    let credentials = format!("?client_id=items&client_secret={SECRET}");
    for (query, authorization) in [
        ("", None),
        (credentials.as_str(), None),
        ("", Some(format!("Bearer {token}"))),
        ("", Some(basic("items", "wrong"))),
        ("", Some(basic("nobody", SECRET))),
        ("", Some(basic("page", ""))),
        ("?after=x", None),
    ] {
        let mut request = Request::get(format!("/feed{query}"));
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let refused = app.send(request.body(Body::empty()).unwrap()).await;
        refused.expect_error(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let serves_nothing = Request::get("/feed").header(header::AUTHORIZATION, basic("web", SECRET));
    let refused = app.send(serves_nothing.body(Body::empty()).unwrap()).await.expect(StatusCode::FORBIDDEN);
    assert_eq!(
        (refused.json(), refused.header("cache-control")),
        (json!({ "detail": "This client serves no API" }), "no-store")
    );
    app.send(form("/feed", "")).await.expect(StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn what_is_no_number_is_refused() {
    let (app, _) = app().await;
    for bad in ["?after=", "?after=-1", "?after=1.0", "?wait=x", "?after=1&after=2", "?after=18446744073709551616"] {
        feed(&app, bad).await.expect(StatusCode::BAD_REQUEST);
    }
    for good in ["", "?", "?after=0", "?wait=0&after=0&x=y", "?x"] {
        assert_eq!(page(&app, good).await, json!({ "entries": [], "next": 0 }), "{good}");
    }
}

#[tokio::test]
async fn entries_of_every_kind_are_told_in_their_order_and_by_number() {
    let (app, store) = app().await;
    let until = Timestamp::from_seconds(NOW.seconds() + 900);
    for ended in [
        Ended::Grant(GrantId::new("g")),
        Ended::Token("t".to_owned()),
        Ended::Client(ClientId::new("c"), NOW),
        Ended::Key(KeyId::new("k")),
        Ended::Everything(NOW),
        Ended::Other(None),
        Ended::Other(Some(NOW)),
        Ended::Owner(Subject::new("s")),
    ] {
        store.append_feed(&ended, until).await.unwrap();
    }
    let (now, until) = (NOW.seconds(), until.seconds());
    let entries = json!([
        { "number": 1, "grant_id": "g", "until": until },
        { "number": 2, "token_id": "t", "until": until },
        { "number": 3, "client_id": "c", "issued_until": now, "until": until },
        { "number": 4, "key_id": "k", "until": until },
        { "number": 5, "everything": true, "issued_until": now, "until": until },
        { "number": 6, "until": until },
        { "number": 7, "issued_until": now, "until": until },
    ]);
    assert_eq!(page(&app, "").await, json!({ "entries": entries, "next": 8 }));
    assert_eq!(
        page(&app, "?after=7").await,
        json!({ "entries": [], "next": 8 }),
        "a user who changed is nobody's business"
    );
    assert_eq!(page(&app, "?after=6").await, json!({ "entries": [entries[6]], "next": 8 }));
    assert_eq!(page(&app, "?after=8").await, json!({ "entries": [], "next": 8 }));
}

#[tokio::test]
async fn f3_a_revocation_is_in_the_feed_when_it_is_answered() {
    let (app, _) = app().await;
    let login = app.post_token("username=alice&password=correct+horse&scope=me").await.json();
    let revoke = |name: &str| form("/revoke", &format!("token={}", login[name].as_str().unwrap()));
    app.send(revoke("access_token")).await.expect(StatusCode::OK);
    let first = page(&app, "").await;
    assert_eq!((&first["next"], &first["entries"][0]["until"]), (&json!(1), &json!(NOW.seconds() + 900)));
    assert!(first["entries"][0]["token_id"].is_string(), "{first}");
    app.send(revoke("refresh_token")).await.expect(StatusCode::OK);
    let second = page(&app, "?after=1").await;
    assert!(second["entries"][0]["grant_id"].is_string() && second["next"] == 2, "{second}");
}

#[tokio::test]
async fn a_page_has_a_thousand_entries() {
    let (app, store) = app().await;
    for number in 0..=PAGE {
        end(&store, &number.to_string()).await;
    }
    let first = page(&app, "").await;
    assert_eq!((first["entries"].as_array().unwrap().len(), &first["next"]), (1000, &json!(PAGE)));
    let rest = page(&app, "?after=1000").await;
    assert_eq!((rest["entries"].as_array().unwrap().len(), &rest["next"]), (1, &json!(PAGE + 1)));
}

#[tokio::test]
async fn who_heard_more_than_there_is_begins_anew() {
    let (app, store) = app().await;
    assert_eq!(page(&app, "?after=7").await, json!({ "entries": [], "next": 0 }), "a store that was lost");
    end(&store, "g").await;
    let anew = page(&app, "?after=7").await;
    assert_eq!((&anew["next"], &anew["entries"][0]["grant_id"]), (&json!(1), &json!("g")), "or an older one");
}

#[tokio::test(start_paused = true)]
async fn news_are_told_at_once_to_those_who_wait() {
    let (app, _) = app_over(AnyStore::memory()).await;
    let token = app.token("me").await;
    let began = Instant::now();
    let [one, other] = [waits(&app, "?wait=30").await, waits(&app, "?after=0&wait=5").await];
    assert!(!one.is_finished() && !other.is_finished());
    app.send(form("/revoke", &format!("token={token}"))).await.expect(StatusCode::OK);
    for waited in [one, other] {
        let told = waited.await.unwrap().expect(StatusCode::OK).json();
        assert_eq!(told["next"], 1, "{told}");
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    page(&app, "?wait=30").await;
    assert_eq!(began.elapsed(), Duration::ZERO, "who has not heard it yet does not wait");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_was_asked_or_than_thirty_seconds() {
    let (app, _) = app_over(AnyStore::memory()).await;
    for (asked, waited) in [(0, 0), (1, 1), (7, 7), (30, 30), (99, 30), (u64::MAX, 30)] {
        let began = Instant::now();
        assert_eq!(page(&app, &format!("?wait={asked}")).await, json!({ "entries": [], "next": 0 }));
        assert_eq!(began.elapsed().as_secs(), waited, "{asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_process_ended_is_told_within_a_second() {
    let (app, store) = app_over(AnyStore::memory()).await;
    let waiting = waits(&app, "?wait=30").await;
    let began = Instant::now();
    end(&store, "g").await;
    app.forward(1);
    assert_eq!(waiting.await.unwrap().json()["next"], 1);
    assert!(began.elapsed() <= Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn so_many_wait_and_no_more() {
    let (app, store) = app_over(AnyStore::memory()).await;
    let mut waiting = JoinSet::new();
    for _ in 0..256 {
        let (router, request) = (app.router.clone(), request("?wait=30"));
        waiting.spawn(async move { answer(&router, request).await });
    }
    settle().await;
    let refused = feed(&app, "?wait=1").await.expect_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
    assert!(refused.headers.contains_key("retry-after"));
    page(&app, "").await;
    end(&store, "g").await;
    page(&app, "?wait=30").await;
    app.oauth2.server().unwrap().hear_of_it().await.unwrap();
    while let Some(told) = waiting.join_next().await {
        told.unwrap().expect(StatusCode::OK);
    }
    let began = Instant::now();
    page(&app, "?after=1&wait=2").await;
    assert_eq!(began.elapsed().as_secs(), 2, "there is room again");
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_leaves_room_for_others() {
    let (app, _) = app_over(AnyStore::memory()).await;
    let mut waiting = JoinSet::new();
    for _ in 0..256 {
        let (router, request) = (app.router.clone(), request("?wait=30"));
        waiting.spawn(async move { answer(&router, request).await });
    }
    settle().await;
    feed(&app, "?wait=1").await.expect(StatusCode::SERVICE_UNAVAILABLE);
    waiting.shutdown().await;
    page(&app, "?wait=1").await;
}
