//! Refresh tokens (RFC 6749 §1.5) as their bearer holds them, and what only their bearer can read.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    clock::{Rng, Timestamp},
    handle::{self, Prefix},
    names::GrantId,
    scope::Scope,
    store::HandleHash,
};

/// Names the grant: as many bytes as a [`GrantId`] of ours has.
const GRANT_BYTES: usize = GrantId::BYTES;

/// What all tokens of a family have in common. Whoever has it had one of them, and did not make one up from the name of
/// a grant, which is no secret.
const FAMILY_BYTES: usize = 16;

/// What is new in each token: 256 bits.
const SECRET_BYTES: usize = 32;

const BYTES: usize = GRANT_BYTES + FAMILY_BYTES + SECRET_BYTES;

/// What the keys of sealed answers are for, and for nothing else (RFC 5869 §3.2).
const SEALING: &[u8] = b"countersign: the answer to a refresh token";

/// A refresh token: the name of its grant, the family's secret and its own.
#[derive(Clone)]
pub struct RefreshToken {
    bytes: Zeroizing<[u8; BYTES]>,
}

impl RefreshToken {
    /// The first of a family. `None` where the grant is not named as ours are.
    pub(crate) fn first(grant: &GrantId, rng: &dyn Rng) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; BYTES]);
        bytes[..GRANT_BYTES].copy_from_slice(&grant.to_bytes()?);
        rng.fill(&mut bytes[GRANT_BYTES..]);
        Some(Self { bytes })
    }

    /// The next of the same family.
    pub(crate) fn successor(&self, rng: &dyn Rng) -> Self {
        let mut bytes = self.bytes.clone();
        rng.fill(&mut bytes[GRANT_BYTES + FAMILY_BYTES..]);
        Self { bytes }
    }

    /// Reads a token as it is presented; `None` if it cannot be one of ours.
    pub(crate) fn read(text: &str) -> Option<Self> {
        handle::read(Prefix::REFRESH_TOKEN, text).map(|bytes| Self { bytes })
    }

    /// The token itself.
    #[must_use]
    pub fn secret(&self) -> Zeroizing<String> {
        handle::write(Prefix::REFRESH_TOKEN, &*self.bytes)
    }

    /// The grant that it says it is of.
    pub(crate) fn grant_id(&self) -> GrantId {
        let mut id = [0; GRANT_BYTES];
        id.copy_from_slice(&self.bytes[..GRANT_BYTES]);
        GrantId::from_bytes(id)
    }

    /// The hash of what its family has in common.
    pub(crate) fn family(&self) -> HandleHash {
        HandleHash::of_bytes(&self.bytes[..GRANT_BYTES + FAMILY_BYTES])
    }

    /// The hash of all of it.
    pub(crate) fn handle(&self) -> HandleHash {
        HandleHash::of_bytes(&*self.bytes)
    }

    /// Seals what this token is answered with, so that only who presents it again can read it: the key is made from
    /// the token, of which nothing rests but a hash.
    pub(crate) fn seal(&self, answer: &Answer, rng: &dyn Rng) -> Option<SealedAnswer> {
        let mut nonce = [0; NONCE_LEN];
        rng.fill(&mut nonce);
        let mut text = Zeroizing::new(serde_json::to_vec(answer).ok()?);
        let key = self.sealing_key()?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut *text).ok()?;
        Some(SealedAnswer([&nonce[..], &text].concat()))
    }

    /// What this token was answered with; `None` if it was another.
    pub(crate) fn open(&self, sealed: &SealedAnswer) -> Option<Answer> {
        let (nonce, sealed) = sealed.0.split_first_chunk::<NONCE_LEN>()?;
        let mut text = Zeroizing::new(sealed.to_vec());
        let key = self.sealing_key()?;
        let text = key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut text).ok()?;
        serde_json::from_slice(text).ok()
    }

    fn sealing_key(&self) -> Option<LessSafeKey> {
        let from_token = Salt::new(HKDF_SHA256, &[]).extract(&*self.bytes);
        let key = from_token.expand(&[SEALING], &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(key)))
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken([redacted])")
    }
}

