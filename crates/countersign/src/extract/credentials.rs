//! `Credentials<X>`: what a request carries for a scheme of the author's, before anybody looked at it.

use std::{fmt, ops::Deref};

use axum::{extract::FromRequestParts, http::request::Parts};

use super::guard;
use crate::{
    guard::{Refusal, Requirement},
    scheme::{SchemeKind, SchemeRef, SecurityScheme},
};

/// The credentials of a scheme that [`security_schemes!`](crate::security_schemes!) declares. Nobody has looked at them
/// yet but for their form: checking them is up to you.
///
/// # Errors
/// - 401: there are none, or they cannot be read.
/// - 400 `invalid_request`: more than one.
pub struct Credentials<X: SecurityScheme>(<X::Kind as SchemeKind>::Credentials);

impl<X: SecurityScheme> Credentials<X> {
    /// The credentials alone.
    #[must_use]
    pub fn into_inner(self) -> <X::Kind as SchemeKind>::Credentials {
        self.0
    }
}

impl<X: SecurityScheme> Deref for Credentials<X> {
    type Target = <X::Kind as SchemeKind>::Credentials;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<X: SecurityScheme> fmt::Debug for Credentials<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials<{}>([redacted])", X::NAME)
    }
}

impl<AppState, X> FromRequestParts<AppState> for Credentials<X>
where
    AppState: Sync,
    X: SecurityScheme,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Refusal> {
        X::KIND.find(parts).map(Self).map_err(|error| Refusal::of::<X>(parts, error))
    }
}

guard!(Credentials<X: SecurityScheme> needs Requirement::of(SchemeRef::of::<X>(), Vec::new()); where X: SecurityScheme);
