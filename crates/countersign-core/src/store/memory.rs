//! A store in memory: for tests, for the developer mode of small things, and as the smallest complete example.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{
    Added, Clients, Found, Grants, HandleHash, KeyRecord, Keys, OneTime, OneTimeKind, OwnerRegistry, Redeemed, Spend,
    Standing, StoreError,
};
use crate::{
    client::Client,
    clock::Timestamp,
    grant_record::Grant,
    names::{ClientId, GrantId, Subject},
    password::PasswordHash,
    resource_owner::{OwnerStatus, ResourceOwner, ResourceOwners, Upgraded},
    username::Username,
};

/// Everything behind one lock, gone at the end of the process. A clone is the same store.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    tables: Arc<Mutex<Tables>>,
}

#[derive(Debug, Default)]
struct Tables {
    owners: BTreeMap<Username, ResourceOwner>,
    clients: HashMap<ClientId, Client>,
    keys: Vec<KeyRecord>,
    grants: HashMap<GrantId, Grant>,
    one_time: HashMap<(OneTimeKind, HandleHash), OneTime>,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No method leaves the tables half changed, so what a panicking thread held is still whole.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn owner_mut(&mut self, subject: &Subject) -> Option<&mut ResourceOwner> {
        self.owners.values_mut().find(|owner| owner.subject == *subject)
    }

    fn end_grants_of(&mut self, subject: &Subject) {
        self.grants.retain(|_, grant| grant.subject != *subject);
    }
}

#[async_trait]
impl ResourceOwners for Memory {
    async fn find_by_username(&self, username: &Username) -> Result<Option<ResourceOwner>, StoreError> {
        Ok(self.tables().owners.get(username).cloned())
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<ResourceOwner>, StoreError> {
        Ok(self.tables().owner_mut(subject).cloned())
    }

    async fn upgrade_password(
        &self,
        subject: &Subject,
        from: &PasswordHash,
        to: &PasswordHash,
    ) -> Result<Upgraded, StoreError> {
        let mut tables = self.tables();
        let Some(owner) = tables.owner_mut(subject).filter(|owner| owner.password_hash.as_ref() == Some(from)) else {
            return Ok(Upgraded::No);
        };
        owner.password_hash = Some(to.clone());
        Ok(Upgraded::Yes)
    }
}

#[async_trait]
impl OwnerRegistry for Memory {
    async fn add_owner(&self, owner: &ResourceOwner) -> Result<Added, StoreError> {
        let mut tables = self.tables();
        if tables.owners.contains_key(&owner.username) || tables.owner_mut(&owner.subject).is_some() {
            return Ok(Added::NameTaken);
        }
        tables.owners.insert(owner.username.clone(), owner.clone());
        Ok(Added::Yes)
    }

    async fn list_owners(&self, after: Option<&Username>, limit: usize) -> Result<Vec<ResourceOwner>, StoreError> {
        let tables = self.tables();
        let all = tables.owners.values();
        Ok(all.filter(|owner| after.is_none_or(|after| owner.username > *after)).take(limit).cloned().collect())
    }

    async fn set_password(&self, subject: &Subject, hash: &PasswordHash) -> Result<Found, StoreError> {
        let mut tables = self.tables();
        let Some(owner) = tables.owner_mut(subject) else { return Ok(Found::No) };
        owner.password_hash = Some(hash.clone());
        tables.end_grants_of(subject);
        Ok(Found::Yes)
    }

    async fn set_status(&self, subject: &Subject, status: OwnerStatus) -> Result<Found, StoreError> {
        let mut tables = self.tables();
        let Some(owner) = tables.owner_mut(subject) else { return Ok(Found::No) };
        owner.status = status;
        if status == OwnerStatus::Disabled {
            tables.end_grants_of(subject);
        }
        Ok(Found::Yes)
    }

    async fn remove_owner(&self, subject: &Subject) -> Result<Found, StoreError> {
        let mut tables = self.tables();
        let Some(name) = tables.owner_mut(subject).map(|owner| owner.username.clone()) else { return Ok(Found::No) };
        tables.owners.remove(&name);
        tables.end_grants_of(subject);
        Ok(Found::Yes)
    }
}

#[async_trait]
impl Clients for Memory {
    async fn find_client(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        Ok(self.tables().clients.get(id).cloned())
    }

    async fn has_clients(&self) -> Result<bool, StoreError> {
        Ok(!self.tables().clients.is_empty())
    }

    async fn put_client(&self, client: &Client) -> Result<(), StoreError> {
        self.tables().clients.insert(client.id.clone(), client.clone());
        Ok(())
    }
}

#[async_trait]
impl Keys for Memory {
    async fn find_keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        Ok(self.tables().keys.clone())
    }

    async fn put_first_key(&self, key: &KeyRecord) -> Result<Vec<KeyRecord>, StoreError> {
        let mut tables = self.tables();
        if tables.keys.iter().all(|stored| stored.algorithm != key.algorithm) {
            tables.keys.push(key.clone());
        }
        Ok(tables.keys.clone())
    }
}

#[async_trait]
impl Grants for Memory {
    async fn redeem(&self, standing: &Standing, spend: Option<&Spend>, grant: &Grant) -> Result<Redeemed, StoreError> {
        let mut tables = self.tables();
        let owner = tables.owner_mut(&grant.subject).filter(|owner| owner.is_active());
        let still_so = match standing {
            Standing::Elsewhere => true,
            Standing::Active => owner.is_some(),
            Standing::ActiveWith(hash) => owner.is_some_and(|owner| owner.password_hash.as_ref() == Some(hash)),
        };
        if !still_so {
            return Ok(Redeemed::OwnerChanged);
        }
        if let Some(spend) = spend {
            let key = (spend.kind, spend.handle);
            if tables.one_time.get(&key).is_none_or(|thing| thing.expires_at <= spend.now) {
                return Ok(Redeemed::AlreadySpent);
            }
            tables.one_time.remove(&key);
        }
        tables.grants.insert(grant.id.clone(), grant.clone());
        Ok(Redeemed::Whole)
    }

    async fn find_grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        Ok(self.tables().grants.get(id).cloned())
    }

    async fn revoke_grant(&self, id: &GrantId) -> Result<Found, StoreError> {
        Ok(if self.tables().grants.remove(id).is_some() { Found::Yes } else { Found::No })
    }

    async fn put_one_time(&self, thing: &OneTime) -> Result<(), StoreError> {
        self.tables().one_time.insert((thing.kind, thing.handle), thing.clone());
        Ok(())
    }

    async fn find_one_time(
        &self,
        kind: OneTimeKind,
        handle: &HandleHash,
        now: Timestamp,
    ) -> Result<Option<OneTime>, StoreError> {
        let tables = self.tables();
        Ok(tables.one_time.get(&(kind, *handle)).filter(|thing| thing.expires_at > now).cloned())
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut tables = self.tables();
        let grants: Vec<_> =
            tables.grants.values().filter(|g| g.expires_at <= now).map(|g| g.id.clone()).take(limit).collect();
        let things: Vec<_> =
            tables.one_time.values().filter(|t| t.expires_at <= now).map(|t| (t.kind, t.handle)).take(limit).collect();
        for id in &grants {
            tables.grants.remove(id);
        }
        for key in &things {
            tables.one_time.remove(key);
        }
        Ok(grants.len() + things.len())
    }
}