/// What the use of a refresh token was answered with.
#[derive(Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) access_token: Zeroizing<String>,
    pub(crate) refresh_token: Zeroizing<String>,
    /// When the access token expires, in seconds since 1970.
    expires_at: i64,
    /// What the access token allows.
    scope: String,
}

impl Answer {
    pub(crate) fn new(access_token: &str, refresh_token: &RefreshToken, expires_at: Timestamp, scope: &Scope) -> Self {
        Self {
            access_token: Zeroizing::new(access_token.to_owned()),
            refresh_token: refresh_token.secret(),
            expires_at: expires_at.seconds(),
            scope: scope.to_string(),
        }
    }

    pub(crate) const fn expires_at(&self) -> Timestamp {
        Timestamp::from_seconds(self.expires_at)
    }

    /// Whether its access token allows exactly this.
    pub(crate) fn allows_exactly(&self, scope: &Scope) -> bool {
        self.scope.parse::<Scope>().is_ok_and(|allowed| allowed.same_tokens(scope))
    }
}

/// What the use of a refresh token was answered with, encrypted under a key that only that token gives.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedAnswer(Vec<u8>);

impl SealedAnswer {
    /// Takes the bytes as a store kept them.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes as a store keeps them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SealedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedAnswer({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SeededRng;

    fn first() -> (SeededRng, GrantId, RefreshToken) {
        let rng = SeededRng::new(1);
        let grant = GrantId::random(&rng);
        let token = RefreshToken::first(&grant, &rng).unwrap();
        (rng, grant, token)
    }

    fn answer(token: &RefreshToken) -> Answer {
        Answer::new("access", token, Timestamp::from_seconds(9), &"me items".parse().unwrap())
    }

    #[test]
    fn a_token_tells_its_grant_and_its_family_and_is_new_each_time() {
        let (rng, grant, first) = first();
        let second = first.successor(&rng);
        for token in [&first, &second] {
            let read = RefreshToken::read(&token.secret()).unwrap();
            assert_eq!(
                (read.grant_id(), read.family(), read.handle()),
                (grant.clone(), first.family(), token.handle())
            );
        }
        assert_ne!(first.handle(), second.handle());
        let another = RefreshToken::first(&grant, &rng).unwrap();
        assert_ne!(first.family(), another.family(), "the name of a grant does not make its family");
        assert!(RefreshToken::first(&GrantId::new("not ours"), &rng).is_none());
        assert!(RefreshToken::read("cs_refresh_").is_none());
    }

    #[test]
    fn only_the_token_that_was_used_reads_its_answer() {
        let (rng, _, first) = first();
        let second = first.successor(&rng);
        let sealed = first.seal(&answer(&second), &rng).unwrap();
        let opened = first.open(&sealed).unwrap();
        assert_eq!((&**opened.access_token, opened.refresh_token), ("access", second.secret()));
        assert_eq!(opened.expires_at, 9);
        assert!(second.open(&sealed).is_none(), "the successor does not read what its predecessor was told");
        let mut changed = sealed.as_bytes().to_vec();
        *changed.last_mut().unwrap() ^= 1;
        assert!(first.open(&SealedAnswer::from_bytes(changed)).is_none());
        assert!(first.open(&SealedAnswer::from_bytes(vec![1; 5])).is_none());
    }

    #[test]
    fn e12_what_is_sealed_shows_nothing() {
        let (rng, _, first) = first();
        let second = first.successor(&rng);
        let sealed = first.seal(&answer(&second), &rng).unwrap();
        let text = String::from_utf8_lossy(sealed.as_bytes()).into_owned();
        assert!(!text.contains("access") && !text.contains("cs_refresh_"), "{text}");
        assert_eq!(format!("{first:?}"), "RefreshToken([redacted])");
    }
}
