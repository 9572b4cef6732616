//! The ports of countersign, filled: which statements make up each fact.

use std::{slice, time::Duration};

use async_trait::async_trait;
use countersign_core::{
    client::{Client, ClientSecrets, ClientStatus},
    clock::Timestamp,
    grant_record::Grant,
    names::{ClientId, GrantId, KeyId, Subject},
    password::PasswordHash,
    resource_owner::{OwnerStatus, ResourceOwner, ResourceOwners, Upgraded},
    store::{
        Added, Clients, Ended, Epoch, Feed, FeedEntry, Found, Grants, HandleHash, KeyRecord, Keys, OneTime,
        OneTimeKind, OpaqueToken, OwnerRegistry, RETIRED_KEYS_KEPT, Redeemed, Remembered, Rotated, SWEEP_MARGIN,
        SealedKey, Spend, Standing, StoreError, Succession,
    },
    username::Username,
};
use rusqlite::Connection;

use super::{
    Sqlite, epoch,
    query::{self, execute},
    writer::Decision,
};
use crate::{
    facts::{self, cut, found, owner_changed},
    rows::{self, Value},
    statements as sql,
};

#[async_trait]
impl ResourceOwners for Sqlite {
    async fn find_by_username(&self, username: &Username) -> Result<Option<ResourceOwner>, StoreError> {
        self.find_one(sql::FIND_OWNER_BY_USERNAME, vec![username.as_str().into()], rows::owner).await
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<ResourceOwner>, StoreError> {
        self.find_one(sql::FIND_OWNER_BY_SUBJECT, vec![subject.as_str().into()], rows::owner).await
    }

    async fn upgrade_password(
        &self,
        subject: &Subject,
        from: &PasswordHash,
        to: &PasswordHash,
    ) -> Result<Upgraded, StoreError> {
        let values = vec![to.secret().into(), subject.as_str().into(), from.secret().into()];
        let changed = self.execute(sql::REPLACE_PASSWORD, values).await?;
        Ok(if changed == 0 { Upgraded::No } else { Upgraded::Yes })
    }
}

#[async_trait]
impl OwnerRegistry for Sqlite {
    async fn add_owner(&self, owner: &ResourceOwner) -> Result<Added, StoreError> {
        let added = self.execute(sql::ADD_OWNER, rows::owner_values(owner)).await?;
        Ok(if added == 0 { Added::NameTaken } else { Added::Yes })
    }

    async fn list_owners(&self, after: Option<&Username>, limit: usize) -> Result<Vec<ResourceOwner>, StoreError> {
        let after = after.map_or("", Username::as_str);
        self.find_all(sql::LIST_OWNERS, vec![after.into(), limit.into()], rows::owner).await
    }

    async fn set_password(&self, subject: &Subject, hash: &PasswordHash, now: Timestamp) -> Result<Found, StoreError> {
        let told = owner_changed(subject, now);
        let (subject, hash) = (Value::from(subject.as_str()), Value::from(hash.secret()));
        self.write(move |connection| {
            let changed = execute(connection, sql::SET_PASSWORD, &[hash, subject.clone()])?;
            end_grants_if(changed, connection, &subject, &told)
        })
        .await
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
        self.write(move |connection| {
            let changed = execute(connection, sql::REPLACE_PASSWORD, &[to, subject.clone(), from])?;
            end_grants_if(changed, connection, &subject, &told)
        })
        .await
    }

    async fn set_status(&self, subject: &Subject, status: OwnerStatus, now: Timestamp) -> Result<Found, StoreError> {
        let told = owner_changed(subject, now);
        let (subject, name) = (Value::from(subject.as_str()), Value::from(rows::status_name(status)));
        self.write(move |connection| {
            let changed = execute(connection, sql::SET_STATUS, &[name, subject.clone()])?;
            match status {
                OwnerStatus::Active => tell_if(changed, connection, &told),
                OwnerStatus::Disabled => end_grants_if(changed, connection, &subject, &told),
            }
        })
        .await
    }

