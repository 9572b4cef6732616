//! The ports of countersign, filled: which statements make up each fact, and what each locks first.

use std::{slice, sync::Arc, time::Duration};

use async_trait::async_trait;
use countersign_core::{
    client::{Client, ClientSecrets, ClientStatus},
    clock::Timestamp,
    grant_record::Grant,
    meters::StoreOperation,
    names::{ClientId, GrantId, KeyId, Subject},
    password::PasswordHash,
    resource_owner::{OwnerStatus, ResourceOwner, ResourceOwners, Upgraded},
    store::{
        Added, Clients, Ended, Epoch, Feed, FeedEntry, Found, Grants, HandleHash, KeyRecord, Keys, OneTime,
        OneTimeKind, OpaqueToken, Origin, OwnerRegistry, RETIRED_KEYS_KEPT, Redeemed, Remembered, Rotated,
        SWEEP_MARGIN, SealedKey, Spend, Standing, StoreError, Succession,
    },
    throttle::Attempts,
    username::Username,
};

use super::{
    Decision, FEED, LONG, OPERATION, Postgres, TRIES,
    connection::Connection,
    locks::{self, Only},
    news::News,
    query::Problem,
};
use crate::{
    facts::{self, cut, found, owner_changed},
    rows::{self, Value},
    statements as sql,
};

#[async_trait]
impl ResourceOwners for Postgres {
    async fn find_by_username(&self, username: &Username) -> Result<Option<ResourceOwner>, StoreError> {
        self.find_one(sql::FIND_OWNER_BY_USERNAME, &[username.as_str().into()], rows::owner).await
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<ResourceOwner>, StoreError> {
        self.find_one(sql::FIND_OWNER_BY_SUBJECT, &[subject.as_str().into()], rows::owner).await
    }

    async fn upgrade_password(
        &self,
        subject: &Subject,
        from: &PasswordHash,
        to: &PasswordHash,
    ) -> Result<Upgraded, StoreError> {
        let [subject, from, to] = [subject.as_str(), from.secret(), to.secret()].map(Value::from);
        transaction!(self, connection => {
            locks::change_owner(connection, &subject).await?;
            let changed = connection.execute(sql::REPLACE_PASSWORD, &[to.clone(), subject.clone(), from.clone()]).await?;
            Ok(Decision::Keep(if changed == 0 { Upgraded::No } else { Upgraded::Yes }))
        })
    }
}

#[async_trait]
impl OwnerRegistry for Postgres {
    async fn add_owner(&self, owner: &ResourceOwner) -> Result<Added, StoreError> {
        self.add(sql::ADD_OWNER, &rows::owner_values(owner)).await
    }

    async fn list_owners(&self, after: Option<&Username>, limit: usize) -> Result<Vec<ResourceOwner>, StoreError> {
        let after = after.map_or("", Username::as_str);
        self.find_all(sql::LIST_OWNERS, &[after.into(), limit.into()], rows::owner).await
    }

    async fn set_password(&self, subject: &Subject, hash: &PasswordHash, now: Timestamp) -> Result<Found, StoreError> {
        let told = owner_changed(subject, now);
        let (subject, hash) = (Value::from(subject.as_str()), Value::from(hash.secret()));
        transaction!(self, connection => {
            locks::change_owner(connection, &subject).await?;
            let changed = connection.execute(sql::SET_PASSWORD, &[hash.clone(), subject.clone()]).await?;
            end_grants_if(changed, connection, &subject, &told).await
        })
    }

    async fn change_password(
        &self,
        subject: &Subject,
        from: &PasswordHash,
        to: &PasswordHash,
        now: Timestamp,
    ) -> Result<Found, StoreError> {
        let told = owner_changed(subject, now);
        let [subject, from, to] = [subject.as_str(), from.secret(), to.secret()].map(Value::from);
        transaction!(self, connection => {
            locks::change_owner(connection, &subject).await?;
            let changed = connection.execute(sql::REPLACE_PASSWORD, &[to.clone(), subject.clone(), from.clone()]).await?;
            end_grants_if(changed, connection, &subject, &told).await
        })
    }

