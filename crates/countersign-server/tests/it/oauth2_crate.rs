//! The crate `oauth2` as a client of the program: it logs in, renews, ends, asks on its own behalf, and asks
//! what a token is.

use oauth2::{
    AccessToken, AsyncHttpClient, AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest,
    IntrospectionUrl, RefreshToken, ResourceOwnerPassword, ResourceOwnerUsername, RevocationUrl, Scope,
    StandardRevocableToken, TokenIntrospectionResponse, TokenResponse, TokenUrl,
    basic::{BasicClient, BasicRequestTokenError, BasicTokenIntrospectionResponse, BasicTokenResponse, BasicTokenType},
    reqwest::Client as Http,
};
use reqwest::StatusCode;
use serde_json::Value;

use crate::support::{PASSWORD, Place, Server};

/// With a token endpoint and a revocation endpoint.
type Client = BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet, EndpointSet>;

fn client(server: &Server, id: &str) -> Client {
    // The crate takes no other than `https` for the revocation endpoint (RFC 7009 §2).
    let revoke = format!("{}/revoke", server.url.replacen("http:", "https:", 1));
    BasicClient::new(ClientId::new(id.to_owned()))
        .set_token_uri(TokenUrl::new(format!("{}/token", server.url)).unwrap())
        .set_revocation_url(RevocationUrl::new(revoke).unwrap())
}

fn http() -> Http {
    Http::builder().no_proxy().build().unwrap()
}

async fn log_in(client: &Client, password: &str) -> Result<BasicTokenResponse, String> {
    let (alice, password) = (ResourceOwnerUsername::new("alice".into()), ResourceOwnerPassword::new(password.into()));
    let asked = client.exchange_password(&alice, &password).add_scope(Scope::new("items".into()));
    asked.request_async(&http()).await.map_err(|error| code(&error))
}

async fn renew(client: &Client, token: &RefreshToken) -> Result<BasicTokenResponse, String> {
    client.exchange_refresh_token(token).request_async(&http()).await.map_err(|error| code(&error))
}

async fn revoke(client: &Client, token: impl Into<StandardRevocableToken>) {
    let http = http();
    // What would end the TLS in front of the program.
    let in_plain = |mut request: HttpRequest| {
        *request.uri_mut() = request.uri().to_string().replacen("https:", "http:", 1).parse().unwrap();
        http.call(request)
    };
    client.revoke_token(token.into()).unwrap().request_async(&in_plain).await.unwrap();
}

/// The `error` of a refusal.
#[track_caller]
fn code<E: std::error::Error + 'static>(error: &BasicRequestTokenError<E>) -> String {
    let oauth2::RequestTokenError::ServerResponse(refused) = error else { panic!("{error:?}") };
    refused.error().as_ref().to_owned()
}

async fn status_of(server: &Server, tokens: &BasicTokenResponse) -> StatusCode {
    server.get_with("/users/me", tokens.access_token().secret()).await.status()
}

#[tokio::test]
async fn the_oauth2_crate_logs_in_and_calls_a_protected_route() {
    let place = Place::new();
    place.add_user("alice", &["--scope", "items", "--full-name", "Alice Wonderland"]);
    let server = place.serve();
    let client = client(&server, "whatever");
    assert_eq!(log_in(&client, "wrong password").await.unwrap_err(), "invalid_grant");
    let tokens = log_in(&client, PASSWORD).await.unwrap();
    assert_eq!(tokens.expires_in().unwrap().as_secs(), 900);
    let answer = server.get_with("/users/me", tokens.access_token().secret()).await;
    let user: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!((&user["username"], &user["full_name"]), (&"alice".into(), &"Alice Wonderland".into()));
}

#[tokio::test]
async fn e1_the_oauth2_crate_renews_a_login_and_ends_it() {
    let place = Place::new();
    place.add_user("alice", &["--scope", "items"]);
    let server = place.serve();
    let client = client(&server, "whatever");
    let first = log_in(&client, PASSWORD).await.unwrap();
    let second = renew(&client, first.refresh_token().unwrap()).await.unwrap();
    assert_ne!(second.refresh_token().unwrap().secret(), first.refresh_token().unwrap().secret());
    assert_eq!(status_of(&server, &second).await, StatusCode::OK);

    revoke(&client, second.access_token()).await;
    assert_eq!(status_of(&server, &second).await, StatusCode::UNAUTHORIZED);
    let third = renew(&client, second.refresh_token().unwrap()).await.unwrap();
    assert_eq!(status_of(&server, &third).await, StatusCode::OK);

    revoke(&client, third.refresh_token().unwrap()).await;
    assert_eq!(renew(&client, third.refresh_token().unwrap()).await.unwrap_err(), "invalid_grant");
    for ended in [&first, &third] {
        assert_eq!(status_of(&server, ended).await, StatusCode::UNAUTHORIZED);
    }
    // RFC 7009 §2.2: nothing to be told of what is over.
    revoke(&client, third.refresh_token().unwrap()).await;
}

