//! bcrypt (Provos and Mazières 1999): stored hashes only, new ones are never made.

use base64::{
    Engine, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig, general_purpose::NO_PAD},
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::stored::{Comparison, UnsupportedHash, decimal};

/// A stored bcrypt hash, taken apart.
pub(super) struct Stored {
    cost: u32,
    salt: [u8; SALT_BYTES],
    tag: [u8; TAG_BYTES],
    input: Input,
}

/// What becomes of the password before Blowfish sees it.
#[derive(Clone, Copy)]
enum Input {
    /// `$2a$`, `$2b$`, `$2y$`: the password and a NUL.
    Password,
    /// `$2x$`: the same with the bug of `crypt_blowfish` before 1.1 (CVE-2011-2483).
    SignExtended,
    /// Django's `bcrypt_sha256$`: the SHA-256 of the password in hexadecimal, and a NUL.
    Sha256,
}

impl Stored {
    pub(super) fn parse(text: &str) -> Result<Self, UnsupportedHash> {
        let (modular, django) = match (text.strip_prefix("bcrypt$"), text.strip_prefix("bcrypt_sha256$")) {
            (Some(rest), _) => (rest, None),
            (_, Some(rest)) => (rest, Some(Input::Sha256)),
            (None, None) => (text, None),
        };
        let mut fields = modular.split('$');
        let (Some(""), Some(version), Some(cost), Some(rest), None) =
            (fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(malformed("not $2b$cost$salt-and-tag"));
        };
        let input = match (version, django) {
            ("2a" | "2b" | "2y", None) => Input::Password,
            ("2x", None) => Input::SignExtended,
            ("2a" | "2b" | "2y", Some(django)) => django,
            _ => return Err(malformed("its version is none of 2a, 2b, 2x and 2y")),
        };
        let cost = match cost.as_bytes() {
            [b'0', b'0'..=b'9'] => decimal(&cost[1..]),
            [b'1'..=b'9', b'0'..=b'9'] => decimal(cost),
            _ => None,
        };
        let cost = cost.ok_or(malformed("its cost is not two digits"))?;
        if !COST.contains(&cost) {
            return Err(UnsupportedHash::OutOfBounds { scheme: SCHEME, bound: "a cost of 4 to 16" });
        }
        let (salt, tag) = rest.split_at_checked(SALT_LETTERS).ok_or(malformed("too short"))?;
        let salt = decode(salt).ok_or(malformed("its salt is not 16 bytes of bcrypt's base64"))?;
        let tag = decode(tag).ok_or(malformed("its tag is not 23 bytes of bcrypt's base64"))?;
        Ok(Self { cost, salt, tag, input })
    }

    /// Passwords over 72 bytes are refused: bcrypt would look at the first 72 only, and many would match.
    pub(super) fn compare(&self, password: &[u8]) -> Comparison {
        let key: Zeroizing<Vec<u8>> = match self.input {
            Input::Sha256 => with_nul(hexadecimal_of(&Sha256::digest(password)).as_bytes()),
            _ if password.len() > MAX_PASSWORD_BYTES => return Comparison::NotComputed,
            Input::Password => with_nul(password),
            Input::SignExtended => sign_extended(password),
        };
        let computed = Zeroizing::new(bcrypt::bcrypt(self.cost, self.salt, &key));
        Comparison::of(&computed[..TAG_BYTES], &self.tag)
    }
}

/// All of the password that bcrypt looks at, in bytes.
const MAX_PASSWORD_BYTES: usize = 72;

/// The cost is a logarithm: 4 is the least bcrypt knows; 16 is some four seconds of a core, where 12 is usual.
const COST: std::ops::RangeInclusive<u32> = 4..=16;

const SALT_BYTES: usize = 16;
const SALT_LETTERS: usize = 22;
/// The last byte of the 24 that bcrypt computes is never written down.
const TAG_BYTES: usize = 23;

const SCHEME: &str = "bcrypt";

/// bcrypt's own alphabet. Old writers left junk in the unused bits of the salt's last letter, which every bcrypt ignores.
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, LENIENT);
const LENIENT: GeneralPurposeConfig = NO_PAD.with_decode_allow_trailing_bits(true);

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64.decode(text).ok()?.try_into().ok()
}

fn with_nul(password: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD_BYTES + 1));
    key.extend_from_slice(password);
    key.push(0);
    key.truncate(MAX_PASSWORD_BYTES);
    key
}

/// The key schedule reads 18 words of 4 bytes, beginning again after the NUL. The bug took each byte as signed, so that one
/// of 0x80 and over set all bits of the word before it. Those 18 words, written out, are a key without the bug.
fn sign_extended(password: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut bytes = password.iter().copied().chain([0]).cycle();
    let mut word =
        || bytes.by_ref().take(4).fold(0_u32, |word, byte| (word << 8) | i32::from(byte.cast_signed()).cast_unsigned());
    let mut key = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD_BYTES));
    key.extend((0..MAX_PASSWORD_BYTES / 4).flat_map(|_| word().to_be_bytes()));
    key
}

fn hexadecimal_of(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(2 * bytes.len()));
    for byte in bytes {
        text.extend([byte >> 4, byte & 0xf].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])));
    }
    text
}

fn malformed(part: &'static str) -> UnsupportedHash {
    UnsupportedHash::Malformed { scheme: SCHEME, part }
}
