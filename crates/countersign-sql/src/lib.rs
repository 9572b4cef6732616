//! SQLite and PostgreSQL for countersign: users, clients, keys and grants in tables that can live in your own database.
//!
//! ```no_run
//! use countersign::OAuth2;
//! use countersign_sql::Sqlite;
//!
//! # async fn open() -> countersign::Result<OAuth2> {
//! let oauth2 = OAuth2::new(Sqlite::open("app.db").await?).build().await?;
//! # Ok(oauth2)
//! # }
//! ```
//!
//! With the feature `postgres`, `Postgres::open("postgres://…")` fits in the same place, for several processes over one
//! database; `Database::open` takes either.
//!
//! Every table is prefixed `oauth2_`. What a method acknowledged is on the disk; what it did not acknowledge happened
//! whole or not at all, but for the end of very much that was granted to a client: the rest of it ends before the client is let
//! in again.
//!
//! # Rooms
//! `statements` has all SQL, one text for all back ends; `rows` reads and writes records column by column;
//! `migrations` decides which steps a database still needs, and beside which newer ones this program works; `tables` lists
//! what moves from one database to another, and `transfer` moves it; a folder per back end does the rest. To add a back end:
//! its folder beside `sqlite/`, its files in `migrations/`, its feature, and its line in the conformance test.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod backup;
#[cfg(all(feature = "sqlite", feature = "postgres"))]
mod database;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod ending;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod facts;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod hex;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod migrations;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod open_error;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod retired;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod rows;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
#[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "some statements are SQLite's alone"))]
mod statements;
#[cfg(all(feature = "sqlite", feature = "postgres"))]
mod tables;
#[cfg(all(feature = "sqlite", feature = "postgres"))]
mod transfer;

#[cfg(feature = "postgres")]
pub use self::postgres::Postgres;
#[cfg(feature = "sqlite")]
pub use self::sqlite::Sqlite;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use self::{
    backup::{BackupError, Copied, Restored},
    migrations::Schema,
    open_error::OpenError,
};
#[cfg(all(feature = "sqlite", feature = "postgres"))]
pub use self::{
    database::Database,
    transfer::{MigrateError, Migrated, MigratedTable, Progress, Step, migrate},
};
