//! Tokens that were verified before, so that the next request with one does not pay for its signature again.

use std::{fmt, sync::atomic::Ordering};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::{
    AccessToken, BorrowedToken,
    revoked::Revoked,
    verify::{Expected, Profile, TokenProblem, verify_at},
};
use crate::{
    clock::{Clock, Rng, Timestamp},
    meters::CacheMeters,
    spread::{Remembered, remembered},
};

/// How many tokens are remembered by default: 12 MB of tokens as we issue them, at 1.2 KB each.
pub const DEFAULT_REMEMBERED_TOKENS: usize = 10_000;

/// The longest token that is remembered, in bytes: longer ones are rare, and would make the memory's size anybody's guess.
pub const MAX_REMEMBERED_BYTES: usize = 4 * 1024;

/// A token that nobody has looked for among those that have ended: more than is ever heard.
pub(super) const NEVER_LOOKED: u64 = u64::MAX;

/// A bounded memory of tokens whose signature held.
///
/// It knows a token by a name that is made of its whole string, and keeps what it says and never the string. What a
/// signature does not prove is looked at each time: issuer, audience and times; and the signature itself is looked at again
/// once the keys are of another [generation](crate::key::VerifyingKeys::generation). A token that was refused is not
/// remembered at all.
pub struct SeenTokens(Option<Memory>);

struct Memory {
    names: Names,
    seen: Remembered<Name, Seen>,
    meters: CacheMeters,
}

#[derive(Clone)]
struct Seen {
    token: AccessToken,
    profile: Profile,
    generation: u64,
}

impl SeenTokens {
    /// Remembers at most so many tokens; with 0 none, and every token is verified anew.
    #[must_use]
    pub fn new(most: usize, rng: &dyn Rng) -> Self {
        let names = (most > 0).then(|| Names::new(rng)).flatten();
        Self(names.map(|names| Memory { names, seen: remembered(most, rng), meters: CacheMeters::new() }))
    }

    /// How many tokens are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |memory| memory.seen.len())
    }

    /// Whether none is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Verifies an access token as [`verify`](super::verify::verify) does, and always to the same end.
    ///
    /// # Errors
    /// [`TokenProblem`] (`invalid_token`): why, for the log.
    pub fn verify<'t>(
        &self,
        token: impl Into<BorrowedToken<'t>>,
        expected: Expected<'_>,
        clock: &dyn Clock,
    ) -> Result<AccessToken, TokenProblem> {
        self.verify_at(token.into(), expected, clock.now())
    }

    /// A token that is remembered and good, and has not ended before its time. One memory always asks the same `revoked`: what
    /// was looked for since the last news is not looked for again.
    ///
    /// It takes bytes of which nobody knows yet whether they could be a token at all. They are known by all of them, so those
    /// that are remembered are the very bytes that were looked at when they were verified.
    pub(crate) fn recall(
        &self,
        token: &[u8],
        expected: Expected<'_>,
        revoked: &Revoked,
        now: Timestamp,
    ) -> Option<AccessToken> {
        let memory = self.memory_for(token)?;
        let known = memory.find(&memory.names.of(token)?, expected, now)?;
        expected.intended().check(&known.0, now).ok()?;
        let lasts = known.lasts(revoked);
        memory.meters.hit.increment(u64::from(lasts));
        lasts.then_some(known)
    }

    /// A token whose signature is known to hold, whoever it is for and until when.
    pub(crate) fn recall_issued(
        &self,
        token: BorrowedToken<'_>,
        expected: Expected<'_>,
        now: Timestamp,
    ) -> Option<AccessToken> {
        let memory = self.memory_for(token.secret().as_bytes())?;
        let known = memory.find(&memory.names.of(token.secret().as_bytes())?, expected, now)?;
        if known.0.issuer != *expected.issuer {
            return None;
        }
        memory.meters.hit.increment(1);
        Some(known)
    }

    /// Remembers a token whose signature holds by these keys.
    pub(crate) fn remember_issued(
        &self,
        token: BorrowedToken<'_>,
        verified: &AccessToken,
        expected: Expected<'_>,
        now: Timestamp,
    ) {
        let memory = self.memory_for(token.secret().as_bytes());
        let Some((memory, name)) =
            memory.and_then(|memory| Some((memory, memory.names.of(token.secret().as_bytes())?)))
        else {
            return;
        };
        memory.meters.miss.increment(1);
        let (profile, generation) = (expected.profile, expected.keys.generation(now));
        memory.seen.insert(name, Seen { token: verified.clone(), profile, generation });
    }

    /// [`SeenTokens::verify`] for a token that must not have ended before its time either. Whether it
    /// [may have](Revoked::may_have_ended) is still to be asked.
    pub(crate) fn verify_lasting(
        &self,
        token: BorrowedToken<'_>,
        expected: Expected<'_>,
        revoked: &Revoked,
        now: Timestamp,
    ) -> Result<AccessToken, TokenProblem> {
        let token = self.verify_at(token, expected, now)?;
        if !token.lasts(revoked) && revoked.has_ended(&token) { Err(TokenProblem::Revoked) } else { Ok(token) }
    }

    /// The memory, if a token of this length is remembered.
    fn memory_for(&self, token: &[u8]) -> Option<&Memory> {
        self.0.as_ref().filter(|_| token.len() <= MAX_REMEMBERED_BYTES)
    }

    fn verify_at(
        &self,
        token: BorrowedToken<'_>,
        expected: Expected<'_>,
        now: Timestamp,
    ) -> Result<AccessToken, TokenProblem> {
        let bytes = token.secret().as_bytes();
        let memory = self.memory_for(bytes);
        let Some((memory, name)) = memory.and_then(|memory| Some((memory, memory.names.of(bytes)?))) else {
            return verify_at(token, expected, now);
        };
        if let Some(known) = memory.find(&name, expected, now) {
            memory.meters.hit.increment(1);
            expected.intended().check(&known.0, now)?;
            return Ok(known);
        }
        let (profile, generation) = (expected.profile, expected.keys.generation(now));
        memory.meters.miss.increment(1);
        let verified = verify_at(token, expected, now)?;
        memory.seen.insert(name, Seen { token: verified.clone(), profile, generation });
        Ok(verified)
    }
}

