//! SQLite as a store: the conformance suite, and what only a file can get wrong.
#![expect(clippy::unwrap_used, reason = "tests")]

mod conformance;
mod durability;
mod files;
mod looking;
#[cfg(unix)]
mod processes;
mod races;
mod remembered;
mod renewal;
mod schema;
mod sources;
mod support;
