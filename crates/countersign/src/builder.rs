//! How an `OAuth2` is made: every setting with its default, checked before anything is opened.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use countersign_core::{
    authorization_server::{
        AuthorizationServer, GrantTypeParameter, Ports, RefreshLifetimes, RevocationSettings, Settings,
    },
    clock::{Clock, Rng, System},
    extra_claims::ExtraClaims,
    grant_type::GrantType,
    key::{KeyEncryptionKey, KeyRotation, MAX_TOKEN_LIFETIME, SigningChoice},
    names::{Audience, Issuer},
    password::{Blocklist, HashingPool, HashingSettings, PasswordPolicy},
    resource_owner::ResourceOwners,
    scope::Scope,
    store::Store,
    throttle::{Attempts, ThrottleSettings},
    token::verify::{DEFAULT_LEEWAY, MAX_LEEWAY},
    token_format::TokenFormat,
};

use crate::{
    authority::Authority,
    endpoint::DocsPage,
    issuer::{InsecureIssuer, check_address, check_issuer},
    oauth2::{Facade, Mode, OAuth2},
    realm::Realm,
    scheme::{DEFAULT_REALM, is_component_name},
    scopes::{Declaration, ScopeSet},
    source::{ForwardedHeader, Network, Sources},
    start_error::StartError,
};

/// The shortest life of an access token that is of any use.
const MIN_LIFETIME: Duration = Duration::from_secs(1);

/// The shortest time between two rotations: with every new key those who verify must ask for it, and each stays for a day.
const MIN_ROTATION: Duration = Duration::from_secs(60 * 60);

/// The longest time in which the use of a refresh token may be tried again: in it a thief goes unseen.
const MAX_REFRESH_LEEWAY: Duration = Duration::from_secs(60);

/// The most failures at an account before it is slowed: NIST SP 800-63B-4 §3.2.2 allows no more in a row.
const MAX_FAILURES: u32 = 100;

/// What the longest delay of an account may be: the first, and an hour, since somebody waits for it.
const MIN_LONGEST_DELAY: Duration = Duration::from_secs(30);
const MAX_LONGEST_DELAY: Duration = Duration::from_secs(60 * 60);

/// The name of the tokens' scheme in the document: the one that FastAPI gives it.
const DEFAULT_SCHEME_NAME: &str = "OAuth2PasswordBearer";

impl OAuth2 {
    /// Begins with a store; everything else has a default.
    #[expect(clippy::new_ret_no_self, reason = "the builder is the way to the handle")]
    pub fn new(store: impl Store) -> Builder {
        Builder::with(Embedded {
            store: Arc::new(store),
            claims: None,
            attempts: None,
            settings: Settings::default(),
            hashing: HashingSettings::default(),
            insecure_issuer: InsecureIssuer::Refuse,
        })
    }
}

/// How an [`OAuth2`] is made, where `A` issues the tokens: [`Embedded`] in this API, or another elsewhere.
#[derive(Debug)]
#[must_use]
pub struct Builder<A = Embedded> {
    pub(crate) authority: A,
    pub(crate) common: Common,
}

/// The settings that there are wherever tokens come from.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) owners: Option<Arc<dyn ResourceOwners>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) audience: Option<Audience>,
    pub(crate) leeway: Duration,
    realm: String,
    scopes: Vec<Declaration>,
    title: Option<String>,
    version: Option<String>,
    scheme_name: Option<String>,
    scheme_description: Option<String>,
    mode: Mode,
    docs: DocsPage,
    sources: Sources,
}

/// The API issues its tokens itself: what [`OAuth2::new`] begins with.
#[derive(Debug)]
pub struct Embedded {
    store: Arc<dyn Store>,
    claims: Option<Arc<dyn ExtraClaims>>,
    attempts: Option<Arc<dyn Attempts>>,
    settings: Settings,
    hashing: HashingSettings,
    insecure_issuer: InsecureIssuer,
}

impl Common {
    /// Checks the settings that there are wherever tokens come from.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        if self.leeway > MAX_LEEWAY {
            return Err(StartError::Leeway);
        }
        if let Some(name) = self.scheme_name.as_ref().filter(|name| !is_component_name(name)) {
            return Err(StartError::SchemeName(name.clone()));
        }
        self.docs.check()?;
        Realm::parse(&self.realm).map(drop)
    }

    /// The handle, whose scheme has this name unless its author gave it another.
    pub(crate) fn finish(self, authority: Authority, default_scheme_name: &str) -> Result<OAuth2, StartError> {
        let facade = Facade {
            realm: Realm::parse(&self.realm)?,
            scopes: self.scopes,
            mode: self.mode,
            docs: self.docs,
            sources: self.sources,
            title: self.title,
            version: self.version,
            scheme_name: self.scheme_name.unwrap_or_else(|| default_scheme_name.to_owned()),
            scheme_description: self.scheme_description,
        };
        Ok(OAuth2::of(authority, facade))
    }
}

