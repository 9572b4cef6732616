//! What an access token looks like; one file per format.

pub(super) mod jwt;
pub(super) mod opaque;

/// What an access token looks like. Guards take both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenFormat {
    /// A JWT (RFC 9068): whoever has the public keys can verify it.
    #[default]
    Jwt,
    /// 256 random bits, of which the store keeps a hash: it says nothing, and ends everywhere at once.
    Opaque,
}
