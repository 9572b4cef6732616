//! What an issuer tells of itself (RFC 8414, OpenID Connect Discovery 1.0): where its keys and its endpoints are.

use countersign_core::names::Issuer;
use serde::Deserialize;

use super::{
    fetch::{Fetch, FetchError, Fetched},
    url::check_told,
};

/// The longest metadata we read, in bytes: those of big providers have some 5 KiB.
const MAX_METADATA_BYTES: usize = 64 * 1024;

/// The members that we use.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    jwks_uri: Option<String>,
    introspection_endpoint: Option<String>,
    revocation_feed_endpoint: Option<String>,
}

/// Why what an issuer tells of itself, or what it publishes, is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the issuer took too long")]
    TooLong,
    #[error("the status is {0}")]
    Status(u16),
    #[error("the media type is not JSON's")]
    NotJson,
    #[error("the metadata cannot be read")]
    Malformed,
    #[error("the metadata is of another issuer, {0:?}: set the issuer to that, byte for byte, if it is the right one")]
    OtherIssuer(String),
    #[error("the metadata has no {0}")]
    Missing(&'static str),
    #[error("the metadata sends to {url:?}: {why}")]
    Address { url: String, why: &'static str },
    #[error(transparent)]
    Keys(#[from] countersign_core::key::KeySetProblem),
    #[error(transparent)]
    Feed(#[from] countersign_core::feed_page::FeedProblem),
    #[error("the answer says a thing twice, or is no JSON object")]
    Answer,
}

impl Problem {
    /// Whether the issuer said nothing at all: it is away, and may be what it was.
    pub(super) const fn is_silence(&self) -> bool {
        matches!(self, Self::Fetch(FetchError::Unavailable(_)) | Self::TooLong | Self::Status(500..=599))
    }
}

/// Asks an issuer for its metadata.
///
/// RFC 8414 §3.1 puts the well-known path before the path of the issuer, OpenID Connect Discovery 1.0 §4 puts its own
/// after it. The first that answers 200 with JSON is the one.
pub(super) async fn discover(issuer: &Issuer, fetch: &dyn Fetch) -> Result<(Metadata, Fetched), Problem> {
    let [first, second] = well_known(issuer.as_str());
    let fetched = match get_json(fetch, &first, MAX_METADATA_BYTES).await {
        Ok(fetched) => fetched,
        Err(problem @ (Problem::Status(_) | Problem::NotJson)) => {
            let other = get_json(fetch, &second, MAX_METADATA_BYTES).await;
            // Where one place is silent, that nothing is at the other says nothing.
            if problem.is_silence() { other.map_err(|_| problem)? } else { other? }
        }
        Err(problem) => return Err(problem),
    };
    let metadata: Metadata = serde_json::from_slice(&fetched.body).map_err(|_| Problem::Malformed)?;
    // RFC 8414 §3.3: the issuer "MUST be identical to the authorization server's issuer identifier value […] If these
    // values are not identical, the data contained in the response MUST NOT be used."
    if metadata.issuer != issuer.as_str() {
        return Err(Problem::OtherIssuer(shortened(&metadata.issuer)));
    }
    Ok((metadata, fetched))
}

impl Metadata {
    /// Where the keys are, if we may go there.
    pub(super) fn jwks_uri(&self, issuer: &Issuer) -> Result<&str, Problem> {
        checked(self.jwks_uri.as_deref(), "jwks_uri", issuer)
    }

    /// Where tokens are introspected, if we may go there.
    pub(super) fn introspection_endpoint(&self, issuer: &Issuer) -> Result<&str, Problem> {
        checked(self.introspection_endpoint.as_deref(), "introspection_endpoint", issuer)
    }

    /// Where the feed of what has ended is, if we may go there.
    pub(super) fn revocation_feed_endpoint(&self, issuer: &Issuer) -> Result<&str, Problem> {
        checked(self.revocation_feed_endpoint.as_deref(), "revocation_feed_endpoint", issuer)
    }
}

fn checked<'u>(url: Option<&'u str>, name: &'static str, issuer: &Issuer) -> Result<&'u str, Problem> {
    let url = url.ok_or(Problem::Missing(name))?;
    check_told(url, issuer).map_err(|why| Problem::Address { url: shortened(url), why })?;
    Ok(url)
}

/// A 200 with JSON of at most this many bytes: a redirect is none.
pub(super) async fn get_json(fetch: &dyn Fetch, url: &str, most: usize) -> Result<Fetched, Problem> {
    check_json(fetch.get(url, most).await?, most)
}

pub(super) fn check_json(fetched: Fetched, most: usize) -> Result<Fetched, Problem> {
    if fetched.status != 200 {
        return Err(Problem::Status(fetched.status));
    }
    let media_type = fetched.media_type.to_ascii_lowercase();
    if media_type != "application/json" && !(media_type.starts_with("application/") && media_type.ends_with("+json")) {
        return Err(Problem::NotJson);
    }
    if fetched.body.len() > most {
        return Err(FetchError::TooLarge.into());
    }
    Ok(fetched)
}

/// Where the metadata may be: by RFC 8414, and by OpenID Connect. Both take a slash off the end of the issuer.
fn well_known(issuer: &str) -> [String; 2] {
    let issuer = issuer.trim_end_matches('/');
    let authority = issuer.find("://").map_or(0, |scheme| scheme + 3);
    let path = issuer[authority..].find('/').map_or(issuer.len(), |slash| authority + slash);
    let (origin, path) = issuer.split_at(path);
    [
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{issuer}/.well-known/openid-configuration"),
    ]
}

/// What another wrote, for the log: no longer than somebody reads.
fn shortened(text: &str) -> String {
    const MOST: usize = 200;
    text.chars().take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::well_known;

    #[test]
    fn metadata_is_looked_for_by_both_standards() {
        let places = |issuer| well_known(issuer).map(|place| place.replace("https://a.example:1", ""));
        for (issuer, first, second) in [
            ("https://a.example:1", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"),
            ("https://a.example:1/", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"),
            (
                "https://a.example:1/realms/x",
                "/.well-known/oauth-authorization-server/realms/x",
                "/realms/x/.well-known/openid-configuration",
            ),
            (
                "https://a.example:1/realms/x/",
                "/.well-known/oauth-authorization-server/realms/x",
                "/realms/x/.well-known/openid-configuration",
            ),
        ] {
            assert_eq!(places(issuer), [first, second], "{issuer}");
        }
    }
}
