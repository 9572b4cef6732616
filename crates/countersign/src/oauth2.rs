//! `OAuth2`: the handle that everything hangs on, cheap to clone.

use std::{net::SocketAddr, sync::Arc};

use countersign_core::{
    authorization_server::{AuthorizationServer, Settings},
    names::Issuer,
};

use crate::{realm::Realm, scopes::Declaration, start_error::StartError};

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
    pub(crate) title: String,
    pub(crate) version: String,
}

/// Whether the issuer may be `http` on another machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InsecureIssuer {
    Refuse,
    Allow,
}

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

    pub(crate) fn realm(&self) -> &Realm {
        &self.0.realm
    }

    pub(crate) fn title(&self) -> &str {
        &self.0.title
    }

    pub(crate) fn version(&self) -> &str {
        &self.0.version
    }

    pub(crate) fn declared_scopes(&self) -> &[Declaration] {
        &self.0.scopes
    }
}
