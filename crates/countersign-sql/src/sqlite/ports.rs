//! The ports of countersign, filled: which statements make up each fact.

use std::slice;

use async_trait::async_trait;
use countersign_core::{
    client::Client,
    clock::Timestamp,
    grant_record::Grant,
    names::{ClientId, GrantId, Subject},
    password::PasswordHash,
    resource_owner::{OwnerStatus, ResourceOwner, ResourceOwners, Upgraded},
    store::{
        Added, Clients, Found, Grants, HandleHash, KeyRecord, Keys, OneTime, OneTimeKind, OwnerRegistry, Redeemed,
        Spend, Standing, StoreError,
    },
    username::Username,
};
use rusqlite::Connection;

use super::{
    Sqlite,
    query::{self, execute},
    writer::Decision,
};
use crate::{
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
        let changed = self.execute(sql::UPGRADE_PASSWORD, values).await?;
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

    async fn set_password(&self, subject: &Subject, hash: &PasswordHash) -> Result<Found, StoreError> {
        let (subject, hash) = (Value::from(subject.as_str()), Value::from(hash.secret()));
        self.write(move |connection| {
            let changed = execute(connection, sql::SET_PASSWORD, &[hash, subject.clone()])?;
            end_grants_if(changed, connection, &subject)
        })
        .await
    }

    async fn set_status(&self, subject: &Subject, status: OwnerStatus) -> Result<Found, StoreError> {
        let (subject, name) = (Value::from(subject.as_str()), Value::from(rows::status_name(status)));
        self.write(move |connection| {
            let changed = execute(connection, sql::SET_STATUS, &[name, subject.clone()])?;
            match status {
                OwnerStatus::Active => Ok(Decision::Keep(found(changed))),
                OwnerStatus::Disabled => end_grants_if(changed, connection, &subject),
            }
        })
        .await
    }

    async fn remove_owner(&self, subject: &Subject) -> Result<Found, StoreError> {
        let subject = Value::from(subject.as_str());
        self.write(move |connection| {
            let removed = execute(connection, sql::REMOVE_OWNER, slice::from_ref(&subject))?;
            end_grants_if(removed, connection, &subject)
        })
        .await
    }
}

/// Ends the owner's grants if the owner was there to be changed.
fn end_grants_if(changed: usize, connection: &Connection, subject: &Value) -> Result<Decision<Found>, StoreError> {
    if changed > 0 {
        execute(connection, sql::END_GRANTS_OF_OWNER, slice::from_ref(subject))?;
    }
    Ok(Decision::Keep(found(changed)))
}

fn found(changed: usize) -> Found {
    if changed == 0 { Found::No } else { Found::Yes }
}

#[async_trait]
impl Clients for Sqlite {
    async fn find_client(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        self.find_one(sql::FIND_CLIENT, vec![id.as_str().into()], rows::client).await
    }

    async fn has_clients(&self) -> Result<bool, StoreError> {
        Ok(self.find_one(sql::FIND_ANY_CLIENT, Vec::new(), |_| Ok(())).await?.is_some())
    }

    async fn put_client(&self, client: &Client) -> Result<(), StoreError> {
        self.execute(sql::PUT_CLIENT, rows::client_values(client)).await.map(drop)
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
}

#[async_trait]
impl Grants for Sqlite {
    async fn redeem(&self, standing: &Standing, spend: Option<&Spend>, grant: &Grant) -> Result<Redeemed, StoreError> {
        let grant_id = grant.id.as_str();
        let spend = spend.map(|spend| {
            [grant_id.into(), spend.kind.as_str().into(), spend.handle.as_bytes().into(), spend.now.into()]
        });
        let mut grant = rows::grant_values(grant);
        let record = match standing {
            Standing::Elsewhere => sql::RECORD_GRANT,
            Standing::Active => {
                grant.push(Value::Null);
                sql::RECORD_GRANT_OF_OWNER
            }
            Standing::ActiveWith(hash) => {
                grant.push(hash.secret().into());
                sql::RECORD_GRANT_OF_OWNER
            }
        };
        self.write(move |connection| {
            if execute(connection, record, &grant)? == 0 {
                return Ok(Decision::Undo(Redeemed::OwnerChanged));
            }
            match spend {
                Some(spend) if execute(connection, sql::SPEND_ONE_TIME, &spend)? == 0 => {
                    Ok(Decision::Undo(Redeemed::AlreadySpent))
                }
                _ => Ok(Decision::Keep(Redeemed::Whole)),
            }
        })
        .await
    }

    async fn find_grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        self.find_one(sql::FIND_GRANT, vec![id.as_str().into()], rows::grant).await
    }

    async fn revoke_grant(&self, id: &GrantId) -> Result<Found, StoreError> {
        self.execute(sql::REVOKE_GRANT, vec![id.as_str().into()]).await.map(found)
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

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let values = [Value::from(now), Value::from(limit)];
        self.write(move |connection| {
            let grants = execute(connection, sql::SWEEP_GRANTS, &values)?;
            Ok(Decision::Keep(grants + execute(connection, sql::SWEEP_ONE_TIME, &values)?))
        })
        .await
    }
}
