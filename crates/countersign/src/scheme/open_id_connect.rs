//! OpenID Connect as OpenAPI describes it: where its metadata is, and a token that your own code checks.

use axum::http::request::Parts;
use countersign_core::error::BearerError;
use serde_json::{Value, json};

use super::{Challenge, DEFAULT_REALM, HttpCredentials, SchemeKind, bearer};

/// OpenID Connect by the URL of its metadata: a bearer token in the `Authorization` header, which is up to you to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenIdConnect {
    url: &'static str,
    realm: &'static str,
}

impl OpenIdConnect {
    /// `url` is that of the metadata: the issuer's, and `/.well-known/openid-configuration`.
    #[must_use]
    pub const fn discovered_at(url: &'static str) -> Self {
        Self { url, realm: DEFAULT_REALM }
    }

    /// With this realm.
    #[must_use]
    pub const fn realm(self, realm: &'static str) -> Self {
        Self { realm, ..self }
    }
}

impl SchemeKind for OpenIdConnect {
    type Credentials = HttpCredentials;

    fn find(&self, parts: &Parts) -> Result<HttpCredentials, BearerError> {
        bearer::find_in_place(parts).map(HttpCredentials::from)
    }

    fn challenge(&self) -> Challenge {
        Challenge::new("Bearer", self.realm)
    }

    fn document(&self) -> Value {
        json!({ "type": "openIdConnect", "openIdConnectUrl": self.url })
    }
}
