//! Asks an issuer for its metadata and its keys, bounded in size and time. No token is in reach here.

use std::time::Duration;

use countersign::{
    core::{
        key::{KeySet, MAX_KEY_SET_BYTES},
        names::Issuer,
    },
    remote::check_told,
};
use reqwest::{
    Client, StatusCode, Url,
    header::{ACCEPT, DATE, HeaderValue},
    redirect::Policy,
};
use serde_json::Value;

use crate::{failure::Failure, listen::is_this_machine};

/// The longest metadata that is read, in bytes: those of big providers have some 8 KiB.
const MAX_METADATA_BYTES: usize = 64 * 1024;

/// How long one answer may take, from the name to the last byte.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest URL that is taken, in bytes.
const MAX_URL_BYTES: usize = 2048;

/// The URL of an issuer: `https`, or `http` on this machine, without query, fragment or user name (RFC 8414 §2).
#[derive(Clone, Debug)]
pub(in crate::cli) struct IssuerUrl {
    /// As it was written: an issuer is compared byte for byte.
    written: String,
    url: Url,
}

/// What an issuer publishes.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) issuer: Issuer,
    pub(super) keys: KeySet,
    /// Where it answers what an opaque token means (RFC 7662), if it says.
    pub(super) introspection: Option<String>,
}

impl IssuerUrl {
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, String> {
        let url = read_url(text).ok_or("it is no https URL, nor http on this machine")?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err("an issuer has neither a query nor a fragment".to_owned());
        }
        Ok(Self { written: text.to_owned(), url })
    }

    /// Where its metadata may be: by RFC 8414 §3.1, whose path stands before the issuer's, then by OpenID Connect Discovery
    /// 1.0 §4, whose path stands after it.
    fn metadata(&self) -> [Url; 2] {
        // RFC 8414 §3.1: "any terminating "/" MUST be removed".
        let path = self.url.path().trim_end_matches('/');
        [format!("/.well-known/oauth-authorization-server{path}"), format!("{path}/.well-known/openid-configuration")]
            .map(|path| {
                let mut url = self.url.clone();
                url.set_path(&path);
                url
            })
    }

    /// A URL that its metadata names, if it may be asked: no issuer elsewhere sends anybody to what only this machine can
    /// reach, and one on this machine to no neighbour of it.
    fn accepts(&self, named: &str) -> Result<Url, &'static str> {
        check_told(named, &Issuer::new(&self.written))?;
        read_url(named).ok_or("it is no https URL, nor http on this machine")
    }

    fn is_on_this_machine(&self) -> bool {
        self.url.host_str().is_some_and(is_this_machine)
    }
}

/// A URL that may be asked: `https`, or `http` on this machine, and without a password.
fn read_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= MAX_URL_BYTES)?;
    let safe = match url.scheme() {
        "https" => true,
        "http" => url.host_str().is_some_and(is_this_machine),
        _ => false,
    };
    (safe && url.username().is_empty() && url.password().is_none()).then_some(url)
}

/// Asks for the metadata, and then for the keys that it names.
///
/// # Errors
/// One of them could not be had, or the metadata is another issuer's.
pub(super) async fn fetch(issuer: &IssuerUrl) -> Result<Published, Failure> {
    Fetching::new(issuer, PATIENCE)?.published(issuer).await
}

/// What the clock says of whoever answers there: the `Date` of an answer (RFC 9110 §6.6.1), whatever else it is.
///
/// # Errors
/// Nobody answers.
pub(in crate::cli) async fn fetch_date(url: &IssuerUrl) -> Result<Option<String>, Failure> {
    let [metadata, _] = url.metadata();
    let answer = Fetching::new(url, PATIENCE)?.client.get(metadata).send().await?;
    let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
    Ok(date.map(ToOwned::to_owned))
}

struct Fetching {
    client: Client,
}

impl Fetching {
    fn new(issuer: &IssuerUrl, patience: Duration) -> Result<Self, Failure> {
        // Whoever can set a variable should not stand between us and the issuer.
        let builder = Client::builder().redirect(Policy::none()).referer(false).timeout(patience).no_proxy();
        let builder = if issuer.is_on_this_machine() {
            // What is plain needs no certificates.
            if issuer.url.scheme() == "http" { builder.tls_certs_only([]) } else { builder }
        } else {
            builder.https_only(true)
        };
        Ok(Self { client: builder.build()? })
    }

    async fn published(&self, issuer: &IssuerUrl) -> Result<Published, Failure> {
        let metadata = self.metadata(issuer).await?;
        let jwks = metadata["jwks_uri"].as_str().ok_or_else(|| Failure::failed("the issuer names no jwks_uri"))?;
        let refused = |why| Failure::failed(format!("the issuer's jwks_uri is not asked: {why}"));
        let jwks = issuer.accepts(jwks).map_err(refused)?;
        let document = self.document(jwks.clone(), MAX_KEY_SET_BYTES).await?;
        let keys = KeySet::parse(&document).map_err(|problem| Failure::failed(format!("{jwks}: {problem}")))?;
        let introspection =
            metadata["introspection_endpoint"].as_str().and_then(|url| issuer.accepts(url).ok()).map(String::from);
        Ok(Published { issuer: Issuer::new(&issuer.written), keys, introspection })
    }

