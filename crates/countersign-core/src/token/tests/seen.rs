//! Tokens that were verified before: remembered whole, and believed no longer than others.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::json;

use super::{
    super::{
        seen::{DEFAULT_REMEMBERED_TOKENS, MAX_REMEMBERED_BYTES, SeenTokens},
        verify::{Expected, Profile, TokenProblem},
    },
    AUDIENCE, Forge, ISSUER, LEEWAY, NOW,
};
use crate::{
    clock::Timestamp,
    jose::{Algorithm, VerifyingKey},
    key::VerifyingKeys,
    names::{Audience, Issuer, KeyId},
    token::{AccessToken, BearerToken},
};

/// Keys that count how often somebody asked for one, and that a test can change.
#[derive(Debug)]
struct Counting<'f> {
    keys: &'f dyn VerifyingKeys,
    asked: AtomicUsize,
    generation: AtomicU64,
    gone: AtomicU64,
}

impl VerifyingKeys for Counting<'_> {
    fn find(&self, id: Option<&KeyId>, algorithm: &str, now: Timestamp) -> Option<&VerifyingKey> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        (self.gone.load(Ordering::SeqCst) == 0).then(|| self.keys.find(id, algorithm, now)).flatten()
    }

    fn known(&self, now: Timestamp) -> Vec<(&KeyId, Algorithm)> {
        self.keys.known(now)
    }

    fn generation(&self, _: Timestamp) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }
}

/// A verifier with a memory.
struct Memory<'f> {
    forge: &'f Forge,
    keys: Counting<'f>,
    seen: SeenTokens,
}

impl<'f> Memory<'f> {
    fn of(forge: &'f Forge, most: usize) -> Self {
        let keys = Counting {
            keys: forge.keys(),
            asked: AtomicUsize::default(),
            generation: AtomicU64::default(),
            gone: AtomicU64::default(),
        };
        Self { forge, keys, seen: SeenTokens::new(most) }
    }

    fn verify_for(
        &self,
        token: &str,
        profile: Profile,
        issuer: &str,
        audience: &str,
    ) -> Result<AccessToken, TokenProblem> {
        let (issuer, audience) = (Issuer::new(issuer), Audience::new(audience));
        let expected = Expected { keys: &self.keys, profile, issuer: &issuer, audience: &audience, leeway: LEEWAY };
        self.seen.verify(&BearerToken::new(token), expected, &*self.forge.clock)
    }

    fn verify(&self, token: &str) -> Result<AccessToken, TokenProblem> {
        self.verify_for(token, Profile::Rfc9068, ISSUER, AUDIENCE)
    }

