//! Signing keys.

use async_trait::async_trait;
use countersign_core::{
    clock::Timestamp,
    meters::StoreOperation,
    names::KeyId,
    store::{Ended, Found, KeyRecord, Keys, SealedKey, StoreError, Succession},
};

use super::tell_if;
use crate::{
    facts::{Decision, found},
    postgres::{
        OPERATION, Postgres, TRIES, cannot_be_kept,
        connection::Connection,
        locks::{self, Only},
        query::Problem,
    },
    rows::{self, Value},
    statements as sql,
};

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
        if withdrawal.iter().any(cannot_be_kept) {
            return Ok(Found::No);
        }
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
