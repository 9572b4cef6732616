//! The crate from outside, one module for each of its rooms.
#![expect(clippy::unwrap_used, reason = "a test program")]

mod conformance;
mod golden;
mod passwords;
mod tidy;
mod usernames;
