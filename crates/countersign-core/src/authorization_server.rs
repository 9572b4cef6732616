//! The authorization server: what it stands on and how it behaves.

mod clients;
mod feed;
#[cfg(any(test, feature = "testing"))]
mod for_tests;
mod introspection;
mod keys;
mod logins;
mod owners;
mod remembered;
mod revocation;
mod sweep;
mod token_request;
mod verification;

use std::{
    sync::{Arc, OnceLock, atomic::AtomicU64},
    time::Duration,
};

pub use self::{
    introspection::{ActiveToken, ActiveTokenKind, Introspection},
    logins::Kept,
    owners::{PasswordChange, PasswordChangeProblem},
    remembered::{DEFAULT_REMEMBERED_OWNERS, REMEMBERED_OWNER_AGE, SharedOwner},
    revocation::{RevocationSettings, WhenStale},
    sweep::SWEEP_LIMIT,
};
use self::{remembered::RememberedOwners, sweep::Sweeps};
pub use crate::token::issue::{DEFAULT_LIFETIME, RefreshLifetimes, TokenResponse};
use crate::{
    client::remembered::RememberedClients,
    clock::{Clock, Rng, Timestamp},
    extra_claims::ExtraClaims,
    form::Form,
    grant_type::GrantType,
    key::{KeyEncryptionKey, KeyRingError, KeyRotation, KeySettings, LiveKeys, SigningChoice},
    meters::{TokenMeters, VerificationMeters},
    names::{Audience, Issuer},
    password::{Blocklist, HashingPool, PasswordPolicy},
    resource_owner::ResourceOwners,
    scope::Scope,
    store::Store,
    throttle::{Attempts, Source, Throttle, ThrottleSettings},
    token::{
        revoked::Revoked,
        seen::{DEFAULT_REMEMBERED_TOKENS, SeenTokens},
        verify,
    },
    token_format::TokenFormat,
};

/// More than any version of a store.
const NO_VERSION: u64 = u64::MAX;

/// The issuer where nobody set one and nobody listens yet: good for tests, and for nothing that leaves the machine.
const DEFAULT_ISSUER: &str = "http://localhost";

/// What an authorization server stands on.
#[derive(Clone, Debug)]
pub struct Ports {
    /// What it remembers.
    pub store: Arc<dyn Store>,
    /// Who may log in, if that is the author's own table and not the store's.
    pub owners: Option<Arc<dyn ResourceOwners>>,
    /// Where passwords are hashed.
    pub hashing: Arc<HashingPool>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The randomness.
    pub rng: Arc<dyn Rng>,
    /// What the author adds to access tokens.
    pub claims: Option<Arc<dyn ExtraClaims>>,
    /// Where failed guesses are counted, if neither where [the store says](crate::store::OwnerRegistry::attempts) nor in the
    /// memory of this process.
    pub attempts: Option<Arc<dyn Attempts>>,
}

/// What somebody asks at one of the endpoints where clients prove who they are.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The header of this name.
    pub authorization: Option<&'a str>,
    /// The body.
    pub form: &'a Form,
    /// Where it comes from.
    pub source: Source,
}

impl<'a> Request<'a> {
    /// A request of which nobody knows where it comes from.
    #[must_use]
    pub const fn new(authorization: Option<&'a str>, form: &'a Form) -> Self {
        Self { authorization, form, source: Source::Unknown }
    }
}

/// How an authorization server behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name (RFC 8414 §2); without one it is told where it listens, by [`AuthorizationServer::settle_issuer`].
    pub issuer: Option<Issuer>,
    /// The API that its tokens are for; the issuer by default, for an API that issues its own.
    pub audience: Option<Audience>,
    /// How long an access token lives, in whole seconds; 15 minutes by default.
    pub access_token_lifetime: Duration,
    /// What access tokens look like; JWTs by default.
    pub token_format: TokenFormat,
    /// How long grants can be renewed.
    pub refresh: RefreshLifetimes,
    /// What is done while nobody knows what has ended.
    pub revocation: RevocationSettings,
    /// How far two clocks may be apart; 5 seconds by default.
    pub leeway: Duration,
    /// What is granted to those who ask for no scope; nothing by default.
    pub default_scope: Scope,
    /// The grant types that are on.
    pub grant_types: Vec<GrantType>,
    /// Whether `grant_type` must be there (RFC 6749 §4.3.2) or is taken as `password` where a user name or a
    /// password is.
    pub grant_type_parameter: GrantTypeParameter,
    /// What tokens are signed with.
    pub signing: SigningChoice,
    /// When keys are replaced; every 90 days by default.
    pub key_rotation: KeyRotation,
    /// What private keys rest under in the store; plain without it, the default.
    pub key_encryption: Option<KeyEncryptionKey>,
    /// What a password must fulfil that a user sets.
    pub password_policy: PasswordPolicy,
    /// Passwords that no user may set, beside the common ones; none by default.
    pub password_blocklist: Option<Arc<dyn Blocklist>>,
    /// How many verified tokens are remembered, so that they need not be verified again; 10,000 by default, 0 for none.
    pub remembered_tokens: usize,
    /// How guesses are slowed; `None` slows none.
    pub throttle: Option<ThrottleSettings>,
    /// How many owners of the built-in table are remembered, so that they need not be looked up again; 10,000 by default, 0
    /// for none.
    pub remembered_owners: usize,
}

