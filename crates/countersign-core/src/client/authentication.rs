//! How a client is registered to prove who it is, with what belongs to it: a public client cannot have a secret, and a
//! confidential one cannot come without.

use super::{ClientKeys, ClientSecrets};

/// How a client proves who it is (RFC 6749 §2.3), and what it is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// Not at all: a public client is only named.
    None,
    /// By a secret.
    Secret {
        /// Where the secret may stand.
        methods: SecretMethods,
        /// What it is held against: two or more while one is being replaced.
        secrets: ClientSecrets,
    },
    /// By a JWT that it signs (RFC 7523 §2.2).
    PrivateKeyJwt(ClientKeys),
}

impl Authentication {
    /// The methods that it may use; any other is refused.
    #[must_use]
    pub const fn methods(&self) -> &'static [AuthMethod] {
        match self {
            Self::None => &[AuthMethod::None],
            Self::Secret { methods, .. } => methods.as_slice(),
            Self::PrivateKeyJwt(_) => &[AuthMethod::PrivateKeyJwt],
        }
    }
}

/// Where a client's secret may stand in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretMethods {
    /// In the `Authorization` header alone, which RFC 6749 §2.3.1 prefers.
    Basic,
    /// In the form alone.
    Post,
    /// In one of the two, which the client chooses for each request.
    Either,
}

impl SecretMethods {
    pub(super) const fn as_slice(self) -> &'static [AuthMethod] {
        match self {
            Self::Basic => &[AuthMethod::Basic],
            Self::Post => &[AuthMethod::Post],
            Self::Either => &[AuthMethod::Basic, AuthMethod::Post],
        }
    }
}

/// A client authentication method (RFC 7591 §2, OpenID Connect Core 1.0 §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthMethod {
    /// The client is only named.
    None,
    /// The secret stands in the `Authorization` header.
    Basic,
    /// The secret stands in the form.
    Post,
    /// A JWT that the client signed stands in the form.
    PrivateKeyJwt,
}

impl AuthMethod {
    /// All methods there are.
    pub const ALL: [Self; 4] = [Self::None, Self::Basic, Self::Post, Self::PrivateKeyJwt];

    /// The name in metadata (RFC 8414 §2) and in the registry of IANA.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// The method of this name, case-sensitive.
    #[must_use]
    pub fn find_by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}
