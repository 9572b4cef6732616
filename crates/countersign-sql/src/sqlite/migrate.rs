//! Brings the tables up to date: one transaction a step, its record in the same, so that a crash leaves a whole step.

use countersign_core::store::StoreError;
use rusqlite::{Connection, TransactionBehavior};

use super::{connection::database, query};
use crate::{
    migrations::{self, Applied, Migration, Pending},
    open_error::OpenError,
    rows::{self, Value},
    statements,
};

/// All steps, oldest first.
const MIGRATIONS: [Migration; 6] = [
    Migration::new(include_str!("../../migrations/sqlite/0001_first.sql")),
    Migration::new(include_str!("../../migrations/sqlite/0002_renewal.sql")),
    Migration::new(include_str!("../../migrations/sqlite/0003_clients.sql")),
    Migration::new(include_str!("../../migrations/sqlite/0004_keys.sql")),
    Migration::new(include_str!("../../migrations/sqlite/0005_serves.sql")),
    Migration::new(include_str!("../../migrations/sqlite/0006_own_tokens.sql")),
];

/// Makes the steps that are missing. Of two processes that start at once, one waits and finds them made.
///
/// # Errors
/// [`OpenError::NewerSchema`], [`OpenError::AlteredSchema`], [`OpenError::Database`].
pub(super) fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    // Whoever has nothing to do needs no lock, and does not wait for one.
    while next(connection)?.is_some() {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(database)?;
        // Another process may have made the step while this one waited.
        if let Some(pending) = next(&transaction)? {
            apply(&transaction, &pending).map_err(database)?;
        }
        transaction.commit().map_err(database)?;
    }
    Ok(())
}

/// Whether all steps were made; makes none.
///
/// # Errors
/// [`OpenError::OlderSchema`], or as of [`migrate`].
pub(super) fn check(connection: &Connection) -> Result<(), OpenError> {
    match next(connection)? {
        None => Ok(()),
        Some(pending) => Err(OpenError::OlderSchema { missing: pending.applied.version }),
    }
}

fn next(connection: &Connection) -> Result<Option<Pending>, OpenError> {
    let applied = applied(connection).map_err(|problem| OpenError::Database(problem.into()))?;
    migrations::next(&MIGRATIONS, &applied)
}

/// The steps that were made, in their order.
fn applied(connection: &Connection) -> Result<Vec<Applied>, StoreError> {
    // Asked as a statement, which sees what others committed; rusqlite's `table_exists` looks at a remembered schema.
    if query::one(connection, statements::SQLITE_FIND_SCHEMA_TABLE, &[], |_| Ok(()))?.is_none() {
        return Ok(Vec::new());
    }
    query::all(connection, statements::FIND_APPLIED, &[], rows::applied)
}

fn apply(connection: &Connection, pending: &Pending) -> rusqlite::Result<()> {
    connection.execute_batch(statements::CREATE_SCHEMA_TABLE)?;
    connection.execute_batch(pending.text)?;
    let values = [Value::Integer(pending.applied.version), Value::from(pending.applied.checksum.as_str())];
    connection.execute(statements::RECORD_APPLIED, rusqlite::params_from_iter(values))?;
    tracing::info!(
        event = "database",
        outcome = "migrated",
        version = pending.applied.version,
        "the tables have a new schema"
    );
    Ok(())
}
