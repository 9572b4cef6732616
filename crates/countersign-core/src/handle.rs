//! Random handles, typed and checksummed: what a string of ours is can be told by its first letters, and what was
//! copied badly is told from what was never ours, without asking a store.
//!
//! `prefix ‖ base64url(bytes ‖ CRC-32 of the bytes)`. The prefix lets scanners of source code and logs find secrets
//! that leaked. The checksum keeps nobody out: only the bytes do.

use base64::Engine;
use zeroize::Zeroizing;

use crate::jose::BASE64URL;

/// How long the checksum is, in bytes.
const CHECKSUM_BYTES: usize = 4;

/// What a handle begins with, which says what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix(&'static str);

impl Prefix {
    /// A client secret (RFC 6749 §2.3.1).
    pub(crate) const CLIENT_SECRET: Self = Self("cs_secret_");
    /// A refresh token (RFC 6749 §1.5).
    pub(crate) const REFRESH_TOKEN: Self = Self("cs_refresh_");
    /// An opaque access token (RFC 6749 §1.4).
    pub(crate) const ACCESS_TOKEN: Self = Self("cs_access_");

    /// Whether `text` begins with it, whatever follows.
    pub(crate) fn begins(self, text: &str) -> bool {
        text.starts_with(self.0)
    }
}

/// Writes `bytes` as a handle.
pub(crate) fn write(prefix: Prefix, bytes: &[u8]) -> Zeroizing<String> {
    let mut checked = Zeroizing::new(Vec::with_capacity(bytes.len() + CHECKSUM_BYTES));
    checked.extend_from_slice(bytes);
    checked.extend_from_slice(&checksum(bytes));
    // The whole length at once: a string that grows leaves copies of itself behind.
    let length = prefix.0.len() + encoded_length(checked.len());
    let mut handle = Zeroizing::new(String::with_capacity(length));
    handle.push_str(prefix.0);
    BASE64URL.encode_string(&*checked, &mut handle);
    handle
}

/// Reads a handle of `N` bytes, and no other spelling of it: this prefix, this length, this checksum.
pub(crate) fn read<const N: usize>(prefix: Prefix, text: &str) -> Option<Zeroizing<[u8; N]>> {
    let encoded = text.strip_prefix(prefix.0)?;
    if encoded.len() != encoded_length(N + CHECKSUM_BYTES) {
        return None;
    }
    let checked = Zeroizing::new(BASE64URL.decode(encoded).ok()?);
    let (bytes, found) = checked.split_at_checked(N)?;
    let bytes = Zeroizing::new(<[u8; N]>::try_from(bytes).ok()?);
    (found == checksum(&*bytes)).then_some(bytes)
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    crc32fast::hash(bytes).to_be_bytes()
}

/// How many letters base64 without padding has for so many bytes (RFC 4648 §5).
const fn encoded_length(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const ALL: [Prefix; 3] = [Prefix::CLIENT_SECRET, Prefix::REFRESH_TOKEN, Prefix::ACCESS_TOKEN];

    #[test]
    fn a_handle_is_read_in_one_spelling_only() {
        let handle = write(Prefix::CLIENT_SECRET, &[7; 32]).to_string();
        let encoded = handle.strip_prefix("cs_secret_").unwrap();
        for bad in [
            String::new(),
            "cs_secret_".to_owned(),
            encoded.to_owned(),
            format!("cs_secret_{encoded}="),
            format!("cs_secret_{encoded}AAAA"),
            format!("cs_secret_ {}", &encoded[1..]),
            format!("CS_secret_{encoded}"),
            format!(" {handle}"),
            format!("{handle}\n"),
            format!("cs_refresh_{encoded}"),
            format!("cs_secret_{}", "é".repeat(encoded.len() / 2)),
            handle[..handle.len() - 1].to_owned(),
        ] {
            assert!(read::<32>(Prefix::CLIENT_SECRET, &bad).is_none(), "{bad:?}");
        }
        assert!(read::<31>(Prefix::CLIENT_SECRET, &handle).is_none(), "another length is another handle");
        assert!(read::<33>(Prefix::CLIENT_SECRET, &handle).is_none());
        // Where base64 leaves bits over, other letters would decode to the same bytes.
        let odd = write(Prefix::ACCESS_TOKEN, &[0; 3]).to_string();
        let last = odd.chars().last().unwrap();
        let accepted = ('A'..='Z')
            .chain('a'..='z')
            .filter(|letter| read::<3>(Prefix::ACCESS_TOKEN, &format!("{}{letter}", &odd[..odd.len() - 1])).is_some());
        assert!(accepted.eq([last]), "{odd}");
    }

    #[test]
    fn a_letter_that_changed_is_told_by_the_checksum() {
        let handle = write(Prefix::REFRESH_TOKEN, &std::array::from_fn::<u8, 32, _>(|i| i as u8)).to_string();
        for i in "cs_refresh_".len()..handle.len() {
            let other = if &handle[i..=i] == "A" { "B" } else { "A" };
            let changed = format!("{}{other}{}", &handle[..i], &handle[i + 1..]);
            assert!(read::<32>(Prefix::REFRESH_TOKEN, &changed).is_none(), "{changed}");
        }
    }

    #[test]
    fn no_prefix_begins_another() {
        for prefix in ALL {
            let began: Vec<_> = ALL.into_iter().filter(|other| other.begins(prefix.0)).collect();
            assert_eq!(began, [prefix]);
        }
        assert_eq!(ALL.map(|prefix| prefix.0).into_iter().collect::<HashSet<_>>().len(), ALL.len());
    }

    #[test]
    fn what_is_written_is_read_the_same() {
        let bytes = std::array::from_fn(|i| 251 - i as u8);
        let handle = write(Prefix::ACCESS_TOKEN, &bytes);
        assert_eq!(handle.len(), "cs_access_".len() + 48);
        assert_eq!(handle.capacity(), handle.len(), "nothing was copied while it grew");
        assert_eq!(read::<32>(Prefix::ACCESS_TOKEN, &handle).as_deref(), Some(&bytes));
        // CRC-32 of the nine digits is the check value that everybody quotes: 0xCBF43926.
        assert_eq!(*write(Prefix::CLIENT_SECRET, b"123456789"), "cs_secret_MTIzNDU2Nzg5y_Q5Jg");
        assert_eq!(*read::<9>(Prefix::CLIENT_SECRET, "cs_secret_MTIzNDU2Nzg5y_Q5Jg").unwrap(), *b"123456789");
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same(text in "cs_access_[A-Za-z0-9_-]{12}|\\PC{0,30}") {
            if let Some(bytes) = read::<5>(Prefix::ACCESS_TOKEN, &text) {
                proptest::prop_assert_eq!(&*write(Prefix::ACCESS_TOKEN, &*bytes), &text);
            }
        }
    }
}
