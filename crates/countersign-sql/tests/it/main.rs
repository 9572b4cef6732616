//! SQLite and PostgreSQL as stores: the conformance suite, and what only a file, or only a server, can get wrong.
#![expect(clippy::unwrap_used, reason = "tests")]

mod backup;
mod cluster;
mod conformance;
mod durability;
mod ending;
mod files;
mod looking;
mod migrations;
mod postgres;
#[cfg(unix)]
mod processes;
mod races;
mod remembered;
mod renewal;
mod schema;
mod sources;
mod support;
mod transfer;
