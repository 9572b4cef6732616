//! What an operator does with the registry, each with its event in the log: from code and from the command line alike.

use std::time::Duration;

use super::{Authentication, Client, ClientProblem, ClientSecret, ClientStatus};
use crate::{
    clock::{Clock, Rng, Timestamp},
    names::ClientId,
    store::{Added, Clients, Found, Rotated, StoreError},
};

/// How long the old secret of a client goes on by default: a day, in which the new one gets to where it is used.
pub const DEFAULT_OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a rotation is tried while others rotate the same secret.
const MAX_ATTEMPTS: usize = 10;

/// Registers a client, unless its name is taken.
///
/// # Errors
/// [`RegistryProblem`]: its record cannot be one, or it cannot be stored now.
pub async fn add(clients: &(impl Clients + ?Sized), client: &Client) -> Result<Added, RegistryProblem> {
    let client = client.clone().checked()?;
    let added = clients.add_client(&client).await?;
    if added == Added::Yes {
        tracing::info!(event = "client_added", outcome = "done", client = %client.id, "a client was registered");
    }
    Ok(added)
}

/// Disables a client, which ends what was granted to it, or enables one.
///
/// `leeway` is how far the clocks of those on the store may be apart: what another of them gave the client a moment ago may be
/// of the time that is still to come here, and ends too. A client that is enabled before that has passed
/// gets nothing until then (`temporarily_unavailable`), since it could not be told from what has ended.
///
/// # Errors
/// [`RegistryProblem::Unknown`], [`RegistryProblem::Store`].
pub async fn set_status(
    clients: &(impl Clients + ?Sized),
    id: &ClientId,
    status: ClientStatus,
    leeway: Duration,
    clock: &dyn Clock,
) -> Result<(), RegistryProblem> {
    let began = clock.now();
    let (event, until) = match status {
        ClientStatus::Active => ("client_enabled", began),
        ClientStatus::Disabled => ("client_disabled", began.plus(leeway)),
    };
    known(clients.set_client_status(id, status, until).await?)?;
    tracing::info!(event, outcome = "done", client = %id, "a client's status was set");
    if status == ClientStatus::Disabled {
        cut_what_came_meanwhile(clients, id, began, leeway, clock).await?;
    }
    Ok(())
}

/// Removes a client, and what was granted to it. `leeway` is as of [`set_status`], and another of its name waits as long.
///
/// # Errors
/// [`RegistryProblem::Unknown`], [`RegistryProblem::Store`].
pub async fn remove(
    clients: &(impl Clients + ?Sized),
    id: &ClientId,
    leeway: Duration,
    clock: &dyn Clock,
) -> Result<(), RegistryProblem> {
    let began = clock.now();
    known(clients.remove_client(id, began.plus(leeway)).await?)?;
    tracing::info!(event = "client_removed", outcome = "done", client = %id, "a client was removed");
    cut_what_came_meanwhile(clients, id, began, leeway, clock).await?;
    Ok(())
}

/// Makes a new secret for a client. Those that it has go on for `overlap`, and are then good for nothing.
///
/// Two that rotate at once both get a secret that is good: whoever comes second adds to what the first left.
///
/// # Errors
/// [`RegistryProblem`]: there is no such client, it has no secrets or too many, or the store does not answer.
pub async fn rotate_secret(
    clients: &(impl Clients + ?Sized),
    id: &ClientId,
    overlap: Duration,
    clock: &dyn Clock,
    rng: &dyn Rng,
) -> Result<ClientSecret, RegistryProblem> {
    let secret = ClientSecret::random(rng);
    for _ in 0..MAX_ATTEMPTS {
        let client = clients.find_client(id).await?.ok_or(RegistryProblem::Unknown)?;
        let Authentication::Secret { secrets, .. } = client.authentication else {
            return Err(ClientProblem::NotBySecret.into());
        };
        let rotated = secrets.rotated(&secret, overlap, clock.now())?;
        if clients.rotate_client_secrets(id, &secrets, &rotated).await? == Rotated::Yes {
            tracing::info!(event = "client_secret_rotated", outcome = "done", client = %id,
                overlap_seconds = overlap.as_secs(), "a client has a new secret");
            return Ok(secret);
        }
    }
    Err(RegistryProblem::Contended)
}

