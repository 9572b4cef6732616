//! What ended at the issuer opens no other API that has heard of it.

use std::time::Duration;

use countersign::{
    ClientId, OwnerStatus, PasswordHash, RevocationSettings, WhenStale,
    core::{
        names::KeyId,
        store::{Ended, Feed, Found, Keys, OwnerRegistry},
        token::BearerToken,
    },
};

use super::Two;
use crate::{
    store::any_store,
    support::{NOW, SECRET},
};

#[tokio::test]
async fn f3_a_token_that_ended_is_refused_at_another_api_after_its_next_read() {
    let two = Two::new().await;
    let [(token, _), (of_a_grant, refresh), (good, _)] = [two.login().await, two.login().await, two.login().await];
    for token in [&token, &of_a_grant, &good] {
        two.accepts(token).await;
    }
    two.revoke(&token).await;
    two.revoke(&refresh).await;
    two.accepts(&token).await;
    two.hears().await;
    two.refuses(&token).await;
    two.refuses(&of_a_grant).await;
    two.accepts(&good).await;
    let shown = format!("{:?}", two.api);
    assert!(!shown.contains(SECRET) && shown.contains("Follower"), "{shown}");
}

#[tokio::test]
async fn c21_a_user_who_is_disabled_or_removed_is_locked_out_of_other_apis() {
    for change in ["disabled", "removed", "password", "everywhere"] {
        let two = Two::new().await;
        let token = two.token().await;
        two.accepts(&token).await;
        let verified = two.api.verify(&BearerToken::new(&token)).await.unwrap();
        let subject = verified.subject().clone();
        let found = match change {
            "disabled" => two.store.set_status(&subject, OwnerStatus::Disabled, NOW).await.unwrap(),
            "removed" => two.store.remove_owner(&subject, NOW).await.unwrap(),
            "password" => two.store.set_password(&subject, &PasswordHash::new("another"), NOW).await.unwrap(),
            _ => {
                assert_eq!(two.issuer.oauth2.server().unwrap().end_grants_of(&subject).await.unwrap(), 1);
                Found::Yes
            }
        };
        assert_eq!(found, Found::Yes);
        two.hears().await;
        two.refuses(&token).await;
    }
}

#[tokio::test]
async fn a_key_that_was_withdrawn_ends_its_tokens_though_it_is_still_published() {
    let two = Two::new().await;
    let token = two.token().await;
    two.accepts(&token).await;
    let key = two.store.find_keys().await.unwrap().remove(0).id;
    let until = NOW.plus(Duration::from_secs(900));
    two.store.append_feed(&Ended::Key(KeyId::new("another")), until).await.unwrap();
    two.hears().await;
    two.accepts(&token).await;
    two.store.append_feed(&Ended::Key(key), until).await.unwrap();
    two.hears().await;
    two.refuses(&token).await;
    // The issuer hears of it too, and signs with another from then on.
    let fresh = two.token().await;
    two.accepts(&fresh).await;
}

#[tokio::test]
async fn a_client_that_ended_ends_the_tokens_it_had_and_no_later_ones() {
    let two = Two::new().await;
    let before = two.token().await;
    let ended = |until| Ended::Client(ClientId::new("countersign"), until);
    two.store.append_feed(&ended(NOW), NOW.plus(Duration::from_secs(900))).await.unwrap();
    two.issuer.forward(1);
    let after = two.token().await;
    two.hears().await;
    two.refuses(&before).await;
    two.accepts(&after).await;
    // An older entry takes nothing back of what a newer one said.
    two.store.append_feed(&ended(NOW.plus(Duration::from_secs(1))), NOW.plus(Duration::from_secs(900))).await.unwrap();
    two.store.append_feed(&ended(NOW), NOW).await.unwrap();
    two.hears().await;
    two.refuses(&before).await;
    two.refuses(&after).await;
}

#[tokio::test]
async fn n8_what_ended_at_a_newer_issuer_in_a_way_nobody_here_knows_is_not_believed() {
    for when_stale in [WhenStale::Refuse, WhenStale::Accept] {
        let settings = RevocationSettings { when_stale, ..RevocationSettings::default() };
        let two = Two::with(any_store().await, |builder| builder.revocation(settings)).await;
        let (token, revoked) = (two.token().await, two.token().await);
        two.accepts(&token).await;
        two.accepts(&revoked).await;
        two.store.append_feed(&Ended::Other(None), NOW.plus(Duration::from_secs(900))).await.unwrap();
        two.revoke(&revoked).await;
        two.issuer.forward(1);
        let later = two.token().await;
        two.hears().await;
        two.refuses(&revoked).await;
        match when_stale {
            WhenStale::Refuse => two.cannot_know(&token).await,
            WhenStale::Accept => two.accepts(&token).await,
        }
        two.accepts(&later).await;
    }
}
