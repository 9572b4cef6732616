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
    ending::{Change, Ending, EndsInParts, PART, TOKENS_OF_PART},
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
            let mut ending = ending.clone();
            change_alone(connection, &ending.id).await?;
            let changed = connection.execute(statement, &values).await?;
            let is_left = is_left(connection, &ending.id).await?;
            if changed > 0 || is_left {
                tell(connection, ending.tell(None)).await?;
            }
            Ok(Decision::Keep((found(changed), is_left.then_some(ending))))
        })
    }

    async fn end_part(&self, ending: Ending) -> Result<Option<Ending>, StoreError> {
        transaction!(self, within LONG, connection => {
            change_alone(connection, &ending.id).await?;
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
            connection.batch(sql::POSTGRES_TAKE_BY_INDEX).await?;
            locks::change_client(connection, &id.as_str().into()).await?;
            match is_left(connection, id).await? {
                true => Ok(Decision::Undo(None)),
                false => connection.execute(statement, &values).await.map(Some).map(Decision::Keep),
            }
        })
    }
}

/// Whoever ends a client has the time that it takes, and is the only one to change it.
async fn change_alone(connection: &Connection, id: &ClientId) -> Result<(), Problem> {
    connection.batch(sql::POSTGRES_TAKE_TIME).await?;
    connection.batch(sql::POSTGRES_TAKE_BY_INDEX).await?;
    locks::change_client(connection, &id.as_str().into()).await
}

/// Whether there is a rest of what a client was granted that is disabled or gone.
async fn is_left(connection: &Connection, id: &ClientId) -> Result<bool, Problem> {
    let found = connection.all(sql::FIND_LEFT_BY_CLIENT, &[id.as_str().into()], |_| Ok(())).await?;
    Ok(!found.is_empty())
}

/// Tells the feed, if it was not told before.
async fn tell(connection: &Connection, told: Option<Vec<Value>>) -> Result<(), Problem> {
    let Some(told) = told else { return Ok(()) };
    locks::feed(connection).await?;
    connection.execute(sql::APPEND_FEED, &told).await.map(drop)
}

/// Ends a part, for whoever is the only one to change the client, so that nothing is granted meanwhile; and tells the feed. `None`
/// if nothing is left.
async fn end_part(connection: &Connection, mut ending: Ending) -> Result<Option<Ending>, Problem> {
    let name = Value::from(ending.id.as_str());
    let part = [name.clone(), PART.into()];
    let own = connection.execute(sql::POSTGRES_END_OWN_TOKENS_OF_PART, &part).await?;
    let mut locked = connection.all(sql::POSTGRES_LOCK_PART_TO_CLIENT, &part, rows::used_grant).await?;
    if locked.is_empty() && own == 0 {
        // Others hold what is left. While one of it is waited for, nobody waits for what else would be held.
        locked = connection.all(sql::POSTGRES_LOCK_ONE_TO_CLIENT, &[name], rows::used_grant).await?;
    }
    // None of what is locked is renewed any more, or gets a token.
    let (grants, uses): (Vec<_>, Vec<_>) = locked.into_iter().unzip();
    let tokens = i64::try_from(TOKENS_OF_PART).unwrap_or(i64::MAX);
    connection.execute_with(sql::POSTGRES_END_TOKENS_OF_PART, &[&grants, &tokens]).await?;
    connection.execute_with(sql::POSTGRES_END_GRANTS_OF_PART, &[&grants]).await?;
    let is_left = is_left(connection, &ending.id).await?;
    tell(connection, ending.tell(uses.into_iter().max())).await?;
    Ok(is_left.then_some(ending))
}
