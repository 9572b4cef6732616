//! Tokens that were verified before, so that the next request with one does not pay for its signature again.

use std::fmt;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use quick_cache::sync::Cache;

use super::{
    AccessToken, BorrowedToken,
    verify::{Expected, Profile, TokenProblem, verify_at},
};
use crate::clock::Clock;

/// How many tokens are remembered by default: 12 MB of tokens as we issue them, at 1.2 KB each.
pub const DEFAULT_REMEMBERED_TOKENS: usize = 10_000;

/// The longest token that is remembered, in bytes: longer ones are rare, and would make the memory's size anybody's guess.
pub const MAX_REMEMBERED_BYTES: usize = 4 * 1024;

/// A bounded memory of tokens whose signature held.
///
/// It knows a token by the SHA-256 of its whole string, and keeps what it says and never the string. What a signature
/// does not prove is looked at each time: issuer, audience and times; and the signature itself is looked at again once
/// the keys are of another [generation](crate::key::VerifyingKeys::generation). A token that was refused is not
/// remembered at all.
pub struct SeenTokens(Option<Cache<Digest, Seen>>);

/// The whole token, hashed: nothing shorter names it.
type Digest = [u8; SHA256_OUTPUT_LEN];

#[derive(Clone)]
struct Seen {
    token: AccessToken,
    profile: Profile,
    generation: u64,
}

impl SeenTokens {
    /// Remembers at most so many tokens; with 0 none, and every token is verified anew.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self((most > 0).then(|| Cache::new(most)))
    }

    /// How many tokens are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, Cache::len)
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
        let (token, now) = (token.into(), clock.now());
        let fits = token.secret().len() <= MAX_REMEMBERED_BYTES;
        let Some(cache) = self.0.as_ref().filter(|_| fits) else { return verify_at(token, expected, now) };
        let digest = digest_of(token);
        let (profile, generation) = (expected.profile, expected.keys.generation(now));
        if let Some(seen) = cache.get(&digest)
            && (seen.profile, seen.generation) == (profile, generation)
        {
            expected.intended().check(&seen.token.0, now)?;
            return Ok(seen.token);
        }
        let verified = verify_at(token, expected, now)?;
        cache.insert(digest, Seen { token: verified.clone(), profile, generation });
        Ok(verified)
    }
}

fn digest_of(token: BorrowedToken<'_>) -> Digest {
    let mut whole = Digest::default();
    whole.copy_from_slice(digest(&SHA256, token.secret().as_bytes()).as_ref());
    whole
}

impl fmt::Debug for SeenTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SeenTokens({} remembered)", self.len())
    }
}
