//! Client secrets: as they are presented, as they rest, and how one takes the place of another.

use std::{fmt, time::Duration};

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::ClientProblem;
use crate::{
    clock::{Rng, Timestamp},
    handle::{self, Prefix},
};

/// How many random bytes a secret of ours has: 256 bits, so that a fast hash is enough (OWASP ASVS 11.2.3).
const RANDOM_BYTES: usize = 32;

/// The fewest characters of a secret that an operator brings along: 256 bits in base64 are 43, in hexadecimal 64; 32 is
/// what others make who mean it.
pub(super) const MIN_SECRET_BYTES: usize = 32;

/// The most secrets that a client may have at once. All of them are compared each time.
pub const MAX_SECRETS: usize = 4;

/// A client secret as it is presented, or as it is given out once.
#[derive(Clone)]
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// Takes the secret as it stands.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    /// A secret that nobody can guess: 256 random bits, of a form that scanners find.
    #[must_use]
    pub fn random(rng: &dyn Rng) -> Self {
        let mut bytes = Zeroizing::new([0; RANDOM_BYTES]);
        rng.fill(&mut *bytes);
        Self(handle::write(Prefix::CLIENT_SECRET, &*bytes))
    }

    /// Takes a secret that an operator brings along, for a client that has it already.
    ///
    /// # Errors
    /// [`ClientProblem::WeakSecret`]: it is shorter than 32 characters.
    pub fn chosen(secret: impl Into<String>) -> Result<Self, ClientProblem> {
        let secret = Self::new(secret);
        if secret.0.len() < MIN_SECRET_BYTES { Err(ClientProblem::WeakSecret) } else { Ok(secret) }
    }

    /// The secret itself.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret([redacted])")
    }
}

/// The SHA-256 of a client secret. The secrets are 256 random bits of ours, so a fast hash is enough.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClientSecretHash([u8; 32]);

impl ClientSecretHash {
    /// The hash of nothing that anybody knows: what is compared where there is nothing to compare.
    const DECOY: Self = Self([0; 32]);

    /// Hashes a secret for the registry.
    #[must_use]
    pub fn of(secret: &ClientSecret) -> Self {
        Self(Sha256::digest(secret.secret()).into())
    }

    /// Takes the hash as a store kept it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash as a store keeps it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ClientSecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecretHash([redacted])")
    }
}

/// A client secret at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptSecret {
    /// Its hash.
    pub hash: ClientSecretHash,
    /// From when on it is good for nothing; `None` while no other has taken its place.
    pub expires_at: Option<Timestamp>,
}

