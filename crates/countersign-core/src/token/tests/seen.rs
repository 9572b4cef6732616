//! Tokens that were verified before: remembered whole, and believed no longer than others.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::json;

use super::{
    super::{
        revoked::Revoked,
        seen::{DEFAULT_REMEMBERED_TOKENS, MAX_REMEMBERED_BYTES, SeenTokens},
        verify::{Expected, Profile, TokenProblem},
    },
    AUDIENCE, Forge, ISSUER, LEEWAY, NOW,
};
use crate::{
    clock::{Clock as _, SeededRng, Timestamp},
    jose::{Algorithm, VerifyingKey},
    key::VerifyingKeys,
    names::{Audience, GrantId, Issuer, KeyId},
    store::{Ended, FeedEntry},
    token::{AccessToken, BearerToken, BorrowedToken},
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
        Self { forge, keys, seen: SeenTokens::new(most, &SeededRng::new(7)) }
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

    /// As a guard does it: from memory, and else anew.
    fn guard(&self, token: &str, revoked: &Revoked, memory_alone: bool) -> Result<AccessToken, TokenProblem> {
        let (issuer, audience) = (Issuer::new(ISSUER), Audience::new(AUDIENCE));
        let profile = Profile::Rfc9068;
        let expected = Expected { keys: &self.keys, profile, issuer: &issuer, audience: &audience, leeway: LEEWAY };
        let (token, now) = (BorrowedToken::new(token), self.forge.clock.now());
        match self.seen.recall(token.secret().as_bytes(), expected, revoked, now) {
            Some(known) => Ok(known),
            None if memory_alone => Err(TokenProblem::Inactive),
            None => self.seen.verify_lasting(token, expected, revoked, now),
        }
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
            assert_eq!(remembered.0.claims, verified.0.claims);
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

#[tokio::test]
async fn c21_a_token_that_was_seen_ends_when_that_is_heard() {
    let forge = Forge::es256().await;
    let until = Timestamp::from_seconds(NOW + 900);
    let tokens = |number: u64| forge.with_claim("jti", json!(number.to_string()));
    let ended = |number: u64| FeedEntry { number: 10 - number, ended: Ended::Token(number.to_string()), until };
    let (memory, revoked) = (Memory::of(&forge, 100), Revoked::new());
    // Numbers that fall are those of a feed that begins anew.
    for number in 1..4 {
        let token = tokens(number);
        assert!(memory.guard(&token, &revoked, true).is_err(), "it was not seen yet");
        assert!(memory.guard(&token, &revoked, false).is_ok());
        assert!(memory.guard(&token, &revoked, true).is_ok());
        revoked.hear(&[ended(number)]);
        for _ in 0..2 {
            assert_eq!(memory.guard(&token, &revoked, false).err(), Some(TokenProblem::Revoked));
        }
        let other = tokens(9);
        assert!(memory.guard(&other, &revoked, false).is_ok(), "another lives on");
        revoked.hear(&[FeedEntry { number: 20, ended: Ended::Grant(GrantId::new("another")), until }]);
        assert!(memory.guard(&other, &revoked, true).is_ok(), "and needs nothing but a look");
    }
}

#[tokio::test]
async fn i8_what_was_issued_before_the_store_was_put_back_has_ended() {
    let forge = Forge::es256().await;
    let (memory, revoked) = (Memory::of(&forge, 100), Revoked::new());
    let bare = |issued_at: i64| {
        let mut claims = Forge::claims();
        claims["iat"] = json!(issued_at);
        claims.as_object_mut().unwrap().remove("grant_id");
        forge.sign(forge.header().to_string(), claims.to_string())
    };
    let [before, then, after] = [NOW - 100, NOW, NOW + 1].map(bare);
    let until = Timestamp::from_seconds(NOW + 900);
    let cut = |number, at| FeedEntry { number, ended: Ended::Everything(Timestamp::from_seconds(at)), until };
    for token in [&before, &then, &after] {
        assert!(memory.guard(token, &revoked, false).is_ok());
    }
    revoked.hear(&[cut(7, NOW)]);
    // An older one, heard again, takes nothing back.
    revoked.hear(&[cut(8, NOW - 50)]);
    for _ in 0..2 {
        for token in [&before, &then] {
            assert_eq!(memory.guard(token, &revoked, false).err(), Some(TokenProblem::Revoked));
        }
        assert!(memory.guard(&after, &revoked, true).is_ok(), "what came later lives");
    }
    revoked.hear(&[cut(9, NOW + 1)]);
    assert_eq!(memory.guard(&after, &revoked, false).err(), Some(TokenProblem::Revoked));
}

#[tokio::test]
async fn b15_what_the_memory_knows_is_held_against_all_that_verifying_is() {
    let forge = Forge::es256().await;
    let (memory, revoked) = (Memory::of(&forge, 100), Revoked::new());
    let token = forge.with_claim("nbf", json!(NOW));
    memory.guard(&token, &revoked, false).unwrap();
    let leeway = LEEWAY.as_secs();
    for (forward, by, good) in
        [(true, 900 + leeway - 1, true), (true, 900 + leeway, false), (false, leeway, true), (false, leeway + 1, false)]
    {
        let by = Duration::from_secs(by);
        let turn = |forward| if forward { forge.clock.forward(by) } else { forge.clock.back(by) };
        turn(forward);
        assert_eq!(memory.guard(&token, &revoked, true).is_ok(), good, "{by:?}");
        turn(!forward);
    }
    assert!(memory.guard(&token, &revoked, true).is_ok());
    memory.keys.generation.store(1, Ordering::SeqCst);
    assert!(memory.guard(&token, &revoked, true).is_err(), "the keys changed");
    memory.keys.generation.store(0, Ordering::SeqCst);
    let (issuer, audience) = (Issuer::new(ISSUER), Audience::new("https://other"));
    let expected = Expected {
        keys: &memory.keys,
        profile: Profile::Rfc9068,
        issuer: &issuer,
        audience: &audience,
        leeway: LEEWAY,
    };
    let now = Timestamp::from_seconds(NOW);
    assert!(memory.seen.recall(token.as_bytes(), expected, &revoked, now).is_none());
}

#[tokio::test]
async fn b15_two_memories_give_one_token_two_names() {
    let token = BorrowedToken::new("a.b.c");
    let names = [1, 2].map(|seed| super::super::seen::name_for_test(&SeededRng::new(seed), token));
    assert_ne!(names[0], names[1], "the name is made with the memory's own key");
    assert_eq!(names[0], super::super::seen::name_for_test(&SeededRng::new(1), token));
}
