//! `OAuth2`: the handle that everything hangs on, cheap to clone.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    extract::FromRef,
    http::{Extensions, HeaderMap},
};
use countersign_core::{
    authorization_server::{AuthorizationServer, SharedOwner},
    clock::Rng,
    error::BearerError,
    names::Issuer,
    resource_owner::ResourceOwner,
    throttle::Source,
    token::{AccessToken, BorrowedToken},
};

use crate::{
    authority::Authority,
    endpoint::DocsPage,
    issuer::check_address,
    realm::Realm,
    scheme::Challenge,
    scopes::Declaration,
    source::{Network, Sources},
    start_error::StartError,
};

/// The handle: who issues tokens, and the guards that trust it. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct OAuth2(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    authority: Authority,
    facade: Facade,
}

/// What an API tells of itself, wherever its tokens come from.
#[derive(Debug)]
pub(crate) struct Facade {
    pub(crate) realm: Realm,
    /// The scopes that were declared beside those of the guards.
    pub(crate) scopes: Vec<Declaration>,
    pub(crate) mode: Mode,
    pub(crate) title: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) scheme_name: String,
    pub(crate) scheme_description: Option<String>,
    pub(crate) docs: DocsPage,
    /// Whom to believe about where a request comes from.
    pub(crate) sources: Sources,
}

/// Whom refusals are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Anybody: they tell what RFC 6750 says.
    Production,
    /// The developer of the API: they tell their reasons too.
    Developer,
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

impl OAuth2 {
    pub(crate) fn of(authority: Authority, facade: Facade) -> Self {
        Self(Arc::new(Inner { authority, facade }))
    }

    /// Who issues its tokens.
    pub(crate) fn authority(&self) -> &Authority {
        &self.0.authority
    }

    /// The authorization server behind it; `None` if its tokens come from elsewhere.
    #[must_use]
    pub fn server(&self) -> Option<&AuthorizationServer> {
        self.0.authority.server().map(|server| &**server)
    }

    /// Whether it may listen on `address`: on this machine always, and to others with an `https` issuer. Where tokens
    /// come from elsewhere nobody logs in here, and it may.
    ///
    /// # Errors
    /// - [`StartError::IssuerNeeded`]: others can reach it and it does not know its public name.
    /// - [`StartError::PlainIssuer`]: others can reach it, by a name without TLS that nobody allowed.
    pub fn check_address(&self, address: SocketAddr) -> Result<(), StartError> {
        match &self.0.authority {
            Authority::Here { server, insecure_issuer } => check_address(server.settings(), *insecure_issuer, address),
            #[cfg(feature = "remote")]
            Authority::Elsewhere(_) => Ok(()),
        }
    }

    /// Takes `address` as its issuer, unless it has one or its tokens come from elsewhere.
    pub fn settle_address(&self, address: SocketAddr) {
        if let Some(server) = self.server()
            && server.settings().issuer.is_none()
        {
            server.settle_issuer(Issuer::new(format!("http://{address}")));
        }
    }

