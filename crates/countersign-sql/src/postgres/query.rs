//! Runs a statement and reads what it answers; the only place that knows how the driver spells values and problems.

use countersign_core::store::StoreError;
use tokio_postgres::{
    Error, Row, Statement,
    error::SqlState,
    types::{FromSql, ToSql, Type},
};

use super::connection::Connection;
use crate::rows::{Columns, Read, Unreadable, Value};

/// Why a statement was not done, and what is left of its connection.
#[derive(Debug)]
pub(super) enum Problem {
    /// Two transactions stood in each other's way; this one was undone, and may be tried again.
    Conflict(StoreError),
    /// The statement failed; the connection is as good as before.
    Refused(StoreError),
    /// The connection is lost, or nobody knows in which state it is.
    Lost(StoreError),
}

impl From<Problem> for StoreError {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Conflict(cause) | Problem::Refused(cause) | Problem::Lost(cause) => cause,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(cause: StoreError) -> Self {
        Self::Refused(cause)
    }
}

impl From<Error> for Problem {
    fn from(problem: Error) -> Self {
        let Some(refusal) = problem.as_db_error() else { return Self::Lost(StoreError::unavailable(problem)) };
        // The rest of what the database says, its "detail", may have values in it.
        let said = Refusal { code: refusal.code().code().to_owned(), message: refusal.message().to_owned() };
        let cause = match refusal.code().code() {
            DATA_CORRUPTED | INDEX_CORRUPTED => StoreError::corrupt(said),
            _ => StoreError::unavailable(said),
        };
        match refusal.code() {
            code if [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code) => {
                Self::Conflict(cause)
            }
            code if SPOILED.iter().any(|spoiled| code.code().starts_with(spoiled)) => Self::Lost(cause),
            // The statement took too long, a value does not fit, ….
            _ => Self::Refused(cause),
        }
    }
}

/// After these a connection is of no more use: it is broken (08), the database shuts down (57P) or only reads since another
/// one took over (25006), what was prepared is gone (26) or of tables that have changed (0A).
const SPOILED: [&str; 5] = ["08", "57P", "25006", "26", "0A"];

const DATA_CORRUPTED: &str = "XX001";
const INDEX_CORRUPTED: &str = "XX002";

/// What the database said.
#[derive(Debug, thiserror::Error)]
#[error("the database refused: {message} (SQLSTATE {code})")]
pub(super) struct Refusal {
    code: String,
    message: String,
}

impl Connection {
    /// Every row.
    pub(super) async fn all<T>(&self, sql: &'static str, values: &[Value], read: Read<T>) -> Result<Vec<T>, Problem> {
        let statement = self.prepared(sql).await?;
        let rows = self.client().query(&statement, &bound(&statement, values)).await?;
        Ok(rows.iter().map(|row| read(row)).collect::<Result<_, _>>()?)
    }

    /// As [`Connection::all`], of values that are lists.
    pub(super) async fn all_with<T>(
        &self,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
        read: Read<T>,
    ) -> Result<Vec<T>, Problem> {
        let statement = self.prepared(sql).await?;
        let rows = self.client().query(&statement, values).await?;
        Ok(rows.iter().map(|row| read(row)).collect::<Result<_, _>>()?)
    }

    /// Writes, and says how many rows changed.
    pub(super) async fn execute(&self, sql: &'static str, values: &[Value]) -> Result<usize, Problem> {
        let statement = self.prepared(sql).await?;
        let changed = self.client().execute(&statement, &bound(&statement, values)).await?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    /// As [`Connection::execute`], of values that are lists.
    pub(super) async fn execute_with(
        &self,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<usize, Problem> {
        let statement = self.prepared(sql).await?;
        let changed = self.client().execute(&statement, values).await?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }
}

/// The values as the statement takes them. One of another type is refused by the driver before it is sent.
pub(super) fn bound<'a>(statement: &Statement, values: &'a [Value]) -> Vec<&'a (dyn ToSql + Sync)> {
    let kinds = statement.params().iter();
    values.iter().zip(kinds).map(|(value, kind)| parameter(value, kind)).collect()
}

fn parameter<'a>(value: &'a Value, kind: &Type) -> &'a (dyn ToSql + Sync) {
    match value {
        Value::Text(text) => text,
        Value::Integer(integer) => integer,
        Value::Blob(blob) => blob,
        Value::Null if *kind == Type::INT8 => &None::<i64>,
        Value::Null if *kind == Type::BYTEA => &None::<&[u8]>,
        Value::Null => &None::<&str>,
    }
}

impl Columns for Row {
    fn text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        value(self, column)
    }

    fn integer(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        value(self, column)
    }

    fn blob(&self, column: &'static str) -> Result<Option<Vec<u8>>, StoreError> {
        value(self, column)
    }
}

/// Whatever is wrong with the value, the error names the column alone.
fn value<'a, T: FromSql<'a>>(row: &'a Row, column: &'static str) -> Result<Option<T>, StoreError> {
    row.try_get(column).map_err(|_| StoreError::corrupt(Unreadable(column)))
}
