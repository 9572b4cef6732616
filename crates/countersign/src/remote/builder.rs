//! How an `OAuth2` is made whose tokens come from elsewhere.

use std::{sync::Arc, time::Duration};

use countersign_core::{
    authorization_server::RevocationSettings, meters::VerificationMeters, names::Issuer, token::verify::Profile,
};

use super::{
    Proof, Remote, SignIn,
    fetch::{BasicAuthorization, Fetch},
    follower::{Follower, Source},
    http::Http,
    introspection::{ByIntrospection, DEFAULT_REMEMBERED, MAX_REMEMBERED},
    keys::ByKeys,
    url::check_set,
};
use crate::{
    authority::Authority,
    builder::Builder,
    issuer::{InsecureIssuer, check_issuer_url},
    oauth2::OAuth2,
    start_error::StartError,
};

/// The names of the tokens' scheme in the document: those that FastAPI gives them.
const OPEN_ID_CONNECT: &str = "OpenIdConnect";
const AUTHORIZATION_CODE: &str = "OAuth2AuthorizationCodeBearer";

/// What [`OAuth2::remote`] begins with.
pub type RemoteBuilder = Builder<Elsewhere<Verified>>;

/// What [`OAuth2::introspecting`] begins with.
pub type IntrospectingBuilder = Builder<Elsewhere<Introspected>>;

/// Another issues the tokens, and they are [`Verified`] or [`Introspected`].
#[derive(Debug)]
pub struct Elsewhere<P> {
    issuer: Issuer,
    fetch: Option<Arc<dyn Fetch>>,
    certificates: Vec<Vec<u8>>,
    sign_in: Option<SignIn>,
    proof: P,
}

/// Tokens are verified here, with the keys that their issuer publishes.
#[derive(Debug, Default)]
pub struct Verified {
    profile: Profile,
    /// As which client the feed of what has ended is followed, if it is.
    feed: Option<BasicAuthorization>,
    revocation: RevocationSettings,
}

/// The issuer is asked for each token (RFC 7662).
#[derive(Debug)]
pub struct Introspected {
    authorization: BasicAuthorization,
    endpoint: Option<String>,
    remember: Duration,
}

impl OAuth2 {
    /// Believes the tokens of an issuer elsewhere, by the keys that it publishes (RFC 8414, RFC 7517).
    ///
    /// `issuer` is its identifier, byte for byte as its metadata and its tokens have it; `https`, unless it is on this
    /// machine. The metadata is looked for as RFC 8414 §3 has it, then as OpenID Connect Discovery 1.0 §4. The
    /// [audience](Builder::audience) must be set.
    ///
    /// Keys are kept for as long as their issuer says, from 5 minutes to a day, and an hour if it does not say. They are
    /// refreshed before; and because of a token that names an unknown key, at most once in 30 seconds. While the issuer
    /// is away they are kept for 24 lifetimes more, at most a day; where it answers with anything else, for one.
    pub fn remote(issuer: impl Into<String>) -> RemoteBuilder {
        Builder::with(Elsewhere::new(issuer, Verified::default()))
    }

    /// Believes the tokens of an issuer elsewhere, by asking it for each (RFC 7662): for tokens that only it can read, or
    /// that must end as soon as they are revoked.
    ///
    /// `issuer` as of [`OAuth2::remote`]. The API authenticates as a client, by `client_secret_basic` (RFC 6749 §2.3.1).
    /// The [audience](Builder::audience) must be set.
    pub fn introspecting(
        issuer: impl Into<String>,
        client_id: impl AsRef<str>,
        client_secret: impl AsRef<str>,
    ) -> IntrospectingBuilder {
        let authorization = BasicAuthorization::new(client_id.as_ref(), client_secret.as_ref());
        let proof = Introspected { authorization, endpoint: None, remember: DEFAULT_REMEMBERED };
        Builder::with(Elsewhere::new(issuer, proof))
    }
}

impl<P> Elsewhere<P> {
    fn new(issuer: impl Into<String>, proof: P) -> Self {
        Self { issuer: Issuer::new(issuer), fetch: None, certificates: Vec::new(), sign_in: None, proof }
    }
}

impl<P> Builder<Elsewhere<P>> {
    /// Where people log in and where codes become tokens, so that the *Authorize* button of the docs page works: the
    /// document then has the authorization code flow, with the scopes, in place of OpenID Connect. `https`, unless on
    /// this machine. Their issuer has to let the docs page ask it (CORS) and come back (`/docs/oauth2-redirect.html`).
    pub fn sign_in_at(mut self, authorization_url: impl Into<String>, token_url: impl Into<String>) -> Self {
        let (authorization_url, token_url) = (authorization_url.into(), token_url.into());
        self.authority.sign_in = Some(SignIn { authorization_url, token_url });
        self
    }