impl<A> Builder<A> {
    pub(crate) fn with(authority: A) -> Self {
        let common = Common {
            owners: None,
            clock: System::clock(),
            rng: System::rng(),
            audience: None,
            leeway: DEFAULT_LEEWAY,
            realm: DEFAULT_REALM.to_owned(),
            scopes: Vec::new(),
            title: None,
            version: None,
            scheme_name: None,
            scheme_description: None,
            mode: Mode::Production,
            docs: DocsPage::default(),
            sources: Sources::default(),
        };
        Self { authority, common }
    }

    /// Users from a table of yours: instead of the store's, or instead of what tokens from elsewhere say of them.
    ///
    /// They are looked up by `sub` alone, so one table belongs to one issuer: the same subject of another is somebody else.
    pub fn users(mut self, owners: impl ResourceOwners) -> Self {
        self.common.owners = Some(Arc::new(owners));
        self
    }

    /// The API that tokens are for (`aud`): the issuer by default, and to be set where tokens come from elsewhere.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.common.audience = Some(Audience::new(audience));
        self
    }

    /// How far the clocks of two machines may be apart: at most a minute, 5 seconds by default.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.common.leeway = leeway;
        self
    }

    /// Declares scopes that no guard names, so that the document offers them.
    pub fn scopes<S: ScopeSet>(mut self) -> Self {
        self.common.scopes.extend(S::declarations());
        self
    }

    /// As [`Builder::scopes`], for scopes that are read and not declared as types.
    pub fn declare_scopes(mut self, scopes: impl IntoIterator<Item = Declaration>) -> Self {
        self.common.scopes.extend(scopes);
        self
    }

    /// The realm of the challenges; `api` by default.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.common.realm = realm.into();
        self
    }

    /// The name of the API in its document and on its docs page; that of a document of yours, or else `API`, by default.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.common.title = Some(title.into());
        self
    }

    /// The version of the API in its document; that of a document of yours, or else `0.1.0`, by default.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.common.version = Some(version.into());
        self
    }

    /// The name of the tokens' security scheme in the document: letters, digits, `.`, `_` and `-`. By default as FastAPI
    /// calls it: `OAuth2PasswordBearer`; from elsewhere `OpenIdConnect` or `OAuth2AuthorizationCodeBearer`.
    pub fn scheme_name(mut self, name: impl Into<String>) -> Self {
        self.common.scheme_name = Some(name.into());
        self
    }

    /// What the document and the docs page say of the tokens' security scheme; nothing by default.
    pub fn scheme_description(mut self, description: impl Into<String>) -> Self {
        self.common.scheme_description = Some(description.into());
        self
    }

    /// Tells every client why it was refused, in the headers `countersign-reason` and `countersign-advice` beside the usual
    /// answer. For development: a stranger who forges tokens should not hear which step found it out. The log tells it
    /// always.
    pub fn developer_mode(mut self) -> Self {
        self.common.mode = Mode::Developer;
        self
    }

    /// Where the document and the docs page are, and how they look; [`DocsPage::off`] serves neither.
    pub fn docs(mut self, docs: DocsPage) -> Self {
        self.common.docs = docs;
        self
    }

    /// The proxies before this API, whose word is taken for where a request comes from; none by default. Name those that
    /// you run, and nobody else's: who is trusted can say anything.
    pub fn trusted_proxies(mut self, proxies: impl IntoIterator<Item = Network>) -> Self {
        self.common.sources.trusted = proxies.into_iter().collect();
        self
    }

    /// The one header in which they say it; `X-Forwarded-For` by default.
    pub fn forwarded_header(mut self, header: ForwardedHeader) -> Self {
        self.common.sources.header = header;
        self
    }

    /// Another clock than the system's: for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.common.clock = clock;
        self
    }

    /// Other randomness than the system's: for tests.
    pub fn rng(mut self, rng: Arc<dyn Rng>) -> Self {
        self.common.rng = rng;
        self
    }
}