/// The write may have waited for others, and until it was done the client got what it asked for: that ends too, unless
/// somebody has let it in again.
async fn cut_what_came_meanwhile(
    clients: &(impl Clients + ?Sized),
    id: &ClientId,
    began: Timestamp,
    leeway: Duration,
    clock: &dyn Clock,
) -> Result<(), StoreError> {
    let now = clock.now();
    if now > began && !clients.find_client(id).await?.is_some_and(|client| client.is_active()) {
        clients.cut_client(id, now.plus(leeway)).await?;
    }
    Ok(())
}

fn known(found: Found) -> Result<(), RegistryProblem> {
    match found {
        Found::Yes => Ok(()),
        Found::No => Err(RegistryProblem::Unknown),
    }
}

/// Why the registry stayed as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryProblem {
    /// There is no client of this name.
    #[error("there is no such client")]
    Unknown,
    /// The record cannot be one.
    #[error(transparent)]
    Client(#[from] ClientProblem),
    /// Others change the same client faster than it can be read.
    #[error("others rotate this client's secret at the same time; nothing was changed")]
    Contended,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        client::{ClientSecrets, SecretMethods},
        clock::{SeededRng, TurnableClock},
        store::memory::Memory,
        token::verify::DEFAULT_LEEWAY,
    };

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn client(id: &str, authentication: Authentication) -> Client {
        Client::new(ClientId::new(id), authentication, NOW)
    }

    #[tokio::test]
    async fn what_cannot_be_a_client_is_not_registered() {
        let store = Memory::new();
        let added = add(&store, &client("ü", Authentication::None)).await;
        assert!(matches!(added, Err(RegistryProblem::Client(ClientProblem::Id(_)))), "{added:?}");
        assert!(!store.has_clients().await.unwrap());
    }

    #[tokio::test]
    async fn what_is_done_to_nobody_is_told() {
        let (store, id, clock, rng) = (Memory::new(), ClientId::new("app"), TurnableClock::at(NOW), SeededRng::new(1));
        for done in [
            set_status(&store, &id, ClientStatus::Disabled, DEFAULT_LEEWAY, &clock).await,
            remove(&store, &id, DEFAULT_LEEWAY, &clock).await,
            rotate_secret(&store, &id, DEFAULT_OVERLAP, &clock, &rng).await.map(drop),
        ] {
            assert!(matches!(done, Err(RegistryProblem::Unknown)), "{done:?}");
        }
        add(&store, &client("app", Authentication::None)).await.unwrap();
        let rotated = rotate_secret(&store, &id, DEFAULT_OVERLAP, &clock, &rng).await;
        assert!(matches!(rotated, Err(RegistryProblem::Client(ClientProblem::NotBySecret))), "{rotated:?}");
    }

    #[tokio::test]
    async fn h8_secrets_of_rotations_at_once_are_all_good() {
        let (store, id) = (std::sync::Arc::new(Memory::new()), ClientId::new("app"));
        let secrets = ClientSecrets::of(&ClientSecret::new("first"));
        let by_secret = Authentication::Secret { methods: SecretMethods::Basic, secrets };
        add(&*store, &client("app", by_secret)).await.unwrap();
        let rotations = (0..3).map(|seed| {
            let (store, id) = (store.clone(), id.clone());
            tokio::spawn(async move {
                let (clock, rng) = (TurnableClock::at(NOW), SeededRng::new(seed));
                rotate_secret(&*store, &id, DEFAULT_OVERLAP, &clock, &rng).await.unwrap()
            })
        });
        let rotations: Vec<_> = rotations.collect();
        let mut given = vec![ClientSecret::new("first")];
        for rotation in rotations {
            given.push(rotation.await.unwrap());
        }
        let Authentication::Secret { secrets, .. } = store.find_client(&id).await.unwrap().unwrap().authentication
        else {
            panic!("it had a secret")
        };
        assert!(given.iter().all(|secret| ClientSecrets::match_any(Some(&secrets), secret, NOW)));
    }
}
