//! Tokens from elsewhere: an issuer, a network and a clock in the test's hand.

mod feed;
mod http;
mod introspection;
mod issuer;
mod keys;
mod metadata;
mod set_up;
mod support;
mod tls;
mod users;
