//! From settings to the library's own types: what is checked here is how settings go together.

use std::{fs::File, io::Read, num::NonZeroUsize, path::Path, time::Duration};

use countersign::{
    BlocklistFile, Builder, Connections, DocsPage, ForwardedHeader, KeyPairAlgorithm, RevocationSettings,
    SigningChoice, ThrottleSettings, TokenFormat, WhenStale,
    core::{
        jose::HmacSecret,
        key::{KeyEncryptionKey, KeyRotation, KeySettings},
        password::{Argon2Cost, HashingPriority, HashingSettings, PasswordPolicy},
    },
};
use zeroize::Zeroizing;

use super::{
    Problem, Settings,
    value::{AccessTokenFormat, Forwarding, Rotation, SigningAlgorithm, Staleness, Switch},
};

/// The longest secret file that is read, in bytes.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

const SECONDS_OF_A_DAY: u64 = 24 * 60 * 60;

const SECRET_NEEDED: &str = "signing_algorithm HS256 needs a secret: set hs256_secret_file";

impl Settings {
    /// Checks what no setting can check alone.
    pub(super) fn check(&self) -> Result<(), Problem> {
        self.cost()?;
        if self.refresh_token_lifetime.0 < self.refresh_token_idle.0 {
            return Err(Problem::Together(
                "refresh_token_lifetime is less than refresh_token_idle: a token cannot lie unused for longer than its \
                 login lasts"
                    .to_owned(),
            ));
        }
        if let Some(most) = &self.max_connections_per_source
            && most.0 > self.max_connections.0
        {
            return Err(Problem::Together(
                "max_connections_per_source is more than max_connections: one source cannot have more than all"
                    .to_owned(),
            ));
        }
        match (self.signing_algorithm, &self.hs256_secret_file) {
            (SigningAlgorithm::Hs256, None) => Err(Problem::Together(SECRET_NEEDED.to_owned())),
            (SigningAlgorithm::Es256 | SigningAlgorithm::EdDsa | SigningAlgorithm::Rs256, Some(_)) => {
                Err(Problem::Together(
                    "hs256_secret_file is set, but signing_algorithm is not HS256: set one or leave out the other"
                        .to_owned(),
                ))
            }
            _ => Ok(()),
        }
    }

    /// Says all this to the library, but what tokens are signed with.
    pub(crate) fn configure(&self, builder: Builder) -> Result<Builder, Problem> {
        let mut builder = builder
            .access_token_lifetime(seconds(self.access_token_lifetime.0))
            .leeway(seconds(self.leeway.0))
            .default_scope(self.default_scope.clone())
            .declare_scopes(self.scopes.0.iter().cloned())
            .realm(&self.realm)
            .title(&self.title)
            .key_rotation(self.key_rotation())
            .remembered_tokens(self.remembered_tokens.0 as usize)
            .remembered_users(self.remembered_users.0 as usize)
            .password_policy(self.policy())
            .token_format(self.access_token_format())
            .refresh_token_lifetime(seconds(self.refresh_token_idle.0), seconds(self.refresh_token_lifetime.0))
            .refresh_leeway(seconds(self.refresh_leeway.0))
            .revocation(self.revocation())
            .throttle(self.throttling())
            .trusted_proxies(self.trusted_proxies.0.iter().copied())
            .forwarded_header(self.forwarding())
            .hashing(self.hashing()?);
        if let Some(issuer) = &self.issuer {
            builder = builder.issuer(issuer);
        }
        if let Some(audience) = &self.audience {
            builder = builder.audience(audience);
        }
        if self.allow_insecure_issuer == Switch::On {
            builder = builder.allow_insecure_issuer();
        }
        if self.password_grant == Switch::Off {
            builder = builder.without_password_grant();
        }
        if self.client_credentials_grant == Switch::Off {
            builder = builder.without_client_credentials_grant();
        }
        if self.refresh_tokens == Switch::Off {
            builder = builder.without_refresh_tokens();
        }
        if self.docs == Switch::Off {
            builder = builder.docs(DocsPage::off());
        }
        if self.developer_mode == Switch::On {
            builder = builder.developer_mode();
        }
        if self.require_grant_type == Switch::On {
            builder = builder.require_grant_type();
        }
        if self.throttle == Some(Switch::Off) {
            builder = builder.without_throttle();
        }
        Ok(builder)
    }

    const fn access_token_format(&self) -> TokenFormat {
        match self.token_format {
            AccessTokenFormat::Jwt => TokenFormat::Jwt,
            AccessTokenFormat::Opaque => TokenFormat::Opaque,
        }
    }

