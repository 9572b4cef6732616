//! How guards refuse: 401, 403, 400 and 503, each with the challenges it needs (RFC 6750 §3, RFC 9110 §11.6.1).

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use countersign_core::{error::BearerError, reason::Reason, scope::Scope};
use serde_json::json;

use super::{Denied, Requirement, challenge::Challenge, route::RouteGuards};
use crate::{
    oauth2::OAuth2,
    scheme::{DEFAULT_REALM, SchemeKind, SchemeRef, SecurityScheme},
};

/// The headers of developer mode.
const REASON: HeaderName = HeaderName::from_static("countersign-reason");
const ADVICE: HeaderName = HeaderName::from_static("countersign-advice");

/// Why a guard refused a request, and what would have done.
#[derive(Debug)]
pub struct Refusal(Box<Inner>);

#[derive(Debug)]
struct Inner {
    cause: Cause,
    scheme: SchemeRef,
    challenge: Challenge,
    needed: Scope,
    beside: Beside,
    /// What the whole route needs; unknown where a guard stands in a router that is not ours.
    route: Option<Arc<RouteGuards>>,
}

/// Whether there are good credentials of another scheme, which are needed together with those that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beside {
    Nothing,
    GoodOnes,
}

#[derive(Debug)]
enum Cause {
    Credentials(BearerError),
    Rule {
        name: &'static str,
        description: &'static str,
    },
    /// A rule that answers itself.
    Answer {
        name: &'static str,
        answer: Response,
    },
}

impl Refusal {
    /// A refusal by a guard of the handle's.
    pub(crate) fn own(parts: &Parts, oauth2: &OAuth2, error: BearerError, needed: Scope) -> Self {
        let challenge = oauth2.challenge();
        Self::new(parts, Cause::Credentials(error), SchemeRef::Own, challenge, needed)
    }

    /// A refusal by a scheme of the author's.
    pub(crate) fn of<X: SecurityScheme>(parts: &Parts, error: BearerError) -> Self {
        Self::new(parts, Cause::Credentials(error), SchemeRef::of::<X>(), X::KIND.challenge(), Scope::empty())
    }

    /// A refusal by a rule of the author's, which stands on a guard that needs `requirement`.
    pub(crate) fn by_rule(
        parts: &Parts,
        denied: Denied,
        (name, description): (&'static str, &'static str),
        requirement: &Requirement,
    ) -> Self {
        let cause = match denied {
            Denied::Refused => Cause::Rule { name, description },
            Denied::Unauthenticated => Cause::Credentials(BearerError::InvalidToken(Reason::Rule)),
            Denied::Unavailable(error) => Cause::Credentials(BearerError::from(error)),
            Denied::Answer(answer) => Cause::Answer { name, answer: *answer },
        };
        let scheme = requirement.schemes().into_iter().next().unwrap_or(SchemeRef::Own);
        let challenge = scheme.challenge(&Challenge::new("Bearer", DEFAULT_REALM));
        Self::new(parts, cause, scheme, challenge, Scope::empty())
    }

    /// A refusal of what no guard saw, on a route where this scheme is read.
    pub(super) fn by_route(
        route: Arc<RouteGuards>,
        error: BearerError,
        scheme: SchemeRef,
        challenge: Challenge,
    ) -> Self {
        let (cause, needed, route) = (Cause::Credentials(error), Scope::empty(), Some(route));
        Self(Box::new(Inner { cause, scheme, challenge, needed, beside: Beside::Nothing, route }))
    }

    fn new(parts: &Parts, cause: Cause, scheme: SchemeRef, challenge: Challenge, needed: Scope) -> Self {
        let route = parts.extensions.get::<Arc<RouteGuards>>().cloned();
        Self(Box::new(Inner { cause, scheme, challenge, needed, beside: Beside::Nothing, route }))
    }

    /// What RFC 6750 calls it; `None` if a rule of the author's refused with a 403 or an answer of its own.
    #[must_use]
    pub fn error(&self) -> Option<BearerError> {
        match &self.0.cause {
            Cause::Credentials(error) => Some(*error),
            Cause::Rule { .. } | Cause::Answer { .. } => None,
        }
    }

