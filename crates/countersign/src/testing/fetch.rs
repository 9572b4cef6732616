//! An issuer of a test as an API in resource-server mode asks it: without a network.

use std::time::Duration;

use async_trait::async_trait;
use countersign_core::feed_page::FeedPage;
use serde_json::json;

use super::issuer::Issuer;
use crate::remote::{BasicAuthorization, Fetch, FetchError, Fetched};

/// Where its metadata are, by RFC 8414 §3.1 and by OpenID Connect Discovery 1.0 §4.
const WELL_KNOWN: &str = "/.well-known/";

/// Where its keys are.
const KEYS: &str = "/keys.json";

/// Where its feed of what has ended is.
const FEED: &str = "/feed";

impl Issuer {
    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.name().trim_end_matches('/'))
    }
}

/// Its metadata and its keys, as they are now. It introspects nothing, and in its feed nothing ends.
#[async_trait]
impl Fetch for Issuer {
    async fn get(&self, url: &str, _: usize) -> Result<Fetched, FetchError> {
        let keys = self.address(KEYS);
        let body = match url {
            url if url == keys => Some(self.key_set()),
            url if url.contains(WELL_KNOWN) => {
                let feed = self.address(FEED);
                let metadata = json!({ "issuer": self.name(), "jwks_uri": keys, "revocation_feed_endpoint": feed });
                Some(metadata.to_string())
            }
            _ => None,
        };
        Ok(answer(body))
    }

    async fn get_as(&self, url: &str, _: &BasicAuthorization, _: usize, _: Duration) -> Result<Fetched, FetchError> {
        let is_feed = url.starts_with(&self.address(FEED));
        Ok(answer(is_feed.then(|| FeedPage::new(0, Vec::new()).to_json().to_string())))
    }

    async fn post_form(&self, _: &str, _: &BasicAuthorization, _: &str, _: usize) -> Result<Fetched, FetchError> {
        Ok(answer(None))
    }
}

fn answer(body: Option<String>) -> Fetched {
    Fetched {
        status: if body.is_some() { 200 } else { 404 },
        media_type: "application/json".to_owned(),
        lifetime: None,
        body: body.unwrap_or_default().into_bytes(),
    }
}