impl Builder {
    /// The public URL of this API, `https` unless it is on this machine. It is the issuer of the tokens (RFC 8414 §2).
    ///
    /// Without one it is the address on which [`serve`](crate::serve) listens, which must then be on this machine.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.authority.settings.issuer = Some(Issuer::new(issuer));
        self
    }

    /// Lets the issuer be `http` on another machine: for a network that you trust with everybody's passwords.
    pub fn allow_insecure_issuer(mut self) -> Self {
        self.authority.insecure_issuer = InsecureIssuer::Allow;
        self
    }

    /// How long an access token lives: from a second to a day, 15 minutes by default.
    pub fn access_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.authority.settings.access_token_lifetime = lifetime;
        self
    }

    /// How long a login can be renewed: unused for `idle`, and at most for `absolute` in all; 14 and 90 days by
    /// default. In whole seconds.
    pub fn refresh_token_lifetime(mut self, idle: Duration, absolute: Duration) -> Self {
        self.authority.settings.refresh = RefreshLifetimes { idle, absolute, ..self.authority.settings.refresh };
        self
    }

    /// For how long the use of a refresh token may be tried again and gets the same answer; 10 seconds by default, at most
    /// a minute, in whole seconds. With 0 every second use is a theft, also that of a client whose answer was lost.
    pub fn refresh_leeway(mut self, leeway: Duration) -> Self {
        self.authority.settings.refresh.leeway = leeway;
        self
    }

    /// Issues no refresh tokens, and takes none: who wants to stay logs in again.
    pub fn without_refresh_tokens(mut self) -> Self {
        self.authority.settings.grant_types.retain(|grant_type| *grant_type != GrantType::RefreshToken);
        self
    }

    /// What access tokens look like; JWTs by default.
    pub fn token_format(mut self, format: TokenFormat) -> Self {
        self.authority.settings.token_format = format;
        self
    }

    /// What is done with tokens while the store is away and nobody knows what has ended; after a minute they are refused
    /// by default, with 503.
    pub fn revocation(mut self, settings: RevocationSettings) -> Self {
        self.authority.settings.revocation = settings;
        self
    }

    /// What is granted to those who ask for no scope; nothing by default.
    pub fn default_scopes<S: ScopeSet>(mut self) -> Self {
        self.authority.settings.default_scope = S::scope();
        self
    }

    /// As [`Builder::default_scopes`], for a scope that is read and not declared.
    pub fn default_scope(mut self, scope: Scope) -> Self {
        self.authority.settings.default_scope = scope;
        self
    }

    /// What tokens are signed with; ES256 by default.
    pub fn signing(mut self, choice: SigningChoice) -> Self {
        self.authority.settings.signing = choice;
        self
    }

    /// When keys are replaced; every 90 days by default. It is done by itself, with no token refused.
    pub fn key_rotation(mut self, rotation: KeyRotation) -> Self {
        self.authority.settings.key_rotation = rotation;
        self
    }

    /// Encrypts private keys in the store under this key, those that rest there already too. Whoever loses it loses them.
    pub fn key_encryption(mut self, key: KeyEncryptionKey) -> Self {
        self.authority.settings.key_encryption = Some(key);
        self
    }

    /// Switches the password grant off (RFC 9700 §2.4 says it "MUST NOT be used").
    pub fn without_password_grant(mut self) -> Self {
        self.authority.settings.grant_types.retain(|grant_type| *grant_type != GrantType::Password);
        self
    }

    /// Switches the client credentials grant off (RFC 6749 §4.4): no client gets a token of its own.
    pub fn without_client_credentials_grant(mut self) -> Self {
        self.authority.settings.grant_types.retain(|grant_type| *grant_type != GrantType::ClientCredentials);
        self
    }

    /// Wants `grant_type` in every token request, as RFC 6749 §4.3.2 has it and tutorials' clients do not.
    pub fn require_grant_type(mut self) -> Self {
        self.authority.settings.grant_type_parameter = GrantTypeParameter::Required;
        self
    }

    /// How passwords are hashed: threads, how many wait and how long, priority and cost.
    pub fn hashing(mut self, settings: HashingSettings) -> Self {
        self.authority.hashing = settings;
        self
    }

    /// What a password must fulfil that a user sets: eight characters, not common, not made of the user's names or the
    /// title of the API by default.
    pub fn password_policy(mut self, policy: PasswordPolicy) -> Self {
        self.authority.settings.password_policy = policy;
        self
    }

    /// Passwords that no user may set, beside the common ones: a [`BlocklistFile`](crate::BlocklistFile), or a list of yours.
    /// While it cannot be read, no password is changed, and the answer is 503.
    pub fn password_blocklist(mut self, list: impl Blocklist) -> Self {
        self.authority.settings.password_blocklist = Some(Arc::new(list));
        self
    }

    /// How guesses at passwords and client secrets are slowed: by default an account waits after 10 failures from 30
    /// seconds up to 15 minutes, and a source after 50.
    pub fn throttle(mut self, settings: ThrottleSettings) -> Self {
        self.authority.settings.throttle = Some(settings);
        self
    }

    /// Slows no guesses: for development, and for tests that guess.
    pub fn without_throttle(mut self) -> Self {
        self.authority.settings.throttle = None;
        self
    }

    /// Where failed guesses are counted, if not in the memory of this process: for several replicas of one API.
    pub fn attempts(mut self, attempts: impl Attempts) -> Self {
        self.authority.attempts = Some(Arc::new(attempts));
        self
    }

    /// How many verified tokens are remembered, so that they pay for their signature once; 10,000 by default, about 12 MB
    /// when full. 0 verifies every token anew.
    pub fn remembered_tokens(mut self, most: usize) -> Self {
        self.authority.settings.remembered_tokens = most;
        self
    }

    /// How many users of the built-in table are remembered, so that a request of one costs no query; 10,000 by default, about
    /// 5 MB when full. 0 looks up the user of every request.
    ///
    /// What changes through this handle is seen at once, what another process changes within a second, and what somebody
    /// writes into the table with other means within a minute. Users of a [table of yours](Self::users) are never
    /// remembered.
    pub fn remembered_users(mut self, most: usize) -> Self {
        self.authority.settings.remembered_owners = most;
        self
    }

    /// Claims of your own, which each access token gets beside those of RFC 9068.
    pub fn claims(mut self, claims: impl ExtraClaims) -> Self {
        self.authority.claims = Some(Arc::new(claims));
        self
    }

    /// Checks the settings, starts the hashing threads and opens the key ring, making a key where there is none.
    ///
    /// # Errors
    /// [`StartError`]: what is wrong, and with which setting.
    pub async fn build(self) -> Result<OAuth2, StartError> {
        self.check()?;
        let Self { authority, common } = self;
        let Embedded { store, claims, attempts, mut settings, hashing, insecure_issuer } = authority;
        settings.audience = common.audience.clone();
        settings.leeway = common.leeway;
        let hashing = HashingPool::new(hashing, common.rng.clone()).map_err(StartError::Threads)?;
        let ports = Ports {
            store,
            owners: common.owners.clone(),
            hashing: Arc::new(hashing),
            clock: common.clock.clone(),
            rng: common.rng.clone(),
            claims,
            attempts,
        };
        if settings.grant_types.contains(&GrantType::Password) {
            tracing::info!(
                event = "start",
                outcome = "told",
                "the password grant is on: for your own clients only (RFC 9700 §2.4); \
                 the setting password_grant turns it off, in code without_password_grant"
            );
        }
        let server = Arc::new(AuthorizationServer::open(ports, settings).await?);
        common.finish(Authority::Here { server, insecure_issuer }, DEFAULT_SCHEME_NAME)
    }

    /// Whether an API of these settings may listen on `address`, as [`OAuth2::check_address`] says.
    ///
    /// # Errors
    /// As of [`OAuth2::check_address`].
    pub fn check_address(&self, address: SocketAddr) -> Result<(), StartError> {
        check_address(&self.authority.settings, self.authority.insecure_issuer, address)
    }

    /// Checks the settings, and nothing else: `build` does it again.
    ///
    /// # Errors
    /// [`StartError`]: what is wrong, and with which setting.
    pub fn check(&self) -> Result<(), StartError> {
        if let Some(issuer) = &self.authority.settings.issuer {
            check_issuer(issuer, self.authority.insecure_issuer)?;
        }
        if let KeyRotation::Every(period) = self.authority.settings.key_rotation
            && period < MIN_ROTATION
        {
            return Err(StartError::KeyRotation { shortest: MIN_ROTATION.as_secs() });
        }
        let lifetime = self.authority.settings.access_token_lifetime;
        if !(MIN_LIFETIME..=MAX_TOKEN_LIFETIME).contains(&lifetime) || lifetime.subsec_nanos() > 0 {
            return Err(StartError::Lifetime {
                shortest: MIN_LIFETIME.as_secs(),
                longest: MAX_TOKEN_LIFETIME.as_secs(),
            });
        }
        let refresh = self.authority.settings.refresh;
        let is_in_fractions =
            [refresh.idle, refresh.absolute, refresh.leeway].iter().any(|duration| duration.subsec_nanos() > 0);
        let is_short = refresh.idle.is_zero() || refresh.absolute < refresh.idle;
        if is_in_fractions || is_short || refresh.leeway > MAX_REFRESH_LEEWAY {
            return Err(StartError::RefreshLifetime { longest_leeway: MAX_REFRESH_LEEWAY.as_secs() });
        }
        if let Some(throttle) = self.authority.settings.throttle {
            let is_whole = throttle.longest_delay.subsec_nanos() == 0;
            let is_bounded = (1..=MAX_FAILURES).contains(&throttle.failures_per_account)
                && throttle.failures_per_source > 0
                && (MIN_LONGEST_DELAY..=MAX_LONGEST_DELAY).contains(&throttle.longest_delay);
            if !is_whole || !is_bounded {
                return Err(StartError::Throttle {
                    most: MAX_FAILURES,
                    shortest: MIN_LONGEST_DELAY.as_secs(),
                    longest: MAX_LONGEST_DELAY.as_secs(),
                });
            }
        }
        self.common.check()
    }
}
