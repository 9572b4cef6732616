//! The authorization server: orders the steps of a token request, and names no grant type.

mod clients;
mod feed;
#[cfg(any(test, feature = "testing"))]
mod for_tests;
mod introspection;
mod keys;
mod logins;
mod owners;
mod revocation;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

pub use self::{
    introspection::{ActiveToken, ActiveTokenKind, Introspection},
    logins::Kept,
    owners::PasswordChangeProblem,
    revocation::{RevocationSettings, WhenStale},
};
pub use crate::token::issue::{DEFAULT_LIFETIME, RefreshLifetimes, TokenResponse};
use crate::{
    client::{Client, auth},
    clock::{Clock, Rng, Timestamp},
    error::{BearerError, GrantProblem, OAuthError, RequestProblem},
    extra_claims::{ExtraClaims, IssuedFor, Map, Value},
    form::Form,
    grant::{self, Facts, Home},
    grant_record::{Decision, Source, VerifiedElsewhere},
    grant_type::GrantType,
    key::{KeyEncryptionKey, KeyRing, KeyRingError, KeyRotation, KeySettings, LiveKeys, SigningChoice},
    names::{Audience, ClientId, GrantId, Issuer, Subject},
    password::{HashingPool, PasswordPolicy},
    reason::Reason,
    resource_owner::{ResourceOwner, ResourceOwners},
    scope::Scope,
    store::{Store, StoreError},
    token::{
        AccessToken, BorrowedToken, TokenSubject,
        issue::{self, Issued, Mint},
        revoked::Revoked,
        seen::{DEFAULT_REMEMBERED_TOKENS, SeenTokens},
        verify::{self, Expected, Intended, Profile, TokenProblem},
    },
    token_format::TokenFormat,
};

/// How many token requests pass between two sweeps of what has expired.
const SWEEP_EVERY: usize = 64;

/// How much of each kind one sweep forgets: more than came in since the last, little enough that nobody waits for it.
pub const SWEEP_LIMIT: usize = 256;

/// How often a token request is decided upon: once, and again if the owner or the grant changed before it was recorded.
const MAX_DECISIONS: usize = 3;

/// How long ago the write may have been that won a race for a refresh token against this request.
const LOST_RACE: Duration = Duration::from_secs(60);

