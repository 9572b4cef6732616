//! What a transaction locks until its end, in the order in which it must: see the module above.

use countersign_core::store::StoreError;

use super::{connection::Connection, query::Problem};
use crate::{rows::Value, statements};

/// Of which there is one at a time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Only {
    /// Whoever adds an owner or a client: neither may have the other's name.
    GivesNames,
    /// Whoever adds a key.
    MakesKeys,
}

/// Waits until nobody else does this.
pub(super) async fn only(connection: &Connection, what: Only) -> Result<(), Problem> {
    let name = match what {
        Only::GivesNames => "names",
        Only::MakesKeys => "keys",
    };
    locked(&connection.all(statements::POSTGRES_LOCK, &[name.into()], |_| Ok(())).await?)
}

/// The owner, if there is one, stays as it is.
pub(super) async fn owner(connection: &Connection, subject: &Value) -> Result<(), Problem> {
    hold(connection, statements::POSTGRES_LOCK_OWNER, subject).await
}

/// Waits until the owner can be changed. Whoever comes later waits for this.
pub(super) async fn change_owner(connection: &Connection, subject: &Value) -> Result<(), Problem> {
    hold(connection, statements::POSTGRES_CHANGE_OWNER, subject).await
}

/// The client, if it is in the table, stays as it is.
pub(super) async fn client(connection: &Connection, id: &Value) -> Result<(), Problem> {
    hold(connection, statements::POSTGRES_LOCK_CLIENT, id).await
}

/// Waits until the client can be changed. Whoever comes later waits for this.
pub(super) async fn change_client(connection: &Connection, id: &Value) -> Result<(), Problem> {
    hold(connection, statements::POSTGRES_CHANGE_CLIENT, id).await
}

/// The grant, if there is one, stays.
pub(super) async fn grant(connection: &Connection, id: &Value) -> Result<(), Problem> {
    hold(connection, statements::POSTGRES_LOCK_GRANT, id).await
}

/// All keys stay as they are.
pub(super) async fn all_keys(connection: &Connection) -> Result<(), Problem> {
    connection.all(statements::POSTGRES_LOCK_ALL_KEYS, &[], |_| Ok(())).await.map(drop)
}

/// Waits until nobody else adds to the feed. The last lock of all.
pub(super) async fn feed(connection: &Connection) -> Result<(), Problem> {
    locked(&connection.all(statements::POSTGRES_LOCK_FEED, &[], |_| Ok(())).await?)
}

async fn hold(connection: &Connection, statement: &'static str, name: &Value) -> Result<(), Problem> {
    connection.all(statement, std::slice::from_ref(name), |_| Ok(())).await.map(drop)
}

fn locked(rows: &[()]) -> Result<(), Problem> {
    if rows.is_empty() { Err(StoreError::corrupt(NoLock).into()) } else { Ok(()) }
}

/// Without it, nothing keeps two apart.
#[derive(Debug, thiserror::Error)]
#[error("a row of the table oauth2_locks is missing")]
struct NoLock;
