//! Clients that were looked up before, good for as long as nothing at all changes in the store.

use std::fmt;

use quick_cache::sync::Cache;

use super::Client;
use crate::{
    names::ClientId,
    store::{Store, StoreError},
};

/// How many clients are remembered: at some 2 KB each, 2 MB of them.
const MAX_REMEMBERED_CLIENTS: usize = 1_000;

/// A bounded memory of clients, disabled ones too.
///
/// Each is good while the store's [version](crate::store::Feed::version) is what it was before the client was read: whatever
/// anybody changes is seen by the next request, in every process. A store that cannot tell its version is asked each time.
/// Only names of clients are remembered, so nobody fills this by inventing some.
pub(crate) struct RememberedClients(Cache<ClientId, Known>);

#[derive(Clone)]
struct Known {
    client: Client,
    version: u64,
}

impl RememberedClients {
    pub(crate) fn new() -> Self {
        Self(Cache::new(MAX_REMEMBERED_CLIENTS))
    }

    /// The client of this name, as it is now.
    pub(crate) async fn find(&self, id: &ClientId, store: &dyn Store) -> Result<Option<Client>, StoreError> {
        // Before the row is read: a change from here on may not be in it.
        let Some(version) = store.version() else { return store.find_client(id).await };
        if let Some(known) = self.0.get(id).filter(|known| known.version == version) {
            return Ok(Some(known.client));
        }
        let found = store.find_client(id).await?;
        if let Some(client) = &found {
            self.0.insert(id.clone(), Known { client: client.clone(), version });
        }
        Ok(found)
    }
}

impl fmt::Debug for RememberedClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RememberedClients({} remembered)", self.0.len())
    }
}
