//! Brings the tables up to date: one transaction a step, its record in the same, so that a crash leaves a whole step.

use countersign_core::store::StoreError;
use rusqlite::{Connection, TransactionBehavior};

use super::{connection::database, query};
use crate::{
    migrations::{self, Applied, Migration, Next, Pending, Schema},
    open_error::OpenError,
    rows, statements,
};

/// All steps, oldest first, each with the oldest version whose programs it [welcomes](Migration).
const MIGRATIONS: [Migration; 6] = [
    Migration::new(1, include_str!("../../migrations/sqlite/0001_first.sql")),
    Migration::new(2, include_str!("../../migrations/sqlite/0002_renewal.sql")),
    Migration::new(3, include_str!("../../migrations/sqlite/0003_clients.sql")),
    Migration::new(4, include_str!("../../migrations/sqlite/0004_keys.sql")),
    Migration::new(4, include_str!("../../migrations/sqlite/0005_serves.sql")),
    Migration::new(6, include_str!("../../migrations/sqlite/0006_own_tokens.sql")),
];

/// Makes the steps that are missing. Of two processes that start at once, one waits and finds them made.
///
/// # Errors
/// [`OpenError::NewerSchema`], [`OpenError::AlteredSchema`], [`OpenError::Database`].
pub(super) fn migrate(connection: &mut Connection) -> Result<Schema, OpenError> {
    loop {
        // Whoever has nothing to do needs no lock, and does not wait for one.
        if let Next::Use(schema) = next(connection)? {
            return Ok(schema);
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(database)?;
        // Another process may have made the step while this one waited.
        if let Next::Make(pending) = next(&transaction)? {
            apply(&transaction, &pending).map_err(database)?;
        }
        transaction.commit().map_err(database)?;
    }
}

/// Whether all steps were made; makes none.
///
/// # Errors
/// [`OpenError::OlderSchema`], or as of [`migrate`].
pub(super) fn check(connection: &Connection) -> Result<Schema, OpenError> {
    match next(connection)? {
        Next::Use(schema) => Ok(schema),
        Next::Make(pending) => Err(OpenError::OlderSchema { missing: pending.applied.version }),
    }
}

fn next(connection: &Connection) -> Result<Next, OpenError> {
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
    let values = rows::applied_values(&pending.applied);
    connection.execute(statements::RECORD_APPLIED, rusqlite::params_from_iter(values))?;
    tracing::info!(
        event = "database",
        outcome = "migrated",
        version = pending.applied.version,
        "the tables have a new schema"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements as sql;

    /// Tables of which a statement may not read all rows to find a few.
    const GROWING: [&str; 5] =
        ["oauth2_owners", "oauth2_grants", "oauth2_opaque_tokens", "oauth2_one_time", "oauth2_feed"];

    /// What is about all of a table. An operator asks for it, and no request does.
    const ABOUT_ALL: [&str; 2] = [sql::FIND_NEWEST_MOMENT, sql::COUNT_RECORDS];

    /// The steps by which SQLite carries a statement out.
    fn plan(connection: &Connection, statement: &str) -> Vec<String> {
        let mut explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
        let steps = explained.raw_query().mapped(|row| row.get("detail"));
        steps.map(Result::unwrap).collect()
    }

    /// Whether all rows of a table that grows are looked at, or sorted. A search without a bound is no search.
    fn grows(plan: &[String]) -> bool {
        let is_of = |step: &str, table: &str| step.split(' ').nth(1) == Some(table);
        let of_growing: Vec<_> = plan.iter().filter(|step| GROWING.iter().any(|table| is_of(step, table))).collect();
        let reads_all = |step: &&String| step.starts_with("SCAN") || !step.contains('(');
        let sorts = plan.iter().any(|step| step.contains("TEMP B-TREE"));
        of_growing.iter().any(reads_all) || (sorts && !of_growing.is_empty())
    }

    fn database() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection
    }

    #[test]
    fn no_request_reads_a_whole_table_that_grows() {
        let connection = database();
        let of_requests = sql::ALL.iter().filter(|statement| !ABOUT_ALL.contains(statement));
        let ends = [sql::END_GRANT, sql::END_GRANTS_OF_OWNER];
        let ends = ends.iter().flatten().chain(&sql::SQLITE_OF_PART);
        for statement in of_requests.chain(ends) {
            let plan = plan(&connection, statement);
            assert!(!grows(&plan), "{statement}: {plan:?}");
        }
    }

    #[test]
    fn a_statement_without_an_index_is_seen() {
        let connection = database();
        let by_address = "SELECT subject FROM oauth2_owners WHERE email = $1";
        let sorted = "SELECT id FROM oauth2_grants WHERE subject = $1 ORDER BY used_at";
        for statement in [by_address, sorted, ABOUT_ALL[0], ABOUT_ALL[1]] {
            let plan = plan(&connection, statement);
            assert!(grows(&plan), "{statement}: {plan:?}");
        }
    }
}
