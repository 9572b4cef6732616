//! The ports of countersign, filled: which statements make up each fact, and what each locks first. Here is what several of
//! them share.

mod clients;
mod feed;
mod grants;
mod keys;
mod owners;

use std::slice;

use countersign_core::{
    clock::Timestamp,
    meters::StoreOperation,
    store::{Found, StoreError},
};

use super::{OPERATION, Postgres, TRIES, connection::Connection, locks, query::Problem};
use crate::{
    facts::{Decision, found, told_after},
    rows::{self, Value},
    statements as sql,
};

/// How many grants of an owner end in one statement, in a transaction that ends all: so many are in memory at a time.
const PART: usize = 10_000;

impl Postgres {
    /// Adds an entry to the feed.
    async fn append(&self, told: &[Value]) -> Result<(), StoreError> {
        transaction!(self, connection => { tell(connection, told).await.map(Decision::Keep) })
    }
}

/// Tells the feed of a change, if there was one.
async fn tell_if(changed: usize, connection: &Connection, told: &[Value]) -> Result<Decision<Found>, Problem> {
    if changed > 0 {
        tell(connection, told).await?;
    }
    Ok(Decision::Keep(found(changed)))
}

/// Adds an entry to the feed. Nothing is locked after this.
async fn tell(connection: &Connection, told: &[Value]) -> Result<(), Problem> {
    locks::feed(connection).await?;
    connection.execute(sql::APPEND_FEED, told).await.map(drop)
}

/// Ends a grant with its tokens, and tells the feed; says how many there were.
async fn end_grant(connection: &Connection, id: &Value) -> Result<usize, Problem> {
    let ended = connection.all(sql::POSTGRES_END_GRANT, slice::from_ref(id), rows::ended_grant).await?;
    end_tokens_of(connection, &ended).await?;
    tell_of_grants(connection, ended).await
}

/// Ends the grants of an owner with their tokens, and tells the feed of those whose access tokens may be alive at `now`; says
/// how many there were. It takes its time, but for waiting.
async fn end_grants_of(connection: &Connection, subject: &Value, now: Timestamp) -> Result<usize, Problem> {
    connection.batch(sql::POSTGRES_TAKE_TIME_TO_WORK).await?;
    let (mut count, mut alive, mut after) = (0, Vec::new(), String::new());
    loop {
        let part = [subject.clone(), after.as_str().into(), PART.into()];
        let ended = connection.all(sql::POSTGRES_END_PART_OF_OWNER, &part, rows::ended_grant).await?;
        let Some((last, _)) = ended.iter().max() else { break };
        after.clone_from(last);
        end_tokens_of(connection, &ended).await?;
        count += ended.len();
        alive.extend(may_be_alive(ended, now));
    }
    tell_of_grants(connection, alive).await?;
    Ok(count)
}

/// Ends the tokens of grants that are gone.
async fn end_tokens_of(connection: &Connection, ended: &[(String, i64)]) -> Result<(), Problem> {
    if ended.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = ended.iter().map(|(id, _)| id.as_str()).collect();
    connection.execute_with(sql::POSTGRES_END_TOKENS_OF_GRANTS, &[&ids]).await.map(drop)
}

/// Of grants that are gone at `now`, those of which the feed is told.
fn may_be_alive(ended: Vec<(String, i64)>, now: Timestamp) -> Vec<(String, i64)> {
    ended.into_iter().filter(|(_, until)| *until > told_after(now).seconds()).collect()
}

/// Tells the feed of grants, each with the time until which its access tokens live; says how many there were.
async fn tell_of_grants(connection: &Connection, ended: Vec<(String, i64)>) -> Result<usize, Problem> {
    if ended.is_empty() {
        return Ok(0);
    }
    let (ids, until): (Vec<_>, Vec<_>) = ended.into_iter().unzip();
    locks::feed(connection).await?;
    connection.execute_with(sql::POSTGRES_TELL_ENDED_GRANTS, &[&ids, &until]).await
}
