//! The rules of OAuth 2 and the ports they stand on.
//!
//! This crate knows no web framework and no database. It is what authors of stores ([`store`]) and of grant types
//! ([`grant`]) depend on; the author of an API wants the crate `countersign`, which wraps it for axum.

pub mod clock;
pub mod password;
pub mod username;
