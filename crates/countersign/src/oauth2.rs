//! `OAuth2`: the handle that everything hangs on, cheap to clone.

use std::{net::SocketAddr, sync::Arc};

use axum::extract::FromRef;
use countersign_core::{
    authorization_server::{AuthorizationServer, Settings},
    clock::Rng,
    error::BearerError,
    names::Issuer,
    resource_owner::ResourceOwner,
    token::{AccessToken, BearerToken},
};

use crate::{endpoint::DocsPage, realm::Realm, scheme::Challenge, scopes::Declaration, start_error::StartError};

/// The handle: an authorization server and the guards that trust it. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct OAuth2(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) server: AuthorizationServer,
    pub(crate) realm: Realm,
    /// The scopes that were declared beside those of the guards.
    pub(crate) scopes: Vec<Declaration>,
    pub(crate) insecure_issuer: InsecureIssuer,
    pub(crate) mode: Mode,
    pub(crate) title: String,
    pub(crate) version: String,
    pub(crate) scheme_name: String,
    pub(crate) scheme_description: Option<String>,
    pub(crate) docs: DocsPage,
}

/// Whom refusals are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Anybody: they tell what RFC 6750 says.
    Production,
    /// The developer of the API: they tell their reasons too.
    Developer,
}

/// Whether the issuer may be `http` on another machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InsecureIssuer {
    Refuse,
    Allow,
}

/// A state of an application that has the handle in it: one with `impl FromRef<App> for OAuth2`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not have the `OAuth2` handle in it",
    label = "no handle in this state",
    note = "keep the handle in `{Self}`, and say where it is:",
    note = "impl FromRef<{Self}> for OAuth2 {{ fn from_ref(state: &{Self}) -> Self {{ state.oauth2.clone() }} }}"
)]
pub trait HoldsOAuth2: Sync {}

#[diagnostic::do_not_recommend]
impl<AppState: Sync> HoldsOAuth2 for AppState where OAuth2: FromRef<AppState> {}

pub(crate) fn check_address(
    settings: &Settings,
    insecure: InsecureIssuer,
    address: SocketAddr,
) -> Result<(), StartError> {
    match settings.issuer.as_ref().map(Issuer::as_str) {
        _ if address.ip().is_loopback() => Ok(()),
        None => Err(StartError::IssuerNeeded(address)),
        Some(issuer) if !is_tls(issuer) && insecure == InsecureIssuer::Refuse => Err(StartError::PlainIssuer(address)),
        Some(_) => Ok(()),
    }
}

/// Whether an issuer is certainly reached by TLS, in whatever letter case its scheme is written.
pub(crate) fn is_tls(issuer: &str) -> bool {
    issuer.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
}

impl From<Inner> for OAuth2 {
    fn from(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }
}

impl OAuth2 {
    /// The authorization server behind it.
    #[must_use]
    pub fn server(&self) -> &AuthorizationServer {
        &self.0.server
    }

    /// Whether it may listen on `address`: on this machine always, and to others with an `https` issuer.
    ///
    /// # Errors
    /// - [`StartError::IssuerNeeded`]: others can reach it and it does not know its public name.
    /// - [`StartError::PlainIssuer`]: others can reach it, by a name without TLS that nobody allowed.
    pub fn check_address(&self, address: SocketAddr) -> Result<(), StartError> {
        check_address(self.server().settings(), self.0.insecure_issuer, address)
    }

    /// Takes `address` as its issuer, unless it has one.
    pub fn settle_address(&self, address: SocketAddr) {
        if self.server().settings().issuer.is_none() {
            self.server().settle_issuer(Issuer::new(format!("http://{address}")));
        }
    }

    /// Whether it is the same as `other`: a clone of it, or what it was cloned from.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Verifies an access token (RFC 9068 §4).
    ///
    /// # Errors
    /// - [`BearerError::InvalidToken`]: it does not hold, and the log tells why.
    #[expect(clippy::unused_async, reason = "an issuer elsewhere has to be asked")]
    pub async fn verify(&self, token: &BearerToken) -> Result<AccessToken, BearerError> {
        self.server().verify(token)
    }

    /// The owner of a verified token, as long as the owner is active.
    ///
    /// # Errors
    /// - [`BearerError::InvalidToken`]: the owner is gone or disabled.
    /// - [`BearerError::TemporarilyUnavailable`]: it cannot be known now.
    pub async fn find_active_owner(&self, token: &AccessToken) -> Result<ResourceOwner, BearerError> {
        self.server().find_active_owner(token).await
    }

    /// How its guards ask for a token.
    pub(crate) fn challenge(&self) -> Challenge {
        Challenge::new("Bearer", &self.0.realm.to_string())
    }

    pub(crate) fn rng(&self) -> &dyn Rng {
        self.server().rng()
    }

    /// Whether refusals tell their reasons, by [`Builder::developer_mode`](crate::Builder::developer_mode).
    #[must_use]
    pub fn is_in_developer_mode(&self) -> bool {
        self.0.mode == Mode::Developer
    }

    /// The name of its scheme in the document.
    pub(crate) fn scheme_name(&self) -> &str {
        &self.0.scheme_name
    }

    /// What the document says of its scheme, beside what it is.
    pub(crate) fn scheme_description(&self) -> Option<&str> {
        self.0.scheme_description.as_deref()
    }

    pub(crate) fn title(&self) -> &str {
        &self.0.title
    }

    pub(crate) fn version(&self) -> &str {
        &self.0.version
    }

    pub(crate) fn docs(&self) -> &DocsPage {
        &self.0.docs
    }

    pub(crate) fn declared_scopes(&self) -> &[Declaration] {
        &self.0.scopes
    }
}
