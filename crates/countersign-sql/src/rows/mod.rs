//! Records as rows: what is read is checked, what cannot be read is an error, and no back end's types appear here.

#[cfg(feature = "postgres")]
mod attempts;
mod clients;
mod feed;
mod grants;
mod keys;
mod owners;

use countersign_core::{clock::Timestamp, scope::Scope, store::StoreError};

#[cfg(feature = "postgres")]
pub(crate) use self::{
    attempts::{SharedTally, fate, shared_tally},
    grants::{ended_grant, used_grant},
};
pub(crate) use self::{
    clients::{client, client_status_name, client_values, secrets_text},
    feed::{epoch_values, feed_entry, feed_values},
    grants::{
        LastUse, grant, grant_values, last_use, one_time, one_time_values, opaque_token, opaque_token_values,
        rotation_values,
    },
    keys::{key, key_values, retirement_values},
    owners::{owner, owner_values, status_name},
};
use crate::migrations::Applied;

/// A value on its way into a statement. Without `Debug`: it may be a hash or a key.
#[derive(Clone)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Blob(Vec<u8>),
    Null,
}

/// One row of an answer, by the names of its columns. A value of another type is [`StoreError::Corrupt`].
pub(crate) trait Columns {
    fn text(&self, column: &'static str) -> Result<Option<String>, StoreError>;
    fn integer(&self, column: &'static str) -> Result<Option<i64>, StoreError>;
    fn blob(&self, column: &'static str) -> Result<Option<Vec<u8>>, StoreError>;
}

/// Reads one record from one row.
pub(crate) type Read<T> = fn(&dyn Columns) -> Result<T, StoreError>;

/// A stored value that is not what the column is for. Names the column, never the value.
#[derive(Debug, thiserror::Error)]
#[error("the column {0:?} holds something that cannot be read")]
pub(crate) struct Unreadable(pub(crate) &'static str);

fn unreadable(column: &'static str) -> StoreError {
    StoreError::corrupt(Unreadable(column))
}

pub(crate) fn applied(row: &dyn Columns) -> Result<Applied, StoreError> {
    Ok(Applied {
        version: row.integer("version")?.ok_or_else(|| unreadable("version"))?,
        checksum: text(row, "checksum")?,
        welcomes: row.integer("welcomes")?.ok_or_else(|| unreadable("welcomes"))?,
    })
}

/// In the order of [`crate::statements::RECORD_APPLIED`].
pub(crate) fn applied_values(applied: &Applied) -> [Value; 3] {
    [Value::Integer(applied.version), applied.checksum.as_str().into(), Value::Integer(applied.welcomes)]
}

pub(crate) fn newest_moment(row: &dyn Columns) -> Result<Option<Timestamp>, StoreError> {
    Ok(row.integer("moment")?.map(Timestamp::from_seconds))
}

/// How the database writes text.
#[cfg(feature = "postgres")]
pub(crate) fn encoding(row: &dyn Columns) -> Result<String, StoreError> {
    text(row, "encoding")
}

/// Which database it is, and since when its server runs.
#[cfg(all(feature = "sqlite", feature = "postgres"))]
pub(crate) fn identity(row: &dyn Columns) -> Result<String, StoreError> {
    text(row, "identity")
}

pub(crate) fn number(row: &dyn Columns) -> Result<u64, StoreError> {
    row.integer("number")?.and_then(|number| number.try_into().ok()).ok_or_else(|| unreadable("number"))
}

/// The last number that the feed gave; NULL if it cannot be known.
#[cfg(feature = "postgres")]
pub(crate) fn last_number(row: &dyn Columns) -> Result<u64, StoreError> {
    match row.integer("number")? {
        Some(_) => number(row),
        None => Err(StoreError::unavailable(NumbersHidden)),
    }
}

/// Numbers that were given would be given again.
#[cfg(feature = "postgres")]
#[derive(Debug, thiserror::Error)]
#[error("the sequence of oauth2_feed.number may not be read: this role lacks the privilege \"SELECT\" on it")]
struct NumbersHidden;

/// A count that a statement made.
#[cfg(feature = "sqlite")]
pub(crate) fn count(row: &dyn Columns, column: &'static str) -> Result<usize, StoreError> {
    row.integer(column)?.and_then(|count| count.try_into().ok()).ok_or_else(|| unreadable(column))
}

fn text(row: &dyn Columns, column: &'static str) -> Result<String, StoreError> {
    row.text(column)?.ok_or_else(|| unreadable(column))
}

fn time(row: &dyn Columns, column: &'static str) -> Result<Timestamp, StoreError> {
    row.integer(column)?.map(Timestamp::from_seconds).ok_or_else(|| unreadable(column))
}

fn scope(text: &str) -> Result<Scope, StoreError> {
    text.parse().map_err(|_| unreadable("scope"))
}

fn named<T: Copy>(column: &'static str, name: &str, names: &[(&str, T)]) -> Result<T, StoreError> {
    names.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).ok_or_else(|| unreadable(column))
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::from)
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        Self::Integer(time.seconds())
    }
}

impl From<&[u8; 32]> for Value {
    fn from(hash: &[u8; 32]) -> Self {
        Self::Blob(hash.to_vec())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Blob(bytes.to_vec())
    }
}

/// A count as a limit; none is as large as what the engines can count.
impl From<usize> for Value {
    fn from(limit: usize) -> Self {
        Self::Integer(i64::try_from(limit).unwrap_or(i64::MAX))
    }
}
