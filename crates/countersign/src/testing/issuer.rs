//! An issuer whose keys the test holds: for an API that trusts tokens from elsewhere.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_core::{
    clock::{Clock, System, Timestamp},
    key::{HeldKey, KeyPairAlgorithm},
};
use serde_json::{Map, Value, json};

use super::{problem::TestError, signer::Signer, token_for::TokenFor};

/// An issuer whose keys the test holds. A clone is the same issuer: it rotates keys with the others.
///
/// ```
/// use countersign::{core::key::KeySet, testing::Issuer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let issuer = Issuer::new("https://issuer.example.com").audience("https://api.example.com");
/// let token = issuer.token("alice", "read:items")?;
/// assert_eq!(KeySet::parse(issuer.key_set().as_bytes())?.len(), 1);
///
/// issuer.rotate();
/// let newer = issuer.token("alice", "read:items")?;
/// // Both verify: the old key stays in the set.
/// assert_eq!(KeySet::parse(issuer.key_set().as_bytes())?.len(), 2);
/// # assert_ne!(token.split('.').next(), newer.split('.').next());
/// # Ok(())
/// # }
/// ```
///
/// With the feature `remote` it answers an API that believes its tokens, without a network:
///
/// ```
/// use countersign::{AccessToken, OAuth2, routing::get, testing::{self, Issuer}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> countersign::Result<()> {
/// let issuer = Issuer::new("https://issuer.example.com").audience("https://api.example.com");
/// let oauth2 = OAuth2::remote(issuer.name()).audience("https://api.example.com").fetch(issuer.clone()).build().await?;
/// let app = oauth2.router().route("/items", get(async |_: AccessToken| "items"));
/// testing::attack(app).signed_by(&issuer).await?.assert_held();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Issuer {
    name: String,
    audience: String,
    algorithm: KeyPairAlgorithm,
    clock: Arc<dyn Clock>,
    /// The newest at the end; never empty.
    keys: Arc<Mutex<Vec<Arc<HeldKey>>>>,
}

impl Issuer {
    /// An issuer of this name (`iss`), with one key for ES256. Its tokens are for itself, unless
    /// [`Issuer::audience`] says for whom.
    ///
    /// # Panics
    /// If the cryptographic library makes no key.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let algorithm = KeyPairAlgorithm::Es256;
        let keys = Arc::new(Mutex::new(vec![generate(algorithm)]));
        Self { audience: name.clone(), name, algorithm, clock: System::clock(), keys }
    }

    /// Its tokens are for this API (`aud`).
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = audience.into();
        self
    }

    /// It signs with keys of this algorithm.
    ///
    /// # Panics
    /// If the cryptographic library makes no key.
    #[must_use]
    pub fn algorithm(mut self, algorithm: KeyPairAlgorithm) -> Self {
        self.algorithm = algorithm;
        self.keys = Arc::new(Mutex::new(vec![generate(algorithm)]));
        self
    }

    /// It goes by this clock; the system's by default.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Its name (`iss`).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its public keys as it publishes them: a JWK set (RFC 7517 §5).
    #[must_use]
    pub fn key_set(&self) -> String {
        json!({ "keys": self.keys().iter().map(|key| key.public()).collect::<Vec<_>>() }).to_string()
    }

    /// Signs with a new key from now on. The old ones stay in the set, as long as tokens of theirs may be about.
    ///
    /// # Panics
    /// If the cryptographic library makes no key.
    pub fn rotate(&self) {
        let key = generate(self.algorithm);
        self.keys().push(key);
    }

    /// Takes all keys out of the set but the one that signs.
    pub fn retire_old_keys(&self) {
        let mut keys = self.keys();
        let older = keys.len() - 1;
        keys.drain(..older);
    }

    /// A token for this subject with these scopes, separated by spaces.
    ///
    /// # Errors
    /// [`TestError`]: `scope` is none, or it cannot be signed.
    pub fn token(&self, subject: &str, scope: &str) -> Result<String, TestError> {
        self.token_for(subject).scope(scope).sign_with(Map::<String, Value>::new(), subject)
    }

    /// A token for this subject, which may be told more of.
    pub fn token_for(&self, subject: &str) -> TokenFor {
        TokenFor::new(Some(Signer::Held(self.clone())), subject)
    }

    pub(super) fn audience_of_tokens(&self) -> &str {
        &self.audience
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn signing_key(&self) -> Arc<HeldKey> {
        let keys = self.keys();
        keys[keys.len() - 1].clone()
    }

    /// A test that panicked elsewhere leaves whole keys behind.
    fn keys(&self) -> MutexGuard<'_, Vec<Arc<HeldKey>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn generate(algorithm: KeyPairAlgorithm) -> Arc<HeldKey> {
    #[expect(clippy::expect_used, reason = "a test that has no key has nothing to test")]
    Arc::new(HeldKey::generate(algorithm).expect("a key pair"))
}
