//! Owners, and what ends with their changes.

use std::slice;

use async_trait::async_trait;
use countersign_core::{
    clock::Timestamp,
    names::Subject,
    password::PasswordHash,
    resource_owner::{OwnerStatus, ResourceOwner, ResourceOwners, Upgraded},
    store::{Added, Found, OwnerRegistry, StoreError},
    username::Username,
};
use rusqlite::Connection;

use super::{end_grants_of, tell_if};
use crate::{
    facts::{Decision, owner_changed},
    rows::{self, Value},
    sqlite::{Sqlite, query::execute},
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
            end_grants_if(changed, connection, &subject, &told, now)
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
            end_grants_if(changed, connection, &subject, &told, now)
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
                OwnerStatus::Disabled => end_grants_if(changed, connection, &subject, &told, now),
            }
        })
        .await
    }

    async fn remove_owner(&self, subject: &Subject, now: Timestamp) -> Result<Found, StoreError> {
        let told = owner_changed(subject, now);
        let subject = Value::from(subject.as_str());
        self.write(move |connection| {
            let removed = execute(connection, sql::REMOVE_OWNER, slice::from_ref(&subject))?;
            end_grants_if(removed, connection, &subject, &told, now)
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
    now: Timestamp,
) -> Result<Decision<Found>, StoreError> {
    if changed > 0 {
        end_grants_of(connection, subject, now)?;
    }
    tell_if(changed, connection, told)
}
