//! HTTP bearer (RFC 6750 §2.1) with tokens that your own code checks.

use axum::http::{HeaderMap, header, request::Parts};
use countersign_core::{error::BearerError, form, jose::MAX_TOKEN_BYTES, reason::Reason};
use serde_json::{Value, json};

use super::{
    Challenge, DEFAULT_REALM, SchemeKind,
    authorization::{self, HttpCredentials},
};

/// A bearer token in the `Authorization` header. Checking it is up to you; [`AccessToken`](crate::AccessToken) is one
/// that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpBearer {
    realm: &'static str,
    format: Option<&'static str>,
}

impl HttpBearer {
    /// With the realm `api`.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a constant is made of it")]
    pub const fn new() -> Self {
        Self { realm: DEFAULT_REALM, format: None }
    }

    /// With this realm.
    #[must_use]
    pub const fn realm(self, realm: &'static str) -> Self {
        Self { realm, ..self }
    }

    /// Says what its tokens are (`bearerFormat`), such as `JWT`.
    #[must_use]
    pub const fn format(self, format: &'static str) -> Self {
        Self { format: Some(format), ..self }
    }
}

impl SchemeKind for HttpBearer {
    type Credentials = HttpCredentials;

    fn find(&self, parts: &Parts) -> Result<HttpCredentials, BearerError> {
        find_in_place(parts).map(HttpCredentials::from)
    }

    fn challenge(&self) -> Challenge {
        Challenge::new("Bearer", self.realm)
    }

    fn document(&self) -> Value {
        let mut document = json!({ "type": "http", "scheme": "bearer" });
        if let Some(format) = self.format {
            document["bearerFormat"] = format.into();
        }
        document
    }
}

/// The bearer token of a request where it stands, with the scheme as it was written.
///
/// # Errors
/// [`BearerError`]: none, another scheme, more than one credential, or no `b64token`.
pub(crate) fn find_in_place(parts: &Parts) -> Result<(&str, &str), BearerError> {
    let found = authorization::find_in_place(parts, "bearer");
    if has_query_token(parts) {
        return Err(match found {
            // What stands in the address is not read, and the log tells why.
            Err(BearerError::NoCredentials(_)) => BearerError::NoCredentials(Reason::CredentialInUrl),
            // RFC 6750 §2: "Clients MUST NOT use more than one method to transmit the token in each request."
            _ => BearerError::InvalidRequest(Reason::SeveralCredentials),
        });
    }
    let found = found?;
    let (_, token) = found;
    if token.len() > MAX_TOKEN_BYTES {
        return Err(BearerError::InvalidToken(Reason::TooLong));
    }
    if !is_b64token(token) {
        return Err(BearerError::InvalidToken(Reason::Malformed));
    }
    Ok(found)
}

/// What stands where [`find_in_place`] finds the bearer token of a request, before anybody has looked at its characters: to
/// recall a token that was seen before, which is the same in every byte. `None` where that refuses for any other reason.
pub(crate) fn find_unread(parts: &Parts) -> Option<&[u8]> {
    if has_query_token(parts) {
        return None;
    }
    authorization::find_bytes(parts, "bearer").ok().map(|(_, token)| token)
}

/// Whether an `Authorization` header is of the scheme of bearer tokens, whatever is behind it.
pub(crate) fn is_in(headers: &HeaderMap) -> bool {
    let mut schemes = headers.get_all(header::AUTHORIZATION).iter().map(|value| {
        let mut words = value.as_bytes().split(u8::is_ascii_whitespace);
        words.next().unwrap_or_default()
    });
    schemes.any(|scheme| scheme.eq_ignore_ascii_case(b"bearer"))
}

/// `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 6750 §2.1).
pub(crate) fn is_b64token(token: &str) -> bool {
    let token = token.trim_end_matches('=');
    // In few comparisons, none of which is a branch: `-`, `.`, `/` and the digits stand side by side.
    let allowed = |byte: u8| {
        ((byte | 0x20).wrapping_sub(b'a') < 26)
            | (byte.wrapping_sub(b'-') < 13)
            | (byte == b'+')
            | (byte == b'_')
            | (byte == b'~')
    };
    // Not `all`, which stops early and so looks at one byte at a time: nearly every token is good to its end.
    !token.is_empty() && token.bytes().fold(0, |bad, byte| bad | u8::from(!allowed(byte))) == 0
}

/// However its name is written: who reads addresses for it decodes them.
fn has_query_token(parts: &Parts) -> bool {
    const NAME: &str = "access_token";
    let is_it = |name: &str| {
        name == NAME || name.contains('%') && form::decode(name.as_bytes()).is_some_and(|name| name == NAME)
    };
    let has_it = |query: &str| query.split('&').filter_map(|pair| pair.split('=').next()).any(is_it);
    parts.uri.query().is_some_and(has_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_b64token_is_what_rfc_6750_says() {
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
        for character in '\0'..='\u{ff}' {
            let good = alphabet.contains(character);
            assert_eq!(is_b64token(&character.to_string()), good, "{character:?}");
            assert_eq!(is_b64token(&format!("{}{character}{}", "a".repeat(40), "b".repeat(40))), good, "{character:?}");
        }
        assert!(
            is_b64token("a=") && is_b64token("a==") && !is_b64token("=") && !is_b64token("") && !is_b64token("a=b")
        );
    }
}