    async fn remove_owner(&self, subject: &Subject, now: Timestamp) -> Result<Found, StoreError> {
        let told = owner_changed(subject, now);
        let subject = Value::from(subject.as_str());
        self.write(move |connection| {
            let removed = execute(connection, sql::REMOVE_OWNER, slice::from_ref(&subject))?;
            end_grants_if(removed, connection, &subject, &told)
        })
        .await
    }
}

/// Ends the owner's grants, and tells the feed of the change, if the owner was there to be changed.
fn end_grants_if(
    changed: usize,
    connection: &Connection,
    subject: &Value,
    told: &[Value],
) -> Result<Decision<Found>, StoreError> {
    if changed > 0 {
        end_grants(connection, sql::END_GRANTS_OF_OWNER, subject)?;
    }
    tell_if(changed, connection, told)
}

/// Tells the feed of a change, if there was one.
fn tell_if(changed: usize, connection: &Connection, told: &[Value]) -> Result<Decision<Found>, StoreError> {
    if changed > 0 {
        execute(connection, sql::APPEND_FEED, told)?;
    }
    Ok(Decision::Keep(found(changed)))
}

/// Ends grants, and says how many there were.
fn end_grants(connection: &Connection, statements: [&str; 3], name: &Value) -> Result<usize, StoreError> {
    let mut changed = 0;
    for statement in statements {
        changed = execute(connection, statement, slice::from_ref(name))?;
    }
    Ok(changed)
}

/// Ends what was granted to a client: up to `now`, or where the clock was ahead before, up to the last use.
fn end_grants_to(connection: &Connection, id: &ClientId, now: Timestamp) -> Result<(), StoreError> {
    let name = [Value::from(id.as_str())];
    let last = query::one(connection, sql::FIND_LAST_USE_OF_CLIENT, &name, rows::newest_moment)?.flatten();
    for statement in sql::END_GRANTS_TO_CLIENT {
        execute(connection, statement, &name)?;
    }
    execute(connection, sql::APPEND_FEED, &cut(id, last.map_or(now, |last| last.max(now)))).map(drop)
}

#[async_trait]
impl Clients for Sqlite {
    async fn find_client(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        self.find_one(sql::FIND_CLIENT, vec![id.as_str().into()], rows::client).await
    }

    async fn has_clients(&self) -> Result<bool, StoreError> {
        Ok(self.find_one(sql::FIND_ANY_CLIENT, Vec::new(), |_| Ok(())).await?.is_some())
    }

    async fn add_client(&self, client: &Client) -> Result<Added, StoreError> {
        let added = self.execute(sql::ADD_CLIENT, rows::client_values(client)).await?;
        Ok(if added == 0 { Added::NameTaken } else { Added::Yes })
    }

    async fn list_clients(&self, after: Option<&ClientId>, limit: usize) -> Result<Vec<Client>, StoreError> {
        let values = vec![after.map_or("", ClientId::as_str).into(), limit.into()];
        self.find_all(sql::LIST_CLIENTS, values, rows::client).await
    }

    async fn set_client_status(
        &self,
        id: &ClientId,
        status: ClientStatus,
        now: Timestamp,
    ) -> Result<Found, StoreError> {
        let id = id.clone();
        self.write(move |connection| {
            let values = [rows::client_status_name(status).into(), id.as_str().into()];
            let changed = execute(connection, sql::SET_CLIENT_STATUS, &values)?;
            if changed > 0 && status == ClientStatus::Disabled {
                end_grants_to(connection, &id, now)?;
            }
            Ok(Decision::Keep(found(changed)))
        })
        .await
    }

    async fn rotate_client_secrets(
        &self,
        id: &ClientId,
        from: &ClientSecrets,
        to: &ClientSecrets,
    ) -> Result<Rotated, StoreError> {
        let values = vec![rows::secrets_text(to).into(), id.as_str().into(), rows::secrets_text(from).into()];
        let changed = self.execute(sql::ROTATE_CLIENT_SECRETS, values).await?;
        Ok(if changed == 0 { Rotated::No } else { Rotated::Yes })
    }

    async fn cut_client(&self, id: &ClientId, now: Timestamp) -> Result<(), StoreError> {
        self.execute(sql::APPEND_FEED, cut(id, now)).await.map(drop)
    }

    async fn remove_client(&self, id: &ClientId, now: Timestamp) -> Result<Found, StoreError> {
        let id = id.clone();
        self.write(move |connection| {
            let removed = execute(connection, sql::REMOVE_CLIENT, &[id.as_str().into()])?;
            if removed > 0 {
                end_grants_to(connection, &id, now)?;
            }
            Ok(Decision::Keep(found(removed)))
        })
        .await
    }
}

#[async_trait]
impl Keys for Sqlite {
    async fn find_keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        self.find_all(sql::FIND_KEYS, Vec::new(), rows::key).await
    }

