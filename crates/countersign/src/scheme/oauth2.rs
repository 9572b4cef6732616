//! OAuth 2 as OpenAPI describes it, with flows of the author's choice and tokens that your own code checks.

use axum::http::request::Parts;
use countersign_core::error::BearerError;
use serde_json::{Map, Value, json};

use super::{Challenge, DEFAULT_REALM, HttpCredentials, SchemeKind, bearer};

/// Scopes of a flow, each with what it allows.
type FlowScopes = &'static [(&'static str, &'static str)];

/// OAuth 2 (OpenAPI 3.1 §4.8.29) with tokens of a server elsewhere: a bearer token in the `Authorization` header.
///
/// The document tells where tokens are had, and checking them is up to you. The implicit flow is not offered: "clients
/// SHOULD NOT use the implicit grant" (RFC 9700 §2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OAuth2Flows {
    password: Option<Flow>,
    client_credentials: Option<Flow>,
    authorization_code: Option<Flow>,
    scopes: FlowScopes,
    realm: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Flow {
    authorization_url: Option<&'static str>,
    token_url: &'static str,
    refresh_url: Option<&'static str>,
}

impl OAuth2Flows {
    const NONE: Self =
        Self { password: None, client_credentials: None, authorization_code: None, scopes: &[], realm: DEFAULT_REALM };

    const fn flow(token_url: &'static str) -> Flow {
        Flow { authorization_url: None, token_url, refresh_url: None }
    }

    /// The password flow: `token_url` may be relative to the document.
    #[must_use]
    pub const fn password(token_url: &'static str) -> Self {
        Self { password: Some(Self::flow(token_url)), ..Self::NONE }
    }

    /// The client credentials flow.
    #[must_use]
    pub const fn client_credentials(token_url: &'static str) -> Self {
        Self { client_credentials: Some(Self::flow(token_url)), ..Self::NONE }
    }

    /// The authorization code flow.
    #[must_use]
    pub const fn authorization_code(authorization_url: &'static str, token_url: &'static str) -> Self {
        let flow = Flow { authorization_url: Some(authorization_url), ..Self::flow(token_url) };
        Self { authorization_code: Some(flow), ..Self::NONE }
    }

    /// Also offers the flows of `other`.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        const fn first(one: Option<Flow>, two: Option<Flow>) -> Option<Flow> {
            if one.is_some() { one } else { two }
        }
        Self {
            password: first(self.password, other.password),
            client_credentials: first(self.client_credentials, other.client_credentials),
            authorization_code: first(self.authorization_code, other.authorization_code),
            ..self
        }
    }

    /// Where the tokens of every flow are refreshed.
    #[must_use]
    pub const fn refresh_at(mut self, url: &'static str) -> Self {
        if let Some(flow) = &mut self.password {
            flow.refresh_url = Some(url);
        }
        if let Some(flow) = &mut self.client_credentials {
            flow.refresh_url = Some(url);
        }
        if let Some(flow) = &mut self.authorization_code {
            flow.refresh_url = Some(url);
        }
        self
    }

    /// The scopes that may be asked for, each with what it allows. None of them is checked here.
    #[must_use]
    pub const fn scopes(self, scopes: FlowScopes) -> Self {
        Self { scopes, ..self }
    }

    /// With this realm.
    #[must_use]
    pub const fn realm(self, realm: &'static str) -> Self {
        Self { realm, ..self }
    }
}

impl SchemeKind for OAuth2Flows {
    type Credentials = HttpCredentials;

    fn find(&self, parts: &Parts) -> Result<HttpCredentials, BearerError> {
        bearer::find_in_place(parts).map(HttpCredentials::from)
    }

    fn challenge(&self) -> Challenge {
        Challenge::new("Bearer", self.realm)
    }

    fn document(&self) -> Value {
        let scopes: Map<String, Value> =
            self.scopes.iter().map(|(name, allows)| ((*name).to_owned(), (*allows).into())).collect();
        let flows = [
            ("password", self.password),
            ("clientCredentials", self.client_credentials),
            ("authorizationCode", self.authorization_code),
        ];
        let mut written = Map::new();
        for (name, flow) in flows.into_iter().filter_map(|(name, flow)| Some((name, flow?))) {
            let mut object = json!({ "tokenUrl": flow.token_url, "scopes": scopes });
            for (member, url) in [("authorizationUrl", flow.authorization_url), ("refreshUrl", flow.refresh_url)] {
                if let Some(url) = url {
                    object[member] = url.into();
                }
            }
            written.insert(name.to_owned(), object);
        }
        json!({ "type": "oauth2", "flows": written })
    }
}
