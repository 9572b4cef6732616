//! HTTP digest, and any other scheme of the `Authorization` header by its name, for your own code to check.

use axum::http::request::Parts;
use countersign_core::{error::BearerError, reason::Reason};
use serde_json::{Value, json};

use super::{
    Challenge, DEFAULT_REALM, SchemeKind,
    authorization::{self, HttpCredentials},
};

/// A scheme of the `Authorization` header, by its name in the IANA registry or one of your own (RFC 9110 §11.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpScheme {
    name: &'static str,
    realm: &'static str,
}

impl HttpScheme {
    /// The scheme of this name, compared without case; the realm is `api`.
    ///
    /// # Panics
    /// In a constant, so while compiling: if the name is no token (RFC 9110 §5.6.2).
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        assert!(is_token(name), "the name of a scheme is of letters, digits and a few signs, without spaces");
        Self { name, realm: DEFAULT_REALM }
    }

    /// With this realm.
    #[must_use]
    pub const fn realm(self, realm: &'static str) -> Self {
        Self { realm, ..self }
    }
}

impl SchemeKind for HttpScheme {
    type Credentials = HttpCredentials;

    fn find(&self, parts: &Parts) -> Result<HttpCredentials, BearerError> {
        find_any(parts, self.name)
    }

    fn challenge(&self) -> Challenge {
        Challenge::new(self.name, self.realm)
    }

    fn document(&self) -> Value {
        json!({ "type": "http", "scheme": self.name })
    }
}

/// HTTP digest (RFC 7616). Checking what the client computed is up to you; each challenge has a fresh nonce, of which
/// nothing is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpDigest {
    realm: &'static str,
}

impl HttpDigest {
    /// With the realm `api`.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a constant is made of it")]
    pub const fn new() -> Self {
        Self { realm: DEFAULT_REALM }
    }

    /// With this realm.
    #[must_use]
    pub const fn realm(mut self, realm: &'static str) -> Self {
        self.realm = realm;
        self
    }
}

impl SchemeKind for HttpDigest {
    type Credentials = HttpCredentials;

    fn find(&self, parts: &Parts) -> Result<HttpCredentials, BearerError> {
        find_any(parts, "digest")
    }

    fn challenge(&self) -> Challenge {
        // RFC 7616 §3.3: `algorithm` must not be a quoted string.
        Challenge::new("Digest", self.realm).with("qop", "auth").with_token("algorithm", "SHA-256").with_nonce()
    }

    fn document(&self) -> Value {
        json!({ "type": "http", "scheme": "digest" })
    }
}

fn find_any(parts: &Parts, name: &str) -> Result<HttpCredentials, BearerError> {
    let found = authorization::find(parts, name)?;
    let sound = !found.secret().is_empty() && !found.secret().chars().any(char::is_control);
    if sound { Ok(found) } else { Err(BearerError::InvalidToken(Reason::Malformed)) }
}

/// `token = 1*tchar` (RFC 9110 §5.6.2).
const fn is_token(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        let sign = matches!(
            bytes[i],
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        );
        if !(bytes[i].is_ascii_alphanumeric() || sign) {
            return false;
        }
        i += 1;
    }
    !bytes.is_empty()
}
