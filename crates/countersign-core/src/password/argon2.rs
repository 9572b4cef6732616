//! Argon2 (RFC 9106): the scheme of new hashes, and the stored ones of all its kinds.

use argon2_rust::{
    Algorithm, Argon2, Params, Version, decode_string, encode_base64,
    params::{Memory, TagLen},
};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{
    PasswordHash,
    stored::{Comparison, TAG_BOUND, TAG_BYTES, UnsupportedHash},
};

/// What one new hash costs: Argon2id, version 19, with a salt of 16 and a tag of 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Argon2Cost {
    /// The first choice of OWASP's Password Storage Cheat Sheet that fits many logins at once: 19 MiB, two passes, one lane.
    pub const OWASP: Self = Self { memory_kib: 19_456, passes: 2, lanes: 1 };

    /// A cost of at least one of OWASP's equivalents, and within what a stored hash may cost (256 MiB, 16 passes, 16 lanes,
    /// and 1 GiB filled in all passes together).
    ///
    /// `memory_kib` is in KiB. OWASP lists 47,104 KiB with one pass, 19,456 with two, 12,288 with three, 9,216 with four and
    /// 7,168 with five, each with one lane.
    ///
    /// # Errors
    /// [`UnsuitableCost`] when it is less than each of these, or beyond the bounds.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, UnsuitableCost> {
        let enough = OWASP_EQUIVALENTS.iter().any(|(kib, times)| memory_kib >= *kib && passes >= *times);
        if enough && bound_broken(memory_kib, passes, lanes).is_none() && memory_kib >= MIN_KIB_PER_LANE * lanes {
            Ok(Self { memory_kib, passes, lanes })
        } else {
            Err(UnsuitableCost)
        }
    }

    /// Next to nothing: 64 KiB, one pass. For tests that are not about the cost.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub const fn weak_for_tests() -> Self {
        Self { memory_kib: 64, passes: 1, lanes: 1 }
    }

    /// Memory of one hash, in KiB.
    #[must_use]
    pub const fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// How many times the memory is filled.
    #[must_use]
    pub const fn passes(&self) -> u32 {
        self.passes
    }

    /// How many lanes the memory is split into; they are computed one after the other.
    #[must_use]
    pub const fn lanes(&self) -> u32 {
        self.lanes
    }

    fn argon2(self) -> Argon2 {
        let params = Params::builder()
            .memory(Memory::kib(self.memory_kib.into()))
            .passes(self.passes)
            .lanes(self.lanes)
            .tag_len(TagLen::bytes(NEW_TAG_BYTES as u64))
            .build();
        #[expect(clippy::expect_used, reason = "every constructor of a cost stays within the bounds of Argon2")]
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params.expect("a checked cost"))
    }
}

impl Default for Argon2Cost {
    fn default() -> Self {
        Self::OWASP
    }
}

/// A hash that costs less than OWASP's list asks for, or more than a login may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the cost must be at least one of 47104 KiB with 1 pass, 19456 with 2, 12288 with 3, 9216 with 4 or 7168 with 5, \
     and at most 256 MiB, 16 passes, 16 lanes and 1 GiB in all passes together"
)]
pub struct UnsuitableCost;

/// Memory for a hash could not be had.
#[derive(Clone, Copy, Debug, Error)]
#[error("there is no memory for a password hash")]
pub(super) struct OutOfMemory;

/// Makes hashes of the current cost, in memory that it keeps from one to the next.
pub(super) struct Hasher {
    cost: Argon2Cost,
    inner: argon2_rust::Hasher,
}

impl Hasher {
    pub(super) fn new(cost: Argon2Cost) -> Self {
        Self { cost, inner: cost.argon2().hasher() }
    }

