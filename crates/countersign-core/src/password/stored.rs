//! What the parsers of stored hashes share: their errors, their bounds, their digits.

use thiserror::Error;

/// Why a stored hash cannot be verified. No variant holds any part of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UnsupportedHash {
    /// The beginning names no scheme that we know.
    #[error("the password hash is of no known scheme")]
    UnknownScheme,
    /// The scheme is known, the rest does not follow its grammar.
    #[error("the {scheme} hash is malformed: {part}")]
    Malformed {
        /// The name of the scheme.
        scheme: &'static str,
        /// What is wrong, and with which part.
        part: &'static str,
    },
    /// Verifying it would take more time or memory than one login may cost, or it is too weak to mean anything.
    #[error("the {scheme} hash is out of bounds: {bound}")]
    OutOfBounds {
        /// The name of the scheme.
        scheme: &'static str,
        /// The bound that it breaks, with its unit.
        bound: &'static str,
    },
}

/// What came of comparing a password with a stored hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Different,
    /// The scheme cannot take this password, and nothing was computed.
    NotComputed,
}

impl Comparison {
    /// Of two tags, in a time that depends on their lengths only.
    pub(super) fn of(computed: &[u8], stored: &[u8]) -> Self {
        if bool::from(subtle::ConstantTimeEq::ct_eq(computed, stored)) { Self::Equal } else { Self::Different }
    }
}

/// The longest stored hash, in bytes; with it the longest salt and tag.
pub(super) const MAX_HASH_BYTES: usize = 1024;

/// The tags that we compare, in bytes. Shorter ones would let too many passwords match, and truncated hashes in.
pub(super) const TAG_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// What [`UnsupportedHash::OutOfBounds`] says of a tag outside of [`TAG_BYTES`].
pub(super) const TAG_BOUND: &str = "a tag of 16 to 64 bytes";

/// A number as the schemes write it: decimal digits without sign or leading zero.
pub(super) fn decimal(text: &str) -> Option<u32> {
    let well_formed = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if well_formed { text.parse().ok() } else { None }
}

/// Bytes in lower-case hexadecimal.
pub(super) fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| if let [high, low] = pair { Some(digit(*high)? << 4 | digit(*low)?) } else { None }).collect()
}
