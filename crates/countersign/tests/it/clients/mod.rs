//! Registered clients: how they prove who they are, and what they get of their own.

mod authentication;
mod credentials_grant;
mod private_key_jwt;
mod registry;
mod renewal;
pub(crate) mod support;
