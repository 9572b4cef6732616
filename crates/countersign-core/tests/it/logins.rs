//! What the log tells of logins that end: each once, whoever ends it.

use countersign_core::{
    authorization_server::{Request, Settings},
    form::Form,
    names::GrantId,
    store::Found,
};

use crate::support::{Login, log_of};

fn ends(log: &str) -> usize {
    log.matches("event=\"revocation\"").count()
}

#[tokio::test]
async fn l2_a_login_that_code_ends_is_in_the_log() {
    let login = Login::with_settings(Settings::default()).await;
    let token = login.log_in().await.unwrap();
    let id = token.grant_id().unwrap();
    let (found, log) = log_of(login.server.end_grant(&GrantId::new("another"))).await;
    assert_eq!((found.unwrap(), ends(&log)), (Found::No, 0), "{log}");
    let (found, log) = log_of(login.server.end_grant(id)).await;
    assert_eq!((found.unwrap(), ends(&log)), (Found::Yes, 1), "{log}");
    assert!(log.contains("what=\"grant\"") && log.contains(&format!("grant={id}")), "{log}");
}

#[tokio::test]
async fn l2_a_login_that_its_client_ends_is_in_the_log_once() {
    let login = Login::with_settings(Settings::default()).await;
    let form = Form::parse(b"grant_type=password&username=alice&password=correct+horse").unwrap();
    let refresh = login.server.token(Request::new(None, &form)).await.unwrap().refresh_token.unwrap();
    let form = Form::parse(format!("token={}", refresh.secret()).as_bytes()).unwrap();
    let (revoked, log) = log_of(login.server.revoke(Request::new(None, &form))).await;
    revoked.unwrap();
    assert_eq!(ends(&log), 1, "{log}");
}
