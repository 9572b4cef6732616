//! What an operator's code does to clients, with the end of what they got: all of it is dead when it returns.

use std::time::Duration;

use super::AuthorizationServer;
use crate::{
    client::{
        ClientSecret, ClientStatus,
        registry::{self, RegistryProblem},
    },
    names::ClientId,
    store::Found,
};

impl AuthorizationServer {
    /// Disables a client and ends what it got, or enables one.
    ///
    /// # Errors
    /// [`RegistryProblem::Store`]: it is not known whether that is done, or whether what it got has ended.
    pub async fn set_client_status(&self, id: &ClientId, status: ClientStatus) -> Result<Found, RegistryProblem> {
        let (leeway, clock) = (self.settings.leeway, &*self.ports.clock);
        let set = registry::set_status(self.store(), id, status, leeway, clock).await;
        self.settle_client(set).await
    }

    /// Removes a client, and ends what it got.
    ///
    /// # Errors
    /// [`RegistryProblem::Store`]: it is not known whether that is done, or whether what it got has ended.
    pub async fn remove_client(&self, id: &ClientId) -> Result<Found, RegistryProblem> {
        let removed = registry::remove(self.store(), id, self.settings.leeway, &*self.ports.clock).await;
        self.settle_client(removed).await
    }

    /// Makes a new secret for a client. Those that it has go on for `overlap`, and are then good for nothing; what the
    /// client got stays.
    ///
    /// # Errors
    /// [`RegistryProblem`]: there is no such client, it has no secrets or too many, or the store does not answer.
    pub async fn rotate_client_secret(
        &self,
        id: &ClientId,
        overlap: Duration,
    ) -> Result<ClientSecret, RegistryProblem> {
        registry::rotate_secret(self.store(), id, overlap, &*self.ports.clock, self.rng()).await
    }

    /// Hears of what has ended, also where there is no such client: another process may have removed it just now.
    async fn settle_client(&self, done: Result<(), RegistryProblem>) -> Result<Found, RegistryProblem> {
        let found = match done {
            Ok(()) => Found::Yes,
            Err(RegistryProblem::Unknown) => Found::No,
            Err(problem) => return Err(problem),
        };
        self.hear_of_it().await?;
        Ok(found)
    }
}