impl KeptSecret {
    fn is_good(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

/// The secrets of one client, the newest first: one at least, [`MAX_SECRETS`] at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSecrets(Vec<KeptSecret>);

impl ClientSecrets {
    /// The first secret of a client.
    #[must_use]
    pub fn of(secret: &ClientSecret) -> Self {
        Self(vec![KeptSecret { hash: ClientSecretHash::of(secret), expires_at: None }])
    }

    /// Takes secrets as a store kept them.
    ///
    /// # Errors
    /// [`ClientProblem::NoSecret`], [`ClientProblem::TooManySecrets`].
    pub fn from_kept(secrets: Vec<KeptSecret>) -> Result<Self, ClientProblem> {
        match secrets.len() {
            0 => Err(ClientProblem::NoSecret),
            1..=MAX_SECRETS => Ok(Self(secrets)),
            _ => Err(ClientProblem::TooManySecrets),
        }
    }

    /// The secrets as they rest, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = &KeptSecret> {
        self.0.iter()
    }

    /// The same with a new secret before them: those that there were end after `overlap`, or when they would have
    /// anyway; what has ended is forgotten.
    ///
    /// # Errors
    /// [`ClientProblem::TooManySecrets`]: so many are still good that one more would be too many.
    pub fn rotated(&self, to: &ClientSecret, overlap: Duration, now: Timestamp) -> Result<Self, ClientProblem> {
        let end = now.plus(overlap);
        let ending = |kept: &KeptSecret| KeptSecret {
            expires_at: Some(kept.expires_at.map_or(end, |expires_at| expires_at.min(end))),
            ..*kept
        };
        let still_good = self.iter().map(ending).filter(|kept| kept.is_good(now));
        Self::from_kept(Self::of(to).0.into_iter().chain(still_good).collect())
    }

    /// Whether `presented` is one of `secrets` at `now`. The empty secret never is.
    ///
    /// It takes the same time whichever it is, however many there are, and where there are none.
    pub(super) fn match_any(secrets: Option<&Self>, presented: &ClientSecret, now: Timestamp) -> bool {
        let hash = ClientSecretHash::of(presented);
        let mut matches = Choice::from(0);
        for place in 0..MAX_SECRETS {
            let kept = secrets.and_then(|secrets| secrets.0.get(place));
            let compared = kept.map_or(ClientSecretHash::DECOY, |kept| kept.hash);
            let good = Choice::from(u8::from(kept.is_some_and(|kept| kept.is_good(now))));
            matches |= hash.0.ct_eq(&compared.0) & good;
        }
        bool::from(matches) && !presented.secret().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::clock::SeededRng;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn secret(text: &str) -> ClientSecret {
        ClientSecret::new(text)
    }

    fn good(secrets: &ClientSecrets, text: &str, now: Timestamp) -> bool {
        ClientSecrets::match_any(Some(secrets), &secret(text), now)
    }

    #[test]
    fn h4_a_secret_is_256_random_bits_and_never_shown() {
        let rng = SeededRng::new(1);
        let secrets: HashSet<_> = (0..100).map(|_| ClientSecret::random(&rng).secret().to_owned()).collect();
        assert_eq!(secrets.len(), 100);
        for secret in secrets {
            let bytes = handle::read::<RANDOM_BYTES>(Prefix::CLIENT_SECRET, &secret).unwrap();
            assert_eq!(bytes.len() * 8, 256);
            let shown =
                format!("{:?} {:?}", ClientSecret::new(&secret), ClientSecrets::of(&ClientSecret::new(&secret)));
            assert!(!shown.contains(&secret) && shown.contains("redacted"), "{shown}");
        }
    }

    #[test]
    fn h6_the_empty_secret_never_matches() {
        assert!(!good(&ClientSecrets::of(&secret("")), "", NOW));
        assert!(!ClientSecrets::match_any(None, &secret(""), NOW));
        assert!(!ClientSecrets::match_any(None, &secret("x"), NOW));
        let decoy = KeptSecret { hash: ClientSecretHash::DECOY, expires_at: None };
        assert!(!good(&ClientSecrets(vec![decoy]), "x", NOW));
        assert!(!good(&ClientSecrets::of(&secret("x")), "X", NOW));
        assert!(good(&ClientSecrets::of(&secret("x")), "x", NOW));
    }

    #[test]
    fn h8_both_secrets_are_good_in_the_window_and_the_old_one_is_not_after() {
        let first = ClientSecrets::of(&secret("first"));
        let both = first.rotated(&secret("second"), DAY, NOW).unwrap();
        let last = NOW.plus(DAY - Duration::from_secs(1));
        assert!(good(&both, "first", last) && good(&both, "second", last));
        assert!(!good(&both, "first", NOW.plus(DAY)) && good(&both, "second", NOW.plus(DAY)));
        let at_once = first.rotated(&secret("second"), Duration::ZERO, NOW).unwrap();
        assert!(!good(&at_once, "first", NOW) && good(&at_once, "second", NOW));
        assert_eq!(at_once.iter().count(), 1, "what has ended is forgotten");
    }

    #[test]
    fn h8_a_later_rotation_keeps_nobody_alive_for_longer() {
        let hour = Duration::from_secs(3600);
        let first = ClientSecrets::of(&secret("first"));
        let second = first.rotated(&secret("second"), hour, NOW).unwrap();
        let third = second.rotated(&secret("third"), DAY, NOW).unwrap();
        assert!(!good(&third, "first", NOW.plus(hour)) && good(&third, "second", NOW.plus(hour)));
        let ended = second.rotated(&secret("third"), Duration::ZERO, NOW).unwrap();
        assert!(!good(&ended, "first", NOW) && !good(&ended, "second", NOW), "a leak ends them all");
    }

    #[test]
    fn h8_the_number_of_secrets_is_bounded_and_none_is_lost_silently() {
        let mut secrets = ClientSecrets::of(&secret("0"));
        for i in 1..MAX_SECRETS {
            secrets = secrets.rotated(&secret(&i.to_string()), DAY, NOW).unwrap();
        }
        assert!((0..MAX_SECRETS).all(|i| good(&secrets, &i.to_string(), NOW)));
        assert_eq!(secrets.rotated(&secret("x"), DAY, NOW), Err(ClientProblem::TooManySecrets));
        assert!(secrets.rotated(&secret("x"), DAY, NOW.plus(DAY)).is_ok());
        assert_eq!(ClientSecrets::from_kept(Vec::new()), Err(ClientProblem::NoSecret));
    }

    #[test]
    fn h4_a_secret_of_ones_own_is_long() {
        assert_eq!(ClientSecret::chosen("x".repeat(31)).map(drop), Err(ClientProblem::WeakSecret));
        assert!(ClientSecret::chosen("x".repeat(32)).is_ok());
    }
}
