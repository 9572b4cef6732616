#!/usr/bin/env bash
# All tests, step by step, ending at the first that fails; the last line is the sum of what the runners counted.
# The whole output of each step is in artifacts/test/.
set -uo pipefail
cd "$(dirname "$0")/.."

readonly LOGS=artifacts/test
readonly STEPS=20
step=0 passed=0 failed=0 skipped=0
summary=()
started=$SECONDS

rm -rf artifacts
mkdir -p "$LOGS"

# Adds up one runner's own counts: `count NAME LOG`, by the runner's closing lines.
count() {
    local counts
    counts=$(.venv/bin/python - "$1" "$2" <<'PYTHON'
import re
import sys

runner, log = sys.argv[1], open(sys.argv[2], encoding="utf-8", errors="replace").read()
log = re.sub(r"\x1b\[[0-9;]*m", "", log)


def total(pattern):
    return sum(int(number) for number in re.findall(pattern, log, re.M))


if runner == "cargo":
    counts = [total(rf"^test result: .*?(\d+) {word}") for word in ("passed", "failed", "ignored")]
elif runner == "pytest":
    closing = log.rstrip().rsplit("\n", 1)[-1]
    found = [re.findall(rf"(\d+) {word}", closing) for word in ("passed", "(?:failed|errors?)", "(?:skipped|xfailed)")]
    counts = [sum(map(int, numbers)) for numbers in found]
elif runner == "node":
    counts = [total(rf"^\S+ {word} (\d+)$") for word in ("pass", "(?:fail|cancelled)", "(?:skipped|todo)")]
else:
    counts = [0, 0, 0]
print(*counts)
PYTHON
    )
    read -r ran_passed ran_failed ran_skipped <<<"${counts:-0 0 0}"
    passed=$((passed + ran_passed)) failed=$((failed + ran_failed)) skipped=$((skipped + ran_skipped))
}

finish() {
    echo
    printf '%s\n' "${summary[@]}"
    echo "$((SECONDS - started)) seconds"
    # A step that failed without a test that failed is a failure all the same.
    [ "$1" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
    echo "total: $passed passed, $failed failed, $skipped skipped"
    exit "$1"
}

# `run NAME RUNNER COMMAND…`
run() {
    local name=$1 runner=$2 log status began=$SECONDS
    shift 2
    step=$((step + 1))
    log="$LOGS/$(printf '%02d' "$step")-${name// /-}.log"
    echo
    echo "== $step/$STEPS $name: $*"
    "$@" </dev/null 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    ran_passed=0 ran_failed=0 ran_skipped=0
    [ "$runner" = none ] || count "$runner" "$log"
    # A runner that ran nothing has shown nothing.
    if [ "$status" -eq 0 ] && [ "$runner" != none ] && [ "$ran_passed" -eq 0 ]; then
        echo "$name ran no test"
        status=1
    fi
    local outcome=ok
    [ "$status" -eq 0 ] || outcome="FAILED ($status)"
    local counted=""
    [ "$runner" = none ] || counted=", $ran_passed passed, $ran_failed failed, $ran_skipped skipped"
    summary+=("$(printf '%-14s %s in %d s%s' "$name" "$outcome" "$((SECONDS - began))" "$counted")")
    echo "== $step/$STEPS ${summary[-1]}"
    [ "$status" -eq 0 ] || finish "$status"
}

export CARGO_TERM_COLOR=never
# Against what hangs for ever, and not against a slow machine: each takes a tenth of it.
minutes() { timeout --kill-after=30 "$(($1 * 60))" "${@:2}"; }

run setup none bash scripts/setup-test.sh
run dependencies none .venv/bin/python scripts/check-dependencies.py
run links none .venv/bin/python scripts/check-links.py
run format none cargo fmt --all --check
run clippy none cargo clippy --workspace --all-targets --locked -- -D warnings
# As those have the library who take none of its features: its tests switch all of them on.
run "no features" none cargo clippy -p countersign --lib --locked -- -D warnings
# The libraries: the program has the name of one of them. What they offer to those who test stores is behind a feature.
run "sqlite alone" none cargo clippy -p countersign-sql --lib --no-default-features --features sqlite --locked -- -D warnings
run "postgres alone" none cargo clippy -p countersign-sql --lib --no-default-features --features postgres --locked -- -D warnings
run doc none env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --lib --all-features --no-deps --locked
# What was built is written out before anything waits for the disk: else a test would wait for gigabytes.
run build none bash -c "cargo test --workspace --locked --no-run && sync"
run cargo cargo minutes 60 cargo test --workspace --locked
# Built by the step before, with the same features: this only makes sure of it.
run programs none cargo build --workspace --bins --examples --locked
run python pytest minutes 50 .venv/bin/python -m pytest -c interop/python/pytest.ini interop/python
# Those that any store must pass, again: over PostgreSQL, where above they stand on memory or SQLite.
run "rust postgres" cargo minutes 50 .venv/bin/python scripts/test-postgres.py
run "python postgres" pytest minutes 40 env TESTS_STORE=postgres .venv/bin/python -m pytest -c interop/python/pytest.ini interop/python
# The short forms; `make faults` runs the long ones, with the bounds as they are: this machine may do much else.
run faults pytest minutes 40 env FAULTS_SLOWNESS=10 .venv/bin/python -m pytest -p no:cacheprovider faults/tests
run bench pytest minutes 20 .venv/bin/python -m pytest -p no:cacheprovider benches/tests
run node node minutes 20 node --test --test-reporter=spec interop/node/*.test.js
run browser node minutes 40 node --test --test-reporter=spec interop/browser/*.test.js
# Again what has to do with a store: of the browser's, logins that are renewed and ended; not what a page looks like, nor the
# clients and examples that stand on no store of ours.
run "node postgres" node minutes 20 env TESTS_STORE=postgres node --test --test-reporter=spec \
    interop/node/{jose,oauth4webapi,openid_client}.test.js interop/browser/docs_renewal.test.js
finish 0
