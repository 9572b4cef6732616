//! What an author adds to access tokens: the port for claims of your own.

use std::fmt;

use async_trait::async_trait;
pub use serde_json::{Map, Value};

use crate::{
    names::{ClientId, Subject},
    scope::Scope,
    store::error::StoreError,
};

/// Where claims of your own come from, such as `roles`, `groups` or `entitlements` (RFC 9068 §2.2.3.1).
///
/// Whoever has the token can read them, and they stay what they are until it expires. A complete one:
///
/// ```
/// use countersign_core::{
///     extra_claims::{ExtraClaims, IssuedFor, Map, Value},
///     store::error::StoreError,
/// };
///
/// #[derive(Debug)]
/// struct Roles;
///
/// #[async_trait::async_trait]
/// impl ExtraClaims for Roles {
///     async fn claims(&self, issued: IssuedFor<'_>) -> Result<Map<String, Value>, StoreError> {
///         let roles = if issued.subject.as_str() == "1" { vec!["editor"] } else { Vec::new() };
///         Ok(Map::from_iter([("roles".to_owned(), roles.into())]))
///     }
/// }
/// ```
///
/// Names that have a meaning of their own are refused, and so are claims that make the token longer than
/// [`MAX_TOKEN_BYTES`](crate::jose::MAX_TOKEN_BYTES): the login then fails with `server_error`, and the log says why.
#[async_trait]
pub trait ExtraClaims: fmt::Debug + Send + Sync + 'static {
    /// The claims to add to a user's token, asked once for each. A client's own token has none of them.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): they cannot be known now, and nothing is issued.
    async fn claims(&self, issued: IssuedFor<'_>) -> Result<Map<String, Value>, StoreError>;
}

/// Whom a token is about to be issued for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct IssuedFor<'a> {
    /// Whose it will be (`sub`).
    pub subject: &'a Subject,
    /// The client that asked for it (`client_id`).
    pub client_id: &'a ClientId,
    /// What it will allow (`scope`).
    pub scope: &'a Scope,
}
