//! A part of what was granted to a client: who waits for its rows, or for the client, has a connection that others need.

use std::time::Duration;

use countersign_core::{
    clock::Timestamp,
    meters::StoreOperation,
    names::ClientId,
    store::{Found, StoreError},
};

use super::{
    LONG, Postgres, TRIES,
    connection::Connection,
    locks::{self, Only},
    query::Problem,
};
use crate::{
    ending::{Change, Ending, EndsInParts, PART},
    facts::{Decision, found},
    rows::{self, Value},
    statements as sql,
};

impl EndsInParts for Postgres {
    /// Who waits for a lock is next as soon as it is free.
    const PAUSE: Duration = Duration::ZERO;

    async fn find_last_use(&self, id: &ClientId) -> Result<Option<Timestamp>, StoreError> {
        let name = [id.as_str().into()];
        transaction!(self, within LONG, connection => {
            connection.batch(sql::POSTGRES_TAKE_TIME).await?;
            let last = connection.all(sql::FIND_LAST_USE_OF_CLIENT, &name, rows::newest_moment).await?;
            Ok(Decision::Keep(last.into_iter().flatten().max()))
        })
    }

    async fn begin_to_end(&self, ending: Ending, change: Change) -> Result<(Found, Option<Ending>), StoreError> {
        let (statement, values) = change.of(&ending.id);
        transaction!(self, within LONG, connection => {
            locks::change_client(connection, &ending.id.as_str().into()).await?;
            let changed = connection.execute(statement, &values).await?;
            let ends = changed > 0 || is_left(connection, &ending.id).await?;
            let rest = if ends { end_part(connection, ending.clone()).await? } else { None };
            Ok(Decision::Keep((found(changed), rest)))
        })
    }

    async fn end_part(&self, ending: Ending) -> Result<Option<Ending>, StoreError> {
        transaction!(self, within LONG, connection => {
            locks::change_client(connection, &ending.id.as_str().into()).await?;
            match is_left(connection, &ending.id).await? {
                true => end_part(connection, ending.clone()).await.map(Decision::Keep),
                false => Ok(Decision::Undo(None)),
            }
        })
    }

    async fn change_without_rest(&self, id: &ClientId, change: &Change) -> Result<Option<usize>, StoreError> {
        let (statement, values) = change.of(id);
        transaction!(self, within LONG, connection => {
            if let Change::Add(_) = change {
                locks::only(connection, Only::GivesNames).await?;
            }
            locks::change_client(connection, &id.as_str().into()).await?;
            match is_left(connection, id).await? {
                true => Ok(Decision::Undo(None)),
                false => connection.execute(statement, &values).await.map(Some).map(Decision::Keep),
            }
        })
    }
}

/// Whether there is a rest of what a client was granted that is disabled or gone.
async fn is_left(connection: &Connection, id: &ClientId) -> Result<bool, Problem> {
    let found = connection.all(sql::FIND_LEFT_BY_CLIENT, &[id.as_str().into()], |_| Ok(())).await?;
    Ok(!found.is_empty())
}

/// Ends a part, for whoever is the only one to change the client, so that nothing is granted meanwhile; and tells the feed. `None`
/// if nothing is left.
async fn end_part(connection: &Connection, mut ending: Ending) -> Result<Option<Ending>, Problem> {
    let part = [ending.id.as_str().into(), Value::from(PART)];
    connection.batch(sql::POSTGRES_TAKE_BY_INDEX).await?;
    // What is being renewed is waited for; after that none of it is renewed, or gets a token.
    let locked = connection.all(sql::POSTGRES_LOCK_PART_TO_CLIENT, &part, rows::used_grant).await?;
    let (grants, uses): (Vec<_>, Vec<_>) = locked.into_iter().unzip();
    connection.execute(sql::POSTGRES_END_OWN_TOKENS_OF_PART, &part).await?;
    connection.execute_with(sql::POSTGRES_END_TOKENS_OF_GRANTS, &[&grants]).await?;
    connection.execute_with(sql::POSTGRES_END_GRANTS_OF_PART, &[&grants]).await?;
    let is_left = is_left(connection, &ending.id).await?;
    if let Some(told) = ending.tell(uses.into_iter().max()) {
        locks::feed(connection).await?;
        connection.execute(sql::APPEND_FEED, &told).await?;
    }
    Ok(is_left.then_some(ending))
}