#[tokio::test]
async fn the_oauth2_crate_gets_a_token_of_a_clients_own() {
    let place = Place::new();
    let server = place.serve();
    let add = ["client", "add", "reports", "--grant-type", "client_credentials", "--scope", "items", "--json"];
    let added = place.run(add).expect_code(0).json();
    let secret = added["client_secret"].as_str().unwrap();
    for auth_type in [AuthType::BasicAuth, AuthType::RequestBody] {
        let asked = async |secret: &str| {
            let client = client(&server, "reports").set_client_secret(ClientSecret::new(secret.to_owned()));
            let client = client.set_auth_type(auth_type.clone());
            let asked = client.exchange_client_credentials().add_scope(Scope::new("items".into()));
            asked.request_async(&http()).await.map_err(|error| code(&error))
        };
        assert_eq!(asked("wrong").await.unwrap_err(), "invalid_client");
        let tokens = asked(secret).await.unwrap();
        assert!(tokens.refresh_token().is_none(), "RFC 6749 §4.4.3: none \"SHOULD\" be");
        assert_eq!(status_of(&server, &tokens).await, StatusCode::UNAUTHORIZED, "it is no user");
    }
}

#[tokio::test]
async fn f7_the_oauth2_crate_asks_what_a_token_is() {
    let place = Place::new();
    place.add_user("alice", &["--scope", "items"]);
    let server = place.serve();
    let add = |id: &str, more: &[&str]| {
        let added =
            place.run(["client", "add", id, "--json"].into_iter().chain(more.iter().copied())).expect_code(0).json();
        added["client_secret"].as_str().unwrap().to_owned()
    };
    let secret = add("items", &["--serves", &server.url]);
    let strange = add("stranger", &[]);
    let web_secret = add("web", &["--first-party", "--grant", "password", "--any-scope"]);
    let web = client(&server, "web").set_client_secret(ClientSecret::new(web_secret));
    let tokens = log_in(&web, PASSWORD).await.unwrap();
    let token = tokens.access_token();
    for auth_type in [AuthType::BasicAuth, AuthType::RequestBody] {
        let ask = async |id: &str, secret: &str| introspect(&server, &auth_type, id, secret, token).await;
        assert_eq!(ask("items", "wrong").await.unwrap_err(), "invalid_client");
        assert_inactive(&ask("stranger", &strange).await.unwrap());
        let told = ask("items", &secret).await.unwrap();
        assert!(told.active());
        assert_eq!(told.token_type(), Some(&BasicTokenType::Bearer));
        assert_eq!(told.scopes(), Some(&vec![Scope::new("items".into())]));
        assert_eq!(told.client_id().map(|id| id.as_str()), Some("web"));
        assert_eq!(told.username(), Some("alice"));
        assert_eq!((told.iss(), told.aud()), (Some(server.url.as_str()), Some(&vec![server.url.clone()])));
        assert!(told.sub().is_some() && told.jti().is_some());
        let lifetime = told.exp().unwrap() - told.iat().unwrap();
        assert_eq!(lifetime.num_seconds(), 900);
    }
    revoke(&web, token).await;
    for auth_type in [AuthType::BasicAuth, AuthType::RequestBody] {
        assert_inactive(&introspect(&server, &auth_type, "items", &secret, token).await.unwrap());
    }
}

async fn introspect(
    server: &Server,
    auth_type: &AuthType,
    id: &str,
    secret: &str,
    token: &AccessToken,
) -> Result<BasicTokenIntrospectionResponse, String> {
    let url = IntrospectionUrl::new(format!("{}/introspect", server.url)).unwrap();
    let client = client(server, id).set_client_secret(ClientSecret::new(secret.to_owned()));
    let client = client.set_auth_type(auth_type.clone()).set_introspection_url(url);
    let asked = client.introspect(token).set_token_type_hint("access_token");
    asked.request_async(&http()).await.map_err(|error| code(&error))
}

/// Nothing but that is told (RFC 7662 §2.2).
#[track_caller]
fn assert_inactive(told: &BasicTokenIntrospectionResponse) {
    assert_eq!(serde_json::to_value(told).unwrap(), serde_json::json!({ "active": false }));
}
