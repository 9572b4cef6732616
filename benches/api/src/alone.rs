//! What cannot be had for less: the check of one signature and one password hash, alone, by processor time.

use std::{fs, hint::black_box, num::NonZeroUsize, thread};

use argon2_rust::{
    Algorithm, Argon2, Params, Version,
    params::{Memory, TagLen},
};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use serde_json::json;

use crate::Outcome;

const VERIFICATIONS: u32 = 4_000;
const HASHES: u32 = 20;

/// The cost of a password hash everywhere in the bench: Argon2id, KiB, passes, lanes, bytes.
const MEMORY_KIB: u64 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const TAG_BYTES: u64 = 32;

/// Prints what a signature check over `bytes` bytes costs, and a hash: on one core while the others rest, and while all of
/// them hash.
pub(crate) fn measure(bytes: usize) -> Outcome {
    let verify = verification(bytes)?;
    let hash = hash()?;
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let workers: Vec<_> = (0..cores).map(|_| thread::spawn(hash_or_say)).collect();
    let mut all = Vec::with_capacity(cores);
    for worker in workers {
        all.push(worker.join().map_err(|_| "a thread that hashes panicked")??);
    }
    let hash_all = all.iter().sum::<f64>() / all.len() as f64;
    println!("{}", json!({ "verify_us": verify * 1e6, "hash_ms": hash * 1e3, "hash_all_cores_ms": hash_all * 1e3 }));
    Ok(())
}

/// ES256 (RFC 7518 §3.4) by the library that ours uses, with the key ready.
fn verification(bytes: usize) -> Result<f64, Box<dyn std::error::Error + Send + Sync>> {
    let failed = |_| "the cryptographic library failed";
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
    let message = vec![b'a'; bytes];
    let signature = pair.sign(&aws_lc_rs::rand::SystemRandom::new(), &message).map_err(failed)?;
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref()).parse();
    let key = key.map_err(|_| "the cryptographic library refused its own key")?;
    timed(VERIFICATIONS, || {
        key.verify_sig(black_box(&message), signature.as_ref()).map_err(|error| failed(error).into())
    })
}

fn hash() -> Result<f64, Box<dyn std::error::Error + Send + Sync>> {
    let params = Params::builder()
        .memory(Memory::kib(MEMORY_KIB))
        .passes(PASSES)
        .lanes(LANES)
        .tag_len(TagLen::bytes(TAG_BYTES))
        .build()
        .map_err(|error| error.to_string())?;
    let mut hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hasher();
    let mut tag = [0; TAG_BYTES as usize];
    timed(HASHES, || {
        hasher
            .hash_into(black_box(b"correct horse battery"), b"a salt: 16 bytes", &mut tag)
            .map_err(|error| error.to_string().into())
    })
}

/// As [`hash`], with an error that can leave its thread.
fn hash_or_say() -> Result<f64, String> {
    hash().map_err(|error| error.to_string())
}

/// Seconds of processor time that one call takes, of `times` after one that does not count.
fn timed(times: u32, mut what: impl FnMut() -> Outcome) -> Result<f64, Box<dyn std::error::Error + Send + Sync>> {
    what()?;
    let before = processor_time()?;
    for _ in 0..times {
        what()?;
    }
    Ok((processor_time()? - before) / f64::from(times))
}

/// Seconds that this thread has run: the first number of its `schedstat`, in nanoseconds.
fn processor_time() -> Result<f64, Box<dyn std::error::Error + Send + Sync>> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: u64 = text.split(' ').next().unwrap_or_default().parse()?;
    Ok(nanoseconds as f64 / 1e9)
}