    /// Why, by a code that stays: for logs and metrics, and for the client in developer mode only.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.error().map_or(Reason::Rule, |error| error.reason())
    }

    /// What an operator finds in the log where a user says "it does not let me in".
    fn log(&self) {
        let (scheme, rule) = match &self.0.cause {
            Cause::Credentials(_) => (Some(self.0.scheme.name("own")), None),
            Cause::Rule { name, .. } | Cause::Answer { name, .. } => (None, Some(*name)),
        };
        let (status, reason) = (self.status().as_u16(), self.reason().code());
        tracing::info!(event = "access", outcome = "denied", status, reason, scheme, rule, "a request was refused");
    }

    /// Whether there were no credentials at all, which an optional guard lets pass.
    #[must_use]
    pub fn is_for_want_of_credentials(&self) -> bool {
        matches!(self.error(), Some(BearerError::NoCredentials(_))) && self.0.beside == Beside::Nothing
    }

    /// These credentials are missing beside good ones, so nobody takes the request for one without any.
    pub(crate) fn beside_good_ones(mut self) -> Self {
        self.0.beside = Beside::GoodOnes;
        self
    }

    /// Whether another guard may be asked instead: there are no credentials, or they are good and not enough.
    pub(crate) fn leaves_alternatives(&self) -> bool {
        matches!(self.error(), Some(BearerError::NoCredentials(_))) || self.status() == StatusCode::FORBIDDEN
    }

    fn status(&self) -> StatusCode {
        match &self.0.cause {
            Cause::Credentials(BearerError::NoCredentials(_) | BearerError::InvalidToken(_)) => {
                StatusCode::UNAUTHORIZED
            }
            Cause::Credentials(BearerError::InvalidRequest(_)) => StatusCode::BAD_REQUEST,
            Cause::Credentials(BearerError::TemporarilyUnavailable { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            Cause::Credentials(BearerError::InsufficientScope(_)) | Cause::Rule { .. } => StatusCode::FORBIDDEN,
            Cause::Answer { answer, .. } => answer.status(),
        }
    }

    /// Every scheme that would do is challenged, the one that failed with what failed.
    fn challenges(&self, error: BearerError) -> Vec<String> {
        let Inner { scheme, challenge, needed, route, .. } = &*self.0;
        let alone = || vec![(scheme.clone(), challenge.clone(), needed.clone())];
        let mut would_do = match route {
            Some(route) if !matches!(error, BearerError::InvalidRequest(_)) => route.challenges(),
            _ => alone(),
        };
        if would_do.iter().all(|(known, ..)| known != scheme) {
            would_do.extend(alone());
        }
        let mut challenges = Vec::new();
        for (known, challenge, needed) in would_do {
            let challenge = match route {
                Some(route) => challenge.made_with(route.rng()),
                None => challenge,
            };
            let mut text = challenge.to_string();
            if known == *scheme && challenge.is_bearer() {
                text.push_str(&Self::attributes(error, &needed));
            }
            if !challenges.contains(&text) {
                challenges.push(text);
            }
        }
        challenges
    }

    /// RFC 6750 §3: without credentials "the resource server SHOULD NOT include an error code".
    fn attributes(error: BearerError, needed: &Scope) -> String {
        let mut attributes = error.code().map(|code| format!(", error=\"{code}\"")).unwrap_or_default();
        let tells_scope = matches!(error, BearerError::InvalidToken(_) | BearerError::InsufficientScope(_));
        if tells_scope && !needed.is_empty() {
            attributes.push_str(&format!(", scope=\"{needed}\""));
        }
        attributes
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.log();
        let detail = match self.0.cause {
            Cause::Credentials(error) => error.description(),
            Cause::Rule { description, .. } => description,
            Cause::Answer { answer, .. } => return answer,
        };
        let mut body = json!({ "detail": detail });
        if let Some(code) = self.error().and_then(|error| error.code()) {
            body["error"] = code.into();
        }
        let mut response = (self.status(), Json(body)).into_response();
        if self.0.route.as_ref().is_some_and(|route| route.tells_reasons()) {
            // In headers, so that the body is the same in development and in production.
            for (name, value) in [(REASON, self.reason().code()), (ADVICE, self.reason().advice())] {
                response.headers_mut().insert(name, HeaderValue::from_static(value));
            }
        }
        match self.error() {
            Some(BearerError::TemporarilyUnavailable { retry_after }) => {
                let (name, value) = unavailable_after(retry_after);
                response.headers_mut().insert(name, value);
            }
            Some(error) => {
                for challenge in self.challenges(error) {
                    // Challenges are of characters that are fit for a header.
                    let value = challenge.parse().unwrap_or(HeaderValue::from_static("Bearer"));
                    response.headers_mut().append(header::WWW_AUTHENTICATE, value);
                }
            }
            None => {}
        }
        response
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0.cause {
            Cause::Credentials(error) => f.write_str(error.description()),
            Cause::Rule { name, description } => write!(f, "{name}: {description}"),
            Cause::Answer { name, answer } => write!(f, "{name}: {}", answer.status()),
        }
    }
}

impl std::error::Error for Refusal {}

/// The header that goes with a 503.
pub(crate) fn unavailable_after(wait: Duration) -> (HeaderName, HeaderValue) {
    (header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)))
}
