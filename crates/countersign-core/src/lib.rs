//! The rules of OAuth 2 and the ports they stand on.
//!
//! This crate knows no web framework and no database. It is what authors of stores ([`store`]) and of grant types
//! ([`grant`]) depend on; the author of an API wants the crate `countersign`, which wraps it for axum.

mod asking;
pub mod authorization_server;
pub mod client;
pub mod clock;
pub mod error;
pub mod extra_claims;
pub mod feed_page;
mod forgetting;
pub mod form;
pub mod grant;
pub mod grant_record;
pub mod grant_type;
mod handle;
pub mod jose;
pub mod key;
pub mod meters;
pub mod names;
pub mod password;
mod precis;
pub mod reason;
pub mod refresh_token;
pub mod resource_owner;
pub mod scope;
mod spread;
pub mod store;
pub mod throttle;
pub mod token;
pub mod token_format;
pub mod username;
