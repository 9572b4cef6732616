"""The built program on a store: started, killed, told to end; and its command line."""

import os
import signal
import subprocess
import threading
import time

from driver.serving import Server
from running import directory

# One name for all the processes that serve a store, whichever port each has.
ISSUER = "http://127.0.0.1:9"
CLI_PATIENCE = 60  # seconds

SETTINGS = {
    "ISSUER": ISSUER,
    # The cheapest hashes that the program takes.
    "ARGON2_MEMORY_KIB": "7168",
    "ARGON2_PASSES": "5",
    # No token of a run expires within it, where the fault is not the clock.
    "ACCESS_TOKEN_LIFETIME": "86400",
    "THROTTLE_FAILURES_PER_ACCOUNT": "100",
    "THROTTLE_FAILURES_PER_SOURCE": "100000",
    "LOG_LEVEL": "warn",
}


class Broken(Exception):
    """The program did not do what no fault excuses: it did not start, or a command failed."""


def program():
    return directory() / "countersign"


def environment(store, settings):
    chosen = SETTINGS | {"DATABASE": store.url} | settings
    return {f"COUNTERSIGN_{name}": str(value) for name, value in chosen.items()}


class Countersign(Server):
    """`countersign serve` on a store. `before` are words in front of the command, `others` more of the environment."""

    def __init__(self, store, folder, name="countersign", before=(), others=None, **settings):
        # The port has its place in the command: `Server` finds a free one.
        command = [*before, program(), "serve", "--listen", "127.0.0.1:{port}"]
        given = environment(store, settings) | (others or {})
        try:
            super().__init__(name, command, ("/health/ready", 200), folder, env=given, cwd=folder)
        except SystemExit as ended:
            raise Broken(str(ended)) from None

    def kill(self):
        """SIGKILL, to it and whatever it was started by."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class CommandLine:
    """Commands beside the server, which can be killed like it."""

    def __init__(self, store, folder, others=None, **settings):
        self.folder, self.given = folder, environment(store, settings) | (others or {})
        self._running, self._lock = set(), threading.Lock()

    def run(self, *arguments, typed="", before=()):
        """What it printed; raises `Broken` if it fails. `before` are words in front of the command."""
        code, out, err = self._finish(arguments, typed, before)
        if code != 0:
            raise Broken(f"countersign {' '.join(arguments)}: {code}: {err}")
        return out

    def attempt(self, *arguments, typed=""):
        """Whether it said that it was done: `None` if it was killed or failed, and nobody knows."""
        code, _, _ = self._finish(arguments, typed)
        return True if code == 0 else None

    def _finish(self, arguments, typed, before=()):
        process = subprocess.Popen(
            [str(word) for word in (*before, program(), *arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
            cwd=self.folder, env={**os.environ, **self.given},
        )
        with self._lock:
            self._running.add(process)
        try:
            out, err = process.communicate(typed, timeout=CLI_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return None, "", "it did not end"
        finally:
            with self._lock:
                self._running.discard(process)
        return process.returncode, out, err

    def kill_all(self):
        with self._lock:
            for process in self._running:
                process.kill()


def timed(what):
    """What a call returns, and the seconds that it took."""
    began = time.monotonic()
    result = what()
    return result, time.monotonic() - began