    /// Trusts the certificates in this PEM text too, beside those of the operating system.
    pub fn trust_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authority.certificates.push(pem.into());
        self
    }

    /// Asks the issuer through `fetch`, in place of the HTTP client that is there; certificates are then its affair.
    pub fn fetch(mut self, fetch: impl Fetch) -> Self {
        self.authority.fetch = Some(Arc::new(fetch));
        self
    }

    fn check_elsewhere(&self) -> Result<(), StartError> {
        let issuer = &self.authority.issuer;
        check_issuer_url(issuer, InsecureIssuer::Refuse)?;
        check_set(issuer.as_str()).map_err(|why| StartError::Issuer { issuer: issuer.as_str().to_owned(), why })?;
        if self.common.audience.as_ref().is_none_or(|audience| audience.as_str().is_empty()) {
            return Err(StartError::AudienceNeeded);
        }
        if let Some(SignIn { authorization_url, token_url }) = &self.authority.sign_in {
            check_address(authorization_url)?;
            check_address(token_url)?;
        }
        self.common.check()
    }

    fn build_with(self, prove: impl FnOnce(Issuer, Arc<dyn Fetch>, P) -> Proof) -> Result<OAuth2, StartError> {
        let Self { authority, common } = self;
        let Elsewhere { issuer, fetch, certificates, sign_in, proof } = authority;
        let fetch = match fetch {
            Some(fetch) => fetch,
            None => Arc::new(Http::new(&certificates)?),
        };
        let scheme_name = if sign_in.is_some() { AUTHORIZATION_CODE } else { OPEN_ID_CONNECT };
        let remote = Remote {
            proof: prove(issuer.clone(), fetch, proof),
            issuer,
            audience: common.audience.clone().ok_or(StartError::AudienceNeeded)?,
            leeway: common.leeway,
            owners: common.owners.clone(),
            rng: common.rng.clone(),
            sign_in,
            meters: VerificationMeters::new(),
        };
        common.finish(Authority::Elsewhere(Box::new(remote)), scheme_name)
    }
}

fn check_address(url: &str) -> Result<(), StartError> {
    check_set(url).map_err(|why| StartError::Address { url: url.to_owned(), why })
}

impl Builder<Elsewhere<Verified>> {
    /// Believes tokens of an issuer that does not follow RFC 9068, such as Keycloak, Auth0, Entra or Okta: see
    /// [`Profile::Plain`].
    pub fn plain_profile(mut self) -> Self {
        self.authority.proof.profile = Profile::Plain;
        self
    }

    /// Follows the feed of what has ended at the issuer, which is countersign too: tokens that were revoked, whose user
    /// was disabled or whose key was withdrawn are refused here within a second or so, and not only once they expire.
    ///
    /// The API is then a client of the issuer, one that serves this API, and authenticates by `client_secret_basic` (RFC
    /// 6749 §2.3.1). A task asks for news as long as the handle lives. Until it first succeeded nobody knows what has
    /// ended; see [`RemoteBuilder::revocation`].
    pub fn following_feed(mut self, client_id: impl AsRef<str>, client_secret: impl AsRef<str>) -> Self {
        self.authority.proof.feed = Some(BasicAuthorization::new(client_id.as_ref(), client_secret.as_ref()));
        self
    }

    /// What is done with tokens while the feed that is followed cannot be read and nobody knows what has ended: after a
    /// minute, and before it was read for the first time, they are refused by default, with 503.
    pub fn revocation(mut self, settings: RevocationSettings) -> Self {
        self.authority.proof.revocation = settings;
        self
    }

    /// Checks the settings, and nothing else: `build` does it again.
    ///
    /// # Errors
    /// [`StartError`]: what is wrong, and with which setting.
    pub fn check(&self) -> Result<(), StartError> {
        self.check_elsewhere()
    }

    /// Checks the settings, and asks nobody: the issuer may come up later.
    ///
    /// # Errors
    /// [`StartError`]: what is wrong, and with which setting.
    #[expect(clippy::unused_async, reason = "one line moves an API from here to elsewhere, and this is not in it")]
    pub async fn build(self) -> Result<OAuth2, StartError> {
        self.check()?;
        let (clock, rng) = (self.common.clock.clone(), self.common.rng.clone());
        self.build_with(|issuer, fetch, Verified { profile, feed, revocation }| {
            let follower = feed.map(|authorization| {
                let source = Source { issuer: issuer.clone(), fetch: fetch.clone(), authorization };
                Follower::start(source, revocation, clock.clone())
            });
            Proof::Keys(Box::new(ByKeys::new(issuer, fetch, profile, clock, &*rng, follower)))
        })
    }
}

impl Builder<Elsewhere<Introspected>> {
    /// The introspection endpoint, for an issuer whose metadata does not have it; `https`, unless on this machine.
    pub fn introspection_endpoint(mut self, url: impl Into<String>) -> Self {
        self.authority.proof.endpoint = Some(url.into());
        self
    }

    /// How long it is remembered what the issuer said of a token: 10 seconds by default, at most 5 minutes, and 0 to ask at
    /// each request. For so long a token that was revoked still opens; one that expires does not. That a token does not
    /// hold is remembered for at most 5 seconds.
    pub fn remember_for(mut self, duration: Duration) -> Self {
        self.authority.proof.remember = duration;
        self
    }

    /// Checks the settings, and nothing else: `build` does it again.
    ///
    /// # Errors
    /// [`StartError`]: what is wrong, and with which setting.
    pub fn check(&self) -> Result<(), StartError> {
        let Introspected { endpoint, remember, .. } = &self.authority.proof;
        if *remember > MAX_REMEMBERED {
            return Err(StartError::Remember { longest: MAX_REMEMBERED.as_secs() });
        }
        if let Some(url) = endpoint {
            check_address(url)?;
        }
        self.check_elsewhere()
    }

    /// Checks the settings, and asks nobody: the issuer may come up later.
    ///
    /// # Errors
    /// [`StartError`]: what is wrong, and with which setting.
    #[expect(clippy::unused_async, reason = "one line moves an API from here to elsewhere, and this is not in it")]
    pub async fn build(self) -> Result<OAuth2, StartError> {
        self.check()?;
        let clock = self.common.clock.clone();
        self.build_with(|issuer, fetch, Introspected { authorization, endpoint, remember }| {
            let proof = ByIntrospection::new(issuer, endpoint, authorization, fetch, remember, clock);
            Proof::Introspection(Box::new(proof))
        })
    }
}
