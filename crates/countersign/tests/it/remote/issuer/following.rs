//! How an API follows the feed: from the first read, page by page, and while the issuer is away.

use std::{sync::atomic::Ordering, time::Duration};

use axum::http::StatusCode;
use countersign::{
    OAuth2, Reason, RevocationSettings, TokenFormat, WhenStale,
    core::{
        store::{Ended, Feed, Keys},
        token::BearerToken,
    },
};

use super::{Two, Wire, issuer, issuer_of_seed};
use crate::{
    remote::support::{AUDIENCE, FEED, ISSUER, METADATA, settle},
    store::{AnyStore, any_store},
    support::{NOW, SECRET, form},
};

#[tokio::test]
async fn before_the_feed_was_heard_for_the_first_time_nobody_knows() {
    let issuer = issuer(any_store().await, TokenFormat::Jwt).await;
    let token = issuer.token("").await;
    let wire = Wire::to(&issuer);
    let api = async |secret: &str, when_stale: WhenStale| {
        let builder = OAuth2::remote(ISSUER).audience(AUDIENCE).fetch(wire.clone()).clock(issuer.clock.clone());
        let settings = RevocationSettings { when_stale, ..RevocationSettings::default() };
        builder.following_feed("items", secret).revocation(settings).build().await.unwrap()
    };
    let deaf = api("wrong", WhenStale::Refuse).await;
    // The keys are there, and what has ended is not.
    assert_eq!(deaf.verify(&BearerToken::new(&token)).await.unwrap_err().reason(), Reason::Unavailable);
    assert!(wire.asked().iter().any(|url| url.starts_with(FEED)));
    assert!(deaf.hear_of_revocations().await.is_err());
    assert_eq!(deaf.revocation_staleness(), None);
    // One that is no good, whatever has ended, is known to be none.
    let bad = BearerToken::new(format!("{}AAAA", &token[..token.len() - 4]));
    assert_eq!(deaf.verify(&bad).await.unwrap_err().reason(), Reason::BadSignature);
    let easy = api("wrong", WhenStale::Accept).await;
    assert!(easy.verify(&BearerToken::new(&token)).await.is_ok());
    // Who comes first waits until the feed was asked for, and is not refused because nobody was asked yet.
    let good = api(SECRET, WhenStale::Refuse).await;
    assert_eq!(good.revocation_staleness(), None);
    assert!(good.verify(&BearerToken::new(&token)).await.is_ok());
}

#[tokio::test]
async fn what_was_heard_is_good_enough_for_a_minute() {
    let two = Two::new().await;
    let (token, revoked) = (two.token().await, two.token().await);
    two.accepts(&token).await;
    two.revoke(&revoked).await;
    two.hears().await;
    assert_eq!(two.staleness(), Some(0));
    two.wire.cut(true);
    two.issuer.forward(60);
    two.accepts(&token).await;
    assert_eq!(two.staleness(), Some(60));
    two.issuer.forward(1);
    two.cannot_know(&token).await;
    two.refuses(&revoked).await;
    assert!(two.api.hear_of_revocations().await.is_err());
    two.cannot_know(&token).await;
    two.wire.cut(false);
    two.hears().await;
    two.accepts(&token).await;
}

#[tokio::test]
async fn who_prefers_it_believes_tokens_until_they_expire() {
    let settings = RevocationSettings { max_staleness: Duration::from_secs(5), when_stale: WhenStale::Accept };
    let two = Two::with(any_store().await, |builder| builder.revocation(settings)).await;
    let (token, revoked) = (two.token().await, two.token().await);
    two.accepts(&token).await;
    two.revoke(&revoked).await;
    two.hears().await;
    two.wire.cut(true);
    two.issuer.forward(899);
    two.accepts(&token).await;
    two.refuses(&revoked).await;
    two.issuer.forward(6);
    two.get(&token).await.expect_invalid_token();
}

#[tokio::test]
async fn it_goes_on_by_number_when_the_issuer_is_back() {
    let two = Two::new().await;
    let (first, second) = (two.token().await, two.token().await);
    two.accepts(&first).await;
    two.revoke(&first).await;
    two.hears().await;
    two.wire.cut(true);
    assert!(two.api.hear_of_revocations().await.is_err());
    // Another process on the same store.
    let again = issuer_of_seed(two.store.clone(), TokenFormat::Jwt, 2).await;
    again.send(form("/revoke", &format!("token={second}"))).await.expect(StatusCode::OK);
    two.wire.lead_to(&again);
    two.wire.cut(false);
    two.wire.asked();
    two.hears().await;
    let asked = two.wire.asked();
    assert_eq!(asked, [METADATA.to_owned(), format!("{FEED}?after=1&wait=0")], "where it was may have changed");
    two.refuses(&first).await;
    two.refuses(&second).await;
}

