//! Signing keys.

use async_trait::async_trait;
use countersign_core::{
    clock::Timestamp,
    names::KeyId,
    store::{Ended, Found, KeyRecord, Keys, SealedKey, StoreError, Succession},
};

use crate::{
    facts::{Decision, found},
    rows::{self, Value},
    sqlite::{
        Sqlite,
        query::{self, execute},
    },
    statements as sql,
};

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
