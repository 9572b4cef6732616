#!/usr/bin/env python3
"""Two replicas over one PostgreSQL, behind a proxy, on this machine and without containers: `make cluster`.

Usage: scripts/cluster.py [--port PORT] [--programs FOLDER]

Everything lives in a temporary folder and ends with Ctrl-C. It needs PostgreSQL and haproxy: Debian's packages of these names.
"""

import argparse
import contextlib
import os
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "scripts/postgres.sh"
PATIENCE = 60  # seconds, for something to start or to end
OWNER = "alice"


def free_port():
    """One that Linux gives to no outgoing connection, so that a replica that starts again finds it free."""
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Database:
    """A PostgreSQL of its own, which ends when it is left."""

    def __init__(self, fsync=False):
        self.environment = os.environ | {"FSYNC": "on" if fsync else "off"}

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="countersign-postgres-"))
        # The database's own user must be able to enter.
        self.folder.chmod(0o711)
        self.process = subprocess.Popen([SCRIPT, "run", self.folder / "database"], env=self.environment,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            self.__exit__()
            raise SystemExit("PostgreSQL does not start")
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)

    def do(self, command, *more):
        """What scripts/postgres.sh can do with it; what that printed."""
        done = subprocess.run([SCRIPT, command, self.folder / "database", *more], check=True, stdout=subprocess.PIPE,
                              encoding="utf-8", timeout=2 * PATIENCE)
        return done.stdout.strip()

    def create(self, name):
        """The URL of a new, empty database."""
        return self.do("database", name)


class Replica:
    """One process of the program."""

    def __init__(self, cluster, name):
        self.cluster, self.name, self.port = cluster, name, free_port()
        self.log = cluster.folder / f"{name}.log"
        self.start()

    @property
    def base(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        """Starts it, on the port that it had before; returns when it listens."""
        command = [self.cluster.program, "serve", "--listen", f"127.0.0.1:{self.port}"]
        output = self.cluster.folder / f"{self.name}.out"
        with output.open("wb") as out, self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=log,
                                            cwd=self.cluster.folder, env=self.cluster.environment)
        wait_until(lambda: re.search(r"http://127\.0\.0\.1:\d+\D", output.read_text()), self.process, self.log)

    def stop(self):
        """Tells it to end; returns its exit code when it has."""
        self.process.terminate()
        return self.process.wait(PATIENCE)


class Cluster:
    """PostgreSQL, two replicas and the proxy; ends them when it is left."""

    def __init__(self, programs, port=None, environment=None):
        self.programs, self.port = Path(programs).resolve(), port or free_port()
        self.more, self.running, self.replicas = environment or {}, [], []
        self.program = self.programs / "countersign"

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="countersign-cluster-"))
        with contextlib.ExitStack() as ends:
            ends.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self.database = ends.enter_context(Database())
            ends.callback(self._stop)
            self._start()
            self.ends = ends.pop_all()
        return self

    def __exit__(self, *_):
        self.ends.close()

    def _stop(self):
        running = [*self.running, *(replica.process for replica in self.replicas)]
        for process in running:
            process.terminate()
        for process in running:
            process.wait(PATIENCE)

    def _start(self):
        self.password = secrets.token_urlsafe(12)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
        self.environment = inherited | {
            "COUNTERSIGN_DATABASE": self.database.url,
            "COUNTERSIGN_ISSUER": self.base,
            "COUNTERSIGN_TRUSTED_PROXIES": "127.0.0.1",
        } | self.more
        self.run("user", "add", OWNER, "--password-stdin", "--scope", "me", input=self.password)
        for name in ("one", "two"):
            self.replicas.append(Replica(self, name))
        self._start_proxy()

    def _start_proxy(self):
        if not shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
            raise SystemExit("cluster: haproxy is missing: run scripts/setup-test.sh, or install the package of that name")
        one, two = (f"127.0.0.1:{replica.port}" for replica in self.replicas)
        environment = os.environ | {"BIND": f"127.0.0.1:{self.port}", "ONE": one, "TWO": two,
                                    "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin"}
        log = self.folder / "proxy.log"
        with log.open("wb") as out:
            proxy = subprocess.Popen(["haproxy", "-db", "-f", ROOT / "contrib/haproxy/haproxy.cfg"], env=environment,
                                     stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.running.append(proxy)
        wait_until(lambda: listens(self.port), proxy, log)

    @property
    def base(self):
        return f"http://127.0.0.1:{self.port}"

    def run(self, *arguments, input=""):
        """A command of the program; what it printed."""
        ran = subprocess.run([self.program, *arguments], input=input, capture_output=True, encoding="utf-8",
                             timeout=PATIENCE, cwd=self.folder, env=self.environment)
        if ran.returncode != 0:
            raise RuntimeError(ran.stderr)
        return ran.stdout


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_until(is_so, process, log):
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(f"it did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)


GUIDE = """
Two replicas over one PostgreSQL. Everything is in {folder} and goes with Ctrl-C.

  the proxy     {base}
  replica one   {one}
  replica two   {two}

Log in, end the login at one, and show its token to the other: 200, then 401.

  answer=$(curl -s {base}/token -d username={owner} -d password={password} -d scope=me)
  access=$(sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/' <<<"$answer")
  refresh=$(sed 's/.*"refresh_token":"\\([^"]*\\)".*/\\1/' <<<"$answer")
  curl -s -o /dev/null -w '%{{http_code}}\\n' {two}/users/me -H "Authorization: Bearer $access"
  curl -s {one}/revoke -d token=$refresh
  curl -s -o /dev/null -w '%{{http_code}}\\n' {two}/users/me -H "Authorization: Bearer $access"

Their logs: {folder}/one.log and two.log.
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8000, help="where the proxy listens")
    parser.add_argument("--programs", type=Path, default=ROOT / "target/release", help="where cargo put the program")
    arguments = parser.parse_args()
    # Whoever ends this ends all of it: what is left cleans up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Cluster(arguments.programs, arguments.port) as cluster:
        one, two = (replica.base for replica in cluster.replicas)
        print(GUIDE.format(folder=cluster.folder, base=cluster.base, one=one, two=two, owner=OWNER,
                           password=cluster.password), flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
