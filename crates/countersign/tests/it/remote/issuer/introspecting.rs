//! An API that asks the issuer about each token.

use std::time::Duration;

use axum::http::StatusCode;
use countersign::{BearerError, OAuth2, Reason, TokenFormat, core::token::BearerToken};
use serde_json::json;

use super::{Wire, issuer};
use crate::{
    remote::support::{AUDIENCE, FEED, ISSUER, request},
    store::any_store,
    support::{SECRET, answer, form},
};

#[tokio::test]
async fn f3_opaque_tokens_are_introspected_until_they_are_revoked() {
    let store = any_store().await;
    let issuer = issuer(store.clone(), TokenFormat::Opaque).await;
    issuer.put_api("orders", &["https://orders.example.com"]).await;
    let wire = Wire::to(&issuer);
    let api = async |client: &str, secret: &str| {
        let builder = OAuth2::introspecting(ISSUER, client, secret).audience(AUDIENCE).fetch(wire.clone());
        builder.clock(issuer.clock.clone()).remember_for(Duration::ZERO).build().await.unwrap()
    };
    let (items, orders, impostor) = (api("items", SECRET).await, api("orders", SECRET).await, api("items", "x").await);
    let login = issuer.post_token("username=alice&password=correct+horse&scope=read:items").await.json();
    let [token, refresh] =
        ["access_token", "refresh_token"].map(|name| BearerToken::new(login[name].as_str().unwrap()));
    let verified = items.verify(&token).await.unwrap();
    assert_eq!((verified.scope().to_string().as_str(), verified.audience()[0].as_str()), ("read:items", AUDIENCE));
    let user = items.find_active_owner(&verified).await.unwrap();
    assert_eq!(user.username.as_str(), "alice");
    assert_eq!(orders.verify(&token).await.unwrap_err().reason(), Reason::Inactive);
    assert_eq!(items.verify(&refresh).await.unwrap_err().reason(), Reason::Inactive);
    assert_eq!(impostor.verify(&token).await.unwrap_err().reason(), Reason::Unavailable, "our fault, not the token's");
    wire.cut(true);
    assert_eq!(items.verify(&token).await.unwrap_err().reason(), Reason::Unavailable);
    wire.cut(false);
    let router = crate::support::routes(items.router()).finish().unwrap();
    let get = async || answer(&router, request("/items", token.secret())).await;
    get().await.expect(StatusCode::OK);
    issuer.send(form("/revoke", &format!("token={}", token.secret()))).await.expect(StatusCode::OK);
    get().await.expect_invalid_token();
}

/// A client that is its own API: what it hears of its refresh token makes no access token of it.
#[tokio::test]
async fn f9_no_refresh_token_opens_the_api_that_got_it() {
    let issuer = issuer(any_store().await, TokenFormat::Jwt).await;
    let wire = Wire::to(&issuer);
    let builder = OAuth2::introspecting(ISSUER, "items", SECRET).audience(AUDIENCE).fetch(wire.clone());
    let items = builder.clock(issuer.clock.clone()).build().await.unwrap();
    let login = format!("username=alice&password=correct+horse&client_id=items&client_secret={SECRET}");
    let refresh = issuer.post_token(&login).await.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(issuer.introspect("items", &refresh).await.json()["active"], true);
    let refused = items.verify(&BearerToken::new(refresh)).await.unwrap_err();
    assert!(matches!(refused, BearerError::InvalidToken(_)), "{refused:?}");
}

#[tokio::test]
async fn the_metadata_tell_of_both() {
    let issuer = issuer(any_store().await, TokenFormat::Jwt).await;
    let metadata = issuer.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["introspection_endpoint"], format!("{ISSUER}/introspect"));
    let methods = json!(["client_secret_basic", "client_secret_post", "private_key_jwt"]);
    assert_eq!(metadata["introspection_endpoint_auth_methods_supported"], methods, "a name alone is no proof");
    assert_eq!(metadata["revocation_feed_endpoint"], FEED);
}
