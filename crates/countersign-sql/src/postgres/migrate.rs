//! Brings the tables up to date: one transaction a step, its record in the same, so that a crash leaves a whole step.

use super::{connection::Connection, query::Problem};
use crate::{
    migrations::{self, Applied, Migration, Next, Pending, Schema},
    open_error::OpenError,
    rows, statements,
};

/// All steps, oldest first, each with the oldest version whose programs it [welcomes](Migration).
const MIGRATIONS: [Migration; 2] = [
    Migration::new(1, include_str!("../../migrations/postgres/0001_first.sql")),
    Migration::new(2, include_str!("../../migrations/postgres/0002_attempts.sql")),
];

/// Makes the steps that are missing. Of several processes that start at once, one makes a step, and the others wait and
/// find it made.
///
/// # Errors
/// [`OpenError::NewerSchema`], [`OpenError::AlteredSchema`], [`OpenError::Encoding`], [`OpenError::Database`].
pub(super) async fn migrate(connection: &Connection) -> Result<Schema, OpenError> {
    check_encoding(connection).await?;
    loop {
        // Whoever has nothing to do needs no lock, and does not wait for one.
        if let Next::Use(schema) = next(connection).await? {
            return Ok(schema);
        }
        connection.batch(statements::POSTGRES_BEGIN_TO_MIGRATE).await.map_err(database)?;
        // Another process may have made the step while this one waited.
        if let Next::Make(pending) = next(connection).await? {
            apply(connection, &pending).await.map_err(database)?;
        }
        connection.batch(statements::POSTGRES_COMMIT).await.map_err(database)?;
    }
}

/// Whether all steps were made; makes none.
///
/// # Errors
/// [`OpenError::OlderSchema`], or as of [`migrate`].
pub(super) async fn check(connection: &Connection) -> Result<Schema, OpenError> {
    check_encoding(connection).await?;
    match next(connection).await? {
        Next::Use(schema) => Ok(schema),
        Next::Make(pending) => Err(OpenError::OlderSchema { missing: pending.applied.version }),
    }
}

pub(super) fn database(problem: Problem) -> OpenError {
    OpenError::Database(countersign_core::store::StoreError::from(problem).into())
}

/// Names are compared by the bytes of UTF-8.
async fn check_encoding(connection: &Connection) -> Result<(), OpenError> {
    let found = connection.all(statements::POSTGRES_FIND_ENCODING, &[], rows::encoding).await.map_err(database)?;
    match found.into_iter().find(|encoding| encoding != "UTF8") {
        Some(found) => Err(OpenError::Encoding { found }),
        None => Ok(()),
    }
}

async fn next(connection: &Connection) -> Result<Next, OpenError> {
    let applied = applied(connection).await.map_err(database)?;
    migrations::next(&MIGRATIONS, &applied)
}

/// The steps that were made, in their order.
async fn applied(connection: &Connection) -> Result<Vec<Applied>, Problem> {
    let tables = connection.all(statements::POSTGRES_FIND_SCHEMA_TABLE, &[], |_| Ok(())).await?;
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    connection.all(statements::FIND_APPLIED, &[], rows::applied).await
}

async fn apply(connection: &Connection, pending: &Pending) -> Result<(), Problem> {
    connection.batch(statements::POSTGRES_CREATE_SCHEMA_TABLE).await?;
    connection.batch(pending.text).await?;
    connection.execute(statements::RECORD_APPLIED, &rows::applied_values(&pending.applied)).await?;
    tracing::info!(
        event = "database",
        outcome = "migrated",
        version = pending.applied.version,
        "the tables have a new schema"
    );
    Ok(())
}
