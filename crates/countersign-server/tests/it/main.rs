//! The program as its users meet it: the real binary, on directories and ports of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

mod backup;
mod cli;
mod clients;
mod config;
mod dev;
mod doctor;
mod explain;
mod grants;
mod health;
mod keys;
mod lists;
mod load;
mod logs;
mod metrics;
mod migrate;
mod oauth2_crate;
mod postgres;
mod revocation;
mod rolling;
mod serve;
mod slow;
mod support;
mod test_store;
mod traces;
mod users;
