//! A token before it is signed: what a good one says, to be changed.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

/// The header and the claims of a token.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
}

impl Draft {
    /// With this claim, or without it.
    pub(super) fn claim(mut self, name: &str, value: impl Into<Option<Value>>) -> Self {
        set(&mut self.claims, name, value.into());
        self
    }

    /// With this member of the header, or without it.
    pub(super) fn header(mut self, name: &str, value: impl Into<Option<Value>>) -> Self {
        set(&mut self.header, name, value.into());
        self
    }

    /// What is signed (RFC 7515 §5.1).
    pub(super) fn input(&self) -> String {
        let encode = |members: &Map<String, Value>| base64url(Value::Object(members.clone()).to_string());
        format!("{}.{}", encode(&self.header), encode(&self.claims))
    }
}

fn set(members: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    match value {
        Some(value) => drop(members.insert(name.to_owned(), value)),
        None => drop(members.remove(name)),
    }
}

/// base64url without padding (RFC 7515 §2).
pub(super) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of what we encoded ourselves.
pub(super) fn from_base64url(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap_or_default()
}

/// A compact JWS (RFC 7515 §3.1).
pub(super) fn compact(input: &str, signature: &[u8]) -> String {
    format!("{input}.{}", base64url(signature))
}
