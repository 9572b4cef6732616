//! The ways in which a client asks for tokens; one file per grant type, which reads and decides and never issues.
//!
//! To add one: a file with its `decide`, a variant of [`GrantType`], and the line in `decide` that the compiler then asks
//! for.

pub(crate) mod password;

use crate::{
    client::Client, error::OAuthError, form::Form, grant_record::Authorized, grant_type::GrantType,
    password::HashingPool, resource_owner::ResourceOwners, scope::Scope,
};

/// What a grant may look at to decide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) owners: &'a dyn ResourceOwners,
    pub(crate) home: Home,
    pub(crate) hashing: &'a HashingPool,
    pub(crate) default_scope: &'a Scope,
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
) -> Result<Authorized, OAuthError> {
    match grant_type {
        GrantType::Password => password::decide(facts, client, form).await,
    }
}
