//! HTTP basic (RFC 7617), in UTF-8, with users that your own code checks.

use std::fmt;

use axum::http::request::Parts;
use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_core::{error::BearerError, reason::Reason};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Challenge, DEFAULT_REALM, SchemeKind, authorization};

/// The longest credentials that are decoded, in bytes: a name and a password of the longest kind fit.
const MAX_BYTES: usize = 8 * 1024;

/// A user name and a password in the `Authorization` header (RFC 7617). Checking them is up to you.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpBasic {
    realm: &'static str,
}

impl HttpBasic {
    /// With the realm `api`.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a constant is made of it")]
    pub const fn new() -> Self {
        Self { realm: DEFAULT_REALM }
    }

    /// With this realm, which browsers show to people (RFC 7617 §2: "The authentication parameter 'realm' is REQUIRED").
    #[must_use]
    pub const fn realm(mut self, realm: &'static str) -> Self {
        self.realm = realm;
        self
    }
}

/// What basic authentication hands over. Nobody has looked at it yet.
#[derive(Clone)]
pub struct BasicCredentials {
    /// The user name; may be empty.
    pub username: String,
    password: Zeroizing<String>,
}

impl BasicCredentials {
    /// The password; may be empty.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for BasicCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicCredentials").field("username", &self.username).field("password", &"[redacted]").finish()
    }
}

impl SchemeKind for HttpBasic {
    type Credentials = BasicCredentials;

    fn find(&self, parts: &Parts) -> Result<BasicCredentials, BearerError> {
        let found = authorization::find(parts, "basic")?;
        decode(found.secret()).ok_or(BearerError::InvalidToken(Reason::Malformed))
    }

    /// RFC 7617 §2.1: 'charset="UTF-8"' tells "that the server expects […] UTF-8".
    fn challenge(&self) -> Challenge {
        Challenge::new("Basic", self.realm).with("charset", "UTF-8")
    }

    fn document(&self) -> Value {
        json!({ "type": "http", "scheme": "basic" })
    }
}

/// `user-id ":" password` in base64; neither "can contain any control characters" (RFC 7617 §2), and the first colon
/// ends the name.
fn decode(encoded: &str) -> Option<BasicCredentials> {
    if encoded.len() > MAX_BYTES {
        return None;
    }
    let bytes = Zeroizing::new(STANDARD.decode(encoded).ok()?);
    let text = std::str::from_utf8(&bytes).ok()?;
    if text.chars().any(char::is_control) {
        return None;
    }
    let (username, password) = text.split_once(':')?;
    Some(BasicCredentials { username: username.to_owned(), password: Zeroizing::new(password.to_owned()) })
}