    async fn put_first_key(&self, key: &KeyRecord) -> Result<Vec<KeyRecord>, StoreError> {
        let values = rows::key_values(key);
        self.write(move |connection| {
            execute(connection, sql::PUT_FIRST_KEY, &values)?;
            query::all(connection, sql::FIND_KEYS, &[], rows::key).map(Decision::Keep)
        })
        .await
    }

    async fn put_next_key(&self, succession: &Succession) -> Result<Vec<KeyRecord>, StoreError> {
        let mut values = rows::key_values(&succession.next);
        values.push(succession.after.as_str().into());
        let retirement = rows::retirement_values(succession);
        self.write(move |connection| {
            if execute(connection, sql::PUT_NEXT_KEY, &values)? > 0 {
                execute(connection, sql::RETIRE_KEYS, &retirement)?;
            }
            query::all(connection, sql::FIND_KEYS, &[], rows::key).map(Decision::Keep)
        })
        .await
    }

    async fn withdraw_key(&self, id: &KeyId, now: Timestamp, until: Timestamp) -> Result<Found, StoreError> {
        let withdrawal = [now.into(), Value::Blob(Vec::new()), id.as_str().into()];
        let told = rows::feed_values(&Ended::Key(id.clone()), until);
        self.write(move |connection| {
            let changed = execute(connection, sql::WITHDRAW_KEY, &withdrawal)?;
            if changed > 0 {
                execute(connection, sql::APPEND_FEED, &told)?;
            }
            Ok(Decision::Keep(found(changed)))
        })
        .await
    }

    async fn seal_key(&self, id: &KeyId, sealed: &SealedKey) -> Result<Found, StoreError> {
        let values = vec![Value::Blob(sealed.as_bytes().to_vec()), id.as_str().into()];
        self.execute(sql::SEAL_KEY, values).await.map(found)
    }
}

#[async_trait]
impl Grants for Sqlite {
    async fn redeem(
        &self,
        standing: &Standing,
        spend: Option<&Spend>,
        grant: &Grant,
        token: Option<&OpaqueToken>,
    ) -> Result<Redeemed, StoreError> {
        let token = token.map(rows::opaque_token_values);
        let spend = spend.map(|spend| facts::spending(spend, grant));
        let (record, grant) = facts::recording(standing, grant);
        self.write(move |connection| {
            if execute(connection, record, &grant)? == 0 {
                return Ok(Decision::Undo(Redeemed::OwnerChanged));
            }
            if let Some(spend) = spend
                && execute(connection, sql::SPEND_ONE_TIME, &spend)? == 0
            {
                return Ok(Decision::Undo(Redeemed::AlreadySpent));
            }
            put_opaque_token(connection, token)?;
            Ok(Decision::Keep(Redeemed::Whole))
        })
        .await
    }

    async fn rotate_refresh(
        &self,
        spent: &HandleHash,
        grant: &Grant,
        token: Option<&OpaqueToken>,
    ) -> Result<Rotated, StoreError> {
        let (rotation, token) = (rows::rotation_values(spent, grant), token.map(rows::opaque_token_values));
        self.write(move |connection| {
            if execute(connection, sql::ROTATE_REFRESH, &rotation)? == 0 {
                return Ok(Decision::Undo(Rotated::No));
            }
            put_opaque_token(connection, token)?;
            Ok(Decision::Keep(Rotated::Yes))
        })
        .await
    }

