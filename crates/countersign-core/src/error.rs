//! What the wire says when something is refused: the only place that spells the codes of RFC 6749 and RFC 6750.

use std::{fmt, time::Duration};

use crate::{jose::TokenProblem, password::Busy, reason::Reason, scope::MalformedScope, store::error::StoreError};

/// How long a client should wait when the store is away: long enough not to pile up, short enough not to be noticed.
pub(crate) const STORE_RETRY: Duration = Duration::from_secs(1);

/// Why a token request is refused (RFC 6749 §5.2). The descriptions are ours alone, never what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OAuthError {
    /// `invalid_request`: a parameter is missing, repeated or cannot be read.
    InvalidRequest(RequestProblem),
    /// `invalid_client`: the client is unknown or did not prove who it is.
    InvalidClient,
    /// `invalid_grant`: what was presented is wrong, or its owner is disabled: never which.
    InvalidGrant(GrantProblem),
    /// `unauthorized_client`: the client may not use this grant type.
    UnauthorizedClient,
    /// `unsupported_grant_type`: the server knows no such grant type, or it is switched off.
    UnsupportedGrantType,
    /// `invalid_scope`: malformed, or nothing of it may be granted.
    InvalidScope,
    /// `invalid_target`: the API that the token should be for is unknown, or is not for this client (RFC 8707 §2).
    InvalidTarget,
    /// `temporarily_unavailable`: it cannot be known or done now (answered 503, with `Retry-After`).
    TemporarilyUnavailable {
        /// How long to wait before the next try.
        retry_after: Duration,
    },
    /// `temporarily_unavailable`: too many guesses failed (answered 429, with `Retry-After`).
    Throttled {
        /// How long to wait before the next try.
        retry_after: Duration,
    },
    /// `server_error`: a fault of ours; the log has the cause.
    ServerError,
}

/// What was presented in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantProblem {
    /// A user name and a password.
    Login,
    /// A refresh token.
    RefreshToken,
}

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestProblem {
    /// These parameters are missing.
    Missing(Vec<&'static str>),
    /// This parameter stands more than once.
    Repeated(&'static str),
    /// The body is not `application/x-www-form-urlencoded`.
    NotAForm,
    /// The body is a form that cannot be decoded.
    MalformedForm,
    /// The body or the number of its fields is too large.
    TooLarge,
    /// The client authenticates in more than one way.
    SeveralClientCredentials,
}

impl OAuthError {
    /// The code of RFC 6749 §5.2 (for the last two, of §4.1.2.1) or of RFC 8707 §2.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant(_) => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::TemporarilyUnavailable { .. } | Self::Throttled { .. } => TEMPORARILY_UNAVAILABLE,
            Self::ServerError => "server_error",
        }
    }

    /// A sentence for people, in the characters that RFC 6749 §5.2 allows.
    #[must_use]
    pub fn description(&self) -> String {
        let text = match self {
            Self::InvalidRequest(problem) => return problem.description(),
            Self::InvalidClient => "Client authentication failed",
            Self::InvalidGrant(GrantProblem::Login) => "Incorrect username or password",
            Self::InvalidGrant(GrantProblem::RefreshToken) => "The refresh token is invalid, expired or revoked",
            Self::UnauthorizedClient => "This client may not use this grant type",
            Self::UnsupportedGrantType => "This grant type is not supported",
            Self::InvalidScope => "The scope is malformed, or nothing of it may be granted",
            Self::InvalidTarget => "This client gets no token for that resource; name one that it may have",
            Self::TemporarilyUnavailable { .. } | Self::Throttled { .. } => "Temporarily unavailable, try again",
            Self::ServerError => "Internal error",
        };
        text.to_owned()
    }
}

impl RequestProblem {
    fn description(&self) -> String {
        match self {
            Self::Missing(names) => format!("Missing parameter: {}", names.join(", ")),
            Self::Repeated(name) => format!("Repeated parameter: {name}"),
            Self::NotAForm => "The body must be application/x-www-form-urlencoded".to_owned(),
            Self::MalformedForm => "The form cannot be decoded".to_owned(),
            Self::TooLarge => "The request is too large".to_owned(),
            Self::SeveralClientCredentials => "The client authenticates in more than one way".to_owned(),
        }
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description())
    }
}

impl std::error::Error for OAuthError {}

impl From<StoreError> for OAuthError {
    fn from(cause: StoreError) -> Self {
        Self::TemporarilyUnavailable { retry_after: store_is_away(&cause) }
    }
}

impl From<Busy> for OAuthError {
    fn from(busy: Busy) -> Self {
        Self::TemporarilyUnavailable { retry_after: busy.retry_after }
    }
}

impl From<MalformedScope> for OAuthError {
    fn from(_: MalformedScope) -> Self {
        Self::InvalidScope
    }
}

