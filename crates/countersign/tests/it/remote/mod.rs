//! Tokens from elsewhere: an issuer, a network and a clock in the test's hand.

mod http;
mod introspection;
mod keys;
mod metadata;
mod set_up;
mod support;
mod tls;
mod users;
