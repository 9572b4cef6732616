//! Counters of failed attempts as rows, which PostgreSQL alone has.

use countersign_core::{clock::Timestamp, store::StoreError, throttle::Tally};

use super::{Columns, unreadable};

/// A counter of failed attempts as it rests.
pub(crate) struct SharedTally {
    pub(crate) key: Vec<u8>,
    pub(crate) tally: Tally,
    /// Until when what it counts as under way is believed to be.
    pub(crate) under_way_until: Option<Timestamp>,
    /// The transaction that locked it.
    pub(crate) transaction: i64,
}

pub(crate) fn shared_tally(row: &dyn Columns) -> Result<SharedTally, StoreError> {
    let tally = row.blob("tally")?.map(|bytes| Tally::from_bytes(&bytes).ok_or_else(|| unreadable("tally")));
    Ok(SharedTally {
        key: row.blob("key")?.ok_or_else(|| unreadable("key"))?,
        tally: tally.transpose()?.unwrap_or_default(),
        under_way_until: row.integer("under_way_until")?.map(Timestamp::from_seconds),
        transaction: row.integer("transaction")?.ok_or_else(|| unreadable("transaction"))?,
    })
}

/// What became of a transaction, if anybody remembers.
pub(crate) fn fate(row: &dyn Columns) -> Result<Option<String>, StoreError> {
    row.text("fate")
}