/// Whether a token request must say its grant type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantTypeParameter {
    /// `password` is meant where it is absent and `username` or `password` is there: as tutorials' clients have it.
    Lenient,
    /// It must be there.
    Required,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: None,
            access_token_lifetime: DEFAULT_LIFETIME,
            token_format: TokenFormat::Jwt,
            refresh: RefreshLifetimes::default(),
            revocation: RevocationSettings::default(),
            leeway: verify::DEFAULT_LEEWAY,
            default_scope: Scope::empty(),
            grant_types: GrantType::ALL.to_vec(),
            grant_type_parameter: GrantTypeParameter::Lenient,
            signing: SigningChoice::default(),
            key_rotation: KeyRotation::default(),
            key_encryption: None,
            password_policy: PasswordPolicy::default(),
            password_blocklist: None,
            remembered_tokens: DEFAULT_REMEMBERED_TOKENS,
            throttle: Some(ThrottleSettings::default()),
            remembered_owners: DEFAULT_REMEMBERED_OWNERS,
        }
    }
}

/// Issues tokens and verifies its own.
#[derive(Debug)]
pub struct AuthorizationServer {
    ports: Ports,
    settings: Settings,
    keys: LiveKeys,
    names: OnceLock<(Issuer, Audience)>,
    seen: SeenTokens,
    remembered: RememberedOwners,
    clients: RememberedClients,
    revoked: Revoked,
    /// The store's version before the feed was last heard because of it; [`NO_VERSION`] if that is not known.
    heard_version: AtomicU64,
    throttle: Throttle,
    sweeps: Sweeps,
    token_meters: TokenMeters,
    verification_meters: VerificationMeters,
}

impl AuthorizationServer {
    /// Opens the key ring, making the first key where there is none, and hears what has ended before its time.
    ///
    /// # Errors
    /// [`KeyRingError`]: the store is away, or holds a key that cannot be used.
    pub async fn open(ports: Ports, settings: Settings) -> Result<Self, KeyRingError> {
        let of_keys = KeySettings {
            signing: settings.signing.clone(),
            rotation: settings.key_rotation,
            encryption: settings.key_encryption.clone(),
            token_life: settings.access_token_lifetime.saturating_add(settings.leeway),
        };
        let keys = LiveKeys::open(&*ports.store, of_keys, &*ports.clock).await?;
        let seen = SeenTokens::new(settings.remembered_tokens, &*ports.rng);
        let remembered = RememberedOwners::new(settings.remembered_owners, &*ports.rng);
        let revoked = Revoked::timed_by(ports.clock.stopwatch());
        let sweeps = Sweeps::timed_by(ports.clock.stopwatch());
        let attempts = ports.attempts.clone().or_else(|| ports.store.attempts());
        let throttle = Throttle::new(settings.throttle, attempts, ports.clock.clone());
        let (token_meters, verification_meters) = (TokenMeters::new(), VerificationMeters::new());
        let server = Self {
            ports,
            settings,
            keys,
            names: OnceLock::new(),
            seen,
            remembered,
            clients: RememberedClients::new(),
            revoked,
            heard_version: AtomicU64::new(NO_VERSION),
            throttle,
            sweeps,
            token_meters,
            verification_meters,
        };
        if let Some(issuer) = server.settings.issuer.clone() {
            server.settle_issuer(issuer);
        }
        server.hear_of_it().await?;
        Ok(server)
    }

    /// Says where the server listens, which is its name unless it has one. Once it has a name it keeps it.
    pub fn settle_issuer(&self, issuer: Issuer) -> &Issuer {
        &self.names_or(issuer).0
    }

    /// Its name.
    pub fn issuer(&self) -> &Issuer {
        &self.names().0
    }

    /// The API that its tokens are for.
    pub fn audience(&self) -> &Audience {
        &self.names().1
    }

    fn names(&self) -> &(Issuer, Audience) {
        match self.names.get() {
            Some(names) => names,
            None => self.names_or(Issuer::new(DEFAULT_ISSUER)),
        }
    }

    fn names_or(&self, issuer: Issuer) -> &(Issuer, Audience) {
        self.names.get_or_init(|| {
            let audience = self.settings.audience.clone().unwrap_or_else(|| Audience::new(issuer.as_str()));
            (issuer, audience)
        })
    }

    /// How it behaves.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Who may log in.
    #[must_use]
    pub fn owners(&self) -> &dyn ResourceOwners {
        match &self.ports.owners {
            Some(owners) => &**owners,
            None => &*self.ports.store,
        }
    }

    /// What it remembers.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.ports.store
    }

    /// Whether those who may log in are in the store's table, and not in one of the author's.
    #[must_use]
    pub const fn owners_are_in_store(&self) -> bool {
        self.ports.owners.is_none()
    }

    /// The present moment, by its clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// Where its randomness comes from.
    #[must_use]
    pub fn rng(&self) -> &dyn Rng {
        &*self.ports.rng
    }

    /// Where passwords are hashed.
    #[must_use]
    pub fn hashing(&self) -> &HashingPool {
        &self.ports.hashing
    }
}
