//! What makes the past powerless in a database that was put back: one script, in one transaction.

use countersign_core::{
    clock::Timestamp,
    store::{Epoch, LONGEST_ACCESS_TOKEN, StoreError},
};
use rusqlite::Connection;

use super::query::{execute, one};
use crate::{
    rows::{self, Value},
    statements as sql,
};

/// Begins an epoch; see [`Feed::begin_epoch`](countersign_core::store::Feed::begin_epoch). Whoever calls it has begun a
/// transaction.
pub(super) fn begin(connection: &Connection, now: Timestamp) -> Result<Epoch, StoreError> {
    let last = one(connection, sql::SQLITE_FIND_LAST_NUMBER, &[], rows::number)?.unwrap_or_default();
    let (number, until) = (Epoch::first_number(last, now), now.plus(LONGEST_ACCESS_TOKEN));
    execute(connection, sql::BEGIN_EPOCH, &rows::epoch_values(number, now, until))?;
    execute(connection, sql::TELL_OF_ALL_KEYS, &[until.into()])?;
    let keys = execute(connection, sql::WITHDRAW_ALL_KEYS, &[now.into(), Value::Blob(Vec::new())])?;
    let mut ended = [0; sql::END_EVERYTHING.len()];
    for (ended, statement) in ended.iter_mut().zip(sql::END_EVERYTHING) {
        *ended = execute(connection, statement, &[])?;
    }
    let [grants, one_time, opaque_tokens] = ended;
    Ok(Epoch { number, grants, opaque_tokens, one_time, keys })
}
