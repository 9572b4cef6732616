//! The crate from outside, one module for each of its rooms.
#![expect(clippy::unwrap_used, reason = "a test program")]

mod away;
mod bearer;
mod conformance;
mod extra_claims;
mod golden;
mod held;
mod held_store;
mod keys;
mod keys_at_rest;
mod logins;
mod model;
mod newer;
mod passwords;
mod support;
mod sweeps;
mod tidy;
mod usernames;
