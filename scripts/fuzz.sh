#!/usr/bin/env bash
# Gives each parser of outside input to libFuzzer for SECONDS_EACH (60), one after the other, and ends at the first finding.
# `TARGETS="form scope"` chooses some. Needs a C++ compiler, for libFuzzer. The folder is as cargo-fuzz wants it too; its
# sanitizers need a nightly Rust and have nothing to find in code without `unsafe`, so this does without both.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

readonly HOST=$(rustc -vV | sed -n 's/^host: //p')

# What tells libFuzzer which way an input went.
coverage=(-C passes=sancov-module -C codegen-units=1)
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    coverage+=(-C "llvm-args=-sanitizer-coverage-$option")
done
# Named, so that what runs while cargo builds is not watched.
RUSTFLAGS="--cfg fuzzing ${coverage[*]} -C debug-assertions -C overflow-checks" \
    cargo build --release --locked --target "$HOST" --bin any

for target in ${TARGETS:-$(ls seeds)}; do
    echo "== $target, ${SECONDS_EACH:-60} s"
    mkdir -p "corpus/$target" "artifacts/$target"
    FUZZ_TARGET=$target "target/$HOST/release/any" "corpus/$target" "seeds/$target" \
        -max_total_time="${SECONDS_EACH:-60}" -max_len=8192 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="artifacts/$target/"
done