    async fn set_status(&self, subject: &Subject, status: OwnerStatus, now: Timestamp) -> Result<Found, StoreError> {
        let told = owner_changed(subject, now);
        let (subject, name) = (Value::from(subject.as_str()), Value::from(rows::status_name(status)));
        transaction!(self, connection => {
            locks::change_owner(connection, &subject).await?;
            let changed = connection.execute(sql::SET_STATUS, &[name.clone(), subject.clone()]).await?;
            match status {
                OwnerStatus::Active => tell_if(changed, connection, &told).await,
                OwnerStatus::Disabled => end_grants_if(changed, connection, &subject, &told).await,
            }
        })
    }

    fn attempts(&self) -> Option<Arc<dyn Attempts>> {
        Some(Arc::new(self.clone()))
    }

    async fn remove_owner(&self, subject: &Subject, now: Timestamp) -> Result<Found, StoreError> {
        let told = owner_changed(subject, now);
        let subject = Value::from(subject.as_str());
        transaction!(self, connection => {
            locks::change_owner(connection, &subject).await?;
            let removed = connection.execute(sql::REMOVE_OWNER, slice::from_ref(&subject)).await?;
            end_grants_if(removed, connection, &subject, &told).await
        })
    }
}

/// Ends the owner's grants, and tells the feed of the change, if the owner was there to be changed.
async fn end_grants_if(
    changed: usize,
    connection: &Connection,
    subject: &Value,
    told: &[Value],
) -> Result<Decision<Found>, Problem> {
    if changed > 0 {
        end_grants(connection, sql::POSTGRES_END_GRANTS_OF_OWNER, subject, Some(told)).await?;
    }
    Ok(Decision::Keep(found(changed)))
}

/// Tells the feed of a change, if there was one.
async fn tell_if(changed: usize, connection: &Connection, told: &[Value]) -> Result<Decision<Found>, Problem> {
    if changed > 0 {
        tell(connection, told).await?;
    }
    Ok(Decision::Keep(found(changed)))
}

/// Adds an entry to the feed. Nothing is locked after this.
async fn tell(connection: &Connection, told: &[Value]) -> Result<(), Problem> {
    locks::feed(connection).await?;
    connection.execute(sql::APPEND_FEED, told).await.map(drop)
}

/// Ends grants with their tokens, tells the feed of each, and then of `told`; says how many there were.
async fn end_grants(
    connection: &Connection,
    statement: &'static str,
    name: &Value,
    told: Option<&[Value]>,
) -> Result<usize, Problem> {
    let ended = connection.all(statement, slice::from_ref(name), rows::ended_grant).await?;
    if !ended.is_empty() {
        let (ids, until): (Vec<_>, Vec<_>) = ended.iter().cloned().unzip();
        connection.execute_with(sql::POSTGRES_END_TOKENS_OF_GRANTS, &[&ids]).await?;
        locks::feed(connection).await?;
        connection.execute_with(sql::POSTGRES_TELL_ENDED_GRANTS, &[&ids, &until]).await?;
    }
    if let Some(told) = told {
        tell(connection, told).await?;
    }
    Ok(ended.len())
}

/// Ends what was granted to a client, who was locked before, so that nothing is granted meanwhile: up to `now`, or where the
/// clock was ahead before, up to the last use.
async fn end_grants_to(connection: &Connection, id: &ClientId, now: Timestamp) -> Result<(), Problem> {
    let name = [Value::from(id.as_str())];
    connection.batch(sql::POSTGRES_TAKE_TIME).await?;
    // Nor is any of it renewed, or gets a token.
    connection.all(sql::POSTGRES_LOCK_GRANTS_TO_CLIENT, &name, |_| Ok(())).await?;
    let last = connection.all(sql::FIND_LAST_USE_OF_CLIENT, &name, rows::newest_moment).await?;
    for statement in sql::END_GRANTS_TO_CLIENT {
        connection.execute(statement, &name).await?;
    }
    tell(connection, &cut(id, last.into_iter().flatten().fold(now, Timestamp::max))).await
}

#[async_trait]
impl Clients for Postgres {
    async fn find_client(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        self.find_one(sql::FIND_CLIENT, &[id.as_str().into()], rows::client).await
    }

    async fn has_clients(&self) -> Result<bool, StoreError> {
        Ok(self.find_one(sql::FIND_ANY_CLIENT, &[], |_| Ok(())).await?.is_some())
    }