    /// The first metadata that can be read. What is another issuer's is not looked past.
    async fn metadata(&self, issuer: &IssuerUrl) -> Result<Value, Failure> {
        let mut first = None;
        for url in issuer.metadata() {
            let document = match self.document(url.clone(), MAX_METADATA_BYTES).await {
                Ok(document) => document,
                Err(failure) => {
                    first.get_or_insert(failure);
                    continue;
                }
            };
            let metadata: Value = serde_json::from_slice(&document).unwrap_or_default();
            let Some(said) = metadata["issuer"].as_str() else {
                first.get_or_insert(Failure::failed(format!("{url} is no metadata: it names no issuer")));
                continue;
            };
            // RFC 8414 §3.3: "The "issuer" value returned MUST be identical", or "MUST NOT be used".
            if said != issuer.written {
                let said: String = said.chars().take(MAX_URL_BYTES).collect();
                return Err(Failure::failed(format!("the metadata at {url} is of another issuer: {said}"))
                    .hint("give that one, byte for byte, if it is the right one"));
            }
            return Ok(metadata);
        }
        Err(first.unwrap_or_else(|| Failure::failed("there is no metadata")))
    }

    async fn document(&self, url: Url, most: usize) -> Result<Vec<u8>, Failure> {
        let json = HeaderValue::from_static("application/json");
        let mut answer = self.client.get(url.clone()).header(ACCEPT, json).send().await?;
        if answer.status() != StatusCode::OK {
            return Err(Failure::failed(format!("{url} answers {}", answer.status().as_u16())));
        }
        let mut document = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if document.len() + chunk.len() > most {
                return Err(Failure::failed(format!("{url} answers with more than {most} bytes")));
            }
            document.extend_from_slice(&chunk);
        }
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_where_rfc_8414_and_openid_have_it() {
        for (issuer, first, second) in [
            ("https://a.example", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"),
            ("https://a.example/", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"),
            (
                "https://a.example/t/1",
                "/.well-known/oauth-authorization-server/t/1",
                "/t/1/.well-known/openid-configuration",
            ),
            (
                "https://a.example/t/",
                "/.well-known/oauth-authorization-server/t",
                "/t/.well-known/openid-configuration",
            ),
        ] {
            let found = IssuerUrl::parse(issuer).expect("an issuer").metadata();
            assert_eq!(found.map(String::from), [first, second].map(|path| format!("https://a.example{path}")));
        }
    }

    #[test]
    fn an_issuer_is_https_or_on_this_machine() {
        let long = format!("https://a.example/{}", "x".repeat(MAX_URL_BYTES));
        for refused in [
            "",
            "a.example",
            "http://a.example",
            "http://127.0.0.1.evil.example",
            "ftp://127.0.0.1",
            "file:///etc/passwd",
            "https://a.example?x",
            "https://a.example#x",
            "https://me@a.example",
            "https://:x@a.example",
            long.as_str(),
        ] {
            IssuerUrl::parse(refused).expect_err(refused);
        }
        for taken in ["https://a.example/t", "http://127.0.0.1:8000", "http://localhost", "http://[::1]:1"] {
            IssuerUrl::parse(taken).expect(taken);
        }
    }

    #[test]
    fn an_issuer_elsewhere_names_nothing_in_the_clear() {
        let elsewhere = IssuerUrl::parse("https://a.example").expect("an issuer");
        let here = IssuerUrl::parse("http://127.0.0.1:8000").expect("an issuer");
        for (named, by_elsewhere, by_here) in [
            ("https://b.example/keys?x=1", true, true),
            ("http://127.0.0.1:9000/keys", false, true),
            ("http://b.example/keys", false, false),
            ("https://me:x@b.example/keys", false, false),
            ("/keys", false, false),
        ] {
            assert_eq!(elsewhere.accepts(named).is_ok(), by_elsewhere, "{named}");
            assert_eq!(here.accepts(named).is_ok(), by_here, "{named}");
        }
    }

    #[test]
    fn an_issuer_elsewhere_sends_nobody_into_a_private_network() {
        let issuer = |text| IssuerUrl::parse(text).expect("an issuer");
        let (elsewhere, here) = (issuer("https://a.example"), issuer("http://127.0.0.1:8000"));
        for (named, by_elsewhere, by_here) in [
            ("https://127.0.0.1/keys", false, true),
            ("https://localhost:8443/keys", false, true),
            ("https://[::1]/keys", false, true),
            ("https://169.254.169.254/latest/meta-data", false, false),
            ("https://[fe80::1]/keys", false, false),
            ("https://10.0.0.5/keys", false, false),
            ("https://192.168.1.1/keys", false, false),
            ("https://[::ffff:10.0.0.1]/keys", false, false),
            ("https://2130706433/keys", false, false),
            ("https://0x7f.1/keys", false, false),
            ("https://8.8.8.8/keys", true, true),
        ] {
            assert_eq!(elsewhere.accepts(named).is_ok(), by_elsewhere, "{named}");
            assert_eq!(here.accepts(named).is_ok(), by_here, "{named}");
        }
        let neighbour = issuer("https://10.0.0.5");
        assert!(neighbour.accepts("https://10.0.0.5:8443/keys").is_ok());
        assert!(neighbour.accepts("https://10.0.0.6/keys").is_err());
    }

    #[tokio::test]
    async fn whoever_does_not_answer_is_not_waited_for() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", silent.local_addr().expect("an address"));
        let issuer = IssuerUrl::parse(&url).expect("an issuer");
        let fetching = Fetching::new(&issuer, Duration::from_millis(50)).expect("a client");
        let failure = format!("{:?}", fetching.published(&issuer).await.expect_err("nobody answers"));
        assert!(failure.contains("timed out"), "{failure}");
    }
}