/// How long to wait for an owner who changes faster than requests are answered.
const OWNER_RETRY: Duration = Duration::from_secs(1);

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
    /// How many verified tokens are remembered, so that they need not be verified again; 10,000 by default, 0 for none.
    pub remembered_tokens: usize,
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
            remembered_tokens: DEFAULT_REMEMBERED_TOKENS,
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
    requests: AtomicUsize,
    seen: SeenTokens,
    revoked: Revoked,
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
        let seen = SeenTokens::new(settings.remembered_tokens);
        let (names, requests, revoked) = (OnceLock::new(), AtomicUsize::new(0), Revoked::new());
        let server = Self { ports, settings, keys, names, requests, seen, revoked };
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
        self.names_or(Issuer::new(DEFAULT_ISSUER))
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

    /// Answers a token request (RFC 6749 §3.2): `authorization` is the header of this name, `form` the body.
    ///
    /// # Errors
    /// [`OAuthError`], each as its variant says.
    pub async fn token(&self, authorization: Option<&str>, form: &Form) -> Result<TokenResponse, OAuthError> {
        // What is issued without a write is of the moment before the client was let in: what ends the client ends that too.
        let asked_at = self.ports.clock.now();
        let client = self.authenticate_client(authorization, form).await?;
        let grant_type = self.grant_type(&client, form)?;
        let now = self.ports.clock.now();
        self.refuse_if_cut(&client.id, now)?;
        self.keep_keys(now).await?;
        for round in 0..MAX_DECISIONS {
            match grant::decide(grant_type, self.facts(round), &client, form).await? {
                Decision::Issue(authorized) => {
                    let own = match &authorized.source {
                        // The author's claims are of users: for a client's own token, the author's code would look for
                        // a user by the client's name.
                        Source::Client => Map::new(),
                        Source::New { .. } | Source::Renewed(_) => {
                            self.own_claims(&authorized.subject, &client.id, &authorized.scope).await?
                        }
                    };
                    // Deciding took its time: what is issued lives from now on.
                    let now = match &authorized.source {
                        Source::Client => asked_at,
                        Source::New { .. } | Source::Renewed(_) => self.ports.clock.now(),
                    };
                    let keys = self.keys();
                    let mint = self.mint(&client, &keys, now);
                    let elsewhere = authorized.owner_elsewhere();
                    let issued = issue::issue(mint, client.id.clone(), authorized, own).await?;
                    let Issued::Tokens { response, grant } = issued else { continue };
                    if let (Some(owner), Some(grant)) = (elsewhere, grant)
                        && !self.still_stands(&owner, &grant).await?
                    {
                        continue;
                    }
                    self.sweep_now_and_then().await;
                    return Ok(response);
                }
                Decision::Again(again) => {
                    let own = self.own_claims(&again.grant.subject, &client.id, &again.scope).await?;
                    let keys = self.keys();
                    return issue::issue_again(self.mint(&client, &keys, asked_at), again, own).await;
                }
                Decision::Stolen(grant) => {
                    self.end_stolen(&grant).await?;
                    return Err(OAuthError::InvalidGrant(GrantProblem::RefreshToken));
                }
            }
        }
        Err(OAuthError::TemporarilyUnavailable { retry_after: OWNER_RETRY })
    }

    /// What a grant may look at, now, in its n-th try.
    fn facts(&self, round: usize) -> Facts<'_> {
        Facts {
            owners: self.owners(),
            home: if self.owners_are_in_store() { Home::Store } else { Home::Elsewhere },
            hashing: &self.ports.hashing,
            default_scope: &self.settings.default_scope,
            grants: &*self.ports.store,
            now: self.ports.clock.now(),
            refresh_leeway: self.refresh_leeway(round),
            audience: self.audience(),
        }
    }

    /// For how long the use of a refresh token may be tried again. Who lost a race in this very request is no thief,
    /// however long the winner's write took.
    fn refresh_leeway(&self, round: usize) -> Duration {
        let leeway = self.settings.refresh.leeway;
        if round == 0 || leeway.is_zero() { leeway } else { leeway.max(LOST_RACE) }
    }

    /// Whether an owner of the author's table still is what was verified, now that the grant is recorded; ends the grant if
    /// not. The author changes the table first and then ends grants, so one of the two finds it.
    async fn still_stands(&self, verified: &VerifiedElsewhere, grant: &GrantId) -> Result<bool, StoreError> {
        let owner = self.owners().find_by_subject(&verified.subject).await;
        let stands = matches!(&owner, Ok(Some(owner)) if owner.is_active()
            && (owner.password_hash.is_none() || owner.password_hash == verified.password_hash));
        if !stands {
            self.end_grant(grant).await?;
            owner?;
        }
        Ok(stands)
    }

    fn mint<'a>(&'a self, client: &Client, keys: &'a KeyRing, now: Timestamp) -> Mint<'a> {
        Mint {
            store: &*self.ports.store,
            keys,
            now,
            rng: &*self.ports.rng,
            issuer: self.issuer(),
            audience: self.audience(),
            format: client.token_format.unwrap_or(self.settings.token_format),
            lifetime: self.settings.access_token_lifetime,
            refresh: self.can_renew(client).then_some(self.settings.refresh),
        }
    }

    fn can_renew(&self, client: &Client) -> bool {
        self.settings.grant_types.contains(&GrantType::RefreshToken) && client.may_use(GrantType::RefreshToken)
    }

    /// The client that makes a request, to whichever endpoint: `authorization` is the header of this name, `form` the
    /// body. Where none is registered, or none is named, that is [`Client::built_in`], which proves nothing.
    ///
    /// # Errors
    /// - [`OAuthError::InvalidClient`]: a client is named that is unknown or disabled, or does not prove who it is by the
    ///   method that it is registered for.
    /// - [`OAuthError::InvalidRequest`]: it authenticates in two ways.
    /// - [`OAuthError::TemporarilyUnavailable`]: the store is away.
    pub async fn authenticate_client(&self, authorization: Option<&str>, form: &Form) -> Result<Client, OAuthError> {
        let door = auth::Door {
            store: &*self.ports.store,
            issuer: self.issuer(),
            leeway: self.settings.leeway,
            now: self.ports.clock.now(),
        };
        auth::authenticate(door, authorization, form).await
    }

    async fn own_claims(
        &self,
        subject: &Subject,
        client_id: &ClientId,
        scope: &Scope,
    ) -> Result<Map<String, Value>, StoreError> {
        let Some(claims) = &self.ports.claims else { return Ok(Map::new()) };
        claims.claims(IssuedFor { subject, client_id, scope }).await
    }

    /// Which grant type is asked for, if the server has it on and the client may use it.
    fn grant_type(&self, client: &Client, form: &Form) -> Result<GrantType, OAuthError> {
        let named = match form.find("grant_type") {
            Some(name) => GrantType::find_by_name(name).ok_or(OAuthError::UnsupportedGrantType)?,
            None if self.looks_like_a_login(form) => GrantType::Password,
            None => return Err(OAuthError::InvalidRequest(RequestProblem::Missing(vec!["grant_type"]))),
        };
        if !self.settings.grant_types.contains(&named) {
            return Err(OAuthError::UnsupportedGrantType);
        }
        match client.may_use(named) {
            true => Ok(named),
            // RFC 6749 §5.2, `invalid_client`: "no client authentication included".
            false if client.is_built_in() => Err(OAuthError::InvalidClient),
            false => Err(OAuthError::UnauthorizedClient),
        }
    }

    /// What is still missing of a login is then told as missing, and not the grant type.
    fn looks_like_a_login(&self, form: &Form) -> bool {
        self.settings.grant_type_parameter == GrantTypeParameter::Lenient
            && ["username", "password"].iter().any(|name| form.find(name).is_some())
    }

    /// Forgets some of what has expired, so that a store grows with what is alive and nobody keeps a timetable.
    async fn sweep_now_and_then(&self) {
        if !self.requests.fetch_add(1, Ordering::Relaxed).is_multiple_of(SWEEP_EVERY) {
            return;
        }
        if let Err(error) = self.sweep().await {
            tracing::warn!(%error, "what has expired could not be swept");
        }
    }

    /// Forgets at most [`SWEEP_LIMIT`] of each kind of thing that has expired, and says how many went.
    ///
    /// # Errors
    /// [`StoreError`]: the store is away; it is tried again.
    pub async fn sweep(&self) -> Result<usize, StoreError> {
        self.ports.store.sweep(self.ports.clock.now(), self.settings.refresh.leeway, SWEEP_LIMIT).await
    }

    /// Verifies an access token (RFC 9068 §4). The log tells what is wrong with it, the client hears one answer.
    ///
    /// # Errors
    /// - [`BearerError::InvalidToken`], with the reason.
    /// - [`BearerError::TemporarilyUnavailable`]: nobody knows, because the store is away: whether it is one of ours, if
    ///   it is opaque; or for too long what has ended (see [`RevocationSettings`]).
    pub async fn verify<'t>(&self, token: impl Into<BorrowedToken<'t>>) -> Result<AccessToken, BearerError> {
        let (token, now) = (token.into(), self.ports.clock.now());
        self.keep_up(now).await?;
        let verified = if verify::is_opaque(token) {
            verify::verify_opaque(token, self.intended(), &*self.ports.store, now).await?
        } else {
            self.verify_signed(token, now).await?
        };
        let believed = verified
            .and_then(|token| if self.revoked.has_ended(&token) { Err(TokenProblem::Revoked) } else { Ok(token) });
        believed.map_err(|problem| {
            let reason = Reason::from(problem);
            tracing::debug!(event = "verify", outcome = "denied", %reason, "a token was refused");
            BearerError::InvalidToken(reason)
        })
    }

    /// Verifies a token by its signature. One of a key that is unknown here may be of a key that came since.
    async fn verify_signed(
        &self,
        token: BorrowedToken<'_>,
        now: Timestamp,
    ) -> Result<Result<AccessToken, TokenProblem>, StoreError> {
        let tried = {
            let keys = self.keys.glance();
            match self.seen.verify(token, self.expected(&keys), &*self.ports.clock) {
                Err(TokenProblem::UnknownKey) => keys.number(),
                decided => return Ok(decided),
            }
        };
        if !self.has_newer_keys(tried, now).await? {
            return Ok(Err(TokenProblem::UnknownKey));
        }
        Ok(self.seen.verify(token, self.expected(&self.keys.glance()), &*self.ports.clock))
    }

    /// What a token for this API must be.
    fn expected<'a>(&'a self, keys: &'a KeyRing) -> Expected<'a> {
        let Intended { issuer, audience, leeway } = self.intended();
        Expected { keys, profile: Profile::Rfc9068, issuer, audience, leeway }
    }

    /// Whose it must be, and for whom.
    fn intended(&self) -> Intended<'_> {
        let (issuer, audience) = self.names();
        Intended { issuer, audience, leeway: self.settings.leeway }
    }

    /// The owner of a verified token, as long as the owner is active.
    ///
    /// # Errors
    /// - [`BearerError::InvalidToken`]: the token is a client's own ([`Reason::NotAUser`]), or the owner is gone
    ///   ([`Reason::OwnerGone`]) or disabled ([`Reason::OwnerDisabled`]).
    /// - [`BearerError::TemporarilyUnavailable`]: it cannot be known now.
    pub async fn find_active_owner(&self, token: &AccessToken) -> Result<ResourceOwner, BearerError> {
        // Whatever the table of users says: it may be the author's, and have a user of the client's name.
        if token.whose() == TokenSubject::Client {
            return Err(BearerError::InvalidToken(Reason::NotAUser));
        }
        let owner = self.owners().find_by_subject(token.subject()).await?;
        let reason = match owner {
            Some(owner) if owner.is_active() => return Ok(owner),
            Some(_) => Reason::OwnerDisabled,
            None => Reason::OwnerGone,
        };
        Err(BearerError::InvalidToken(reason))
    }
}