    /// How often a key was looked for: each time that a signature was verified.
    fn asked(&self) -> usize {
        self.keys.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn b15_only_the_whole_token_is_known_again() {
    for forge in Forge::all().await {
        let memory = Memory::of(&forge, 100);
        let token = forge.good();
        memory.verify(&token).unwrap();
        let (input, signature) = token.rsplit_once('.').unwrap();
        let (header, payload) = input.split_once('.').unwrap();
        let last = if signature.ends_with('A') { "Q" } else { "A" };
        for forged in [
            // The same but for the last character, which of some signatures has bits that must be zero.
            format!("{input}.{}{last}", &signature[..signature.len() - 1]),
            format!("{input}.{}", signature.chars().rev().collect::<String>()),
            format!("{input}."),
            format!("{input}.{signature}A"),
            format!("{header}.{}.{signature}", payload.replacen(&payload[9..10], "_", 1)),
            token[..token.len() - 1].to_owned(),
            format!("{token}."),
            token.to_ascii_uppercase(),
        ] {
            assert_ne!(forged, token);
            for _ in 0..2 {
                assert!(memory.verify(&forged).is_err(), "{forged}");
            }
        }
        assert_eq!(memory.seen.len(), 1, "what was refused is not remembered");
        memory.verify(&token).unwrap();
    }
}

#[tokio::test]
async fn b15_tokens_that_begin_or_end_alike_are_each_their_own() {
    let forge = Forge::eddsa().await;
    let memory = Memory::of(&forge, 100);
    let tokens: Vec<_> = (0..20).map(|number| forge.with_claim("zz", json!(number))).collect();
    let alike = tokens.iter().all(|token| token[..64] == tokens[0][..64]);
    assert!(alike, "they differ behind their first 64 bytes only");
    for _ in 0..2 {
        for (number, token) in tokens.iter().enumerate() {
            assert_eq!(memory.verify(token).unwrap().claims()["zz"], number);
        }
    }
    assert_eq!((memory.asked(), memory.seen.len()), (20, 20));
}

#[tokio::test]
async fn a_token_pays_for_its_signature_once() {
    for forge in Forge::all().await {
        let (memory, off) = (Memory::of(&forge, 100), Memory::of(&forge, 0));
        let token = forge.good();
        for _ in 0..5 {
            let (remembered, verified) = (memory.verify(&token).unwrap(), off.verify(&token).unwrap());
            assert_eq!(remembered.0, verified.0);
        }
        assert_eq!((memory.asked(), off.asked()), (1, 5));
        assert_eq!((memory.seen.len(), off.seen.is_empty()), (1, true));
    }
}

#[tokio::test]
async fn c7_a_remembered_token_expires_as_others_do() {
    let forge = Forge::es256().await;
    let memory = Memory::of(&forge, 100);
    let token = forge.with_claim("nbf", json!(NOW));
    let turn = |seconds: i64| {
        let by = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 {
            forge.clock.back(by);
        } else {
            forge.clock.forward(by);
        }
    };
    let turned = |seconds: i64| {
        turn(seconds);
        let answer = memory.verify(&token).err();
        assert_eq!(answer, forge.verify(&token).err(), "as without the memory");
        turn(-seconds);
        answer
    };
    let leeway = i64::try_from(LEEWAY.as_secs()).unwrap();
    for (seconds, expected) in [
        (0, None),
        (900 + leeway - 1, None),
        (900 + leeway, Some(TokenProblem::Expired)),
        (-leeway, None),
        (-leeway - 1, Some(TokenProblem::NotYetValid)),
        (0, None),
    ] {
        assert_eq!(turned(seconds), expected, "{seconds}");
    }
    assert_eq!(memory.asked(), 1, "all but the first were remembered");
}

#[tokio::test]
async fn c7_an_expired_token_is_not_remembered_as_good_nor_as_bad() {
    let forge = Forge::es256().await;
    let memory = Memory::of(&forge, 100);
    let token = forge.good();
    forge.clock.forward(Duration::from_secs(1_000));
    assert_eq!(memory.verify(&token).err(), Some(TokenProblem::Expired));
    assert!(memory.seen.is_empty());
    forge.clock.back(Duration::from_secs(1_000));
    assert!(memory.verify(&token).is_ok());
}

#[tokio::test]
async fn i1_keys_of_another_generation_verify_anew() {
    let forge = Forge::es256().await;
    let memory = Memory::of(&forge, 100);
    let token = forge.good();
    memory.verify(&token).unwrap();
    memory.keys.gone.store(1, Ordering::SeqCst);
    assert!(memory.verify(&token).is_ok(), "the keys did not say that they changed");
    memory.keys.generation.store(1, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(memory.verify(&token).err(), Some(TokenProblem::UnknownKey));
    }
    memory.keys.gone.store(0, Ordering::SeqCst);
    let before = memory.asked();
    for _ in 0..2 {
        assert!(memory.verify(&token).is_ok());
    }
    assert_eq!(memory.asked(), before + 1, "and is remembered under the new generation");
}

#[tokio::test]
async fn b15_what_was_believed_for_one_api_is_not_believed_for_another() {
    let forge = Forge::es256().await;
    let memory = Memory::of(&forge, 100);
    let token = forge.with_header("typ", json!("JWT"));
    assert!(memory.verify_for(&token, Profile::Plain, ISSUER, AUDIENCE).is_ok());
    for _ in 0..2 {
        let refused = |profile, issuer, audience| memory.verify_for(&token, profile, issuer, audience).err();
        assert_eq!(refused(Profile::Plain, "https://other", AUDIENCE), Some(TokenProblem::OtherIssuer));
        assert_eq!(refused(Profile::Plain, ISSUER, "https://other"), Some(TokenProblem::OtherAudience));
        assert_eq!(refused(Profile::Rfc9068, ISSUER, AUDIENCE), Some(TokenProblem::OtherType));
    }
}

#[tokio::test]
async fn the_memory_is_bounded_in_tokens_and_in_bytes() {
    let forge = Forge::eddsa().await;
    let memory = Memory::of(&forge, 100);
    for number in 0..1_000 {
        memory.verify(&forge.with_claim("jti", json!(number.to_string()))).unwrap();
    }
    assert!((50..=100).contains(&memory.seen.len()), "{}", memory.seen.len());
    let shown = format!("{:?}", memory.seen);
    assert!(shown.starts_with("SeenTokens(") && shown.len() < 40, "{shown}");

    let memory = Memory::of(&forge, 100);
    let long = forge.with_claim("x", json!("x".repeat(MAX_REMEMBERED_BYTES)));
    for _ in 0..2 {
        memory.verify(&long).unwrap();
    }
    assert_eq!((memory.asked(), memory.seen.len()), (2, 0));
    assert_eq!(DEFAULT_REMEMBERED_TOKENS, 10_000);
}
