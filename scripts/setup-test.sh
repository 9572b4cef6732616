#!/usr/bin/env bash
# Brings what `make test` needs beside Rust: a C compiler, curl, Python with a virtual environment, Node.js, Chromium, the
# command line `jose`, three tools that attack, `slowhttptest`, `hydra` and `sqlmap`, three for faults, `strace`, `faketime`
# and `ip`, a proxy, `haproxy`, and PostgreSQL, of which the tests make clusters of their own. Installs Debian packages only
# for what is missing; done again, it does nothing. Versions of the rest are pinned.
#
# On Debian the packages `postgresql` and `haproxy` start services of their own, now and at each boot. No test needs or touches
# them: `systemctl disable --now postgresql haproxy` ends that.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly NODE_AT_LEAST=20
CHROMIUM=${CHROMIUM:-/usr/bin/chromium}

fail() {
    echo "setup: $*" >&2
    exit 1
}

# A Python with tomllib and venv: the one in front, or Debian's.
find_python() {
    local python
    for python in python3 /usr/bin/python3; do
        if command -v "$python" >/dev/null && "$python" -c 'import tomllib, venv, ensurepip' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    return 1
}

# The programs of a server, of any version: scripts/postgres.sh takes the newest.
find_postgresql() {
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null
}

# The library that turns the clock of a program, where faults/rig/clock.py looks for it; the command is not enough.
find_libfaketime() {
    ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || ls /usr/lib64/faketime/libfaketimeMT.so.1 >/dev/null 2>&1
}

missing_packages() {
    command -v cc >/dev/null || echo gcc libc6-dev
    command -v curl >/dev/null || echo curl ca-certificates
    find_python >/dev/null || echo python3 python3-venv
    command -v node >/dev/null || echo nodejs
    command -v npm >/dev/null || echo npm
    [ -x "$CHROMIUM" ] || echo chromium
    command -v jose >/dev/null || echo jose
    command -v slowhttptest >/dev/null || echo slowhttptest
    command -v hydra >/dev/null || echo hydra
    command -v sqlmap >/dev/null || echo sqlmap
    { command -v haproxy || [ -x /usr/sbin/haproxy ]; } >/dev/null || echo haproxy
    find_postgresql || echo postgresql
    command -v openssl >/dev/null || echo openssl
    command -v strace >/dev/null || echo strace
    find_libfaketime || echo faketime
    { command -v ip || [ -x /usr/sbin/ip ]; } >/dev/null || echo iproute2
}

apt() {
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "these Debian packages are missing, and neither root nor sudo is here: $missing"
        as_root=(sudo)
    fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 "$@"
}

command -v cargo >/dev/null || fail "cargo is missing: install Rust first"

missing=$(missing_packages | tr '\n' ' ')
if [ -n "$missing" ]; then
    command -v apt-get >/dev/null || fail "missing, and there is no apt-get to bring it: $missing"
    echo "setup: installing $missing"
    apt update >/dev/null || { sleep 5 && apt update >/dev/null; }
    # shellcheck disable=SC2086 # The list is to be split.
    apt install -y --no-install-recommends $missing >/dev/null
fi
missing=$(missing_packages | tr '\n' ' ')
[ -z "$missing" ] || fail "still missing: $missing"

node_version=$(node --version)
node_major=${node_version#v}
node_major=${node_major%%.*}
[ "$node_major" -ge "$NODE_AT_LEAST" ] || fail "Node.js $NODE_AT_LEAST or newer is needed, and this is $node_version"

python=$(find_python)
# What a virtual environment is made of; it is made anew when one of these changes.
wanted="$("$python" -c 'import sys; print(sys.version, sys.base_prefix)') $(sha256sum interop/python/requirements.txt)"
if [ "$(cat .venv/made-of 2>/dev/null)" != "$wanted" ]; then
    echo "setup: the Python packages"
    "$python" -m venv --clear .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r interop/python/requirements.txt
    .venv/bin/python -m pip check --disable-pip-version-check >/dev/null
    echo "$wanted" >.venv/made-of
fi

wanted="$node_version $(sha256sum interop/package-lock.json)"
if [ "$(cat interop/node_modules/made-of 2>/dev/null)" != "$wanted" ]; then
    echo "setup: the Node.js packages"
    npm ci --prefix interop --loglevel=error >/dev/null
    echo "$wanted" >interop/node_modules/made-of
fi

browser=$("$CHROMIUM" --version --no-sandbox 2>/dev/null) || fail "$CHROMIUM does not start"
jose alg >/dev/null 2>&1 || fail "the jose in front of the path, $(command -v jose), is not Debian's"
echo "setup: $(cargo --version), $(.venv/bin/python --version), Node.js $node_version, $browser"
