//! PBKDF2 (RFC 8018 §5.2): stored hashes only, in the spellings of Django, passlib, PHC and Werkzeug.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

use super::stored::{Comparison, TAG_BOUND, TAG_BYTES, UnsupportedHash, decimal, hexadecimal};

/// A stored PBKDF2 hash, taken apart.
pub(super) struct Stored {
    digest: Digest,
    iterations: u32,
    salt: Vec<u8>,
    tag: Vec<u8>,
}

/// The digest under the HMAC.
#[derive(Clone, Copy)]
enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl Digest {
    const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl Stored {
    pub(super) fn parse(text: &str) -> Result<Self, UnsupportedHash> {
        let fields: Vec<&str> = text.split('$').collect();
        match *fields {
            ["", name, costs, salt, tag] => Self::passlib(name, costs, salt, tag),
            [name, iterations, salt, tag] => Self::django(name, iterations, salt, tag),
            [method, salt, tag] => Self::werkzeug(method, salt, tag),
            _ => Err(malformed("its fields are of no known spelling")),
        }
    }

    /// `$pbkdf2-sha256$29000$salt$tag`, or `i=29000,l=32` for the number; base64 without padding, passlib's with `.` for `+`.
    fn passlib(name: &str, costs: &str, salt: &str, tag: &str) -> Result<Self, UnsupportedHash> {
        let digest = match name {
            "pbkdf2" | "pbkdf2-sha1" => Digest::Sha1,
            "pbkdf2-sha256" => Digest::Sha256,
            "pbkdf2-sha512" => Digest::Sha512,
            _ => return Err(malformed("its digest is none of SHA-1, SHA-256 and SHA-512")),
        };
        let decode = |text: &str| STANDARD_NO_PAD.decode(text.replace('.', "+")).ok();
        let salt = decode(salt).ok_or(malformed("its salt is not base64"))?;
        let tag = decode(tag);
        let (iterations, length) = match costs.strip_prefix("i=").map(|rest| rest.split_once(",l=").ok_or(rest)) {
            None => (costs, Some(digest.bytes())),
            Some(Err(iterations)) => (iterations, Some(digest.bytes())),
            Some(Ok((iterations, length))) => (iterations, decimal(length).and_then(|l| usize::try_from(l).ok())),
        };
        Self::new(digest, iterations, salt, tag, length)
    }

    /// `pbkdf2_sha256$600000$salt$tag`, the tag in base64 with padding and the salt as it is.
    fn django(name: &str, iterations: &str, salt: &str, tag: &str) -> Result<Self, UnsupportedHash> {
        let digest = match name {
            "pbkdf2_sha1" => Digest::Sha1,
            "pbkdf2_sha256" => Digest::Sha256,
            _ => return Err(malformed("its digest is none of sha1 and sha256")),
        };
        Self::new(digest, iterations, salt, STANDARD.decode(tag).ok(), Some(digest.bytes()))
    }

    /// `pbkdf2:sha256:1000000$salt$tag`, the tag in hexadecimal and the salt as it is.
    fn werkzeug(method: &str, salt: &str, tag: &str) -> Result<Self, UnsupportedHash> {
        let method: Vec<&str> = method.split(':').collect();
        let (digest, iterations) = match *method {
            ["pbkdf2", "sha1", iterations] => (Digest::Sha1, iterations),
            ["pbkdf2", "sha256", iterations] => (Digest::Sha256, iterations),
            ["pbkdf2", "sha512", iterations] => (Digest::Sha512, iterations),
            _ => return Err(malformed("not pbkdf2:digest:iterations")),
        };
        Self::new(digest, iterations, salt, hexadecimal(tag), Some(digest.bytes()))
    }

    /// A shorter tag of PBKDF2 is the beginning of a longer one. So its `length` must be known, or a hash cut off in some
    /// column would verify.
    fn new(
        digest: Digest,
        iterations: &str,
        salt: impl Into<Vec<u8>>,
        tag: Option<Vec<u8>>,
        length: Option<usize>,
    ) -> Result<Self, UnsupportedHash> {
        let iterations = decimal(iterations).ok_or(malformed("its iterations are not a number"))?;
        let tag = tag.ok_or(malformed("its tag is not base64 or hexadecimal"))?;
        if !(1..=MAX_ITERATIONS).contains(&iterations) {
            return Err(out_of_bounds("1 to 5,000,000 iterations"));
        }
        if !TAG_BYTES.contains(&tag.len()) {
            return Err(out_of_bounds(TAG_BOUND));
        }
        // More than one block of the digest multiplies our work and nobody else's.
        if Some(tag.len()) != length || tag.len() > digest.bytes() {
            return Err(malformed("its tag is of another length than l or the digest says"));
        }
        Ok(Self { digest, iterations, salt: salt.into(), tag })
    }

    pub(super) fn compare(&self, password: &[u8]) -> Comparison {
        let mut computed = Zeroizing::new(vec![0; self.tag.len()]);
        match self.digest {
            Digest::Sha1 => pbkdf2_hmac::<Sha1>(password, &self.salt, self.iterations, &mut computed),
            Digest::Sha256 => pbkdf2_hmac::<Sha256>(password, &self.salt, self.iterations, &mut computed),
            Digest::Sha512 => pbkdf2_hmac::<Sha512>(password, &self.salt, self.iterations, &mut computed),
        }
        Comparison::of(&computed, &self.tag)
    }
}

/// Some seconds of a core; OWASP asks for 600,000 of SHA-256, and Django adds to its 1,500,000 each year.
const MAX_ITERATIONS: u32 = 5_000_000;

const SCHEME: &str = "PBKDF2";

fn malformed(part: &'static str) -> UnsupportedHash {
    UnsupportedHash::Malformed { scheme: SCHEME, part }
}

fn out_of_bounds(bound: &'static str) -> UnsupportedHash {
    UnsupportedHash::OutOfBounds { scheme: SCHEME, bound }
}
