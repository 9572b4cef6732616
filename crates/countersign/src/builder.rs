//! How an `OAuth2` is made: every setting with its default, checked before anything is opened.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::http::Uri;
use countersign_core::{
    authorization_server::{AuthorizationServer, GrantTypeParameter, Ports, Settings},
    clock::{Clock, Rng, System},
    extra_claims::ExtraClaims,
    grant_type::GrantType,
    key::SigningChoice,
    names::{Audience, Issuer},
    password::{HashingPool, HashingSettings},
    resource_owner::ResourceOwners,
    scope::Scope,
    store::Store,
    token::verify::MAX_LEEWAY,
};

use crate::{
    endpoint::DocsPage,
    oauth2::{Inner, InsecureIssuer, Mode, OAuth2, check_address},
    realm::Realm,
    scheme::is_component_name,
    scopes::{Declaration, ScopeSet},
    start_error::StartError,
};

/// The shortest life of an access token that is of any use.
const MIN_LIFETIME: Duration = Duration::from_secs(1);

/// The name of the tokens' scheme in the document: the one that FastAPI gives it.
const DEFAULT_SCHEME_NAME: &str = "OAuth2PasswordBearer";

/// The longest: a token cannot be called back without asking somebody, so a day is generous (RFC 9700 §2.2.1).
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

impl OAuth2 {
    /// Begins with a store; everything else has a default.
    #[expect(clippy::new_ret_no_self, reason = "the builder is the way to the handle")]
    pub fn new(store: impl Store) -> Builder {
        Builder::over(Arc::new(store))
    }
}

/// How an [`OAuth2`] is made.
#[derive(Debug)]
#[must_use]
pub struct Builder {
    store: Arc<dyn Store>,
    owners: Option<Arc<dyn ResourceOwners>>,
    claims: Option<Arc<dyn ExtraClaims>>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    settings: Settings,
    hashing: HashingSettings,
    realm: String,
    scopes: Vec<Declaration>,
    title: String,
    version: String,
    scheme_name: String,
    scheme_description: Option<String>,
    mode: Mode,
    insecure_issuer: InsecureIssuer,
    docs: DocsPage,
}

