//! Tells the program when it was built: a clock that is before that is wrong.

use std::{
    env,
    time::{SystemTime, UNIX_EPOCH},
};

fn main() {
    // Who builds the same program twice sets it (reproducible-builds.org).
    let told = env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse::<u64>().ok());
    #[expect(clippy::disallowed_methods, reason = "there is no server yet whose clock it could be")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rustc-env=BUILT_AT_SECONDS={}", told.unwrap_or(now));
}
