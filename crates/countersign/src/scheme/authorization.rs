//! The `Authorization` header (RFC 9110 §11.6.2): one, of one scheme.

use std::fmt;

use axum::http::{HeaderValue, header, request::Parts};
use countersign_core::{error::BearerError, reason::Reason};
use zeroize::Zeroizing;

/// What an `Authorization` header says, its scheme as it was written.
#[derive(Clone)]
pub struct HttpCredentials {
    scheme: String,
    credentials: Zeroizing<String>,
}

impl HttpCredentials {
    /// The scheme in the letters in which it was sent.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// What follows the scheme. Nobody has looked at it yet.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.credentials
    }
}

impl fmt::Debug for HttpCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCredentials").field("scheme", &self.scheme).field("credentials", &"[redacted]").finish()
    }
}

/// The credentials of `scheme`, compared without case, behind at least one space (RFC 9110 §11.1), if there are any.
///
/// # Errors
/// [`BearerError`]: no such header, another scheme, several headers, or something that cannot be read.
pub(super) fn find(parts: &Parts, scheme: &str) -> Result<HttpCredentials, BearerError> {
    find_in_place(parts, scheme).map(HttpCredentials::from)
}

/// As [`find`], where they stand: the scheme as it was written, and what is behind it.
pub(super) fn find_in_place<'p>(parts: &'p Parts, scheme: &str) -> Result<(&'p str, &'p str), BearerError> {
    let (written, behind) = find_bytes(parts, scheme)?;
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| BearerError::InvalidToken(Reason::Malformed));
    Ok((text(written)?, text(behind)?))
}

/// As [`find_in_place`], before anybody has looked whether it is text.
pub(super) fn find_bytes<'p>(parts: &'p Parts, scheme: &str) -> Result<(&'p [u8], &'p [u8]), BearerError> {
    split(the_only_header(parts)?, scheme)
}

impl From<(&str, &str)> for HttpCredentials {
    fn from((scheme, credentials): (&str, &str)) -> Self {
        Self { scheme: scheme.to_owned(), credentials: Zeroizing::new(credentials.to_owned()) }
    }
}

/// The one `Authorization` header.
fn the_only_header(parts: &Parts) -> Result<&HeaderValue, BearerError> {
    let mut headers = parts.headers.get_all(header::AUTHORIZATION).iter();
    let header = headers.next().ok_or(BearerError::NoCredentials(Reason::NoCredentials))?;
    // RFC 9110 §5.3: a sender "MUST NOT generate multiple header lines with the same name" here, and which of two
    // counts is a question whose answer others would use.
    if headers.next().is_some() { Err(BearerError::InvalidRequest(Reason::SeveralCredentials)) } else { Ok(header) }
}

/// The scheme as it was written, and what stands behind it.
fn split<'h>(header: &'h HeaderValue, scheme: &str) -> Result<(&'h [u8], &'h [u8]), BearerError> {
    // A scheme ends at a space, or at the end, and has none in it: so it is looked for by its length.
    let found = header.as_bytes().split_at_checked(scheme.len());
    let ends = |rest: &[u8]| rest.first().is_none_or(u8::is_ascii_whitespace);
    let found = found.filter(|(written, rest)| ends(rest) && written.eq_ignore_ascii_case(scheme.as_bytes()));
    let (written, mut rest) = found.ok_or(BearerError::NoCredentials(Reason::OtherScheme))?;
    if rest.first().is_some_and(|byte| *byte != b' ') {
        return Err(BearerError::InvalidToken(Reason::Malformed));
    }
    while let [b' ', behind @ ..] | [behind @ .., b' '] = rest {
        rest = behind;
    }
    Ok((written, rest))
}
