//! Owners, and what ends with their changes.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::{
    clock::Timestamp,
    meters::StoreOperation,
    names::Subject,
    password::PasswordHash,
    resource_owner::{OwnerStatus, ResourceOwner, ResourceOwners, Upgraded},
    store::{Added, Found, OwnerRegistry, StoreError},
    throttle::Attempts,
    username::Username,
};

use super::{end_grants_of, tell_if};
use crate::{
    facts::{Decision, owner_changed},
    postgres::{
        LONG, OPERATION, Postgres, TRIES, cannot_be_kept,
        connection::Connection,
        locks::{self, Only},
        query::Problem,
    },
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
        if cannot_be_kept(&subject) {
            return Ok(Upgraded::No);
        }
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
        let values = rows::owner_values(owner);
        transaction!(self, connection => {
            locks::only(connection, Only::GivesNames).await?;
            let added = connection.execute(sql::ADD_OWNER, &values).await?;
            Ok(Decision::Keep(if added == 0 { Added::NameTaken } else { Added::Yes }))
        })
    }

    async fn list_owners(&self, after: Option<&Username>, limit: usize) -> Result<Vec<ResourceOwner>, StoreError> {
        let after = after.map_or("", Username::as_str);
        self.find_all(sql::LIST_OWNERS, &[after.into(), limit.into()], rows::owner).await
    }

    async fn set_password(&self, subject: &Subject, hash: &PasswordHash, now: Timestamp) -> Result<Found, StoreError> {
        let values = [hash.secret(), subject.as_str()].map(Value::from);
        self.change_and_end(sql::SET_PASSWORD, &values, subject, now).await
    }

    async fn change_password(
        &self,
        subject: &Subject,
        from: &PasswordHash,
        to: &PasswordHash,
        now: Timestamp,
    ) -> Result<Found, StoreError> {
        let values = [to.secret(), subject.as_str(), from.secret()].map(Value::from);
        self.change_and_end(sql::REPLACE_PASSWORD, &values, subject, now).await
    }

    async fn set_status(&self, subject: &Subject, status: OwnerStatus, now: Timestamp) -> Result<Found, StoreError> {
        let values = [rows::status_name(status), subject.as_str()].map(Value::from);
        if status == OwnerStatus::Disabled {
            return self.change_and_end(sql::SET_STATUS, &values, subject, now).await;
        }
        if values.iter().any(cannot_be_kept) {
            return Ok(Found::No);
        }
        let told = owner_changed(subject, now);
        transaction!(self, connection => {
            locks::change_owner(connection, &values[1]).await?;
            let changed = connection.execute(sql::SET_STATUS, &values).await?;
            tell_if(changed, connection, &told).await
        })
    }

    fn attempts(&self) -> Option<Arc<dyn Attempts>> {
        Some(Arc::new(self.clone()))
    }

    async fn remove_owner(&self, subject: &Subject, now: Timestamp) -> Result<Found, StoreError> {
        self.change_and_end(sql::REMOVE_OWNER, &[subject.as_str().into()], subject, now).await
    }
}

impl Postgres {
    /// Changes an owner, or removes one, by a statement; ends the owner's grants, and tells the feed, if the owner was there to
    /// be changed.
    async fn change_and_end(
        &self,
        statement: &'static str,
        values: &[Value],
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Found, StoreError> {
        let told = owner_changed(subject, now);
        let subject = Value::from(subject.as_str());
        if cannot_be_kept(&subject) {
            return Ok(Found::No);
        }
        transaction!(self, within LONG, connection => {
            locks::change_owner(connection, &subject).await?;
            let changed = connection.execute(statement, values).await?;
            if changed > 0 {
                end_grants_of(connection, &subject, now).await?;
            }
            tell_if(changed, connection, &told).await
        })
    }
}