    async fn add_client(&self, client: &Client) -> Result<Added, StoreError> {
        self.add(sql::ADD_CLIENT, &rows::client_values(client)).await
    }

    async fn list_clients(&self, after: Option<&ClientId>, limit: usize) -> Result<Vec<Client>, StoreError> {
        let values = [after.map_or("", ClientId::as_str).into(), limit.into()];
        self.find_all(sql::LIST_CLIENTS, &values, rows::client).await
    }

    async fn set_client_status(
        &self,
        id: &ClientId,
        status: ClientStatus,
        now: Timestamp,
    ) -> Result<Found, StoreError> {
        transaction!(self, within LONG, connection => {
            locks::change_client(connection, &id.as_str().into()).await?;
            let values = [rows::client_status_name(status).into(), id.as_str().into()];
            let changed = connection.execute(sql::SET_CLIENT_STATUS, &values).await?;
            if changed > 0 && status == ClientStatus::Disabled {
                end_grants_to(connection, id, now).await?;
            }
            Ok(Decision::Keep(found(changed)))
        })
    }

    async fn rotate_client_secrets(
        &self,
        id: &ClientId,
        from: &ClientSecrets,
        to: &ClientSecrets,
    ) -> Result<Rotated, StoreError> {
        let id = Value::from(id.as_str());
        let values = [rows::secrets_text(to).into(), id.clone(), rows::secrets_text(from).into()];
        transaction!(self, connection => {
            locks::change_client(connection, &id).await?;
            let changed = connection.execute(sql::ROTATE_CLIENT_SECRETS, &values).await?;
            Ok(Decision::Keep(if changed == 0 { Rotated::No } else { Rotated::Yes }))
        })
    }

    async fn cut_client(&self, id: &ClientId, now: Timestamp) -> Result<(), StoreError> {
        self.append(&cut(id, now)).await
    }

    async fn remove_client(&self, id: &ClientId, now: Timestamp) -> Result<Found, StoreError> {
        let name = [Value::from(id.as_str())];
        transaction!(self, within LONG, connection => {
            locks::change_client(connection, &name[0]).await?;
            let removed = connection.execute(sql::REMOVE_CLIENT, &name).await?;
            if removed > 0 {
                end_grants_to(connection, id, now).await?;
            }
            Ok(Decision::Keep(found(removed)))
        })
    }
}

#[async_trait]
impl Keys for Postgres {
    async fn find_keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        self.find_all(sql::FIND_KEYS, &[], rows::key).await
    }

    async fn put_first_key(&self, key: &KeyRecord) -> Result<Vec<KeyRecord>, StoreError> {
        let values = rows::key_values(key);
        transaction!(self, connection => {
            locks::only(connection, Only::MakesKeys).await?;
            connection.execute(sql::PUT_FIRST_KEY, &values).await?;
            connection.all(sql::FIND_KEYS, &[], rows::key).await.map(Decision::Keep)
        })
    }

    async fn put_next_key(&self, succession: &Succession) -> Result<Vec<KeyRecord>, StoreError> {
        let mut values = rows::key_values(&succession.next);
        values.push(succession.after.as_str().into());
        let retirement = rows::retirement_values(succession);
        transaction!(self, connection => {
            locks::only(connection, Only::MakesKeys).await?;
            if connection.execute(sql::PUT_NEXT_KEY, &values).await? > 0 {
                connection.execute(sql::RETIRE_KEYS, &retirement).await?;
            }
            connection.all(sql::FIND_KEYS, &[], rows::key).await.map(Decision::Keep)
        })
    }

    async fn withdraw_key(&self, id: &KeyId, now: Timestamp, until: Timestamp) -> Result<Found, StoreError> {
        let withdrawal = [now.into(), Value::Blob(Vec::new()), id.as_str().into()];
        let told = rows::feed_values(&Ended::Key(id.clone()), until);
        transaction!(self, connection => {
            let changed = connection.execute(sql::WITHDRAW_KEY, &withdrawal).await?;
            tell_if(changed, connection, &told).await
        })
    }

    async fn seal_key(&self, id: &KeyId, sealed: &SealedKey) -> Result<Found, StoreError> {
        let values = [Value::Blob(sealed.as_bytes().to_vec()), id.as_str().into()];
        self.execute(sql::SEAL_KEY, &values).await.map(found)
    }
}

