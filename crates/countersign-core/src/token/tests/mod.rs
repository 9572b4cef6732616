//! Tests of tokens: forged in every way we know of, and refused.

mod claims;
mod explained;
mod forged;
mod introspected;
mod others;
mod revoked;
mod seen;
mod shape;

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{
    AccessToken, BearerToken,
    explain::{Against, Finding, Verdict, explain},
    verify::{Expected, Profile, TokenProblem, verify},
};
use crate::{
    clock::{Clock, Timestamp, TurnableClock},
    jose::{
        Algorithm, BASE64URL, HmacSecret,
        tests::{OtherKey, own_rsa},
    },
    key::{
        KeyPairAlgorithm, KeyRing, KeyRingError, KeyRotation, KeySet, KeySettings, LiveKeys, SigningChoice,
        VerifyingKeys,
    },
    names::{Audience, Issuer},
    reason::Reason,
    store::{KeyRecord, Keys, memory::Memory},
};
use base64::Engine;

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://api.example.com";
const AUDIENCE: &str = "https://items.example.com";
const LEEWAY: Duration = Duration::from_secs(5);

/// A verifier, and all that a forger could wish for: its own keys.
struct Forge {
    hand: Hand,
    profile: Profile,
    clock: Arc<TurnableClock>,
}

/// The ring of a server that starts now.
async fn open_ring(store: &dyn Keys, choice: &SigningChoice, clock: &dyn Clock) -> Result<Arc<KeyRing>, KeyRingError> {
    let settings = KeySettings {
        signing: choice.clone(),
        rotation: KeyRotation::default(),
        encryption: None,
        token_life: Duration::from_secs(905),
    };
    LiveKeys::open(store, settings, clock).await.map(|live| live.ring())
}

/// Who signs: we ourselves, or another issuer whose key set we have.
enum Hand {
    Ours(Arc<KeyRing>),
    Other { key: OtherKey, algorithm: &'static str, set: KeySet },
}

impl Forge {
    async fn new(choice: SigningChoice) -> Self {
        let clock = clock();
        let keys = open_ring(&Memory::new(), &choice, &*clock).await.unwrap();
        Self { hand: Hand::Ours(keys), profile: Profile::Rfc9068, clock }
    }

    async fn es256() -> Self {
        Self::new(SigningChoice::KeyPair(KeyPairAlgorithm::Es256)).await
    }

    async fn eddsa() -> Self {
        Self::new(SigningChoice::KeyPair(KeyPairAlgorithm::EdDsa)).await
    }

    /// Always with the same key.
    async fn rs256() -> Self {
        let (clock, store) = (clock(), Memory::new());
        let (id, private_key) = own_rsa();
        let signs_from = Timestamp::from_seconds(NOW);
        let record = KeyRecord {
            id,
            algorithm: Algorithm::Rs256.into(),
            private_key: private_key.into(),
            signs_from,
            verifies_until: None,
            withdrawn_at: None,
        };
        store.put_first_key(&record).await.unwrap();
        let choice = SigningChoice::KeyPair(KeyPairAlgorithm::Rs256);
        let keys = open_ring(&store, &choice, &*clock).await.unwrap();
        Self { hand: Hand::Ours(keys), profile: Profile::Rfc9068, clock }
    }

    /// Another issuer with one key; RSA keys have no `alg`, as RFC 7517 §4.4 allows.
    fn other(algorithm: &'static str) -> Self {
        let key = if algorithm == "ES384" { OtherKey::p384() } else { OtherKey::rsa() };
        let mut jwk = key.jwk();
        jwk["kid"] = json!("theirs");
        let set = KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
        Self { hand: Hand::Other { key, algorithm, set }, profile: Profile::Rfc9068, clock: clock() }
    }

    /// One of each algorithm that we sign with, and of each that others do.
    async fn all() -> [Self; 7] {
        let secret = HmacSecret::new("q3Z!r8Lk0vWn5xTb7yHc2mJd9pSf4gAe").unwrap();
        [
            Self::es256().await,
            Self::eddsa().await,
            Self::rs256().await,
            Self::new(SigningChoice::Secret(secret)).await,
            Self::other("RS256"),
            Self::other("PS256"),
            Self::other("ES384"),
        ]
    }

    /// The same keys, for issuers that follow no profile.
    fn plain(self) -> Self {
        Self { profile: Profile::Plain, ..self }
    }

    fn ring(&self) -> &KeyRing {
        match &self.hand {
            Hand::Ours(ring) => ring,
            Hand::Other { .. } => panic!("the keys of others are a set"),
        }
    }

    fn keys(&self) -> &dyn VerifyingKeys {
        match &self.hand {
            Hand::Ours(ring) => &**ring,
            Hand::Other { set, .. } => set,
        }
    }

