//! A request under construction: where credentials of each scheme stand, and what a guard will find of them.

use axum::http::{HeaderName, HeaderValue, header};
use countersign_core::scope::Scope;
use serde_json::Value;

use crate::{guard::requirement::Shown, scheme::is_b64token};

/// The parameter of RFC 6750 §2.2 and §2.3, of a form or of the address, which nobody may use.
const PARAMETER: &str = "access_token";

/// Where the credentials of a scheme stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the `Authorization` header, behind this scheme.
    Authorization(String),
    /// In a header of their own.
    Header(HeaderName),
    /// In the query.
    Query(String),
    /// In a cookie.
    Cookie(String),
}

impl Place {
    pub(super) fn bearer() -> Self {
        Self::Authorization("Bearer".to_owned())
    }

    /// By the Security Scheme Object of the document (OpenAPI 3.1 §4.8.27); of some only their author knows.
    pub(super) fn of(scheme: &Value) -> Option<Self> {
        let text = |member: &str| scheme[member].as_str();
        match text("type")? {
            // RFC 9110 §11.1: a scheme's name has no case; two spellings are one place.
            "http" if text("scheme")?.eq_ignore_ascii_case("bearer") => Some(Self::bearer()),
            "http" => Some(Self::Authorization(text("scheme")?.to_owned())),
            "oauth2" | "openIdConnect" => Some(Self::bearer()),
            "apiKey" => {
                let name = text("name")?;
                match text("in")? {
                    "header" => Some(Self::Header(name.parse().ok()?)),
                    "query" => Some(Self::Query(name.to_owned())),
                    "cookie" => Some(Self::Cookie(name.to_owned())),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Credentials that have the right form, and that nobody gave out.
    pub(super) fn made_up(&self) -> &'static str {
        match self {
            // `user:password` in base64 (RFC 7617 §2).
            Self::Authorization(scheme) if scheme.eq_ignore_ascii_case("basic") => "dXNlcjpwYXNzd29yZA==",
            Self::Authorization(scheme) if scheme.eq_ignore_ascii_case("digest") => "username=\"user\"",
            _ => "made-up",
        }
    }
}

/// A request as far as it is about credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) query: Vec<(String, String)>,
    /// The form in its body; none is an empty body.
    pub(super) form: Vec<(String, String)>,
    /// What the token allows that is in it, if it is a good one.
    pub(super) grants: Option<Scope>,
}

impl Ask {
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        // What does not fit a header cannot be sent by anybody.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    pub(super) fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn query_token(self, token: &str) -> Self {
        self.query(PARAMETER, token)
    }

    pub(super) fn form_token(mut self, token: &str) -> Self {
        self.form.push((PARAMETER.to_owned(), token.to_owned()));
        self
    }

    pub(super) fn authorization(self, scheme: &str, credentials: &str) -> Self {
        self.header(header::AUTHORIZATION, &format!("{scheme} {credentials}"))
    }

    pub(super) fn bearer(self, token: &str) -> Self {
        self.authorization("Bearer", token)
    }

    /// With a good token.
    pub(super) fn good(self, token: &str, scope: Scope) -> Self {
        Self { grants: Some(scope), ..self }.bearer(token)
    }

    pub(super) fn at(self, place: &Place, credentials: &str) -> Self {
        match place {
            Place::Authorization(scheme) => self.authorization(scheme, credentials),
            Place::Header(name) => self.header(name.clone(), credentials),
            Place::Query(name) => self.query(name, credentials),
            Place::Cookie(name) => self.header(header::COOKIE, &format!("{name}={credentials}")),
        }
    }

    /// What a guard finds of the API's own tokens.
    pub(super) fn shows_token(&self) -> Shown {
        match (self.shows(&Place::bearer()), &self.grants) {
            (Shown::WellFormed, Some(scope)) => Shown::Good(scope.clone()),
            (shown, _) => shown,
        }
    }

    /// What a guard finds at this place.
    pub(super) fn shows(&self, place: &Place) -> Shown {
        match place {
            Place::Authorization(scheme) => self.shows_authorization(scheme),
            Place::Header(name) => several(&self.values(name)),
            Place::Query(name) => {
                let values = self.query.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
                several(&values.collect::<Vec<_>>())
            }
            Place::Cookie(name) => {
                let cookies = self.values(&header::COOKIE);
                let pairs = cookies.iter().flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
                let values = pairs.filter(|(known, _)| known.trim() == name).map(|(_, value)| value.trim());
                several(&values.collect::<Vec<_>>())
            }
        }
    }

    fn shows_authorization(&self, scheme: &str) -> Shown {
        let [header] = self.values(&header::AUTHORIZATION)[..] else {
            let none = self.values(&header::AUTHORIZATION).is_empty();
            return if none { Shown::Nothing } else { Shown::Unreadable };
        };
        let (written, credentials) = header.split_once(' ').unwrap_or((header, ""));
        if !written.eq_ignore_ascii_case(scheme) {
            return Shown::Nothing;
        }
        let credentials = credentials.trim_matches(' ');
        let elsewhere_too = self.query.iter().chain(&self.form).any(|(name, _)| name == PARAMETER);
        let is_bearer = scheme.eq_ignore_ascii_case("bearer");
        if credentials.is_empty() || is_bearer && (elsewhere_too || !is_b64token(credentials)) {
            return Shown::Unreadable;
        }
        Shown::WellFormed
    }

    fn values(&self, name: &HeaderName) -> Vec<&str> {
        let values = self.headers.iter().filter(|(known, _)| known == name);
        values.filter_map(|(_, value)| value.to_str().ok()).collect()
    }
}

/// An empty value counts as none, two are one too many.
fn several(values: &[&str]) -> Shown {
    match values {
        [] | [""] => Shown::Nothing,
        [_] => Shown::WellFormed,
        _ => Shown::Unreadable,
    }
}
