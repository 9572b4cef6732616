//! SQLite for countersign: users, clients, keys and grants in tables that can live in your own database.
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
//! Every table is prefixed `oauth2_`. What a method acknowledged is on the disk; what it did not acknowledge happened
//! whole or not at all.
//!
//! # Rooms
//! `statements` has all SQL, one text for all back ends; `rows` reads and writes records column by column;
//! `migrations` decides which steps a database still needs; a folder per back end does the rest. To add a back end:
//! its folder beside `sqlite/`, its files in `migrations/`, its feature, and its line in the conformance test.

#[cfg(feature = "sqlite")]
mod hex;
#[cfg(feature = "sqlite")]
mod migrations;
#[cfg(feature = "sqlite")]
mod open_error;
#[cfg(feature = "sqlite")]
mod retired;
#[cfg(feature = "sqlite")]
mod rows;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlite")]
mod statements;

#[cfg(feature = "sqlite")]
pub use self::{open_error::OpenError, sqlite::Sqlite};