    fn algorithm(&self) -> &'static str {
        match &self.hand {
            Hand::Ours(ring) => ring.algorithm().name(),
            Hand::Other { algorithm, .. } => algorithm,
        }
    }

    /// The public key, if there is one.
    fn jwk(&self) -> Option<Value> {
        match &self.hand {
            Hand::Ours(ring) => {
                ring.published(Timestamp::from_seconds(NOW)).keys.first().map(|jwk| serde_json::to_value(jwk).unwrap())
            }
            Hand::Other { key, .. } => Some(key.jwk()),
        }
    }

    fn header(&self) -> Value {
        let key_id = match &self.hand {
            Hand::Ours(ring) => ring.signing(Timestamp::from_seconds(NOW)).unwrap().id.as_str(),
            Hand::Other { .. } => "theirs",
        };
        json!({ "alg": self.algorithm(), "kid": key_id, "typ": "at+jwt" })
    }

    fn claims() -> Value {
        json!({
            "iss": ISSUER, "sub": "alice", "aud": AUDIENCE, "client_id": "app", "scope": "me",
            "iat": NOW, "exp": NOW + 900, "jti": "1", "grant_id": "g",
        })
    }

    /// Signs these bytes as header and payload, with the right key.
    fn sign(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        let input = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(payload));
        let signature = match &self.hand {
            Hand::Ours(ring) => ring.signing(Timestamp::from_seconds(NOW)).unwrap().sign(input.as_bytes()).unwrap(),
            Hand::Other { key, algorithm, .. } => key.sign(algorithm, input.as_bytes()),
        };
        format!("{input}.{}", BASE64URL.encode(signature))
    }

    fn good(&self) -> String {
        self.sign(self.header().to_string(), Self::claims().to_string())
    }

    fn with_claim(&self, name: &str, value: Value) -> String {
        let mut claims = Self::claims();
        claims[name] = value;
        self.sign(self.header().to_string(), claims.to_string())
    }

    fn without_claim(&self, name: &str) -> String {
        let mut claims = Self::claims();
        claims.as_object_mut().unwrap().remove(name);
        self.sign(self.header().to_string(), claims.to_string())
    }

    fn with_header(&self, name: &str, value: Value) -> String {
        let mut header = self.header();
        header[name] = value;
        self.sign(header.to_string(), Self::claims().to_string())
    }

    fn without_header(&self, name: &str) -> String {
        let mut header = self.header();
        header.as_object_mut().unwrap().remove(name);
        self.sign(header.to_string(), Self::claims().to_string())
    }

    fn verify(&self, token: &str) -> Result<AccessToken, TokenProblem> {
        let (issuer, audience) = (Issuer::new(ISSUER), Audience::new(AUDIENCE));
        let (keys, profile) = (self.keys(), self.profile);
        let expected = Expected { keys, profile, issuer: &issuer, audience: &audience, leeway: LEEWAY };
        let token = BearerToken::new(token);
        let verified = verify(&token, expected, &*self.clock);
        self.agrees(&token, expected, verified.as_ref().err().copied());
        verified
    }

    /// Whatever token any test tries: the explanation says what the verifier says, and shows nothing that it should not.
    #[track_caller]
    fn agrees(&self, token: &BearerToken, expected: Expected<'_>, problem: Option<TokenProblem>) {
        let Expected { keys, profile, issuer, audience, leeway } = expected;
        let against = Against {
            issuer: Some(issuer),
            audience: Some(audience),
            keys: Some(keys),
            profile: Some(profile),
            leeway: Some(leeway),
            needed: None,
        };
        let explanation = explain(token, &against, &*self.clock);
        let shown = explanation.to_string();
        assert_eq!(explanation.reason, problem.map(Reason::from), "{shown}");
        let fails = |finding: &Finding| finding.verdict == Verdict::Fails;
        assert_eq!(explanation.findings.iter().any(fails), problem.is_some(), "{shown}");
        assert!(explanation.findings.iter().filter(|it| fails(it)).all(|it| it.advice.is_some()), "{shown}");
        if problem.is_none() {
            let unknown = explanation.findings.iter().filter(|finding| finding.verdict == Verdict::Unknown);
            assert_eq!(unknown.map(|finding| finding.what).collect::<Vec<_>>(), ["scope"], "{shown}");
        }
        assert!(shown.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')), "{shown:?}");
        assert!(shown.len() < 16 * 1024, "{}", shown.len());
        let secrets = [Some(token.secret()), token.secret().rsplit_once('.').map(|(_, signature)| signature)];
        for secret in secrets.into_iter().flatten().filter(|secret| secret.len() > 40) {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[track_caller]
    fn refuses(&self, token: &str, problem: TokenProblem) {
        assert_eq!(self.verify(token).err(), Some(problem), "{token:.300}");
    }
}

fn clock() -> Arc<TurnableClock> {
    Arc::new(TurnableClock::at(Timestamp::from_seconds(NOW)))
}
