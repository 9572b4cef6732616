//! What is remembered of clients, owners and the feed while a file does not change, and that any change is seen at once.

use countersign::{GrantType, NewClient, NewUser, OAuth2};
use countersign_core::{
    authorization_server::{Introspection, Request},
    client::ClientStatus,
    clock::Timestamp,
    error::OAuthError,
    form::Form,
    names::ClientId,
    resource_owner::OwnerStatus,
    store::{Clients, Feed, OwnerRegistry},
    token::AccessToken,
};
use countersign_sql::Sqlite;

use crate::support::Place;

const SECRET: &str = "a+long+and+winding+secret+of+the+tests";
const ISSUER: &str = "https://api.example";

async fn process(store: Sqlite) -> OAuth2 {
    OAuth2::new(store).issuer(ISSUER).build().await.unwrap()
}

fn form(text: &str) -> Form {
    Form::parse(text.as_bytes()).unwrap()
}

fn of(id: &str) -> String {
    format!("client_id={id}&client_secret={SECRET}")
}

async fn own_token(oauth2: &OAuth2, id: &str) -> Result<String, OAuthError> {
    let asked = form(&format!("{}&grant_type=client_credentials&scope=me", of(id)));
    let granted = oauth2.server().unwrap().token(Request::new(None, &asked)).await?;
    Ok(granted.access_token.secret().to_owned())
}

async fn is_active(oauth2: &OAuth2, token: &str) -> bool {
    let asked = form(&format!("{}&token={token}", of("api")));
    let told = oauth2.server().unwrap().introspect(Request::new(None, &asked)).await.unwrap();
    matches!(told, Introspection::Active(_))
}

fn client(id: &str) -> NewClient {
    let client = NewClient::new(id).secret(SECRET.replace('+', " ")).scope("me");
    client.grant_type(GrantType::ClientCredentials).serves(ISSUER)
}

#[tokio::test]
async fn every_process_sees_the_others_changes_at_once() {
    let place = Place::new();
    let (one, other) = (place.open().await, place.open().await);
    for (store, writer) in [(&one, &other), (&other, &one), (&one, &one)] {
        let before = store.version().unwrap();
        assert_eq!(store.version(), Some(before), "nothing has changed");
        writer.cut_client(&ClientId::new("app"), Timestamp::from_seconds(1)).await.unwrap();
        assert_ne!(store.version(), Some(before));
    }
}

#[tokio::test]
async fn h10_what_another_process_does_to_a_client_is_seen_by_the_next_request() {
    let place = Place::new();
    let (here, there) = (place.open().await, place.open().await);
    let oauth2 = process(here).await;
    for id in ["api", "app"] {
        oauth2.add_client(client(id)).await.unwrap();
    }
    let id = ClientId::new("app");
    let token = own_token(&oauth2, "app").await.unwrap();
    for _ in 0..2 {
        assert!(is_active(&oauth2, &token).await);
    }
    there.set_client_status(&id, ClientStatus::Disabled, Timestamp::from_seconds(1)).await.unwrap();
    assert!(matches!(own_token(&oauth2, "app").await, Err(OAuthError::InvalidClient)));
    assert!(!is_active(&oauth2, &token).await, "its client is disabled, though the feed tells of older tokens alone");
    there.set_client_status(&id, ClientStatus::Active, Timestamp::from_seconds(1)).await.unwrap();
    assert!(is_active(&oauth2, &token).await);
    own_token(&oauth2, "app").await.unwrap();
    there.remove_client(&id, Timestamp::from_seconds(1)).await.unwrap();
    assert!(matches!(own_token(&oauth2, "app").await, Err(OAuthError::InvalidClient)));
    assert!(!is_active(&oauth2, &token).await);
}

#[tokio::test]
async fn f3_what_another_process_ends_is_inactive_at_once() {
    let place = Place::new();
    let (here, there) = (place.open().await, place.open().await);
    let (oauth2, elsewhere) = (process(here).await, process(there.clone()).await);
    oauth2.add_client(client("api")).await.unwrap();
    oauth2.add_user(NewUser::new("alice").password("correct horse").scope("me")).await.unwrap();
    let own = own_token(&oauth2, "api").await.unwrap();
    let login = form("username=alice&password=correct+horse&scope=me");
    let login = oauth2.server().unwrap().token(Request::new(None, &login)).await.unwrap();
    let theirs: AccessToken = oauth2.server().unwrap().verify(&login.access_token).await.unwrap();
    for token in [&own, login.access_token.secret()] {
        for _ in 0..2 {
            assert!(is_active(&oauth2, token).await);
        }
    }
    let revocation = form(&format!("{}&token={own}", of("api")));
    elsewhere.server().unwrap().revoke(Request::new(None, &revocation)).await.unwrap();
    assert!(!is_active(&oauth2, &own).await);
    assert!(is_active(&oauth2, login.access_token.secret()).await);
    there.set_status(theirs.subject(), OwnerStatus::Disabled, oauth2.server().unwrap().now()).await.unwrap();
    assert!(!is_active(&oauth2, login.access_token.secret()).await);
}