#[async_trait]
impl Grants for Postgres {
    async fn redeem(
        &self,
        standing: &Standing,
        spend: Option<&Spend>,
        grant: &Grant,
        token: Option<&OpaqueToken>,
    ) -> Result<Redeemed, StoreError> {
        let (owner, client) = (Value::from(grant.subject.as_str()), Value::from(grant.client_id.as_str()));
        let spend = spend.map(|spend| facts::spending(spend, grant));
        let (record, grant) = facts::recording(standing, grant);
        transaction!(self, connection => {
            if *standing != Standing::Elsewhere {
                locks::owner(connection, &owner).await?;
            }
            locks::client(connection, &client).await?;
            if connection.execute(record, &grant).await? == 0 {
                return Ok(Decision::Undo(Redeemed::OwnerChanged));
            }
            if let Some(spend) = &spend
                && connection.execute(sql::SPEND_ONE_TIME, spend).await? == 0
            {
                return Ok(Decision::Undo(Redeemed::AlreadySpent));
            }
            put_opaque_token(connection, token).await?;
            Ok(Decision::Keep(Redeemed::Whole))
        })
    }

    async fn rotate_refresh(
        &self,
        spent: &HandleHash,
        grant: &Grant,
        token: Option<&OpaqueToken>,
    ) -> Result<Rotated, StoreError> {
        let rotation = rows::rotation_values(spent, grant);
        let rotated = |changed: usize| if changed == 0 { Rotated::No } else { Rotated::Yes };
        if token.is_none() {
            return self.execute(sql::ROTATE_REFRESH, &rotation).await.map(rotated);
        }
        transaction!(self, connection => {
            let changed = connection.execute(sql::ROTATE_REFRESH, &rotation).await?;
            if changed == 0 {
                return Ok(Decision::Undo(Rotated::No));
            }
            put_opaque_token(connection, token).await?;
            Ok(Decision::Keep(Rotated::Yes))
        })
    }

