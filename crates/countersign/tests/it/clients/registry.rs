//! Adding clients from code, and what the registry does not do.

use axum::http::StatusCode;
use countersign::{
    GrantType, NewClient, NewClientProblem, TokenFormat, Username,
    core::client::{AuthMethod, ClientProblem, ClientType, registry::RegistryProblem},
};

use super::support::{OF_ITS_OWN, SECRET, add, basic, service};
use crate::support::{NOW, TestApp, form};

#[tokio::test]
async fn h6_a_client_that_cannot_be_is_not_added() {
    let app = TestApp::new().await;
    let keys = "{\"keys\":[]}";
    for (client, problem) in [
        (NewClient::new("app").secret(""), ClientProblem::WeakSecret),
        (NewClient::new("app").secret("x".repeat(31)), ClientProblem::WeakSecret),
        (NewClient::new("app").keys(keys), ClientProblem::NoKey),
        (NewClient::new("countersign"), ClientProblem::Reserved),
        (NewClient::new("app").name(" "), ClientProblem::Name),
        (NewClient::new("app").audience("a b"), ClientProblem::Audience),
        (service("app").public(), ClientProblem::PublicClientCredentials),
        (NewClient::new("app").grant_type(GrantType::Password), ClientProblem::PasswordOfThirdParty),
    ] {
        let added = app.oauth2.add_client(client).await;
        let Err(NewClientProblem::Registry(RegistryProblem::Client(found))) = added else { panic!("{added:?}") };
        assert_eq!(found, problem);
    }
    assert!(app.oauth2.add_client(NewClient::new("ü")).await.is_err());
    assert!(app.oauth2.add_client(NewClient::new("app").scope("a\"b")).await.is_err());
    assert!(!app.oauth2.server().unwrap().store().has_clients().await.unwrap());
}

#[tokio::test]
async fn h9_a_client_cannot_take_the_name_of_a_user_or_of_another_client() {
    let app = TestApp::new().await;
    let server = app.oauth2.server().unwrap();
    let alice = server.owners().find_by_username(&Username::parse("alice").unwrap()).await.unwrap().unwrap();
    add(&app.oauth2, service("app").secret(SECRET)).await;
    for taken in [alice.subject.as_str(), "app"] {
        let added = app.oauth2.add_client(service(taken)).await;
        assert!(matches!(added, Err(NewClientProblem::Taken)), "{added:?}");
    }
    app.ask(OF_ITS_OWN, Some(&basic("app", SECRET))).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn h4_a_made_secret_is_given_once_and_is_in_no_other_output() {
    let app = TestApp::new().await;
    let added = app.oauth2.add_client(service("app").name("Reports").token_format(TokenFormat::Jwt)).await.unwrap();
    let secret = added.secret.clone().unwrap();
    assert!(secret.secret().starts_with("cs_secret_") && secret.secret().len() == 58, "32 bytes and a checksum");
    assert!(!format!("{added:?}").contains(secret.secret()));
    let stored = app.oauth2.server().unwrap().store().find_client(&added.client.id).await.unwrap().unwrap();
    assert_eq!(stored, added.client);
    assert!(!format!("{stored:?}").contains(secret.secret()));
    assert_eq!((stored.client_type(), stored.created_at), (ClientType::Confidential, NOW));
    assert_eq!(stored.authentication.methods(), [AuthMethod::Basic, AuthMethod::Post]);
    assert_eq!(stored.token_format, Some(TokenFormat::Jwt));
    app.ask(OF_ITS_OWN, Some(&basic("app", secret.secret()))).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn h11_nobody_registers_a_client_over_the_wire() {
    let app = TestApp::new().await;
    for path in ["/register", "/clients", "/oauth2/register"] {
        app.send(form(path, "client_name=x")).await.expect(StatusCode::NOT_FOUND);
    }
    let metadata = app.get("/.well-known/oauth-authorization-server").await.json();
    assert!(metadata.get("registration_endpoint").is_none(), "{metadata}");
}
