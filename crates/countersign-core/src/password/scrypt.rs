//! scrypt (RFC 7914): stored hashes only, in the spellings of passlib, Django and Werkzeug.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use scrypt::Params;
use zeroize::Zeroizing;

use super::stored::{Comparison, UnsupportedHash, decimal, hexadecimal};

/// A stored scrypt hash, taken apart.
pub(super) struct Stored {
    params: Params,
    salt: Vec<u8>,
    tag: Vec<u8>,
}

/// The cost parameters as far as they could be read: N = 2^`log_n`, block size and parallelism.
#[derive(Clone, Copy)]
struct Costs {
    log_n: Option<u8>,
    r: Option<u32>,
    p: Option<u32>,
}

impl Stored {
    pub(super) fn parse(text: &str) -> Result<Self, UnsupportedHash> {
        let fields: Vec<&str> = text.split('$').collect();
        match *fields {
            ["", "scrypt", costs, salt, tag] => Self::passlib(costs, salt, tag),
            ["scrypt", n, salt, r, p, tag] => {
                let costs = Costs { log_n: log2(n), r: decimal(r), p: decimal(p) };
                Self::new(costs, salt, STANDARD.decode(tag).ok(), LONG_TAG_BYTES)
            }
            [method, salt, tag] => Self::werkzeug(method, salt, tag),
            _ => Err(malformed("its fields are of no known spelling")),
        }
    }

    /// `$scrypt$ln=15,r=8,p=1$salt$tag`, base64 without padding; `ln` is the logarithm of N.
    fn passlib(costs: &str, salt: &str, tag: &str) -> Result<Self, UnsupportedHash> {
        let costs: Vec<&str> = costs.split(',').collect();
        let [log_n, r, p] = *costs else {
            return Err(malformed("not ln=…,r=…,p=…"));
        };
        let number = |text: &str, name: &str| text.strip_prefix(name).and_then(decimal);
        let salt = STANDARD_NO_PAD.decode(salt).map_err(|_| malformed("its salt is not base64"))?;
        let log_n = number(log_n, "ln=").and_then(|log_n| u8::try_from(log_n).ok());
        let costs = Costs { log_n, r: number(r, "r="), p: number(p, "p=") };
        Self::new(costs, salt, STANDARD_NO_PAD.decode(tag).ok(), TAG_BYTES)
    }

    /// `scrypt:32768:8:1$salt$tag`, the tag in hexadecimal and the salt as it is.
    fn werkzeug(method: &str, salt: &str, tag: &str) -> Result<Self, UnsupportedHash> {
        let method: Vec<&str> = method.split(':').collect();
        let ["scrypt", n, r, p] = *method else {
            return Err(malformed("not scrypt:N:r:p"));
        };
        let costs = Costs { log_n: log2(n), r: decimal(r), p: decimal(p) };
        Self::new(costs, salt, hexadecimal(tag), LONG_TAG_BYTES)
    }

    fn new(
        costs: Costs,
        salt: impl Into<Vec<u8>>,
        tag: Option<Vec<u8>>,
        tag_bytes: usize,
    ) -> Result<Self, UnsupportedHash> {
        let log_n = costs.log_n.ok_or(malformed("its N is not a power of two in digits"))?;
        let (Some(r), Some(p)) = (costs.r, costs.p) else {
            return Err(malformed("its r or p is not a number"));
        };
        // A shorter tag of scrypt is the beginning of a longer one: a hash cut off in some column must not verify.
        let tag = tag.filter(|tag| tag.len() == tag_bytes);
        let tag = tag.ok_or(malformed("its tag is not base64 or hexadecimal of the right length"))?;
        if log_n == 0 || r == 0 || p == 0 {
            return Err(out_of_bounds("N of 2 or more, r and p of 1 or more"));
        }
        let block = 128 * u64::from(r);
        let memory = 1_u64.checked_shl(log_n.into()).and_then(|n| n.checked_mul(block));
        let together = |bytes: u64| bytes.saturating_add(block.saturating_mul(p.into()));
        let Some(memory) = memory.filter(|bytes| together(*bytes) <= MAX_MEMORY_BYTES) else {
            return Err(out_of_bounds("at most 256 MiB of memory (128 r (N + p) bytes)"));
        };
        if memory.saturating_mul(p.into()) > MAX_FILLED_BYTES {
            return Err(out_of_bounds("at most 1 GiB filled (128 N r p bytes)"));
        }
        let params = Params::new(log_n, r, p).map_err(|_| out_of_bounds("parameters that scrypt allows"))?;
        Ok(Self { params, salt: salt.into(), tag })
    }

    pub(super) fn compare(&self, password: &[u8]) -> Comparison {
        let mut computed = Zeroizing::new(vec![0; self.tag.len()]);
        #[expect(clippy::expect_used, reason = "only the tag's length could be wrong, and parsing bounds it")]
        scrypt::scrypt(password, &self.salt, &self.params, &mut computed).expect("a length within bounds");
        Comparison::of(&computed, &self.tag)
    }
}

/// The tag of passlib, in bytes.
const TAG_BYTES: usize = 32;

/// The tag of Django and Werkzeug, in bytes.
const LONG_TAG_BYTES: usize = 64;

/// One hash may hold this much memory, in bytes: twice the highest of OWASP's list (N = 2^17, r = 8).
const MAX_MEMORY_BYTES: u64 = 256 * 1024 * 1024;

/// And fill this much in all p rounds together, in bytes.
const MAX_FILLED_BYTES: u64 = 1024 * 1024 * 1024;

const SCHEME: &str = "scrypt";

/// The logarithm of a power of two in digits.
fn log2(text: &str) -> Option<u8> {
    decimal(text).filter(|n| n.is_power_of_two()).and_then(|n| u8::try_from(n.ilog2()).ok())
}

fn malformed(part: &'static str) -> UnsupportedHash {
    UnsupportedHash::Malformed { scheme: SCHEME, part }
}

fn out_of_bounds(bound: &'static str) -> UnsupportedHash {
    UnsupportedHash::OutOfBounds { scheme: SCHEME, bound }
}
