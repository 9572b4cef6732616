//! A part of what was granted to a client: there is one writer for all, which others get after it.

use std::time::Duration;

use countersign_core::{
    clock::Timestamp,
    names::ClientId,
    store::{Found, StoreError},
};
use rusqlite::Connection;

use super::{
    Sqlite,
    query::{execute, one},
};
use crate::{
    ending::{Change, Ending, EndsInParts, PART, TOKENS_OF_PART},
    facts::{Decision, found},
    rows::{self, Value},
    statements as sql,
};

impl EndsInParts for Sqlite {
    /// Who waits for another process's write looks again after a tenth of a second at most: so says SQLite's busy handler.
    const PAUSE: Duration = Duration::from_millis(120);

    async fn find_last_use(&self, id: &ClientId) -> Result<Option<Timestamp>, StoreError> {
        let last = self.find_one(sql::FIND_LAST_USE_OF_CLIENT, vec![id.as_str().into()], rows::newest_moment).await?;
        Ok(last.flatten())
    }

    async fn begin_to_end(&self, mut ending: Ending, change: Change) -> Result<(Found, Option<Ending>), StoreError> {
        self.write(move |connection| {
            let (statement, values) = change.of(&ending.id);
            let changed = execute(connection, statement, &values)?;
            let is_left = is_left(connection, &ending.id)?;
            if changed > 0 || is_left {
                tell(connection, ending.tell(None))?;
            }
            Ok(Decision::Keep((found(changed), is_left.then_some(ending))))
        })
        .await
    }

    async fn end_part(&self, ending: Ending) -> Result<Option<Ending>, StoreError> {
        self.write(move |connection| match is_left(connection, &ending.id)? {
            true => end_part(connection, ending).map(Decision::Keep),
            false => Ok(Decision::Undo(None)),
        })
        .await
    }

    async fn change_without_rest(&self, id: &ClientId, change: &Change) -> Result<Option<usize>, StoreError> {
        let (id, (statement, values)) = (id.clone(), change.of(id));
        self.write(move |connection| match is_left(connection, &id)? {
            true => Ok(Decision::Undo(None)),
            false => execute(connection, statement, &values).map(Some).map(Decision::Keep),
        })
        .await
    }
}

/// Whether there is a rest of what a client was granted that is disabled or gone.
fn is_left(connection: &Connection, id: &ClientId) -> Result<bool, StoreError> {
    Ok(one(connection, sql::FIND_LEFT_BY_CLIENT, &[id.as_str().into()], |_| Ok(()))?.is_some())
}

/// Tells the feed, if it was not told before.
fn tell(connection: &Connection, told: Option<Vec<Value>>) -> Result<(), StoreError> {
    told.map_or(Ok(()), |told| execute(connection, sql::APPEND_FEED, &told).map(drop))
}

/// Ends a part, in a transaction that has begun, and tells the feed. `None` if nothing is left.
fn end_part(connection: &Connection, mut ending: Ending) -> Result<Option<Ending>, StoreError> {
    let part_with_tokens = [ending.id.as_str().into(), Value::from(PART), Value::from(TOKENS_OF_PART)];
    let part = &part_with_tokens[..2];
    let last_use = one(connection, sql::SQLITE_FIND_LAST_USE_OF_PART, part, rows::newest_moment)?.flatten();
    execute(connection, sql::SQLITE_END_OWN_TOKENS_OF_PART, part)?;
    execute(connection, sql::SQLITE_END_TOKENS_OF_PART, &part_with_tokens)?;
    execute(connection, sql::SQLITE_END_GRANTS_OF_PART, part)?;
    tell(connection, ending.tell(last_use))?;
    Ok(is_left(connection, &ending.id)?.then_some(ending))
}
