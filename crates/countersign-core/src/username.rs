//! User names by RFC 8265.
