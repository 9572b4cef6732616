//! The registry's rules: who may ask for tokens, how, and for what (RFC 6749 §2).

pub mod auth;

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{grant_type::GrantType, names::ClientId, scope::Scope};

/// A client of the registry, or the built-in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The client identifier.
    pub id: ClientId,
    /// Whether it can keep a secret (RFC 6749 §2.1).
    pub client_type: ClientType,
    /// Whose software it is.
    pub party: Party,
    /// The grant types it may use. The password grant is here only when somebody switched it on by name.
    pub grant_types: Vec<GrantType>,
    /// The scope it may ask for.
    pub scope: AllowedScope,
}

impl Client {
    /// The name of the built-in client in tokens and grants.
    pub const BUILT_IN_ID: &'static str = "countersign";

    /// The client that acts where nobody registered any: first-party, public, with the password grant.
    ///
    /// RFC 9700 §2.4 says that the password grant "MUST NOT be used"; it stays for an operator's own client because
    /// people need it, and one setting turns it off.
    #[must_use]
    pub fn built_in() -> Self {
        Self {
            id: ClientId::new(Self::BUILT_IN_ID),
            client_type: ClientType::Public,
            party: Party::First,
            grant_types: vec![GrantType::Password, GrantType::RefreshToken],
            scope: AllowedScope::Any,
        }
    }

    /// Whether the client may use this grant type.
    ///
    /// The password grant is for first-party clients alone, whatever else the record says (RFC 9700 §2.4).
    #[must_use]
    pub fn may_use(&self, grant_type: GrantType) -> bool {
        let trusted = grant_type != GrantType::Password || self.party == Party::First;
        trusted && self.grant_types.contains(&grant_type)
    }
}

/// Whether a client can keep a secret (RFC 6749 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientType {
    /// It can, and authenticates with one of these (two while a secret is being replaced).
    Confidential(Vec<ClientSecretHash>),
    /// It cannot, and is only named.
    Public,
}

/// Whose software a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The operator's own.
    First,
    /// Somebody else's.
    Third,
}

/// The scope that a client may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedScope {
    /// Whatever the owner may grant.
    Any,
    /// No more than this.
    Only(Scope),
}

impl AllowedScope {
    /// What is left of `scope` for this client.
    #[must_use]
    pub fn narrow(&self, scope: &Scope) -> Scope {
        match self {
            Self::Any => scope.clone(),
            Self::Only(allowed) => scope.intersection(allowed),
        }
    }
}

/// A client secret as it was presented.
#[derive(Clone)]
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// Takes the secret as it stands.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Zeroizing::new(secret.into()))
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

    /// Whether `secret` has this hash, in constant time. The empty secret never has.
    #[must_use]
    pub fn matches(&self, secret: &ClientSecret) -> bool {
        !secret.secret().is_empty() && bool::from(self.0.ct_eq(&Self::of(secret).0))
    }
}

impl fmt::Debug for ClientSecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecretHash([redacted])")
    }
}
