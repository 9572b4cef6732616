//! The identifiers of RFC 6749, RFC 7519 and RFC 8414, each a type of its own so that none passes for another.

use std::fmt;

use base64::Engine;

use crate::{
    clock::{Rng, random_id},
    jose::BASE64URL,
};

/// The longest client identifier, in bytes: names, random ones and URLs are shorter.
pub const MAX_CLIENT_ID_BYTES: usize = 255;

/// How many random bytes an identifier of ours has: 128 bits, so that two never meet. An identifier is no secret.
const ID_BYTES: usize = 16;

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes the identifier as it stands.
            #[must_use]
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The identifier as it stands on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

identifiers! {
    /// The subject (`sub`): names one resource owner for ever, is opaque, and is never given to another.
    Subject;
    /// The client identifier (RFC 6749 §2.2).
    ClientId;
    /// Names a grant: what an owner allowed a client, from which tokens descend.
    GrantId;
    /// The key identifier (`kid`): the thumbprint of the public key (RFC 7638).
    KeyId;
    /// The issuer identifier (`iss`): the URL of the authorization server (RFC 8414 §2), compared byte for byte.
    Issuer;
    /// The audience (`aud`): the API that a token is for (RFC 9068 §2.2), compared byte for byte.
    Audience;
}

impl Subject {
    /// A subject that nobody had before: 128 random bits.
    #[must_use]
    pub fn random(rng: &dyn Rng) -> Self {
        Self(random_id::<ID_BYTES>(rng))
    }
}

impl ClientId {
    /// Reads an identifier by RFC 6749 Appendix A.1: `*VSCHAR`, not empty, at most [`MAX_CLIENT_ID_BYTES`].
    ///
    /// # Errors
    /// [`MalformedClientId`]: it is none.
    pub fn parse(id: &str) -> Result<Self, MalformedClientId> {
        let fits = (1..=MAX_CLIENT_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| matches!(byte, 0x20..=0x7E));
        if fits { Ok(Self(id.to_owned())) } else { Err(MalformedClientId) }
    }

    /// An identifier that nobody had before: 128 random bits. It is no secret.
    #[must_use]
    pub fn random(rng: &dyn Rng) -> Self {
        Self(random_id::<ID_BYTES>(rng))
    }
}

/// What was read is not a client identifier by RFC 6749 Appendix A.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client identifier has 1 to {MAX_CLIENT_ID_BYTES} characters of visible ASCII or spaces")]
pub struct MalformedClientId;

impl GrantId {
    /// How many bytes it stands for.
    pub(crate) const BYTES: usize = ID_BYTES;

    /// The grant of these bytes.
    pub(crate) fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(BASE64URL.encode(bytes))
    }

    /// The bytes that it stands for, if it is named as ours are.
    pub(crate) fn to_bytes(&self) -> Option<[u8; Self::BYTES]> {
        BASE64URL.decode(&self.0).ok()?.try_into().ok()
    }

    /// A grant that was never given before: 128 random bits.
    #[must_use]
    pub fn random(rng: &dyn Rng) -> Self {
        Self(random_id::<ID_BYTES>(rng))
    }
}
