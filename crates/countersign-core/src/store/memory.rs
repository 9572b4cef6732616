//! A store in memory: for tests, for the developer mode of small things, and as the smallest complete example.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    Added, CLOCK_AHEAD, Clients, Ended, Epoch, Feed, FeedEntry, Found, GRANTS_FORGOTTEN, GRANTS_KEPT, Grants,
    HandleHash, KeyRecord, Keys, LONGEST_ACCESS_TOKEN, OWNER_CHANGES_TOLD, OneTime, OneTimeKind, OpaqueToken, Origin,
    OwnerRegistry, RETIRED_KEYS_KEPT, Redeemed, Remembered, RestingKey, Rotated, SWEEP_MARGIN, SealedKey, Spend,
    Standing, StoreError, Succession,
};
use crate::{
    client::{Authentication, Client, ClientSecrets, ClientStatus},
    clock::Timestamp,
    grant_record::Grant,
    names::{ClientId, GrantId, KeyId, Subject},
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
    clients: BTreeMap<ClientId, Client>,
    keys: Vec<KeyRecord>,
    grants: HashMap<GrantId, Grant>,
    opaque_tokens: HashMap<HandleHash, OpaqueToken>,
    one_time: HashMap<(OneTimeKind, HandleHash), OneTime>,
    feed: BTreeMap<u64, FeedEntry>,
    feed_end: u64,
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

    fn append_feed(&mut self, ended: Ended, until: Timestamp) {
        self.feed_end += 1;
        self.feed.insert(self.feed_end, FeedEntry { number: self.feed_end, ended, until });
    }

    /// Ends the grants that fit, with their tokens, and says how many there were. Of those whose access tokens expired before
    /// `alive_after` nobody need be told.
    fn end_grants(&mut self, fits: impl Fn(&Grant) -> bool, alive_after: Option<Timestamp>) -> usize {
        let mut ended: Vec<_> = self.grants.extract_if(|_, grant| fits(grant)).map(|(_, grant)| grant).collect();
        // What a test does again goes the same way again.
        ended.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        for grant in &ended {
            self.opaque_tokens.retain(|_, token| !matches!(&token.descends_from, Origin::Grant(id) if *id == grant.id));
            if alive_after < Some(grant.access_until) {
                self.append_feed(Ended::Grant(grant.id.clone()), grant.access_until);
            }
        }
        ended.len()
    }

    fn end_grants_of(&mut self, subject: &Subject, now: Timestamp) -> usize {
        self.end_grants(|grant| grant.subject == *subject, Some(now.minus(CLOCK_AHEAD)))
    }

    /// Forgets what an owner has beyond so many grants, as far as nothing of it may be alive.
    fn forget_excess(&mut self, subject: &Subject, now: Timestamp) {
        let mut theirs: Vec<_> = self.grants.values().filter(|grant| grant.subject == *subject).collect();
        theirs.sort_unstable_by_key(|grant| (grant.used_at, &grant.id));
        let excess = theirs.iter().take(theirs.len().saturating_sub(GRANTS_KEPT));
        let over = excess.filter(|grant| grant.access_until <= now.minus(SWEEP_MARGIN)).take(GRANTS_FORGOTTEN);
        for id in over.map(|grant| grant.id.clone()).collect::<Vec<_>>() {
            self.end_grants(|grant| grant.id == id, Some(now.minus(CLOCK_AHEAD)));
        }
    }

    /// Tells the feed of a change of an owner.
    fn tell_of(&mut self, subject: &Subject, now: Timestamp) {
        self.append_feed(Ended::Owner(subject.clone()), now.plus(OWNER_CHANGES_TOLD));
    }

    /// Ends what was granted to a client, and its own tokens. The feed is told of the client, not of each grant.
    fn end_grants_to(&mut self, client_id: &ClientId, up_to: Timestamp) {
        let ended: Vec<_> = self.grants.extract_if(|_, grant| grant.client_id == *client_id).collect();
        self.opaque_tokens.retain(|_, token| match &token.descends_from {
            Origin::Grant(id) => !ended.iter().any(|(ended, _)| ended == id),
            Origin::Client(id) => id != client_id,
        });
        let cut = ended.iter().map(|(_, grant)| grant.used_at).fold(up_to, Timestamp::max);
        self.append_feed(Ended::Client(client_id.clone(), cut), cut.plus(LONGEST_ACCESS_TOKEN));
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
        let is_client = tables.clients.contains_key(&ClientId::new(owner.subject.as_str()));
        if is_client || tables.owners.contains_key(&owner.username) || tables.owner_mut(&owner.subject).is_some() {
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

    async fn set_password(&self, subject: &Subject, hash: &PasswordHash, now: Timestamp) -> Result<Found, StoreError> {
        let mut tables = self.tables();
        let Some(owner) = tables.owner_mut(subject) else { return Ok(Found::No) };
        owner.password_hash = Some(hash.clone());
        tables.end_grants_of(subject, now);
        tables.tell_of(subject, now);
        Ok(Found::Yes)
    }

    async fn change_password(
        &self,
        subject: &Subject,
        from: &PasswordHash,
        to: &PasswordHash,
        now: Timestamp,
    ) -> Result<Found, StoreError> {
        let mut tables = self.tables();
        let Some(owner) = tables.owner_mut(subject).filter(|owner| owner.password_hash.as_ref() == Some(from)) else {
            return Ok(Found::No);
        };
        owner.password_hash = Some(to.clone());
        tables.end_grants_of(subject, now);
        tables.tell_of(subject, now);
        Ok(Found::Yes)
    }

    async fn set_status(&self, subject: &Subject, status: OwnerStatus, now: Timestamp) -> Result<Found, StoreError> {
        let mut tables = self.tables();
        let Some(owner) = tables.owner_mut(subject) else { return Ok(Found::No) };
        owner.status = status;
        if status == OwnerStatus::Disabled {
            tables.end_grants_of(subject, now);
        }
        tables.tell_of(subject, now);
        Ok(Found::Yes)
    }

    async fn remove_owner(&self, subject: &Subject, now: Timestamp) -> Result<Found, StoreError> {
        let mut tables = self.tables();
        let Some(name) = tables.owner_mut(subject).map(|owner| owner.username.clone()) else { return Ok(Found::No) };
        tables.owners.remove(&name);
        tables.end_grants_of(subject, now);
        tables.tell_of(subject, now);
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

    async fn add_client(&self, client: &Client) -> Result<Added, StoreError> {
        let mut tables = self.tables();
        let is_owner = tables.owner_mut(&Subject::new(client.id.as_str())).is_some();
        if is_owner || tables.clients.contains_key(&client.id) {
            return Ok(Added::NameTaken);
        }
        tables.clients.insert(client.id.clone(), client.clone());
        Ok(Added::Yes)
    }

    async fn list_clients(&self, after: Option<&ClientId>, limit: usize) -> Result<Vec<Client>, StoreError> {
        let tables = self.tables();
        let all = tables.clients.values();
        Ok(all.filter(|client| after.is_none_or(|after| client.id > *after)).take(limit).cloned().collect())
    }

    async fn set_client_status(
        &self,
        id: &ClientId,
        status: ClientStatus,
        up_to: Timestamp,
    ) -> Result<Found, StoreError> {
        let mut tables = self.tables();
        let Some(client) = tables.clients.get_mut(id) else { return Ok(Found::No) };
        client.status = status;
        if status == ClientStatus::Disabled {
            tables.end_grants_to(id, up_to);
        }
        Ok(Found::Yes)
    }

    async fn rotate_client_secrets(
        &self,
        id: &ClientId,
        from: &ClientSecrets,
        to: &ClientSecrets,
    ) -> Result<Rotated, StoreError> {
        let mut tables = self.tables();
        match tables.clients.get_mut(id).map(|client| &mut client.authentication) {
            Some(Authentication::Secret { secrets, .. }) if secrets == from => *secrets = to.clone(),
            _ => return Ok(Rotated::No),
        }
        Ok(Rotated::Yes)
    }

    async fn cut_client(&self, id: &ClientId, up_to: Timestamp) -> Result<(), StoreError> {
        self.tables().append_feed(Ended::Client(id.clone(), up_to), up_to.plus(LONGEST_ACCESS_TOKEN));
        Ok(())
    }

    async fn remove_client(&self, id: &ClientId, up_to: Timestamp) -> Result<Found, StoreError> {
        let mut tables = self.tables();
        if tables.clients.remove(id).is_none() {
            return Ok(Found::No);
        }
        tables.end_grants_to(id, up_to);
        Ok(Found::Yes)
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

    async fn put_next_key(&self, succession: &Succession) -> Result<Vec<KeyRecord>, StoreError> {
        let Succession { after, next, signing, abandoned_before, retired_until } = succession;
        let mut tables = self.tables();
        let of_algorithm = |key: &&KeyRecord| key.algorithm == next.algorithm;
        if tables.keys.iter().rfind(of_algorithm).is_some_and(|last| last.id == *after) {
            for key in tables.keys.iter_mut().filter(|key| key.withdrawn_at.is_none()) {
                let is_theirs = key.algorithm == next.algorithm || key.signs_from < *abandoned_before;
                if signing.as_ref() == Some(&key.id) || (key.verifies_until.is_none() && is_theirs) {
                    key.verifies_until = Some(*retired_until);
                }
            }
            tables.keys.push(next.clone());
        }
        Ok(tables.keys.clone())
    }

    async fn withdraw_key(&self, id: &KeyId, now: Timestamp, until: Timestamp) -> Result<Found, StoreError> {
        let mut tables = self.tables();
        let Some(key) = tables.keys.iter_mut().find(|key| key.id == *id && key.withdrawn_at.is_none()) else {
            return Ok(Found::No);
        };
        let id = withdraw(key, now);
        tables.append_feed(Ended::Key(id), until);
        Ok(Found::Yes)
    }

    async fn seal_key(&self, id: &KeyId, sealed: &SealedKey) -> Result<Found, StoreError> {
        let mut tables = self.tables();
        let key = tables.keys.iter_mut().find(|key| key.id == *id);
        let Some(key) = key.filter(|key| matches!(key.private_key, RestingKey::Plain(_))) else { return Ok(Found::No) };
        key.private_key = RestingKey::Sealed(sealed.clone());
        Ok(Found::Yes)
    }
}

#[async_trait]
impl Grants for Memory {
    async fn redeem(
        &self,
        standing: &Standing,
        spend: Option<&Spend>,
        grant: &Grant,
        token: Option<&OpaqueToken>,
    ) -> Result<Redeemed, StoreError> {
        let mut tables = self.tables();
        let owner = tables.owner_mut(&grant.subject).filter(|owner| owner.is_active());
        let still_so = match standing {
            Standing::Elsewhere => true,
            Standing::Active => owner.is_some(),
            Standing::ActiveWith(hash) => owner.is_some_and(|owner| owner.password_hash.as_ref() == Some(hash)),
        };
        let is_built_in = grant.client_id.as_str() == Client::BUILT_IN_ID;
        let is_active = is_built_in || tables.clients.get(&grant.client_id).is_some_and(Client::is_active);
        if !still_so || !is_active {
            return Ok(Redeemed::OwnerChanged);
        }
        if let Some(spend) = spend {
            let key = (spend.kind, spend.handle);
            if tables.one_time.get(&key).is_none_or(|thing| thing.expires_at <= spend.now) {
                return Ok(Redeemed::AlreadySpent);
            }
            tables.one_time.remove(&key);
        }
        tables.record(grant, token);
        if grant.refresh.is_some() {
            tables.forget_excess(&grant.subject, grant.created_at);
        }
        Ok(Redeemed::Whole)
    }

    async fn rotate_refresh(
        &self,
        spent: &HandleHash,
        grant: &Grant,
        token: Option<&OpaqueToken>,
    ) -> Result<Rotated, StoreError> {
        let mut tables = self.tables();
        let current = tables.grants.get(&grant.id).and_then(|stored| stored.refresh.as_ref());
        if current.is_none_or(|refresh| refresh.current != *spent) {
            return Ok(Rotated::No);
        }
        tables.record(grant, token);
        Ok(Rotated::Yes)
    }

    async fn find_grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        Ok(self.tables().grants.get(id).cloned())
    }

    async fn list_grants(
        &self,
        subject: &Subject,
        after: Option<&GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, StoreError> {
        let tables = self.tables();
        let theirs = tables.grants.values().filter(|grant| grant.subject == *subject);
        let mut found: Vec<_> = theirs.filter(|grant| after.is_none_or(|after| grant.id > *after)).cloned().collect();
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found.truncate(limit);
        Ok(found)
    }

    async fn revoke_grant(&self, id: &GrantId) -> Result<Found, StoreError> {
        Ok(if self.tables().end_grants(|grant| grant.id == *id, None) > 0 { Found::Yes } else { Found::No })
    }

    async fn revoke_grants_of(&self, subject: &Subject, now: Timestamp) -> Result<usize, StoreError> {
        Ok(self.tables().end_grants_of(subject, now))
    }

    async fn put_opaque_token(&self, token: &OpaqueToken) -> Result<Found, StoreError> {
        let mut tables = self.tables();
        let lives = match &token.descends_from {
            Origin::Grant(id) => tables.grants.contains_key(id),
            Origin::Client(id) => tables.clients.get(id).is_some_and(Client::is_active),
        };
        if !lives {
            return Ok(Found::No);
        }
        tables.opaque_tokens.insert(token.handle, token.clone());
        Ok(Found::Yes)
    }

    async fn find_opaque_token(&self, handle: &HandleHash) -> Result<Option<OpaqueToken>, StoreError> {
        Ok(self.tables().opaque_tokens.get(handle).cloned())
    }

    async fn revoke_opaque_token(&self, handle: &HandleHash) -> Result<Found, StoreError> {
        Ok(if self.tables().opaque_tokens.remove(handle).is_some() { Found::Yes } else { Found::No })
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

    async fn remember_once(
        &self,
        kind: OneTimeKind,
        handle: &HandleHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Remembered, StoreError> {
        let mut tables = self.tables();
        let key = (kind, *handle);
        if tables.one_time.get(&key).is_some_and(|thing| thing.expires_at > now) {
            return Ok(Remembered::Again);
        }
        tables.one_time.insert(key, OneTime { kind, handle: *handle, expires_at, payload: String::new() });
        Ok(Remembered::First)
    }

    async fn sweep(&self, now: Timestamp, leeway: Duration, limit: usize) -> Result<usize, StoreError> {
        let mut tables = self.tables();
        let long_ago = now.minus(SWEEP_MARGIN);
        let grants = tables.grants.extract_if(|_, grant| grant.expires_at() <= long_ago).take(limit).count();
        let tokens = tables.opaque_tokens.extract_if(|_, token| token.expires_at <= long_ago).take(limit).count();
        let things = tables.one_time.extract_if(|_, thing| thing.expires_at <= long_ago).take(limit).count();
        let entries = tables.feed.extract_if(.., |_, entry| entry.until <= long_ago).take(limit).count();
        let is_over =
            |key: &mut KeyRecord| key.verifies_until.is_some_and(|until| until.plus(RETIRED_KEYS_KEPT) <= now);
        let keys = tables.keys.extract_if(.., is_over).take(limit).count();
        let refreshes = tables.grants.values_mut().filter_map(|grant| grant.refresh.as_mut());
        let answers = refreshes.map(|refresh| {
            let before = refresh.retired.len();
            refresh.retired.retain(|retired| now < retired.at.plus(leeway));
            before - refresh.retired.len()
        });
        Ok(answers.sum::<usize>() + grants + tokens + things + entries + keys)
    }
}

fn withdraw(key: &mut KeyRecord, now: Timestamp) -> KeyId {
    (key.verifies_until, key.withdrawn_at, key.private_key) = (Some(now), Some(now), RestingKey::Gone);
    key.id.clone()
}

impl Tables {
    fn record(&mut self, grant: &Grant, token: Option<&OpaqueToken>) {
        self.grants.insert(grant.id.clone(), grant.clone());
        self.opaque_tokens.extend(token.map(|token| (token.handle, token.clone())));
    }
}

#[async_trait]
impl Feed for Memory {
    async fn find_feed(&self, after: u64, limit: usize) -> Result<Vec<FeedEntry>, StoreError> {
        Ok(self.tables().feed.range(after.saturating_add(1)..).map(|(_, entry)| entry.clone()).take(limit).collect())
    }

    async fn append_feed(&self, ended: &Ended, until: Timestamp) -> Result<(), StoreError> {
        self.tables().append_feed(ended.clone(), until);
        Ok(())
    }

    async fn begin_epoch(&self, now: Timestamp) -> Result<Epoch, StoreError> {
        let mut tables = self.tables();
        let (number, until) = (Epoch::first_number(tables.feed_end, now), now.plus(LONGEST_ACCESS_TOKEN));
        tables.feed_end = number - 1;
        tables.append_feed(Ended::Everything(now), until);
        let in_use = tables.keys.iter_mut().filter(|key| key.withdrawn_at.is_none());
        let withdrawn: Vec<_> = in_use.map(|key| withdraw(key, now)).collect();
        for id in &withdrawn {
            tables.append_feed(Ended::Key(id.clone()), until);
        }
        // What stands for nothing was remembered, and never good for a use.
        let one_time = tables.one_time.extract_if(|_, thing| !thing.payload.is_empty()).count();
        let (grants, opaque_tokens) = (tables.grants.drain().count(), tables.opaque_tokens.drain().count());
        Ok(Epoch { number, grants, opaque_tokens, one_time, keys: withdrawn.len() })
    }
}