/// What a token is known by: GMAC of its whole string (NIST SP 800-38D), under a key that this memory alone has.
///
/// A cryptographic hash costs more than all else that a guard does, and keeps strings apart even from somebody who can compute
/// it. Nobody can compute this one. The key is 256 random bits, drawn when the memory is made; neither it nor any name is
/// ever shown, and a token that has no good signature leaves no name behind. So whoever wants two strings with one name must
/// choose them blindly, and of all keys at most 258 in 2^128 give two of at most [`MAX_REMEMBERED_BYTES`] the same one: GHASH
/// is a polynomial of that degree (McGrew and Viega, 2004, Lemma 2), and that holds against any amount of computation.
/// That the nonce is always the same, which would be fatal where tags are sent, changes nothing where they are not: it adds
/// a constant. Names are not compared in constant time, since how far two agree tells nothing to who can compute neither;
/// and the memory spreads them by a keyed hash of its own, so that not even its timing shows one.
type Name = [u8; 16];

/// A name as a new memory makes it.
#[cfg(test)]
pub(super) fn name_for_test(rng: &dyn Rng, token: BorrowedToken<'_>) -> Option<Name> {
    Names::new(rng)?.of(token.secret().as_bytes())
}

/// Makes the names.
struct Names(LessSafeKey);

impl Names {
    /// `None` if the cryptographic library has no room for a key: then nothing is remembered.
    fn new(rng: &dyn Rng) -> Option<Self> {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill(&mut *key);
        UnboundKey::new(&AES_256_GCM, &*key).ok().map(|key| Self(LessSafeKey::new(key)))
    }

    fn of(&self, token: &[u8]) -> Option<Name> {
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(token), &mut []);
        tag.ok()?.as_ref().try_into().ok()
    }
}

impl Memory {
    /// The token of this name, whose signature holds by these keys.
    fn find(&self, name: &Name, expected: Expected<'_>, now: Timestamp) -> Option<AccessToken> {
        let seen = self.seen.get(name)?;
        let is_good = (seen.profile, seen.generation) == (expected.profile, expected.keys.generation(now));
        is_good.then_some(seen.token)
    }
}

impl AccessToken {
    /// Whether it has not ended before its time, and cannot have, looked for once for each time that something was heard.
    fn lasts(&self, revoked: &Revoked) -> bool {
        // Read first: what is heard while it is looked for is looked for again.
        let generation = revoked.generation();
        if self.0.looked_at.load(Ordering::Acquire) == generation {
            return true;
        }
        let lasts = !revoked.has_ended(self) && !revoked.may_have_ended(self);
        if lasts {
            self.0.looked_at.store(generation, Ordering::Release);
        }
        lasts
    }
}

impl fmt::Debug for SeenTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SeenTokens({} remembered)", self.len())
    }
}