    async fn find_grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        self.find_one(sql::FIND_GRANT, &[id.as_str().into()], rows::grant).await
    }

    async fn revoke_grant(&self, id: &GrantId) -> Result<Found, StoreError> {
        let id = Value::from(id.as_str());
        transaction!(self, connection => {
            let ended = end_grants(connection, sql::POSTGRES_END_GRANT, &id, None).await?;
            Ok(Decision::Keep(found(ended)))
        })
    }

    async fn list_grants(
        &self,
        subject: &Subject,
        after: Option<&GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, StoreError> {
        let after = after.map_or("", GrantId::as_str);
        self.find_all(sql::LIST_GRANTS, &[subject.as_str().into(), after.into(), limit.into()], rows::grant).await
    }

    async fn revoke_grants_of(&self, subject: &Subject) -> Result<usize, StoreError> {
        let subject = Value::from(subject.as_str());
        transaction!(self, connection => {
            end_grants(connection, sql::POSTGRES_END_GRANTS_OF_OWNER, &subject, None).await.map(Decision::Keep)
        })
    }

    async fn put_opaque_token(&self, token: &OpaqueToken) -> Result<Found, StoreError> {
        transaction!(self, connection => {
            match &token.descends_from {
                Origin::Grant(id) => locks::grant(connection, &id.as_str().into()).await?,
                Origin::Client(id) => locks::client(connection, &id.as_str().into()).await?,
            }
            put_opaque_token(connection, Some(token)).await.map(found).map(Decision::Keep)
        })
    }

    async fn find_opaque_token(&self, handle: &HandleHash) -> Result<Option<OpaqueToken>, StoreError> {
        let found = self.find_one(sql::FIND_OPAQUE_TOKEN, &[handle.as_bytes().into()], rows::opaque_token).await?;
        let read =
            |(descends_from, claims, expires_at)| OpaqueToken { handle: *handle, descends_from, claims, expires_at };
        Ok(found.map(read))
    }

    async fn revoke_opaque_token(&self, handle: &HandleHash) -> Result<Found, StoreError> {
        self.execute(sql::REVOKE_OPAQUE_TOKEN, &[handle.as_bytes().into()]).await.map(found)
    }

    async fn put_one_time(&self, thing: &OneTime) -> Result<(), StoreError> {
        self.execute(sql::PUT_ONE_TIME, &rows::one_time_values(thing)).await.map(drop)
    }

    async fn find_one_time(
        &self,
        kind: OneTimeKind,
        handle: &HandleHash,
        now: Timestamp,
    ) -> Result<Option<OneTime>, StoreError> {
        let values = [kind.as_str().into(), handle.as_bytes().into(), now.into()];
        let found = self.find_one(sql::FIND_ONE_TIME, &values, rows::one_time).await?;
        Ok(found.map(|(expires_at, payload)| OneTime { kind, handle: *handle, expires_at, payload }))
    }

    async fn remember_once(
        &self,
        kind: OneTimeKind,
        handle: &HandleHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Remembered, StoreError> {
        let values = [kind.as_str().into(), handle.as_bytes().into(), expires_at.into(), now.into()];
        let changed = self.execute(sql::REMEMBER_ONCE, &values).await?;
        Ok(if changed == 0 { Remembered::Again } else { Remembered::First })
    }

    async fn sweep(&self, now: Timestamp, leeway: Duration, limit: usize) -> Result<usize, StoreError> {
        let expired = [Value::from(now.minus(SWEEP_MARGIN)), Value::from(limit)];
        let retired = [Value::from(now.minus(leeway)), Value::from(limit)];
        let over = [Value::from(now.minus(RETIRED_KEYS_KEPT)), Value::from(limit)];
        let mut gone = 0;
        // Each a transaction of its own: what one takes, the next does not stand on.
        for (statement, values) in [
            (sql::POSTGRES_SWEEP_GRANTS, &expired),
            (sql::POSTGRES_SWEEP_RETIRED, &retired),
            (sql::POSTGRES_SWEEP_OPAQUE_TOKENS, &expired),
            (sql::POSTGRES_SWEEP_ONE_TIME, &expired),
            (sql::POSTGRES_SWEEP_FEED, &expired),
            (sql::POSTGRES_SWEEP_KEYS, &over),
        ] {
            gone += self.execute(statement, values).await?;
        }
        Ok(gone + self.sweep_attempts(now, limit).await?)
    }
}

/// Records a token, if there is one, whose grant or client was locked before; says how many.
async fn put_opaque_token(connection: &Connection, token: Option<&OpaqueToken>) -> Result<usize, Problem> {
    match token {
        None => Ok(0),
        Some(token) => connection.execute(sql::PUT_OPAQUE_TOKEN, &rows::opaque_token_values(token)).await,
    }
}

impl Postgres {
    /// Adds an owner or a client: no name is given twice.
    async fn add(&self, statement: &'static str, values: &[Value]) -> Result<Added, StoreError> {
        transaction!(self, connection => {
            locks::only(connection, Only::GivesNames).await?;
            let added = connection.execute(statement, values).await?;
            Ok(Decision::Keep(if added == 0 { Added::NameTaken } else { Added::Yes }))
        })
    }

    /// Adds an entry to the feed.
    async fn append(&self, told: &[Value]) -> Result<(), StoreError> {
        transaction!(self, connection => { tell(connection, told).await.map(Decision::Keep) })
    }
}

#[async_trait]
impl Feed for Postgres {
    async fn find_feed(&self, after: u64, limit: usize) -> Result<Vec<FeedEntry>, StoreError> {
        let after = Value::Integer(i64::try_from(after).unwrap_or(i64::MAX));
        // Whoever is about to believe a token waits for this, and what was heard before is good enough for a while.
        self.measured(StoreOperation::Read, FEED, self.read(sql::FIND_FEED, &[after, limit.into()], rows::feed_entry))
            .await
    }

    async fn wait_for_news(&self, heard: u64) -> u64 {
        let pool = &self.shared.pool;
        self.shared.news.get_or_init(|| News::start(Arc::clone(pool))).wait(heard).await
    }

    async fn begin_epoch(&self, now: Timestamp) -> Result<Epoch, StoreError> {
        self.begin_epoch_at(now).await
    }

    async fn append_feed(&self, ended: &Ended, until: Timestamp) -> Result<(), StoreError> {
        self.append(&rows::feed_values(ended, until)).await
    }
}
