//! The feed, and its epochs.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::{
    clock::Timestamp,
    meters::StoreOperation,
    store::{Ended, Epoch, Feed, FeedEntry, StoreError},
};

use crate::{
    postgres::{FEED, Postgres, news::News},
    rows::{self, Value},
    statements as sql,
};

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
