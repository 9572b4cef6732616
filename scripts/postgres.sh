#!/usr/bin/env bash
# A throw-away PostgreSQL for tests: a cluster of its own in DIR, on a free port of 127.0.0.1 and a socket in DIR, with
# TLS. Never the system's own cluster. What `start` and `run` print is the URL of its superuser.
#
#   postgres.sh start DIR    makes the cluster and starts it
#   postgres.sh stop DIR     stops it and removes DIR
#   postgres.sh run DIR      as start, and as stop when its standard input ends: whoever dies leaves nothing behind
#   postgres.sh crash DIR    ends it as a loss of power would
#   postgres.sh resume DIR   starts it again, on the same port
#   postgres.sh database DIR NAME   makes an empty database, and prints its URL
#
# With FSYNC=on what is committed is on the disk, which a benchmark wants.
#
# In DIR: root.crt, the certificate that signed the server's, which is good for localhost and 127.0.0.1; log; url.
set -euo pipefail
# What is in DIR is nobody else's: the socket asks for no password.
umask 077

fail() {
    echo "postgres: $*" >&2
    exit 1
}

[ $# -eq 2 ] || [ "$1 $#" = "database 3" ] || fail "usage: postgres.sh start|stop|run|crash|resume|database DIR [NAME]"
command=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)

# Debian keeps the programs of each version apart; the newest is taken.
programs=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
if [ -z "$programs" ]; then
    programs=$(dirname "$(command -v initdb || true)")
fi
[ -x "$programs/initdb" ] && [ -x "$programs/pg_ctl" ] || fail "PostgreSQL is missing: run scripts/setup-test.sh"

# PostgreSQL refuses to run as root.
as_user() {
    if [ "$(id -u)" -eq 0 ]; then
        (cd "$dir" && setpriv --reuid=postgres --regid=postgres --clear-groups --inh-caps=-all "$@")
    else
        "$@"
    fi
}

# The server holds on to nothing of ours: no pipe, no lock.
control() {
    as_user "$programs/pg_ctl" -D "$dir/data" -l "$dir/log" -s -w -t 60 "$@" </dev/null >/dev/null 2>&1 9>&-
}

random() {
    od -An -N16 -tx1 /dev/urandom | tr -d ' \n'
}

certificates() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=countersign-test-root \
        -keyout "$dir/root.key" -out "$dir/root.crt" 2>/dev/null
    openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout "$dir/server.key" -out "$dir/server.csr" 2>/dev/null
    openssl x509 -req -in "$dir/server.csr" -CA "$dir/root.crt" -CAkey "$dir/root.key" -days 3650 -out "$dir/server.crt" \
        -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1') 2>/dev/null
    chmod 600 "$dir/server.key"
}

start() {
    [ ! -e "$dir/data" ] || fail "$dir holds a cluster already"
    local password
    password=$(random)
    echo "$password" >"$dir/password"
    certificates
    [ "$(id -u)" -ne 0 ] || chown -R postgres:postgres "$dir"
    as_user "$programs/initdb" -D "$dir/data" --no-sync --username=countersign --pwfile="$dir/password" \
        --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C >"$dir/initdb.log" 2>&1 \
        || fail "initdb failed: $(tail -3 "$dir/initdb.log")"
    # What is killed loses nothing that the operating system has; only a loss of power would, and nobody tests that here.
    as_user tee -a "$dir/data/postgresql.conf" >/dev/null <<END
listen_addresses = '127.0.0.1'
unix_socket_directories = '$dir'
unix_socket_permissions = 0700
max_connections = 400
fsync = ${FSYNC:-off}
ssl = on
ssl_cert_file = '$dir/server.crt'
ssl_key_file = '$dir/server.key'
END
    local try port
    for try in 1 2 3 4 5 6 7 8 9 10; do
        port=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
        echo "port = $port" | as_user tee "$dir/data/postgresql.auto.conf" >/dev/null
        if control start; then
            # A machine that does much else takes long for a handshake.
            echo "postgres://countersign:$password@127.0.0.1:$port/postgres?sslrootcert=$dir/root.crt&connect_timeout=60" \
                >"$dir/url"
            cat "$dir/url"
            return
        fi
    done
    fail "it did not start: $(tail -3 "$dir/log")"
}

stop() {
    control stop -m immediate || true
    rm -rf "$dir"
}

case $command in
    start) start ;;
    stop) stop ;;
    run)
        # Whoever presses Ctrl-C ends the tests; their end is the end of our input.
        trap '' INT TERM HUP
        trap stop EXIT
        start
        cat >/dev/null
        ;;
    crash) control stop -m immediate ;;
    resume) control start ;;
    database)
        port=$(sed 's#.*:\([0-9]*\)/.*#\1#' "$dir/url")
        as_user "$programs/createdb" --host="$dir" --port="$port" --username=countersign "$3"
        sed "s#/postgres?#/$3?#" "$dir/url"
        ;;
    *) fail "there is no $command" ;;
esac
