//! The one program for libFuzzer: `FUZZ_TARGET` says which parser it attacks.

#![no_main]

use std::sync::LazyLock;

use countersign_fuzz::target;
use libfuzzer_sys::fuzz_target;

static RUN: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET: the name of a target");
    target(&name).unwrap_or_else(|| panic!("there is no target {name}"))
});

fuzz_target!(|data: &[u8]| RUN(data));