impl Builder {
    fn over(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            owners: None,
            claims: None,
            clock: System::clock(),
            rng: System::rng(),
            settings: Settings::default(),
            hashing: HashingSettings::default(),
            realm: "api".to_owned(),
            scopes: Vec::new(),
            title: "API".to_owned(),
            version: "0.1.0".to_owned(),
            scheme_name: DEFAULT_SCHEME_NAME.to_owned(),
            scheme_description: None,
            mode: Mode::Production,
            insecure_issuer: InsecureIssuer::Refuse,
            docs: DocsPage::default(),
        }
    }

    /// Users from a table of yours, instead of the store's.
    pub fn users(mut self, owners: impl ResourceOwners) -> Self {
        self.owners = Some(Arc::new(owners));
        self
    }

    /// The public URL of this API, `https` unless it is on this machine. It is the issuer of the tokens (RFC 8414 §2).
    ///
    /// Without one it is the address on which [`serve`](crate::serve) listens, which must then be on this machine.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.settings.issuer = Some(Issuer::new(issuer));
        self
    }

    /// Lets the issuer be `http` on another machine: for a network that you trust with everybody's passwords.
    pub fn allow_insecure_issuer(mut self) -> Self {
        self.insecure_issuer = InsecureIssuer::Allow;
        self
    }

    /// The API that tokens are for (`aud`); the issuer by default.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.settings.audience = Some(Audience::new(audience));
        self
    }

    /// How long an access token lives: from a second to a day, 15 minutes by default.
    pub fn access_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.access_token_lifetime = lifetime;
        self
    }

    /// How far the clocks of two machines may be apart: at most a minute, 5 seconds by default.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.settings.leeway = leeway;
        self
    }

    /// What is granted to those who ask for no scope; nothing by default.
    pub fn default_scopes<S: ScopeSet>(mut self) -> Self {
        self.settings.default_scope = S::scope();
        self
    }

    /// As [`Builder::default_scopes`], for a scope that is read and not declared.
    pub fn default_scope(mut self, scope: Scope) -> Self {
        self.settings.default_scope = scope;
        self
    }

    /// What tokens are signed with; ES256 by default.
    pub fn signing(mut self, choice: SigningChoice) -> Self {
        self.settings.signing = choice;
        self
    }

    /// Switches the password grant off (RFC 9700 §2.4 says it "MUST NOT be used").
    pub fn without_password_grant(mut self) -> Self {
        self.settings.grant_types.retain(|grant_type| *grant_type != GrantType::Password);
        self
    }

    /// Wants `grant_type` in every token request, as RFC 6749 §4.3.2 has it and tutorials' clients do not.
    pub fn require_grant_type(mut self) -> Self {
        self.settings.grant_type_parameter = GrantTypeParameter::Required;
        self
    }

    /// How passwords are hashed: threads, queue and cost.
    pub fn hashing(mut self, settings: HashingSettings) -> Self {
        self.hashing = settings;
        self
    }

    /// Declares scopes that no guard names, so that the document offers them.
    pub fn scopes<S: ScopeSet>(mut self) -> Self {
        self.scopes.extend(S::declarations());
        self
    }

    /// As [`Builder::scopes`], for scopes that are read and not declared as types.
    pub fn declare_scopes(mut self, scopes: impl IntoIterator<Item = Declaration>) -> Self {
        self.scopes.extend(scopes);
        self
    }

    /// The realm of the challenges; `api` by default.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = realm.into();
        self
    }

    /// The name of the API in its document and on its docs page.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// The version of the API in its document.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// The name of the tokens' security scheme in the document: letters, digits, `.`, `_` and `-`;
    /// `OAuth2PasswordBearer` by default, as FastAPI calls it.
    pub fn scheme_name(mut self, name: impl Into<String>) -> Self {
        self.scheme_name = name.into();
        self
    }

    /// What the document and the docs page say of the tokens' security scheme; nothing by default.
    pub fn scheme_description(mut self, description: impl Into<String>) -> Self {
        self.scheme_description = Some(description.into());
        self
    }

    /// Tells every client why it was refused, as `reason` and `advice` beside the usual answer. For development: a stranger
    /// who forges tokens should not hear which step found it out. The log tells it always.
    pub fn developer_mode(mut self) -> Self {
        self.mode = Mode::Developer;
        self
    }

    /// How many verified tokens are remembered, so that they pay for their signature once; 10,000 by default, about 12 MB
    /// when full. 0 verifies every token anew.
    pub fn remembered_tokens(mut self, most: usize) -> Self {
        self.settings.remembered_tokens = most;
        self
    }

    /// Claims of your own, which each access token gets beside those of RFC 9068.
    pub fn claims(mut self, claims: impl ExtraClaims) -> Self {
        self.claims = Some(Arc::new(claims));
        self
    }

    /// Where the document and the docs page are, and how they look; [`DocsPage::off`] serves neither.
    pub fn docs(mut self, docs: DocsPage) -> Self {
        self.docs = docs;
        self
    }

    /// Another clock than the system's: for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Other randomness than the system's: for tests.
    pub fn rng(mut self, rng: Arc<dyn Rng>) -> Self {
        self.rng = rng;
        self
    }

    /// Checks the settings, starts the hashing threads and opens the key ring, making a key where there is none.
    ///
    /// # Errors
    /// [`StartError`]: what is wrong, and with which setting.
    pub async fn build(self) -> Result<OAuth2, StartError> {
        self.check()?;
        let realm = Realm::parse(&self.realm)?;
        let hashing = HashingPool::new(self.hashing, self.rng.clone()).map_err(StartError::Threads)?;
        let ports = Ports {
            store: self.store,
            owners: self.owners,
            hashing: Arc::new(hashing),
            clock: self.clock,
            rng: self.rng,
            claims: self.claims,
        };
        if self.settings.grant_types.contains(&GrantType::Password) {
            tracing::info!(
                "the password grant is on: for your own clients only (RFC 9700 §2.4); \
                 the setting password_grant turns it off, in code without_password_grant"
            );
        }
        let server = AuthorizationServer::open(ports, self.settings).await?;
        Ok(Inner {
            server,
            realm,
            scopes: self.scopes,
            insecure_issuer: self.insecure_issuer,
            title: self.title,
            version: self.version,
            scheme_name: self.scheme_name,
            scheme_description: self.scheme_description,
            mode: self.mode,
            docs: self.docs,
        }
        .into())
    }

    /// Whether an API of these settings may listen on `address`, as [`OAuth2::check_address`] says.
    ///
    /// # Errors
    /// As of [`OAuth2::check_address`].
    pub fn check_address(&self, address: SocketAddr) -> Result<(), StartError> {
        check_address(&self.settings, self.insecure_issuer, address)
    }

    /// Checks the settings, and nothing else: [`Builder::build`] does it again.
    ///
    /// # Errors
    /// [`StartError`]: what is wrong, and with which setting.
    pub fn check(&self) -> Result<(), StartError> {
        if let Some(issuer) = &self.settings.issuer {
            check_issuer(issuer, self.insecure_issuer)?;
        }
        let lifetime = self.settings.access_token_lifetime;
        if !(MIN_LIFETIME..=MAX_LIFETIME).contains(&lifetime) || lifetime.subsec_nanos() > 0 {
            return Err(StartError::Lifetime { shortest: MIN_LIFETIME.as_secs(), longest: MAX_LIFETIME.as_secs() });
        }
        if self.settings.leeway > MAX_LEEWAY {
            return Err(StartError::Leeway);
        }
        if !is_component_name(&self.scheme_name) {
            return Err(StartError::SchemeName(self.scheme_name.clone()));
        }
        self.docs.check()?;
        Realm::parse(&self.realm).map(drop)
    }
}

/// RFC 8414 §2: the issuer "is a URL that uses the "https" scheme and has no query or fragment components"; `http` is
/// for this machine alone.
fn check_issuer(issuer: &Issuer, insecure: InsecureIssuer) -> Result<(), StartError> {
    let problem = |why| StartError::Issuer { issuer: issuer.as_str().to_owned(), why };
    if issuer.as_str().contains(['#', '"', '\\']) {
        return Err(problem("it is no URL, or has a fragment"));
    }
    let uri: Uri = issuer.as_str().parse().map_err(|_| problem("it is no URL"))?;
    let host = uri.host().ok_or_else(|| problem("it names no host"))?;
    if uri.query().is_some() || uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(problem("it has a query or a user name"));
    }
    if issuer.as_str().ends_with('/') {
        return Err(problem("it ends with a slash, which the paths of the endpoints begin with"));
    }
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if is_loopback(host) || insecure == InsecureIssuer::Allow => Ok(()),
        Some("http") => Err(problem("it must be https, because passwords and tokens travel to it")),
        _ => Err(problem("it must be an https URL")),
    }
}

/// Whether a host is this machine, by a name or address that cannot be another's.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