    /// Whether it is the same as `other`: a clone of it, or what it was cloned from.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Verifies an access token (RFC 9068 §4), or asks its issuer (RFC 7662).
    ///
    /// # Errors
    /// - [`BearerError::InvalidToken`]: it does not hold, with the reason.
    /// - [`BearerError::TemporarilyUnavailable`]: its issuer is elsewhere and does not answer.
    pub async fn verify<'t>(&self, token: impl Into<BorrowedToken<'t>>) -> Result<AccessToken, BearerError> {
        let token = token.into();
        match &self.0.authority {
            Authority::Here { server, .. } => server.verify(token).await,
            #[cfg(feature = "remote")]
            // In a box, for APIs that have it not: it is many times as large.
            Authority::Elsewhere(remote) => Box::pin(remote.verify(token)).await,
        }
    }

    /// A good token that was seen before, by its bytes as they stand; `None` says nothing of it, and
    /// [`OAuth2::verify_unknown`] is to be asked.
    pub(crate) fn recall(&self, token: &[u8]) -> Option<AccessToken> {
        self.server()?.recall(token)
    }

    /// As [`OAuth2::recall`], with its owner, if nobody must be asked for that one either.
    pub(crate) fn recall_with_owner(&self, token: &[u8]) -> Option<(AccessToken, Option<SharedOwner>)> {
        self.server()?.recall_with_owner(token)
    }

    /// As [`OAuth2::verify`], for a token that cannot be recalled.
    pub(crate) async fn verify_unknown(&self, token: BorrowedToken<'_>) -> Result<AccessToken, BearerError> {
        match &self.0.authority {
            Authority::Here { server, .. } => server.verify_unknown(token).await,
            #[cfg(feature = "remote")]
            Authority::Elsewhere(_) => self.verify(token).await,
        }
    }

    /// The owner of a verified token, as long as the owner is active.
    ///
    /// Where tokens come from elsewhere and [`Builder::users`](crate::Builder::users) is not set, the owner is what the
    /// token says. One of the built-in table comes without the password hash, and may be
    /// [remembered](crate::Builder::remembered_users).
    ///
    /// # Errors
    /// - [`BearerError::InvalidToken`]: the owner is gone or disabled.
    /// - [`BearerError::TemporarilyUnavailable`]: it cannot be known now.
    pub async fn find_active_owner(&self, token: &AccessToken) -> Result<ResourceOwner, BearerError> {
        self.find_shared_owner(token).await.map(SharedOwner::into_owner)
    }

    pub(crate) async fn find_shared_owner(&self, token: &AccessToken) -> Result<SharedOwner, BearerError> {
        match &self.0.authority {
            Authority::Here { server, .. } => server.find_active_owner(token).await,
            #[cfg(feature = "remote")]
            Authority::Elsewhere(remote) => Box::pin(remote.find_active_owner(token)).await,
        }
    }

    /// How long ago it was last heard what has ended before its time; `None` if it never was, or if nobody tells: tokens
    /// come from elsewhere, and no feed is followed.
    ///
    /// Where tokens are issued here, somebody listens when a token is verified, so this grows while nobody asks.
    #[must_use]
    pub fn revocation_staleness(&self) -> Option<Duration> {
        match &self.0.authority {
            Authority::Here { server, .. } => server.revocation_staleness(),
            #[cfg(feature = "remote")]
            Authority::Elsewhere(remote) => remote.follower()?.staleness(),
        }
    }

    /// Hears now of what has ended before its time: when this returns `Ok`, what had ended by then is refused.
    ///
    /// # Errors
    /// [`BearerError::TemporarilyUnavailable`]: the store or the issuer is away; or tokens come from elsewhere and no feed
    /// is followed.
    pub async fn hear_of_revocations(&self) -> Result<(), BearerError> {
        match &self.0.authority {
            Authority::Here { server, .. } => Ok(server.hear_of_it().await?),
            #[cfg(feature = "remote")]
            Authority::Elsewhere(remote) => match remote.follower() {
                Some(follower) => follower.hear_now().await,
                None => Err(BearerError::TemporarilyUnavailable { retry_after: Duration::from_secs(1) }),
            },
        }
    }

    /// Where a request comes from: the address of the connection, as
    /// [`ConnectInfo`](axum::extract::ConnectInfo) among its extensions has it, or what one of the
    /// [trusted proxies](crate::Builder::trusted_proxies) says.
    #[must_use]
    pub fn source(&self, extensions: &Extensions, headers: &HeaderMap) -> Source {
        self.0.facade.sources.of(extensions, headers)
    }

    /// The proxies whose word is taken for where a request comes from.
    pub(crate) fn trusted_proxies(&self) -> &[Network] {
        &self.0.facade.sources.trusted
    }

    /// How its guards ask for a token.
    pub(crate) fn challenge(&self) -> Challenge {
        Challenge::new("Bearer", &self.0.facade.realm.to_string())
    }

    pub(crate) fn rng(&self) -> &dyn Rng {
        match &self.0.authority {
            Authority::Here { server, .. } => server.rng(),
            #[cfg(feature = "remote")]
            Authority::Elsewhere(remote) => remote.rng(),
        }
    }

    /// Whether refusals tell their reasons, by [`Builder::developer_mode`](crate::Builder::developer_mode).
    #[must_use]
    pub fn is_in_developer_mode(&self) -> bool {
        self.0.facade.mode == Mode::Developer
    }

    /// The name of its scheme in the document.
    pub(crate) fn scheme_name(&self) -> &str {
        &self.0.facade.scheme_name
    }

    /// What the document says of its scheme, beside what it is.
    pub(crate) fn scheme_description(&self) -> Option<&str> {
        self.0.facade.scheme_description.as_deref()
    }

    /// Where its docs pages are.
    pub(crate) fn docs(&self) -> &DocsPage {
        &self.0.facade.docs
    }

    /// The title that was set.
    pub(crate) fn title(&self) -> Option<&str> {
        self.0.facade.title.as_deref()
    }

    /// The version that was set.
    pub(crate) fn version(&self) -> Option<&str> {
        self.0.facade.version.as_deref()
    }

    pub(crate) fn declared_scopes(&self) -> &[Declaration] {
        &self.0.facade.scopes
    }
}
