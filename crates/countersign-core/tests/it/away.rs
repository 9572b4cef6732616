//! A store that does not answer for long: what was known before the wait may not be known any more after it.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use countersign_core::{
    authorization_server::{AuthorizationServer, Introspection, Request, Settings},
    client::{Authentication, Client, ClientSecret, ClientSecrets, SecretMethods},
    error::BearerError,
    form::Form,
    key::{KeyPairAlgorithm, PUBLISHED_KEYS_MAX_AGE, SigningChoice},
    names::ClientId,
    reason::Reason,
    store::{Clients, Keys},
    token_format::TokenFormat,
};
use tokio::{task::yield_now, time::timeout};

use crate::{
    held_store::{Held, PATIENCE},
    support::{Login, NOW},
};

const SECOND: Duration = Duration::from_secs(1);

/// For so long what was heard of what has ended is good enough.
const MAX_STALENESS: Duration = Duration::from_secs(60);

/// A server over a store that can be held, which has heard and read all, a second ago.
async fn held() -> (Login, Arc<Held>, AuthorizationServer) {
    let login = Login::with_settings(Settings::default()).await;
    let held = Held::over(login.store.clone());
    let server = login.start_over(held.clone()).await;
    login.clock.forward(SECOND);
    (login, held, server)
}

/// What has come of something, if it has.
fn come<T>(future: &mut Pin<&mut impl Future<Output = T>>) -> Option<T> {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

fn is_unknown<T>(answer: &Result<T, BearerError>) -> bool {
    matches!(answer, Err(BearerError::TemporarilyUnavailable { .. }))
}

/// A server whose key the others do not know yet: it signs at once.
async fn of_new_key(login: &Login) -> AuthorizationServer {
    let signing = SigningChoice::KeyPair(KeyPairAlgorithm::EdDsa);
    login.start(Settings { signing, ..Settings::default() }).await.unwrap()
}

#[tokio::test]
async fn n5_what_was_heard_does_not_stay_fresh_while_the_feed_is_waited_for() {
    for (passes, is_believed) in [(MAX_STALENESS - SECOND, true), (MAX_STALENESS, false)] {
        let (login, held, server) = held().await;
        let token = Login::token_of(&server).await.unwrap();
        login.clock.forward(SECOND);
        held.hold("find_feed");
        let mut verified = pin!(server.verify(&token));
        assert!(come(&mut verified).is_none());
        login.clock.forward(passes);
        held.gate.close();
        let verified = come(&mut verified).unwrap();
        assert_eq!((verified.is_ok(), is_unknown(&verified)), (is_believed, !is_believed), "{verified:?}");
        // And nobody else has another read fail within the second.
        assert_eq!(come(&mut pin!(server.verify(&token))).unwrap().is_ok(), is_believed);
        assert_eq!(held.asked(), 1);
    }
}

#[tokio::test]
async fn n5_a_token_that_expires_while_the_store_is_waited_for_has_expired() {
    for method in ["find_feed", "find_keys", "find_opaque_token"] {
        let (login, held, server) = held().await;
        let opaque = Settings { token_format: TokenFormat::Opaque, ..Settings::default() };
        let issuer = match method {
            "find_keys" => of_new_key(&login).await,
            "find_opaque_token" => login.start(opaque).await.unwrap(),
            _ => login.start(Settings::default()).await.unwrap(),
        };
        let token = Login::token_of(&issuer).await.unwrap();
        let Settings { access_token_lifetime, leeway, .. } = *server.settings();
        login.clock.forward(access_token_lifetime + leeway - SECOND);
        held.hold(method);
        let mut verified = pin!(server.verify(&token));
        assert!(come(&mut verified).is_none());
        login.clock.forward(SECOND);
        held.gate.add_permits(1);
        assert_eq!(come(&mut verified).unwrap().err(), Some(BearerError::InvalidToken(Reason::Expired)), "{method}");
    }
}

#[tokio::test]
async fn n5_what_was_heard_does_not_stay_fresh_while_keys_are_waited_for() {
    for (passes, is_believed) in [(MAX_STALENESS, true), (MAX_STALENESS + SECOND, false)] {
        let (login, held, server) = held().await;
        let token = Login::token_of(&of_new_key(&login).await).await.unwrap();
        held.hold("find_keys");
        let mut verified = pin!(server.verify(&token));
        assert!(come(&mut verified).is_none());
        login.clock.forward(passes);
        held.gate.add_permits(1);
        let verified = come(&mut verified).unwrap();
        assert_eq!((verified.is_ok(), is_unknown(&verified)), (is_believed, !is_believed), "{verified:?}");
    }
}

#[tokio::test]
async fn i3_who_publishes_keys_that_are_good_enough_does_not_wait_while_another_reads_them() {
    let (login, held, server) = held().await;
    login.clock.forward(Duration::from_secs(60));
    held.hold("find_keys");
    let mut first = pin!(server.published_keys());
    assert!(come(&mut first).is_none());
    for _ in 0..2 {
        login.clock.forward(SECOND);
        assert!(come(&mut pin!(server.published_keys())).unwrap().is_ok());
    }
    held.gate.close();
    assert!(come(&mut first).unwrap().is_ok());
    assert!(come(&mut pin!(server.published_keys())).unwrap().is_ok());
    assert_eq!(held.asked(), 1, "not again in the second in which that failed");
}

#[tokio::test]
async fn i5_who_publishes_waits_for_what_took_the_place_of_a_key_that_was_withdrawn() {
    let (login, held, server) = held().await;
    let other = of_new_key(&login).await;
    server.verify(&Login::token_of(&other).await.unwrap()).await.unwrap();
    let leaked = other.keys().signing_id(server.now()).cloned().unwrap();
    other.withdraw_key(&leaked).await.unwrap();
    server.hear_of_it().await.unwrap();
    held.hold("find_keys");
    let (mut first, mut second) = (pin!(server.published_keys()), pin!(server.published_keys()));
    assert!(come(&mut first).is_none() && come(&mut second).is_none());
    held.gate.add_permits(1);
    for published in [&mut first, &mut second] {
        assert_eq!(come(published).unwrap().unwrap().keys.len(), 2);
    }
    assert_eq!(held.asked(), 1);
}

#[tokio::test]
async fn i3_while_no_key_can_be_made_nobody_waits_for_more_than_one_try() {
    let (login, held, server) = held().await;
    let server = Arc::new(server);
    let [first] = login.store.find_keys().await.unwrap().try_into().unwrap();
    // By nobody who would make another.
    login.store.withdraw_key(&first.id, NOW, server.now()).await.unwrap();
    server.hear_of_it().await.unwrap();
    held.hold("put_next_key");
    let asking = server.clone();
    let first = tokio::spawn(async move { asking.published_keys().await });
    // Its key is made by a thread.
    timeout(PATIENCE, async {
        while held.asked() == 0 {
            yield_now().await;
        }
    })
    .await
    .unwrap();
    login.clock.forward(SECOND);
    let mut second = pin!(server.published_keys());
    assert!(come(&mut second).is_none());
    held.gate.close();
    assert!(first.await.unwrap().is_err());
    assert!(come(&mut second).unwrap().is_err());
    assert_eq!(held.asked(), 1);
}

#[tokio::test]
async fn i3_while_keys_cannot_be_read_nobody_waits_for_more_than_one_try() {
    let (login, held, server) = held().await;
    let token = Login::token_of(&of_new_key(&login).await).await.unwrap();
    login.clock.forward(PUBLISHED_KEYS_MAX_AGE);
    held.hold("find_keys");
    let (mut first, mut second, mut third) =
        (pin!(server.published_keys()), pin!(server.published_keys()), pin!(server.verify(&token)));
    assert!(come(&mut first).is_none());
    login.clock.forward(SECOND);
    assert!(come(&mut second).is_none());
    login.clock.forward(SECOND);
    assert!(come(&mut third).is_none());
    login.clock.forward(SECOND);
    held.gate.close();
    assert!(come(&mut first).unwrap().is_err());
    login.clock.forward(SECOND);
    assert!(come(&mut second).unwrap().is_err() && is_unknown(&come(&mut third).unwrap()));
    assert_eq!(held.asked(), 1, "and nobody tries for another");
    assert!(come(&mut pin!(server.published_keys())).unwrap().is_err());
    assert_eq!(held.asked(), 2, "but who comes after that");
}

#[tokio::test]
async fn i3_many_tokens_of_a_key_that_came_since_are_one_question_however_long_that_takes() {
    let (login, held, server) = held().await;
    let unknown = Login::with_settings(Settings::default()).await.token().await.unwrap();
    held.hold("find_keys");
    let (mut first, mut second, mut third) =
        (pin!(server.verify(&unknown)), pin!(server.verify(&unknown)), pin!(server.verify(&unknown)));
    assert!(come(&mut first).is_none());
    login.clock.forward(SECOND);
    assert!(come(&mut second).is_none() && come(&mut third).is_none());
    held.gate.add_permits(1);
    assert!(come(&mut first).unwrap().is_err());
    login.clock.forward(SECOND);
    assert!(come(&mut second).is_none(), "it came after the first had asked");
    login.clock.forward(SECOND);
    held.gate.add_permits(1);
    for verified in [&mut second, &mut third] {
        assert_eq!(come(verified).unwrap().err(), Some(BearerError::InvalidToken(Reason::UnknownKey)));
    }
    assert_eq!(held.asked(), 2);
}

#[tokio::test]
async fn f4_questions_that_wait_share_a_read_and_a_token_that_expires_meanwhile_is_inactive() {
    let (login, held, server) = held().await;
    let secrets = ClientSecrets::of(&ClientSecret::new("secret"));
    let client = Client {
        serves: vec![server.audience().clone()],
        ..Client::new(ClientId::new("items"), Authentication::Secret { methods: SecretMethods::Post, secrets }, NOW)
    };
    login.store.add_client(&client).await.unwrap();
    let token = Login::token_of(&server).await.unwrap();
    let form = format!("client_id=items&client_secret=secret&token={}", token.secret());
    let form = Form::parse(form.as_bytes()).unwrap();
    let ask = || server.introspect(Request::new(None, &form));
    let is_active = |answer| matches!(answer, Ok(Introspection::Active(_)));
    assert!(is_active(ask().await));
    let Settings { access_token_lifetime, leeway, .. } = *server.settings();
    login.clock.forward(access_token_lifetime + leeway - SECOND);
    held.hold("find_feed");
    let (mut first, mut second, mut third) = (pin!(ask()), pin!(ask()), pin!(ask()));
    assert!(come(&mut first).is_none() && come(&mut second).is_none() && come(&mut third).is_none());
    held.gate.add_permits(1);
    assert!(is_active(come(&mut first).unwrap()));
    assert!(come(&mut second).is_none(), "it came after the first had asked");
    login.clock.forward(SECOND);
    held.gate.add_permits(1);
    for asked in [&mut second, &mut third] {
        assert_eq!(come(asked).unwrap(), Ok(Introspection::Inactive));
    }
    assert_eq!(held.asked(), 2);
}
