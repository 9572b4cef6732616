//! What code does to clients: each is in force, and what it ends is dead, when it returns.

use std::time::Duration;

use countersign_core::{
    authorization_server::AuthorizationServer,
    client::{Client, ClientSecret, ClientStatus, registry::RegistryProblem},
    names::ClientId,
    store::{Found, StoreError},
};

use crate::oauth2::OAuth2;

/// Clients of the registry, from code; [`OAuth2::add_client`] adds one.
///
/// Whatever ends what a client got ends its refresh tokens and opaque tokens everywhere, and its JWTs in this process,
/// before it returns; in other processes on the same store JWTs end within a second.
///
/// ```
/// use countersign::{ClientId, Found, GrantType, Memory, NewClient, OAuth2};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> countersign::Result<()> {
/// let oauth2 = OAuth2::new(Memory::new()).build().await?;
/// let reports = NewClient::new("reports").grant_type(GrantType::ClientCredentials).scope("read:items");
/// oauth2.add_client(reports).await?;
/// assert_eq!(oauth2.disable_client(&ClientId::new("reports")).await?, Found::Yes);
/// # Ok(())
/// # }
/// ```
impl OAuth2 {
    /// The client of this identifier, disabled or not. The built-in client is in no registry.
    ///
    /// # Errors
    /// [`ClientChangeProblem::Elsewhere`]; [`RegistryProblem::Store`].
    pub async fn find_client(&self, id: &ClientId) -> Result<Option<Client>, ClientChangeProblem> {
        Ok(self.with_registry()?.store().find_client(id).await?)
    }

    /// At most `limit` clients, of those whose identifiers come after `after`, in the order of their identifiers' bytes.
    ///
    /// # Errors
    /// [`ClientChangeProblem::Elsewhere`]; [`RegistryProblem::Store`].
    pub async fn list_clients(
        &self,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<Vec<Client>, ClientChangeProblem> {
        Ok(self.with_registry()?.store().list_clients(after, limit).await?)
    }

    /// Disables a client, and ends what it got: its own tokens, and the logins of users with it.
    ///
    /// # Errors
    /// [`ClientChangeProblem::Elsewhere`]; [`RegistryProblem::Store`]: it is not known whether that is done.
    pub async fn disable_client(&self, id: &ClientId) -> Result<Found, ClientChangeProblem> {
        Ok(self.with_registry()?.set_client_status(id, ClientStatus::Disabled).await?)
    }

    /// Enables a client, which then asks again: what had ended stays so. In the second in which it was disabled, and for the
    /// leeway after it, it is told to wait: by another's clock what it got may be of this time.
    ///
    /// # Errors
    /// As of [`OAuth2::disable_client`].
    pub async fn enable_client(&self, id: &ClientId) -> Result<Found, ClientChangeProblem> {
        Ok(self.with_registry()?.set_client_status(id, ClientStatus::Active).await?)
    }

    /// Removes a client from the registry, and ends what it got.
    ///
    /// # Errors
    /// As of [`OAuth2::disable_client`].
    pub async fn remove_client(&self, id: &ClientId) -> Result<Found, ClientChangeProblem> {
        Ok(self.with_registry()?.remove_client(id).await?)
    }

    /// Makes a new secret for a client: this is the one time to keep it. Those that it has go on for `overlap`, and are
    /// then good for nothing; with 0 they end now. What the client got stays.
    ///
    /// # Errors
    /// [`ClientChangeProblem`]: there is no such client, it has no secrets or too many, or the store does not answer.
    pub async fn rotate_client_secret(
        &self,
        id: &ClientId,
        overlap: Duration,
    ) -> Result<ClientSecret, ClientChangeProblem> {
        Ok(self.with_registry()?.rotate_client_secret(id, overlap).await?)
    }

    fn with_registry(&self) -> Result<&AuthorizationServer, ClientChangeProblem> {
        self.server().ok_or(ClientChangeProblem::Elsewhere)
    }
}

/// Why a client was not found or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientChangeProblem {
    /// Tokens, and the clients that get them, are of an issuer elsewhere.
    #[error("tokens come from elsewhere: clients are there")]
    Elsewhere,
    /// The registry stayed as it is, or did not answer.
    #[error(transparent)]
    Registry(#[from] RegistryProblem),
}

impl From<StoreError> for ClientChangeProblem {
    fn from(problem: StoreError) -> Self {
        Self::Registry(problem.into())
    }
}