#[tokio::test]
async fn it_begins_anew_when_the_issuer_does() {
    let two = Two::new().await;
    for _ in 0..3 {
        two.revoke(&two.token().await).await;
    }
    two.hears().await;
    let store = any_store().await;
    for key in two.store.find_keys().await.unwrap() {
        store.put_first_key(&key).await.unwrap();
    }
    let anew = issuer_of_seed(store, TokenFormat::Jwt, 2).await;
    two.wire.lead_to(&anew);
    let token = anew.token("read:items").await;
    two.accepts(&token).await;
    anew.send(form("/revoke", &format!("token={token}"))).await.expect(StatusCode::OK);
    two.hears().await;
    two.refuses(&token).await;
    two.wire.asked();
    two.hears().await;
    assert_eq!(two.wire.asked(), [format!("{FEED}?after=1&wait=0")]);
}

#[tokio::test]
async fn all_pages_are_read() {
    let two = Two::new().await;
    let token = two.token().await;
    for number in 0..2500 {
        two.store.append_feed(&Ended::Token(number.to_string()), NOW).await.unwrap();
    }
    two.revoke(&token).await;
    two.hears().await;
    two.refuses(&token).await;
}

#[tokio::test]
async fn what_stops_nothing_any_more_is_forgotten() {
    let two = Two::new().await;
    for number in 0..100 {
        two.store.append_feed(&Ended::Token(number.to_string()), NOW).await.unwrap();
    }
    two.hears().await;
    assert!(format!("{:?}", two.api).contains("Revoked(100 entries, up to 100)"));
    two.issuer.forward(2 * 60 * 60);
    two.hears().await;
    assert!(format!("{:?}", two.api).contains("Revoked(0 entries, up to 100)"));
}

#[tokio::test(start_paused = true)]
async fn news_come_by_themselves_and_at_once() {
    let two = Two::with(AnyStore::memory(), |builder| builder).await;
    two.wire.0.is_quiet.store(false, Ordering::SeqCst);
    let token = two.token().await;
    two.accepts(&token).await;
    let began = tokio::time::Instant::now();
    settle().await;
    two.revoke(&token).await;
    settle().await;
    two.refuses(&token).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn silence_is_heard_every_ten_seconds_and_more_often_where_less_is_allowed() {
    for (max_staleness, waits) in [(60, 10), (20, 10), (8, 4), (1, 1), (0, 1)] {
        let settings =
            RevocationSettings { max_staleness: Duration::from_secs(max_staleness), ..RevocationSettings::default() };
        let two = Two::with(AnyStore::memory(), |builder| builder.revocation(settings)).await;
        two.wire.0.is_quiet.store(false, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(40_500)).await;
        let asked = two.wire.asked();
        let long: Vec<_> = asked.iter().filter(|url| **url == format!("{FEED}?after=0&wait={waits}")).collect();
        assert_eq!(long.len(), 40 / waits + 1, "{max_staleness}: {asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_away_is_asked_less_and_less_often() {
    let two = Two::with(AnyStore::memory(), |builder| builder).await;
    two.wire.0.is_quiet.store(false, Ordering::SeqCst);
    two.wire.cut(true);
    let began = tokio::time::Instant::now();
    let mut asked = 0;
    for (half_past, expected) in [
        (0, 1),
        (1, 2),
        (2, 2),
        (3, 3),
        (6, 3),
        (7, 4),
        (14, 4),
        (15, 5),
        (30, 5),
        (31, 6),
        (60, 6),
        (61, 7),
        (90, 7),
        (91, 8),
    ] {
        tokio::time::sleep_until(began + Duration::from_millis(half_past * 1000 + 500)).await;
        asked += two.wire.asked().len();
        assert_eq!(asked, expected, "after {half_past} seconds");
    }
    two.wire.cut(false);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(two.staleness(), Some(0), "and heard again");
    two.wire.asked();
    drop((two.api, two.router));
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(two.wire.asked(), [] as [String; 0], "it ends with the handle");
}

/// An API whose handle was made in a runtime that is gone, as in a `main` that makes two.
#[test]
fn it_is_followed_in_whichever_runtime_lives() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let two = first.block_on(Two::new());
    drop(first);
    runtime().block_on(async {
        let token = two.token().await;
        two.accepts(&token).await;
        assert_eq!(two.staleness(), Some(0));
    });
}

#[tokio::test]
async fn c21_where_no_feed_is_followed_nobody_says_that_one_is() {
    let two = Two::new().await;
    let builder = OAuth2::remote(ISSUER).audience(AUDIENCE).fetch(two.wire.clone()).clock(two.issuer.clock.clone());
    let deaf = builder.build().await.unwrap();
    assert_eq!(deaf.revocation_staleness(), None);
    assert!(deaf.hear_of_revocations().await.is_err());
    two.issuer.oauth2.hear_of_revocations().await.unwrap();
    two.issuer.forward(3);
    assert_eq!(two.issuer.oauth2.revocation_staleness(), Some(Duration::from_secs(3)));
    two.issuer.oauth2.hear_of_revocations().await.unwrap();
    assert_eq!(two.issuer.oauth2.revocation_staleness(), Some(Duration::ZERO));
}