/// Why a request to a protected route is refused (RFC 6750 §3.1): what the client hears, with the [`Reason`] that it
/// does not hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BearerError {
    /// No credentials, or none of the scheme: challenged without a code.
    NoCredentials(Reason),
    /// `invalid_request`: more than one credential.
    InvalidRequest(Reason),
    /// `invalid_token`: malformed, expired, revoked, another issuer's, or the owner is disabled.
    InvalidToken(Reason),
    /// `insufficient_scope`: the token is good and what it allows is not enough.
    InsufficientScope(Reason),
    /// `temporarily_unavailable`: it cannot be known now (answered 503, with `Retry-After`).
    TemporarilyUnavailable {
        /// How long to wait before the next try.
        retry_after: Duration,
    },
}

impl BearerError {
    /// The code of RFC 6750 §3.1, if there is one.
    #[must_use]
    pub const fn code(&self) -> Option<&'static str> {
        match self {
            Self::NoCredentials(_) => None,
            Self::InvalidRequest(_) => Some("invalid_request"),
            Self::InvalidToken(_) => Some("invalid_token"),
            Self::InsufficientScope(_) => Some("insufficient_scope"),
            Self::TemporarilyUnavailable { .. } => Some(TEMPORARILY_UNAVAILABLE),
        }
    }

    /// A sentence for people: the ones that clients of FastAPI know.
    #[must_use]
    pub const fn description(&self) -> &'static str {
        match self {
            Self::NoCredentials(_) => "Not authenticated",
            Self::InvalidRequest(_) => "More than one credential in one request",
            Self::InvalidToken(_) => "Could not validate credentials",
            Self::InsufficientScope(_) => "Not enough permissions",
            Self::TemporarilyUnavailable { .. } => "Temporarily unavailable, try again",
        }
    }

    /// Why, for the log and for metrics: never for the client.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::NoCredentials(reason)
            | Self::InvalidRequest(reason)
            | Self::InvalidToken(reason)
            | Self::InsufficientScope(reason) => *reason,
            Self::TemporarilyUnavailable { .. } => Reason::Unavailable,
        }
    }
}

impl fmt::Display for BearerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.description())
    }
}

impl std::error::Error for BearerError {}

impl From<TokenProblem> for BearerError {
    fn from(problem: TokenProblem) -> Self {
        Self::InvalidToken(problem.into())
    }
}

impl From<StoreError> for BearerError {
    fn from(cause: StoreError) -> Self {
        Self::TemporarilyUnavailable { retry_after: store_is_away(&cause) }
    }
}

const TEMPORARILY_UNAVAILABLE: &str = "temporarily_unavailable";

/// Logs the cause, which the client never hears, and says how long the client should wait.
fn store_is_away(cause: &StoreError) -> Duration {
    let source = std::error::Error::source(cause).map(ToString::to_string);
    tracing::error!(event = "store", outcome = "failure", error = %cause, source, "the store did not answer");
    STORE_RETRY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b5_no_reason_changes_what_the_client_hears() {
        for reason in Reason::ALL {
            for (error, code, description) in [
                (BearerError::NoCredentials(*reason), None, "Not authenticated"),
                (
                    BearerError::InvalidRequest(*reason),
                    Some("invalid_request"),
                    "More than one credential in one request",
                ),
                (BearerError::InvalidToken(*reason), Some("invalid_token"), "Could not validate credentials"),
                (BearerError::InsufficientScope(*reason), Some("insufficient_scope"), "Not enough permissions"),
            ] {
                assert_eq!((error.code(), error.description(), error.reason()), (code, description, *reason));
                assert_eq!(error.to_string(), description);
            }
        }
        let away = BearerError::TemporarilyUnavailable { retry_after: STORE_RETRY };
        assert_eq!(away.reason(), Reason::Unavailable);
        assert_eq!(BearerError::from(TokenProblem::Expired), BearerError::InvalidToken(Reason::Expired));
    }

    #[test]
    fn a11_descriptions_stay_in_the_characters_of_rfc_6749() {
        let problems = [
            RequestProblem::Missing(vec!["username", "password"]),
            RequestProblem::Repeated("scope"),
            RequestProblem::NotAForm,
            RequestProblem::MalformedForm,
            RequestProblem::TooLarge,
            RequestProblem::SeveralClientCredentials,
        ];
        let retry_after = STORE_RETRY;
        let errors = problems.map(OAuthError::InvalidRequest).into_iter().chain([
            OAuthError::InvalidClient,
            OAuthError::InvalidGrant(GrantProblem::Login),
            OAuthError::InvalidGrant(GrantProblem::RefreshToken),
            OAuthError::UnauthorizedClient,
            OAuthError::UnsupportedGrantType,
            OAuthError::InvalidScope,
            OAuthError::InvalidTarget,
            OAuthError::TemporarilyUnavailable { retry_after },
            OAuthError::Throttled { retry_after },
            OAuthError::ServerError,
        ]);
        for error in errors {
            let description = error.description();
            let allowed = |byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
            assert!(description.bytes().all(allowed), "{description}");
        }
    }
}
