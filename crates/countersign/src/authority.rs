//! Who issues the tokens of an API, and what the document tells of it.

use std::sync::Arc;

use countersign_core::{authorization_server::AuthorizationServer, grant_type::GrantType};
use serde_json::{Value, json};

use crate::{issuer::InsecureIssuer, openapi::Scopes};

/// Who issues the tokens that an API believes.
#[derive(Debug)]
pub(crate) enum Authority {
    /// The API itself.
    Here { server: Arc<AuthorizationServer>, insecure_issuer: InsecureIssuer },
    /// Another.
    #[cfg(feature = "remote")]
    Elsewhere(Box<crate::remote::Remote>),
}

impl Authority {
    /// The API's own authorization server, if it has one.
    pub(crate) fn server(&self) -> Option<&Arc<AuthorizationServer>> {
        match self {
            Self::Here { server, .. } => Some(server),
            #[cfg(feature = "remote")]
            Self::Elsewhere(_) => None,
        }
    }

    /// The Security Scheme Object of its tokens (OpenAPI 3.1 §4.8.27); `token_url` is that of the API itself, relative to
    /// the document.
    pub(crate) fn document(&self, token_url: &str, scopes: &Scopes) -> Value {
        match self {
            Self::Here { server, .. } if server.settings().grant_types.contains(&GrantType::Password) => {
                let mut password = json!({ "tokenUrl": token_url, "scopes": scopes });
                if server.settings().grant_types.contains(&GrantType::RefreshToken) {
                    password["refreshUrl"] = token_url.into();
                }
                json!({ "type": "oauth2", "flows": { "password": password } })
            }
            Self::Here { .. } => json!({ "type": "http", "scheme": "bearer", "bearerFormat": "JWT" }),
            #[cfg(feature = "remote")]
            Self::Elsewhere(remote) => remote.document(scopes),
        }
    }
}
