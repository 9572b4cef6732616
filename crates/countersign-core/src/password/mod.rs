//! Passwords: what was typed, what is stored, and how the two are compared.

use std::fmt;

use thiserror::Error;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use zeroize::Zeroizing;

use crate::precis::Class;

mod argon2;
mod bcrypt;
mod blocklist;
mod pbkdf2;
mod policy;
mod pool;
mod scheme;
mod scrypt;
mod stored;

pub use argon2::{Argon2Cost, UnsuitableCost};
pub use blocklist::{Blocklist, BlocklistAway, Listed, PolicyProblem};
pub use policy::{PasswordPolicy, PolicyRefusal};
pub use pool::{Busy, HashingPool, HashingPriority, HashingSettings, Strength, Verification, memory_limit};
pub use scheme::{check_supported, strength};
pub use stored::UnsupportedHash;

/// The longest password, in bytes of UTF-8.
///
/// NIST SP 800-63B-4 §3.1.1.2 asks for at least 64 characters; this is 1,024 of ASCII and 256 of anything else. The bound
/// stands before every preparation and hashing, so that no request buys work with its length.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// What somebody typed as a password, prepared by the `OpaqueString` profile of RFC 8265 §4.2.
///
/// Preparation makes one thing of what one person types on two keyboards: `é` composed or not, and any kind of space. It
/// changes nothing else: no trimming, no truncation, no change of case, and `ﬁ` stays another password than `fi`.
///
/// The profile keeps out controls and what cannot be seen, and with it emoji that are drawn by joining several with U+200D
/// or by a variation selector U+FE0F; plain ones are welcome. Characters of all Unicode versions known to this crate are.
///
/// The text is wiped from memory when the value goes, and never shown: there is no `Display` and nothing serializes it.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Prepares what was typed.
    ///
    /// # Errors
    /// Says what is wrong with it; the words of [`PasswordProblem`] are fit for the person who typed it.
    pub fn typed(input: &str) -> Result<Self, PasswordProblem> {
        check_length(input)?;
        // Room for the longest normal form, so that no copy of the secret is left behind by growing.
        let mut prepared = Zeroizing::new(String::with_capacity(input.len() * NFC_MAX_GROWTH));
        // RFC 8265 §4.2.2: "Any instances of non-ASCII space MUST be mapped to SPACE (U+0020)", then "Unicode
        // Normalization Form C (NFC) MUST be applied".
        prepared.extend(input.chars().map(|c| if is_space(c) { ' ' } else { c }).nfc());
        check_length(&prepared)?;
        // RFC 8264 §7 puts the string class last, so that canonically equivalent spellings fare alike.
        if !Class::Freeform.allows(&prepared) {
            return Err(PasswordProblem::Disallowed);
        }
        Ok(Self(prepared))
    }

    /// The prepared text.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password([redacted])")
    }
}

/// Why something cannot be a password at all; what may be one by policy is [`PasswordPolicy`]'s to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PasswordProblem {
    /// Nothing was given.
    #[error("the password is empty")]
    Empty,
    /// Longer than [`MAX_PASSWORD_BYTES`].
    #[error("the password is too long: {MAX_PASSWORD_BYTES} bytes at most")]
    TooLong,
    /// It holds a control or invisible character, or another that RFC 8265 §4.2 keeps out of passwords.
    #[error("the password holds a character that is not allowed, such as a control or an invisible one")]
    Disallowed,
}

/// A stored password hash, in any of the spellings that [`check_supported`] knows.
///
/// It is a secret too: who holds it can guess at the password without asking us. So it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes a stored hash as it is; nothing is checked before [`check_supported`] or a verification does.
    pub fn new(stored: impl Into<String>) -> Self {
        Self(stored.into())
    }

    /// The stored text.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash([redacted])")
    }
}

/// How many times longer a text can get by NFC, in bytes of UTF-8 (UAX #15, "Maximum Expansion Factors").
const NFC_MAX_GROWTH: usize = 3;

fn check_length(text: &str) -> Result<(), PasswordProblem> {
    match text.len() {
        0 => Err(PasswordProblem::Empty),
        1..=MAX_PASSWORD_BYTES => Ok(()),
        _ => Err(PasswordProblem::TooLong),
    }
}

fn is_space(c: char) -> bool {
    c.general_category() == GeneralCategory::SpaceSeparator
}

#[cfg(test)]
mod tests;
