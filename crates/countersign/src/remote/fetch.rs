//! The port to the issuer: one request, one bounded answer.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_core::store::BoxError;
use zeroize::Zeroizing;

/// Asks an issuer. The one that is there speaks HTTP; a test has one that answers by itself, and so may you, for a proxy or
/// certificates of a kind that [`RemoteBuilder`](super::RemoteBuilder) has no setting for.
///
/// To write one:
/// - follow no redirects: an issuer that is asked somewhere must answer there;
/// - read no more than `most` bytes of a body, and then answer [`FetchError::TooLarge`];
/// - end in finite time: it is not waited for longer than 5 seconds, or than the `patience` that is asked for;
/// - keep nothing: what may be kept, and for how long, is decided by those who ask.
///
/// ```
/// use std::time::Duration;
///
/// use countersign::{
///     async_trait,
///     remote::{BasicAuthorization, Fetch, FetchError, Fetched},
/// };
///
/// /// An issuer that is away.
/// #[derive(Debug)]
/// struct Away;
///
/// #[async_trait]
/// impl Fetch for Away {
///     async fn get(&self, _: &str, _: usize) -> Result<Fetched, FetchError> {
///         Err(FetchError::Unavailable("nobody is there".into()))
///     }
///
///     async fn get_as(
///         &self,
///         _: &str,
///         _: &BasicAuthorization,
///         _: usize,
///         _patience: Duration,
///     ) -> Result<Fetched, FetchError> {
///         Err(FetchError::Unavailable("nobody is there".into()))
///     }
///
///     async fn post_form(&self, _: &str, _: &BasicAuthorization, _: &str, _: usize) -> Result<Fetched, FetchError> {
///         Err(FetchError::Unavailable("nobody is there".into()))
///     }
/// }
/// ```
#[async_trait]
pub trait Fetch: fmt::Debug + Send + Sync + 'static {
    /// `GET url`, for JSON.
    ///
    /// # Errors
    /// [`FetchError`]: there is no answer, or one that is too large.
    async fn get(&self, url: &str, most: usize) -> Result<Fetched, FetchError>;

    /// `GET url` with this `Authorization` header, for JSON, from an issuer that may take its time to answer: it is waited
    /// for as long as `patience`. Only who follows a feed asks like this.
    ///
    /// # Errors
    /// [`FetchError`]: there is no answer, or one that is too large.
    async fn get_as(
        &self,
        url: &str,
        authorization: &BasicAuthorization,
        most: usize,
        patience: Duration,
    ) -> Result<Fetched, FetchError>;

    /// `POST url` with this `application/x-www-form-urlencoded` body, which holds a secret, and this `Authorization`
    /// header, for JSON.
    ///
    /// # Errors
    /// [`FetchError`]: there is no answer, or one that is too large.
    async fn post_form(
        &self,
        url: &str,
        authorization: &BasicAuthorization,
        body: &str,
        most: usize,
    ) -> Result<Fetched, FetchError>;
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The status code.
    pub status: u16,
    /// The media type, without parameters, as it was written; empty if there is none.
    pub media_type: String,
    /// For how long the answer may be kept, if it says: [`lifetime_of`] its `Cache-Control`.
    pub lifetime: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody is there, or takes too long, or is not who they should be.
    #[error("it does not answer")]
    Unavailable(#[source] BoxError),
    /// The answer is larger than anything that is waited for.
    #[error("its answer is too large")]
    TooLarge,
}

/// What `Cache-Control` says of keeping an answer (RFC 9111 §5.2.2): zero where it may not be kept, `None` where it does
/// not say.
#[must_use]
pub fn lifetime_of(cache_control: &str) -> Option<Duration> {
    let mut lifetime = None;
    for directive in cache_control.split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Some(Duration::ZERO),
            "max-age" => lifetime = value.trim().trim_matches('"').parse().ok().map(Duration::from_secs),
            _ => {}
        }
    }
    lifetime
}

/// The `Authorization` header of a client with a secret (`client_secret_basic`).
#[derive(Clone)]
pub struct BasicAuthorization(Zeroizing<String>);

impl BasicAuthorization {
    /// RFC 6749 §2.3.1: identifier and password "are encoded using the "application/x-www-form-urlencoded" encoding
    /// algorithm" before they are encoded for the header.
    pub(super) fn new(client_id: &str, client_secret: &str) -> Self {
        let pair = Zeroizing::new(format!("{}:{}", form_encoded(client_id), form_encoded(client_secret)));
        Self(Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair))))
    }

    /// The header's value.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BasicAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BasicAuthorization([redacted])")
    }
}

/// One name or value of a form (RFC 6749 Appendix B).
pub(super) fn form_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => encoded.push(byte.into()),
            b' ' => encoded.push('+'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_an_answer_may_be_kept_is_what_its_header_says() {
        let seconds = |header| lifetime_of(header).map(|lifetime| lifetime.as_secs());
        for (header, expected) in [
            ("", None),
            ("public", None),
            ("max-age=", None),
            ("max-age=-1", None),
            ("max-age=1e3", None),
            ("s-maxage=60", None),
            ("max-age=60", Some(60)),
            ("public, Max-Age=\"60\", must-revalidate", Some(60)),
            ("max-age=60, no-store", Some(0)),
            ("No-Cache=\"x\", max-age=60", Some(0)),
            ("max-age=18446744073709551615", Some(u64::MAX)),
        ] {
            assert_eq!(seconds(header), expected, "{header}");
        }
    }

    #[test]
    fn a_client_and_its_secret_are_form_encoded_before_they_are_a_header() {
        let authorization = BasicAuthorization::new("api:1", "a+b %\u{e9}");
        assert_eq!(authorization.secret(), format!("Basic {}", STANDARD.encode("api%3A1:a%2Bb+%25%C3%A9")));
        assert_eq!(format!("{authorization:?}"), "BasicAuthorization([redacted])");
    }
}