    /// What is done while nobody knows what has ended.
    fn revocation(&self) -> RevocationSettings {
        let when_stale = match self.when_stale {
            Staleness::Refuse => WhenStale::Refuse,
            Staleness::Accept => WhenStale::Accept,
        };
        RevocationSettings { max_staleness: seconds(self.revocation_max_staleness.0), when_stale }
    }

    /// How guesses are slowed, if they are.
    fn throttling(&self) -> ThrottleSettings {
        ThrottleSettings {
            failures_per_account: self.throttle_failures_per_account.0,
            failures_per_source: self.throttle_failures_per_source.0,
            longest_delay: seconds(self.throttle_longest_delay.0),
            ..ThrottleSettings::default()
        }
    }

    const fn forwarding(&self) -> ForwardedHeader {
        match self.forwarded_header {
            Forwarding::XForwardedFor => ForwardedHeader::XForwardedFor,
            Forwarding::Forwarded => ForwardedHeader::Forwarded,
        }
    }

    /// What tokens are signed with; reads the secret, if it is one.
    pub(crate) fn signing(&self) -> Result<SigningChoice, Problem> {
        match (self.signing_algorithm, &self.hs256_secret_file) {
            (SigningAlgorithm::Es256, _) => Ok(SigningChoice::KeyPair(KeyPairAlgorithm::Es256)),
            (SigningAlgorithm::EdDsa, _) => Ok(SigningChoice::KeyPair(KeyPairAlgorithm::EdDsa)),
            (SigningAlgorithm::Rs256, _) => Ok(SigningChoice::KeyPair(KeyPairAlgorithm::Rs256)),
            (SigningAlgorithm::Hs256, Some(path)) => {
                let unfit = |source| Problem::Secret { setting: "hs256_secret_file", path: path.clone(), source };
                let secret = read_secret(path).map_err(|error| unfit(error.into()))?;
                HmacSecret::new(secret.as_slice()).map(SigningChoice::Secret).map_err(|error| unfit(error.into()))
            }
            (SigningAlgorithm::Hs256, None) => Err(Problem::Together(SECRET_NEEDED.to_owned())),
        }
    }

    /// When keys are replaced.
    pub(crate) const fn key_rotation(&self) -> KeyRotation {
        match self.key_rotation {
            Rotation::Days(days) => KeyRotation::Every(Duration::from_secs(days as u64 * SECONDS_OF_A_DAY)),
            Rotation::Off => KeyRotation::Off,
        }
    }

    /// What private keys rest under, if they do; reads the key.
    pub(crate) fn key_encryption(&self) -> Result<Option<KeyEncryptionKey>, Problem> {
        let Some(path) = &self.key_encryption_key_file else { return Ok(None) };
        let unfit = |source| Problem::Secret { setting: "key_encryption_key_file", path: path.clone(), source };
        let key = read_secret(path).map_err(|error| unfit(error.into()))?;
        KeyEncryptionKey::parse(&key).map(Some).map_err(|error| unfit(error.into()))
    }

    /// What a command needs that looks after the keys without a server.
    pub(crate) fn keys(&self) -> Result<KeySettings, Problem> {
        let seconds = u64::from(self.access_token_lifetime.0) + u64::from(self.leeway.0);
        Ok(KeySettings {
            signing: self.signing()?,
            rotation: self.key_rotation(),
            encryption: self.key_encryption()?,
            token_life: Duration::from_secs(seconds),
        })
    }

    /// How many connections there may be, and how slow a client.
    pub(crate) fn connections(&self) -> Connections {
        Connections {
            most: self.max_connections.0,
            most_of_one: self.max_connections_per_source.map(|most| most.0),
            proxies: self.trusted_proxies.0.clone(),
            patience: seconds(self.client_timeout.0),
            idle: seconds(self.idle_timeout.0),
        }
    }

    /// How passwords are hashed.
    pub(crate) fn hashing(&self) -> Result<HashingSettings, Problem> {
        let cost = self.cost()?;
        let default = HashingSettings::of_cost(cost);
        let queue_per_thread = default.queue / default.threads;
        let threads = self.hash_threads.and_then(|threads| NonZeroUsize::new(threads.0 as usize));
        let threads = threads.unwrap_or(default.threads);
        let queue = self.hash_queue.map_or(queue_per_thread * threads.get(), |queue| queue.0 as usize);
        let longest_wait = seconds(self.hash_wait.0);
        let priority = match self.hash_nice.0 {
            0 => HashingPriority::Normal,
            steps => HashingPriority::Below(u8::try_from(steps).unwrap_or(u8::MAX)),
        };
        Ok(HashingSettings { threads, queue, longest_wait, priority, cost })
    }

