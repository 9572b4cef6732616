//! Tests of tokens: forged in every way we know of, and refused.

mod claims;
mod forged;
mod shape;

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{
    AccessToken, BearerToken,
    verify::{Expected, TokenProblem, verify},
};
use crate::{
    clock::{Timestamp, TurnableClock},
    jose::{BASE64URL, HmacSecret},
    key::{KeyPairAlgorithm, KeyRing, SigningChoice},
    names::{Audience, Issuer},
    store::memory::Memory,
};
use base64::Engine;

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://api.example.com";
const AUDIENCE: &str = "https://items.example.com";
const LEEWAY: Duration = Duration::from_secs(5);

/// A verifier, and all that a forger could wish for: its own keys.
struct Forge {
    keys: KeyRing,
    clock: Arc<TurnableClock>,
}

impl Forge {
    async fn new(choice: SigningChoice) -> Self {
        let clock = Arc::new(TurnableClock::at(Timestamp::from_seconds(NOW)));
        Self { keys: KeyRing::open(&Memory::new(), &choice, &*clock).await.unwrap(), clock }
    }

    async fn es256() -> Self {
        Self::new(SigningChoice::KeyPair(KeyPairAlgorithm::Es256)).await
    }

    /// One of each algorithm.
    async fn all() -> [Self; 3] {
        let secret = HmacSecret::new("q3Z!r8Lk0vWn5xTb7yHc2mJd9pSf4gAe").unwrap();
        [
            Self::es256().await,
            Self::new(SigningChoice::KeyPair(KeyPairAlgorithm::EdDsa)).await,
            Self::new(SigningChoice::Secret(secret)).await,
        ]
    }

    fn header(&self) -> Value {
        json!({ "alg": self.keys.algorithm().name(), "kid": self.keys.signing().id.as_str(), "typ": "at+jwt" })
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
        let signature = self.keys.signing().sign(input.as_bytes()).unwrap();
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

    fn verify(&self, token: &str) -> Result<AccessToken, TokenProblem> {
        let (issuer, audience) = (Issuer::new(ISSUER), Audience::new(AUDIENCE));
        let expected = Expected { keys: &self.keys, issuer: &issuer, audience: &audience, leeway: LEEWAY };
        verify(&BearerToken::new(token), expected, &*self.clock)
    }

    #[track_caller]
    fn refuses(&self, token: &str, problem: TokenProblem) {
        assert_eq!(self.verify(token).err(), Some(problem), "{token:.300}");
    }
}
