//! What is said of a token that is refused, and of one whose user is.

use countersign_core::{
    authorization_server::Settings, error::BearerError, reason::Reason, resource_owner::OwnerStatus, token::BearerToken,
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