    /// What a password that somebody sets must fulfil.
    pub(crate) const fn policy(&self) -> PasswordPolicy {
        PasswordPolicy { minimum_length: self.minimum_password_length.0 as usize }
    }

    /// Passwords that nobody may set, if there is a list of them; reads it.
    pub(crate) fn blocklist(&self) -> Result<Option<BlocklistFile>, Problem> {
        let Some(path) = &self.password_blocklist_file else { return Ok(None) };
        let unfit = |source| Problem::Blocklist { path: path.clone(), source };
        BlocklistFile::open(path).map(Some).map_err(unfit)
    }

    fn cost(&self) -> Result<Argon2Cost, Problem> {
        Argon2Cost::new(self.argon2_memory_kib.0, self.argon2_passes.0, self.argon2_lanes.0)
            .map_err(|error| Problem::Together(format!("argon2.memory_kib, argon2.passes and argon2.lanes: {error}")))
    }
}

fn seconds(whole: u32) -> Duration {
    Duration::from_secs(whole.into())
}

fn read_secret(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut secret = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES as usize));
    File::open(path)?.take(MAX_SECRET_BYTES).read_to_end(&mut secret)?;
    let without_newline = secret.strip_suffix(b"\n").map_or(secret.len(), <[u8]>::len);
    secret.truncate(without_newline);
    let without_return = secret.strip_suffix(b"\r").map_or(secret.len(), <[u8]>::len);
    secret.truncate(without_return);
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::{extract::ConnectInfo, http::Request};
    use countersign::{GrantType, Memory, OAuth2, core::authorization_server::RefreshLifetimes};

    use super::{
        super::{Settings, Written, table::TABLE},
        *,
    };

    async fn built(variables: &[(&str, &str)]) -> OAuth2 {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        let written = Written::in_environment(TABLE, variables).expect("names that are known");
        let settings = Settings::read(&written).expect("settings");
        settings.configure(OAuth2::new(Memory::new())).expect("a builder").build().await.expect("a handle")
    }

    #[tokio::test]
    async fn the_library_hears_how_logins_last_and_how_they_end() {
        let default = built(&[]).await;
        let of_library = OAuth2::new(Memory::new()).build().await.expect("a handle");
        let heard = |oauth2: &OAuth2| {
            let settings = oauth2.server().expect("a server").settings();
            let can_renew = settings.grant_types.contains(&GrantType::RefreshToken);
            (can_renew, settings.refresh, settings.token_format, settings.revocation, settings.password_policy)
        };
        assert_eq!(heard(&default), heard(&of_library), "the defaults are the library's");
        let set = built(&[
            ("COUNTERSIGN_REFRESH_TOKENS", "off"),
            ("COUNTERSIGN_REFRESH_TOKEN_IDLE", "60"),
            ("COUNTERSIGN_REFRESH_TOKEN_LIFETIME", "120"),
            ("COUNTERSIGN_REFRESH_LEEWAY", "0"),
            ("COUNTERSIGN_TOKEN_FORMAT", "opaque"),
            ("COUNTERSIGN_REVOCATION_MAX_STALENESS", "5"),
            ("COUNTERSIGN_WHEN_STALE", "accept"),
            ("COUNTERSIGN_MINIMUM_PASSWORD_LENGTH", "15"),
        ])
        .await;
        let refresh = RefreshLifetimes { idle: seconds(60), absolute: seconds(120), leeway: seconds(0) };
        let revocation = RevocationSettings { max_staleness: seconds(5), when_stale: WhenStale::Accept };
        let policy = PasswordPolicy { minimum_length: 15 };
        assert_eq!(heard(&set), (false, refresh, TokenFormat::Opaque, revocation, policy));
    }

    #[test]
    fn hashing_is_as_the_library_has_it_unless_it_is_set() {
        let hashing = |variables: &[(&str, &str)]| {
            let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
            let written = Written::in_environment(TABLE, variables).expect("names that are known");
            Settings::read(&written).expect("settings").hashing().expect("a cost")
        };
        assert_eq!(hashing(&[]), HashingSettings::default());
        let set = hashing(&[
            ("COUNTERSIGN_HASH_THREADS", "3"),
            ("COUNTERSIGN_HASH_QUEUE", "7"),
            ("COUNTERSIGN_HASH_WAIT", "9"),
            ("COUNTERSIGN_HASH_NICE", "12"),
            ("COUNTERSIGN_ARGON2_MEMORY_KIB", "47104"),
        ]);
        let (longest_wait, priority) = (seconds(9), HashingPriority::Below(12));
        let cost = Argon2Cost::new(47_104, 2, 1).expect("a cost");
        let threads = NonZeroUsize::new(3).expect("some");
        assert_eq!(set, HashingSettings { threads, queue: 7, longest_wait, priority, cost });
        assert_eq!(hashing(&[("COUNTERSIGN_HASH_NICE", "0")]).priority, HashingPriority::Normal);
    }

    #[test]
    fn connections_are_kept_as_the_library_does_unless_it_is_set() {
        let read = |variables: &[(&str, &str)]| {
            let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
            let written = Written::in_environment(TABLE, variables).expect("names that are known");
            Settings::read(&written).expect("settings").connections()
        };
        assert_eq!(read(&[]), Connections::default());
        let set = read(&[
            ("COUNTERSIGN_MAX_CONNECTIONS", "7"),
            ("COUNTERSIGN_MAX_CONNECTIONS_PER_SOURCE", "2"),
            ("COUNTERSIGN_TRUSTED_PROXIES", "10.0.0.0/8"),
            ("COUNTERSIGN_CLIENT_TIMEOUT", "3"),
            ("COUNTERSIGN_IDLE_TIMEOUT", "5"),
        ]);
        let proxies = vec!["10.0.0.0/8".parse().expect("a network")];
        let (patience, idle) = (seconds(3), seconds(5));
        assert_eq!(set, Connections { most: 7, most_of_one: Some(2), proxies, patience, idle });
    }

    #[tokio::test]
    async fn d13_the_library_hears_how_guesses_are_slowed_and_which_proxies_are_believed() {
        let default = built(&[]).await;
        let of_library = OAuth2::new(Memory::new()).build().await.expect("a handle");
        let slowed = |oauth2: &OAuth2| oauth2.server().expect("a server").settings().throttle;
        assert_eq!(slowed(&default), slowed(&of_library), "the defaults are the library's");
        assert_eq!(slowed(&built(&[("COUNTERSIGN_THROTTLE", "off")]).await), None);
        let set = built(&[
            ("COUNTERSIGN_THROTTLE_FAILURES_PER_ACCOUNT", "5"),
            ("COUNTERSIGN_THROTTLE_FAILURES_PER_SOURCE", "7"),
            ("COUNTERSIGN_THROTTLE_LONGEST_DELAY", "60"),
            ("COUNTERSIGN_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1"),
            ("COUNTERSIGN_FORWARDED_HEADER", "forwarded"),
        ])
        .await;
        let expected = ThrottleSettings {
            failures_per_account: 5,
            failures_per_source: 7,
            longest_delay: seconds(60),
            ..ThrottleSettings::default()
        };
        assert_eq!(slowed(&set), Some(expected));
        let mut request = Request::get("/").header("forwarded", "for=198.51.100.7");
        request = request.header("x-forwarded-for", "203.0.113.9").extension(ConnectInfo(peer("192.0.2.1:1")));
        let request = request.body(()).expect("a request");
        let source = |oauth2: &OAuth2| oauth2.source(request.extensions(), request.headers()).to_string();
        assert_eq!((source(&default).as_str(), source(&set).as_str()), ("192.0.2.1", "198.51.100.7"));
    }

    fn peer(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[tokio::test]
    async fn the_library_hears_of_what_to_remember_and_of_developer_mode() {
        let default = built(&[]).await;
        let of_library = OAuth2::new(Memory::new()).build().await.expect("a handle");
        let remembered = |oauth2: &OAuth2| {
            let settings = oauth2.server().map(countersign::core::authorization_server::AuthorizationServer::settings);
            settings.map(|settings| (settings.remembered_tokens, settings.remembered_owners))
        };
        assert_eq!(remembered(&default), remembered(&of_library), "the default is the library's");
        assert!(!default.is_in_developer_mode());
        let set = built(&[
            ("COUNTERSIGN_REMEMBERED_TOKENS", "7"),
            ("COUNTERSIGN_REMEMBERED_USERS", "8"),
            ("COUNTERSIGN_DEVELOPER_MODE", "on"),
        ])
        .await;
        assert_eq!(remembered(&set), Some((7, 8)));
        assert!(set.is_in_developer_mode());
    }
}
