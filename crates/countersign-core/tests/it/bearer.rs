//! What is said of a token that is refused, and of one whose user is.

use std::time::Duration;

use countersign_core::{
    authorization_server::{REMEMBERED_OWNER_AGE, Settings},
    error::BearerError,
    reason::Reason,
    resource_owner::OwnerStatus,
    store::{Ended, Feed, OWNER_CHANGES_TOLD},
    token::BearerToken,
};

use crate::support::{Login, NOW};

#[tokio::test]
async fn a_refused_token_is_refused_with_the_reason() {
    let login = Login::with_settings(Settings::default()).await;
    let token = login.token().await.unwrap();
    let refused = async |token: &str| login.server.verify(&BearerToken::new(token)).await.err();
    assert_eq!(refused("opaque").await, Some(BearerError::InvalidToken(Reason::Malformed)));
    let (input, _) = token.secret().rsplit_once('.').unwrap();
    assert_eq!(refused(&format!("{input}.AAAA")).await, Some(BearerError::InvalidToken(Reason::BadSignature)));
    let elsewhere = Login::with_settings(Settings::default()).await.token().await.unwrap();
    assert_eq!(refused(elsewhere.secret()).await, Some(BearerError::InvalidToken(Reason::UnknownKey)));
    login.clock.forward(login.server.settings().access_token_lifetime * 2);
    assert_eq!(refused(token.secret()).await, Some(BearerError::InvalidToken(Reason::Expired)));
}

#[tokio::test]
async fn c21_a_disabled_owner_and_a_removed_one_are_told_apart_in_the_reason_alone() {
    let login = Login::with_settings(Settings::default()).await;
    let token = login.log_in().await.unwrap();
    assert_eq!(token.issued_at(), NOW);
    assert!(login.server.find_active_owner(&token).await.is_ok());
    login.server.set_status(&Login::subject(), OwnerStatus::Disabled).await.unwrap();
    let disabled = login.server.find_active_owner(&token).await.unwrap_err();
    assert_eq!(disabled, BearerError::InvalidToken(Reason::OwnerDisabled));
    login.server.remove_owner(&Login::subject()).await.unwrap();
    let gone = login.server.find_active_owner(&token).await.unwrap_err();
    assert_eq!(gone, BearerError::InvalidToken(Reason::OwnerGone));
    assert_eq!((gone.code(), gone.description()), (disabled.code(), disabled.description()));
}

#[tokio::test]
async fn c21_an_owner_comes_with_a_recalled_token_only_where_nobody_must_be_asked() {
    let login = Login::with_settings(Settings::default()).await;
    let bearer = login.token().await.unwrap();
    let verified = async || login.server.verify(&bearer).await.unwrap();
    let recalled = || {
        let (_, owner) = login.server.recall_with_owner(bearer.secret().as_bytes())?;
        Some(owner.map(|owner| owner.subject.clone()))
    };
    let known = Some(Some(Login::subject()));
    assert_eq!(recalled(), None, "nobody verified it yet");
    let token = verified().await;
    assert_eq!(recalled(), Some(None), "nobody looked the owner up yet");
    for seconds in [1, 58] {
        assert!(login.server.find_active_owner(&token).await.is_ok());
        assert_eq!(recalled(), known);
        login.clock.forward(Duration::from_secs(seconds));
        assert_eq!(recalled(), None, "the feed is to be heard first");
        verified().await;
        assert_eq!(recalled(), known);
    }
    let changed = Ended::Owner(Login::subject());
    login.store.append_feed(&changed, login.server.now().plus(OWNER_CHANGES_TOLD)).await.unwrap();
    login.server.hear_of_it().await.unwrap();
    assert_eq!(recalled(), Some(None), "the owner has changed");
    assert!(login.server.find_active_owner(&token).await.is_ok());
    login.clock.forward(REMEMBERED_OWNER_AGE);
    verified().await;
    assert_eq!(recalled(), Some(None), "it is too old");
    assert!(login.server.find_active_owner(&token).await.is_ok());
    login.server.set_status(&Login::subject(), OwnerStatus::Disabled).await.unwrap();
    assert_eq!(recalled(), None, "that ends the token too");
}

#[tokio::test]
async fn the_server_remembers_as_many_tokens_as_it_is_set_to() {
    for (remembered_tokens, expected) in [(10_000, "SeenTokens(1 remembered)"), (0, "SeenTokens(0 remembered)")] {
        let login = Login::with_settings(Settings { remembered_tokens, ..Settings::default() }).await;
        let token = login.token().await.unwrap();
        for _ in 0..2 {
            assert!(login.server.verify(&token).await.is_ok());
            assert!(login.server.verify(&BearerToken::new(format!("{}A", token.secret()))).await.is_err());
        }
        let shown = format!("{:?}", login.server);
        assert!(shown.contains(expected), "{shown}");
        login.clock.forward(login.server.settings().access_token_lifetime * 2);
        assert_eq!(login.server.verify(&token).await.err(), Some(BearerError::InvalidToken(Reason::Expired)));
    }
}
