//! How a client proves who it is (RFC 6749 §2.3); one file per method.

mod basic;
mod post;

use crate::{
    client::{Client, ClientSecret, ClientType},
    error::{OAuthError, RequestProblem},
    form::Form,
    names::ClientId,
    store::Clients,
};

/// What a client says of itself.
#[derive(Debug)]
struct Credentials {
    id: ClientId,
    secret: Option<ClientSecret>,
}

/// The client that makes this request.
///
/// Where no client is registered, or none is named, the built-in one acts; HTTP libraries that always send some
/// `client_id`, and pages that send an empty one, work all the same.
///
/// # Errors
/// - [`OAuthError::InvalidClient`]: a client is named that is unknown or does not prove who it is.
/// - [`OAuthError::InvalidRequest`]: it authenticates in two ways (RFC 6749 §2.3: "MUST NOT use more than one").
/// - [`OAuthError::TemporarilyUnavailable`]: the store is away.
pub(crate) async fn authenticate(
    clients: &dyn Clients,
    authorization: Option<&str>,
    form: &Form,
) -> Result<Client, OAuthError> {
    if !clients.has_clients().await? {
        return Ok(Client::built_in());
    }
    let named = match (basic::read(authorization)?, post::read(form)) {
        (Some(basic), None) => basic,
        (Some(basic), Some(post)) if post.secret.is_none() && post.id == basic.id => basic,
        (Some(_), Some(_)) => return Err(OAuthError::InvalidRequest(RequestProblem::SeveralClientCredentials)),
        (None, Some(post)) => post,
        (None, None) => return Ok(Client::built_in()),
    };
    let client = clients.find_client(&named.id).await?;
    client.filter(|client| is_proven(client, &named)).ok_or_else(|| {
        tracing::info!(event = "client_authentication", outcome = "denied", "a client was refused");
        OAuthError::InvalidClient
    })
}

/// A public client has no secret and shows none; a confidential one must show one of its own.
fn is_proven(client: &Client, named: &Credentials) -> bool {
    match (&client.client_type, &named.secret) {
        (ClientType::Public, secret) => secret.is_none(),
        (ClientType::Confidential(hashes), Some(secret)) => hashes.iter().any(|hash| hash.matches(secret)),
        (ClientType::Confidential(_), None) => false,
    }
}
