//! API keys: in a header, the query or a cookie, for your own code to check.

use std::{borrow::Cow, fmt};

use axum::http::{header, request::Parts};
use countersign_core::{error::BearerError, form, reason::Reason};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Challenge, DEFAULT_REALM, SchemeKind};

/// An API key under a name of your choice (OpenAPI 3.1 §4.8.27). Checking it is up to you: compare hashes, or in
/// constant time.
///
/// An empty key counts as none. A key that is there twice is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiKey {
    place: Place,
    name: &'static str,
    realm: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Header,
    Query,
    Cookie,
}

impl ApiKey {
    /// In the header of this name, compared without case.
    #[must_use]
    pub const fn header(name: &'static str) -> Self {
        Self { place: Place::Header, name, realm: DEFAULT_REALM }
    }

    /// In the query parameter of this name. Addresses end in logs and histories: a header is better.
    #[must_use]
    pub const fn query(name: &'static str) -> Self {
        Self { place: Place::Query, name, realm: DEFAULT_REALM }
    }

    /// In the cookie of this name. Browsers send cookies along with what other sites ask of them: mind CSRF.
    #[must_use]
    pub const fn cookie(name: &'static str) -> Self {
        Self { place: Place::Cookie, name, realm: DEFAULT_REALM }
    }

    /// With this realm.
    #[must_use]
    pub const fn realm(self, realm: &'static str) -> Self {
        Self { realm, ..self }
    }
}

/// An API key. Nobody has looked at it yet.
#[derive(Clone)]
pub struct ApiKeyValue(Zeroizing<String>);

impl ApiKeyValue {
    /// The key.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKeyValue([redacted])")
    }
}

impl SchemeKind for ApiKey {
    type Credentials = ApiKeyValue;

    fn find(&self, parts: &Parts) -> Result<ApiKeyValue, BearerError> {
        let found: Vec<Cow<'_, str>> = match self.place {
            Place::Header => in_headers(parts, self.name)?,
            Place::Query => in_query(parts, self.name)?,
            Place::Cookie => in_cookies(parts, self.name)?,
        };
        match found.as_slice() {
            [] => Err(BearerError::NoCredentials(Reason::NoCredentials)),
            [key] if key.is_empty() => Err(BearerError::NoCredentials(Reason::NoCredentials)),
            [key] => Ok(ApiKeyValue(Zeroizing::new(key.to_string()))),
            _ => Err(BearerError::InvalidRequest(Reason::SeveralCredentials)),
        }
    }

    /// No RFC has a scheme for API keys; "APIKey" is what others answer.
    fn challenge(&self) -> Challenge {
        Challenge::new("APIKey", self.realm)
    }

    fn document(&self) -> Value {
        let place = match self.place {
            Place::Header => "header",
            Place::Query => "query",
            Place::Cookie => "cookie",
        };
        json!({ "type": "apiKey", "in": place, "name": self.name })
    }
}

fn in_headers<'p>(parts: &'p Parts, name: &str) -> Result<Vec<Cow<'p, str>>, BearerError> {
    let text = |value: &'p axum::http::HeaderValue| std::str::from_utf8(value.as_bytes()).map(Cow::Borrowed);
    let found: Result<_, _> = parts.headers.get_all(name).iter().map(text).collect();
    found.map_err(|_| BearerError::InvalidToken(Reason::Malformed))
}

fn in_query<'p>(parts: &'p Parts, name: &str) -> Result<Vec<Cow<'p, str>>, BearerError> {
    let query = parts.uri.query().unwrap_or_default();
    let mut found = Vec::new();
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        // A name that cannot be decoded is not ours.
        if form::decode(key.as_bytes()).is_some_and(|key| key == name) {
            let value = form::decode(value.as_bytes()).ok_or(BearerError::InvalidToken(Reason::Malformed))?;
            found.push(Cow::Owned(value));
        }
    }
    Ok(found)
}

/// `cookie-string = cookie-pair *( ";" SP cookie-pair )` (RFC 6265 §4.2.1), read as leniently as §5.2 has browsers write.
fn in_cookies<'p>(parts: &'p Parts, name: &str) -> Result<Vec<Cow<'p, str>>, BearerError> {
    let mut found = Vec::new();
    for header in parts.headers.get_all(header::COOKIE) {
        for pair in header.as_bytes().split(|byte| *byte == b';') {
            let Some(at) = pair.iter().position(|byte| *byte == b'=') else { continue };
            let (key, value) = (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii());
            if key == name.as_bytes() {
                let unquoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
                found.push(Cow::Borrowed(
                    std::str::from_utf8(unquoted).map_err(|_| BearerError::InvalidToken(Reason::Malformed))?,
                ));
            }
        }
    }
    Ok(found)
}
