//! Which scheme a stored hash is of: one line for each.

use super::{
    Argon2Cost, Password, PasswordHash, Strength, argon2, bcrypt, pbkdf2, scrypt,
    stored::{Comparison, MAX_HASH_BYTES, UnsupportedHash},
};

/// Checks that a stored hash is of a scheme that can be verified, well formed, and not dearer than we would pay.
///
/// For whoever imports hashes made elsewhere; nothing is computed. Known are:
/// - Argon2i, d and id, versions 16 and 19: `$argon2id$v=19$m=…`, and Django's `argon2$argon2id$…`;
/// - bcrypt: `$2a$`, `$2b$`, `$2x$`, `$2y$`, and Django's `bcrypt$…` and `bcrypt_sha256$…`;
/// - scrypt: passlib's `$scrypt$ln=…`, Django's `scrypt$…`, Werkzeug's `scrypt:…`;
/// - PBKDF2: passlib's `$pbkdf2$`, `$pbkdf2-sha256$`, `$pbkdf2-sha512$`, the PHC form `$pbkdf2-sha256$i=…`, Django's
///   `pbkdf2_sha256$` and `pbkdf2_sha1$`, Werkzeug's `pbkdf2:…`.
///
/// To add one: a file beside this one with a `Stored` of its own that has `parse` and `compare`, a variant of the `Stored`
/// here, a line in its `parse`, a line here, and vectors in the tests.
///
/// # Errors
/// Says why not, in words that hold nothing of the hash.
pub fn check_supported(hash: &PasswordHash) -> Result<(), UnsupportedHash> {
    Stored::parse(hash).map(drop)
}

/// Whether a stored hash is what a new one of this cost would be; nothing is computed.
///
/// # Errors
/// As of [`check_supported`].
pub fn strength(hash: &PasswordHash, cost: Argon2Cost) -> Result<Strength, UnsupportedHash> {
    Ok(Stored::parse(hash)?.strength(cost))
}

/// A stored hash, taken apart: everything in it is within bounds.
pub(super) enum Stored {
    Argon2(argon2::Stored),
    Bcrypt(bcrypt::Stored),
    Scrypt(scrypt::Stored),
    Pbkdf2(pbkdf2::Stored),
}

impl Stored {
    pub(super) fn parse(hash: &PasswordHash) -> Result<Self, UnsupportedHash> {
        let text = hash.secret();
        if text.len() > MAX_HASH_BYTES || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(UnsupportedHash::UnknownScheme);
        }
        let starts = |prefixes: &[&str]| prefixes.iter().any(|p| text.starts_with(p));
        match () {
            () if starts(&["$argon2", "argon2$"]) => argon2::Stored::parse(text).map(Self::Argon2),
            () if starts(&["$2", "bcrypt$", "bcrypt_sha256$"]) => bcrypt::Stored::parse(text).map(Self::Bcrypt),
            () if starts(&["$scrypt$", "scrypt$", "scrypt:"]) => scrypt::Stored::parse(text).map(Self::Scrypt),
            () if starts(&["$pbkdf2", "pbkdf2_", "pbkdf2:"]) => pbkdf2::Stored::parse(text).map(Self::Pbkdf2),
            () => Err(UnsupportedHash::UnknownScheme),
        }
    }

    /// Computes the hash of `password` with the stored parameters and compares, in constant time.
    pub(super) fn compare(
        &self,
        password: &Password,
        hasher: &mut argon2::Hasher,
    ) -> Result<Comparison, argon2::OutOfMemory> {
        let password = password.secret().as_bytes();
        match self {
            Self::Argon2(stored) => stored.compare(password, hasher),
            Self::Bcrypt(stored) => Ok(stored.compare(password)),
            Self::Scrypt(stored) => Ok(stored.compare(password)),
            Self::Pbkdf2(stored) => Ok(stored.compare(password)),
        }
    }

    /// Whether a hash made now would be of this scheme and cost.
    pub(super) fn strength(&self, cost: Argon2Cost) -> Strength {
        match self {
            Self::Argon2(stored) if stored.is_current(cost) => Strength::Current,
            _ => Strength::Outdated,
        }
    }
}