    async fn find_grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        self.find_one(sql::FIND_GRANT, vec![id.as_str().into()], rows::grant).await
    }

    async fn revoke_grant(&self, id: &GrantId) -> Result<Found, StoreError> {
        let id = Value::from(id.as_str());
        self.write(move |connection| {
            end_grants(connection, sql::END_GRANT, &id).map(|ended| Decision::Keep(found(ended)))
        })
        .await
    }

    async fn list_grants(
        &self,
        subject: &Subject,
        after: Option<&GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, StoreError> {
        let after = after.map_or("", GrantId::as_str);
        self.find_all(sql::LIST_GRANTS, vec![subject.as_str().into(), after.into(), limit.into()], rows::grant).await
    }

    async fn revoke_grants_of(&self, subject: &Subject) -> Result<usize, StoreError> {
        let subject = Value::from(subject.as_str());
        self.write(move |connection| end_grants(connection, sql::END_GRANTS_OF_OWNER, &subject).map(Decision::Keep))
            .await
    }

    async fn put_opaque_token(&self, token: &OpaqueToken) -> Result<Found, StoreError> {
        self.execute(sql::PUT_OPAQUE_TOKEN, rows::opaque_token_values(token)).await.map(found)
    }

    async fn find_opaque_token(&self, handle: &HandleHash) -> Result<Option<OpaqueToken>, StoreError> {
        let found = self.find_one(sql::FIND_OPAQUE_TOKEN, vec![handle.as_bytes().into()], rows::opaque_token).await?;
        let read =
            |(descends_from, claims, expires_at)| OpaqueToken { handle: *handle, descends_from, claims, expires_at };
        Ok(found.map(read))
    }

    async fn revoke_opaque_token(&self, handle: &HandleHash) -> Result<Found, StoreError> {
        self.execute(sql::REVOKE_OPAQUE_TOKEN, vec![handle.as_bytes().into()]).await.map(found)
    }

    async fn put_one_time(&self, thing: &OneTime) -> Result<(), StoreError> {
        self.execute(sql::PUT_ONE_TIME, rows::one_time_values(thing)).await.map(drop)
    }

    async fn find_one_time(
        &self,
        kind: OneTimeKind,
        handle: &HandleHash,
        now: Timestamp,
    ) -> Result<Option<OneTime>, StoreError> {
        let values = vec![kind.as_str().into(), handle.as_bytes().into(), now.into()];
        let found = self.find_one(sql::FIND_ONE_TIME, values, rows::one_time).await?;
        Ok(found.map(|(expires_at, payload)| OneTime { kind, handle: *handle, expires_at, payload }))
    }

    async fn remember_once(
        &self,
        kind: OneTimeKind,
        handle: &HandleHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Remembered, StoreError> {
        let values = vec![kind.as_str().into(), handle.as_bytes().into(), expires_at.into(), now.into()];
        let changed = self.execute(sql::REMEMBER_ONCE, values).await?;
        Ok(if changed == 0 { Remembered::Again } else { Remembered::First })
    }

    async fn sweep(&self, now: Timestamp, leeway: Duration, limit: usize) -> Result<usize, StoreError> {
        let expired = [Value::from(now.minus(SWEEP_MARGIN)), Value::from(limit)];
        let retired = [Value::from(now.minus(leeway)), Value::from(limit)];
        let over = [Value::from(now.minus(RETIRED_KEYS_KEPT)), Value::from(limit)];
        self.write(move |connection| {
            let mut gone = 0;
            for (statement, values) in [
                (sql::SWEEP_GRANTS, &expired),
                (sql::SWEEP_RETIRED, &retired),
                (sql::SWEEP_OPAQUE_TOKENS, &expired),
                (sql::SWEEP_ONE_TIME, &expired),
                (sql::SWEEP_FEED, &expired),
                (sql::SWEEP_KEYS, &over),
            ] {
                gone += execute(connection, statement, values)?;
            }
            Ok(Decision::Keep(gone))
        })
        .await
    }
}

fn put_opaque_token(connection: &Connection, token: Option<Vec<Value>>) -> Result<(), StoreError> {
    token.map_or(Ok(()), |token| execute(connection, sql::PUT_OPAQUE_TOKEN, &token).map(drop))
}

#[async_trait]
impl Feed for Sqlite {
    async fn find_feed(&self, after: u64, limit: usize) -> Result<Vec<FeedEntry>, StoreError> {
        let after = Value::Integer(i64::try_from(after).unwrap_or(i64::MAX));
        self.find_all(sql::FIND_FEED, vec![after, limit.into()], rows::feed_entry).await
    }

    fn version(&self) -> Option<u64> {
        self.shared.version.find()
    }

    async fn append_feed(&self, ended: &Ended, until: Timestamp) -> Result<(), StoreError> {
        self.execute(sql::APPEND_FEED, rows::feed_values(ended, until)).await.map(drop)
    }

    async fn begin_epoch(&self, now: Timestamp) -> Result<Epoch, StoreError> {
        self.write(move |connection| epoch::begin(connection, now).map(Decision::Keep)).await
    }
}
