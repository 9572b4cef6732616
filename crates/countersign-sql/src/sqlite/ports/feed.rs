//! The feed, and its epochs.

use async_trait::async_trait;
use countersign_core::{
    clock::Timestamp,
    store::{Ended, Epoch, Feed, FeedEntry, StoreError},
};

use crate::{
    facts::Decision,
    rows::{self, Value},
    sqlite::{Sqlite, epoch},
    statements as sql,
};

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