    pub(super) fn hash(&mut self, password: &[u8], salt: &[u8; SALT_BYTES]) -> Result<PasswordHash, OutOfMemory> {
        let mut tag = Zeroizing::new([0; NEW_TAG_BYTES]);
        self.inner.hash_into(password, salt, tag.as_mut()).map_err(|_| OutOfMemory)?;
        let encode = |bytes: &[u8]| encode_base64(bytes).map_err(|_| OutOfMemory);
        let Argon2Cost { memory_kib, passes, lanes } = self.cost;
        let (salt, tag) = (encode(salt)?, encode(tag.as_ref())?);
        Ok(PasswordHash::new(format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${tag}")))
    }
}

#[cfg(test)]
impl Hasher {
    /// The memory kept, in KiB.
    pub(super) fn kept_kib(&self) -> usize {
        self.inner.reserved_blocks()
    }
}

/// A stored Argon2 hash, taken apart.
pub(super) struct Stored {
    argon2: Argon2,
    salt: Vec<u8>,
    tag: Vec<u8>,
    spelling: Spelling,
}

#[derive(PartialEq, Eq)]
enum Spelling {
    Phc,
    Django,
}

impl Stored {
    pub(super) fn parse(text: &str) -> Result<Self, UnsupportedHash> {
        let (phc, spelling) = match text.strip_prefix("argon2$") {
            Some(_) => (&text[DJANGO_PREFIX.len()..], Spelling::Django),
            None => (text, Spelling::Phc),
        };
        let algorithm = match phc.split('$').nth(1) {
            Some("argon2id") => Algorithm::Argon2id,
            Some("argon2i") => Algorithm::Argon2i,
            Some("argon2d") => Algorithm::Argon2d,
            _ => return Err(malformed("its kind is none of i, d and id")),
        };
        // Decoding allocates the salt and the tag, which are shorter than the text; the arena comes with hashing only.
        let decoded = decode_string(phc, algorithm).map_err(|_| malformed("not $v=…$m=…,t=…,p=…$salt$tag"))?;
        let params = decoded.params;
        if let Some(bound) = bound_broken(params.memory_kib(), params.passes(), params.lanes()) {
            return Err(out_of_bounds(bound));
        }
        if !STORED_SALT_BYTES.contains(&decoded.salt.len()) {
            return Err(out_of_bounds("a salt of 8 to 64 bytes"));
        }
        if !TAG_BYTES.contains(&decoded.hash.len()) {
            return Err(out_of_bounds(TAG_BOUND));
        }
        let argon2 = Argon2::new(decoded.algorithm, decoded.version, params);
        Ok(Self { argon2, salt: decoded.salt, tag: decoded.hash, spelling })
    }

    /// Hashes of the current cost reuse the memory of `hasher`; others allocate and free their own, and leave nothing.
    pub(super) fn compare(&self, password: &[u8], hasher: &mut Hasher) -> Result<Comparison, OutOfMemory> {
        let mut tag = Zeroizing::new(vec![0; self.tag.len()]);
        let hashed = if self.argon2 == *hasher.inner.argon2() {
            hasher.inner.hash_into(password, &self.salt, &mut tag)
        } else {
            self.argon2.hash_into(password, &self.salt, &mut tag)
        };
        hashed.map(|()| Comparison::of(&tag, &self.tag)).map_err(|_| OutOfMemory)
    }

    pub(super) fn is_current(&self, cost: Argon2Cost) -> bool {
        self.spelling == Spelling::Phc && self.salt.len() >= SALT_BYTES && self.argon2 == cost.argon2()
    }
}

/// The salt of a new hash, in bytes: RFC 9106 §3.1, "16 bytes is RECOMMENDED for password hashing".
pub(super) const SALT_BYTES: usize = 16;

/// The tag of a new hash, in bytes: 256 bits, as in both recommended options of RFC 9106 §4.
const NEW_TAG_BYTES: usize = 32;

/// KiB and passes, each with one lane: OWASP's Password Storage Cheat Sheet.
const OWASP_EQUIVALENTS: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

/// RFC 9106 §3.1: at least 8 KiB of memory for each lane.
const MIN_KIB_PER_LANE: u32 = 8;

/// Salts of stored hashes, in bytes.
const STORED_SALT_BYTES: std::ops::RangeInclusive<usize> = 8..=64;

/// Django writes its own name for the scheme before the PHC form, which begins with the `$` between them.
const DJANGO_PREFIX: &str = "argon2";

const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 16;
/// Memory times passes, in KiB: what is filled in all. Some seconds of one core.
const MAX_FILLED_KIB: u32 = 1024 * 1024;

/// The bound that these parameters break, in words.
fn bound_broken(memory_kib: u32, passes: u32, lanes: u32) -> Option<&'static str> {
    match () {
        () if memory_kib > MAX_MEMORY_KIB => Some("at most 256 MiB of memory"),
        () if passes > MAX_PASSES => Some("at most 16 passes"),
        () if lanes == 0 || lanes > MAX_LANES => Some("1 to 16 lanes"),
        () if memory_kib.saturating_mul(passes) > MAX_FILLED_KIB => Some("at most 1 GiB filled in all passes together"),
        () => None,
    }
}

const SCHEME: &str = "Argon2";

fn malformed(part: &'static str) -> UnsupportedHash {
    UnsupportedHash::Malformed { scheme: SCHEME, part }
}

fn out_of_bounds(bound: &'static str) -> UnsupportedHash {
    UnsupportedHash::OutOfBounds { scheme: SCHEME, bound }
}
