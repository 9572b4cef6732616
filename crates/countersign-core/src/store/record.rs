//! What rests in a store beside owners, clients and grants: keys, and things that are good for one use.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{
    clock::Timestamp,
    jose::Algorithm,
    names::{ClientId, GrantId, KeyId, Subject},
};

/// A signing key at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The thumbprint of its public half (RFC 7638).
    pub id: KeyId,
    /// The one algorithm it signs with.
    pub algorithm: RestingAlgorithm,
    /// The private half.
    pub private_key: RestingKey,
    /// From when on it signs: the newest key whose time has come does.
    pub signs_from: Timestamp,
    /// Until when it verifies; `None` while no other has taken its place.
    pub verifies_until: Option<Timestamp>,
    /// When it was withdrawn, if it was: it verifies nothing any more, and its private half is gone.
    pub withdrawn_at: Option<Timestamp>,
}

/// The algorithm of a key as it rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestingAlgorithm {
    /// One that this program knows.
    Known(Algorithm),
    /// One that only a newer program on the same store knows, by its name.
    Other(String),
}

impl RestingAlgorithm {
    /// The algorithm of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        Algorithm::find_by_name(name).map_or_else(|| Self::Other(name.to_owned()), Self::Known)
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Known(algorithm) => algorithm.name(),
            Self::Other(name) => name,
        }
    }
}

impl From<Algorithm> for RestingAlgorithm {
    fn from(algorithm: Algorithm) -> Self {
        Self::Known(algorithm)
    }
}

impl PartialEq<Algorithm> for RestingAlgorithm {
    fn eq(&self, algorithm: &Algorithm) -> bool {
        matches!(self, Self::Known(known) if known == algorithm)
    }
}

impl fmt::Display for RestingAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A private key as it rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestingKey {
    /// As it is.
    Plain(PrivateKey),
    /// Encrypted under the operator's key.
    Sealed(SealedKey),
    /// Nowhere any more: the key was withdrawn.
    Gone,
    /// In a way that only a newer program on the same store knows.
    Other,
}

impl From<PrivateKey> for RestingKey {
    fn from(key: PrivateKey) -> Self {
        Self::Plain(key)
    }
}

/// A private key, encrypted: opaque to a store.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedKey(Vec<u8>);

impl SealedKey {
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

impl fmt::Debug for SealedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedKey({} bytes)", self.0.len())
    }
}

/// A key that takes the place of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    /// The key of its algorithm that came last, as far as its maker knows.
    pub after: KeyId,
    /// The new key.
    pub next: KeyRecord,
    /// The key that signs until then, whose end is then set anew.
    pub signing: Option<KeyId>,
    /// Keys of other algorithms that nobody has taken the place of and that signed before this moment are nobody's.
    pub abandoned_before: Timestamp,
    /// Until when those verify whose place it takes.
    pub retired_until: Timestamp,
}

/// A private key in PKCS #8 (RFC 5958), DER.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(Zeroizing<Vec<u8>>);

impl PrivateKey {
    /// Takes the DER bytes.
    #[must_use]
    pub fn from_pkcs8(der: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(der.into()))
    }

    /// The DER bytes.
    #[must_use]
    pub fn secret(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey([redacted])")
    }
}

/// Something that is good for one use: an authorization code, a reset link, ….
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneTime {
    /// What it is: a handle of one kind never works as another.
    pub kind: OneTimeKind,
    /// The hash of what its bearer presents.
    pub handle: HandleHash,
    /// From when on it is worth nothing.
    pub expires_at: Timestamp,
    /// What it stands for, as JSON; owned by the file that uses it.
    pub payload: String,
}

/// The kind of a one-time thing; each user of the port names its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OneTimeKind(&'static str);

impl OneTimeKind {
    /// The kind of this name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The name, as a store keeps it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// The SHA-256 of a handle: handles are 256 random bits, and rest only like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandleHash([u8; 32]);

impl HandleHash {
    /// Hashes a handle as its bearer presents it.
    #[must_use]
    pub fn of(handle: &str) -> Self {
        Self::of_bytes(handle.as_bytes())
    }

    /// Hashes the bytes of a handle.
    #[must_use]
    pub fn of_bytes(handle: &[u8]) -> Self {
        Self(Sha256::digest(handle).into())
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

/// Which one-time thing a redemption spends, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spend {
    /// What it must be.
    pub kind: OneTimeKind,
    /// The hash of what was presented.
    pub handle: HandleHash,
    /// The present: what has expired by then cannot be spent.
    pub now: Timestamp,
}

/// An opaque access token at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpaqueToken {
    /// The hash of what its bearer presents.
    pub handle: HandleHash,
    /// With what it ends.
    pub descends_from: Origin,
    /// What it says: the claims of RFC 9068 §2.2, as JSON.
    pub claims: String,
    /// From when on it is worth nothing.
    pub expires_at: Timestamp,
}

/// With what an opaque access token ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The grant that it descends from.
    Grant(GrantId),
    /// The client whose own token it is: there is no grant.
    Client(ClientId),
}

/// One line of the feed: something that verifiers must not believe any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedEntry {
    /// Its place: one more than that of any before it.
    pub number: u64,
    /// What has ended.
    pub ended: Ended,
    /// When the last token that it stops expires: then it may go. Who does not know what ended goes by this.
    pub until: Timestamp,
}

/// What has ended before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A grant, with all tokens that descend from it.
    Grant(GrantId),
    /// One access token, by its `jti`.
    Token(String),
    /// All tokens that a client got up to this moment.
    Client(ClientId, Timestamp),
    /// A signing key, with all tokens that it signed.
    Key(KeyId),
    /// What was known of an owner of the built-in table, who changed or is gone. It ends no token: the owner's grants are
    /// told of beside it.
    Owner(Subject),
    /// Whatever was issued up to this moment, to whomever and by whichever key: the store was put back to an earlier state,
    /// and nobody knows what had ended since. What was known of any owner is worth nothing either.
    Everything(Timestamp),
    /// Something that this program does not know, since a newer one told of it: nobody here can say which tokens it stops, but
    /// for what holds for all entries. None of them expires after [`FeedEntry::until`]; nor was one issued after the moment
    /// that is named here, if one is.
    Other(Option<Timestamp>),
}
