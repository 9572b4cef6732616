//! The ways in which a client asks for tokens; one file per grant type, which reads and decides and never issues.
//!
//! To add one: a file with its `decide`, a variant of [`GrantType`], and the line in `decide` that the compiler then asks
//! for.

pub(crate) mod client_credentials;
pub(crate) mod password;
pub(crate) mod refresh_token;

use std::time::Duration;

use crate::{
    client::Client,
    clock::Timestamp,
    error::OAuthError,
    form::Form,
    grant_record::Decision,
    grant_type::GrantType,
    names::Audience,
    password::HashingPool,
    resource_owner::ResourceOwners,
    scope::Scope,
    store::Grants,
    throttle::{Source, Throttle},
};

/// How long to wait for an owner who changes faster than requests are answered.
pub(crate) const OWNER_RETRY: Duration = Duration::from_secs(1);

/// What a grant may look at to decide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) owners: &'a dyn ResourceOwners,
    pub(crate) home: Home,
    pub(crate) hashing: &'a HashingPool,
    pub(crate) throttle: &'a Throttle,
    /// Where the request comes from.
    pub(crate) source: Source,
    pub(crate) default_scope: &'a Scope,
    pub(crate) grants: &'a dyn Grants,
    pub(crate) now: Timestamp,
    /// For how long a use of a refresh token may be tried again.
    pub(crate) refresh_leeway: Duration,
    /// The server's own audience.
    pub(crate) audience: &'a Audience,
}

/// Whose table the owners are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// The store's, which can see to it that they are still what they were when their grant is recorded.
    Store,
    /// The author's.
    Elsewhere,
}

pub(crate) async fn decide(
    grant_type: GrantType,
    facts: Facts<'_>,
    client: &Client,
    form: &Form,
) -> Result<Decision, OAuthError> {
    match grant_type {
        GrantType::Password => password::decide(facts, client, form).await.map(Decision::Issue),
        GrantType::RefreshToken => refresh_token::decide(facts, client, form).await,
        GrantType::ClientCredentials => client_credentials::decide(facts, client, form).map(Decision::Issue),
    }
}
