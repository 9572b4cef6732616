//! Runs a statement and reads what it answers; the only place that knows how rusqlite spells values and problems.

use countersign_core::store::StoreError;
use rusqlite::{
    Connection, Error, ErrorCode, Row, ToSql, params_from_iter,
    types::{FromSql, ToSqlOutput, ValueRef},
};

use crate::rows::{Columns, Read, Unreadable, Value};

/// The first row, if there is one.
pub(super) fn one<T>(
    connection: &Connection,
    sql: &str,
    values: &[Value],
    read: Read<T>,
) -> Result<Option<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(store_error)?;
    let mut rows = statement.query(params_from_iter(values)).map_err(store_error)?;
    rows.next().map_err(store_error)?.map(|row| read(row)).transpose()
}

/// Every row.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    values: &[Value],
    read: Read<T>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(store_error)?;
    let mut rows = statement.query(params_from_iter(values)).map_err(store_error)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next().map_err(store_error)? {
        records.push(read(row)?);
    }
    Ok(records)
}

/// Writes, and says how many rows changed.
pub(super) fn execute(connection: &Connection, sql: &str, values: &[Value]) -> Result<usize, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(store_error)?;
    statement.execute(params_from_iter(values)).map_err(store_error)
}

/// What SQLite could not do. Its messages name tables and columns, never the values bound to a statement.
pub(super) fn store_error(problem: Error) -> StoreError {
    match problem.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::corrupt(problem),
        _ => StoreError::unavailable(problem),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Integer(integer) => ValueRef::Integer(*integer),
            Self::Blob(blob) => ValueRef::Blob(blob),
            Self::Null => ValueRef::Null,
        }))
    }
}

impl Columns for Row<'_> {
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
fn value<T: FromSql>(row: &Row<'_>, column: &'static str) -> Result<Option<T>, StoreError> {
    row.get(column).map_err(|_| StoreError::corrupt(Unreadable(column)))
}
