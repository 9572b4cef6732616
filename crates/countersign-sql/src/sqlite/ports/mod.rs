//! The ports of countersign, filled: which statements make up each fact. Here is what several of them share.

mod clients;
mod feed;
mod grants;
mod keys;
mod owners;

use std::slice;

use countersign_core::{
    clock::Timestamp,
    store::{Found, StoreError},
};
use rusqlite::Connection;

use super::query::execute;
use crate::{
    facts::{Decision, found, told_after},
    rows::Value,
    statements as sql,
};

/// Tells the feed of a change, if there was one.
fn tell_if(changed: usize, connection: &Connection, told: &[Value]) -> Result<Decision<Found>, StoreError> {
    if changed > 0 {
        execute(connection, sql::APPEND_FEED, told)?;
    }
    Ok(Decision::Keep(found(changed)))
}

/// Ends a grant, and says how many there were.
fn end_grant(connection: &Connection, id: &Value) -> Result<usize, StoreError> {
    let mut changed = 0;
    for statement in sql::END_GRANT {
        changed = execute(connection, statement, slice::from_ref(id))?;
    }
    Ok(changed)
}

/// Ends the grants of an owner, and says how many there were.
fn end_grants_of(connection: &Connection, subject: &Value, now: Timestamp) -> Result<usize, StoreError> {
    let [tell, end_tokens, end_grants] = sql::END_GRANTS_OF_OWNER;
    execute(connection, tell, &[subject.clone(), told_after(now).into()])?;
    execute(connection, end_tokens, slice::from_ref(subject))?;
    execute(connection, end_grants, slice::from_ref(subject))
}
