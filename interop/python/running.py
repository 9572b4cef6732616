"""Starts a program of `programs.json` on a free port, and stops it: over PostgreSQL where `TESTS_STORE=postgres` asks for it."""

import atexit
import functools
import itertools
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STORE = os.environ.get("TESTS_STORE")
if STORE not in (None, "postgres"):
    raise SystemExit(f"TESTS_STORE is postgres or not set, and not {STORE}")

PROGRAMS = json.loads((ROOT / "interop" / "programs.json").read_text(encoding="utf-8"))
if STORE:
    # The others keep what they have in memory.
    PROGRAMS = {name: facts for name, facts in PROGRAMS.items() if facts["program"] == "countersign"}

START_TIMEOUT = 60  # seconds; a debug build on a busy machine
STOP_TIMEOUT = 60  # seconds
# A login waits for its turn, and is not answered 503 as early as it is for people.
PATIENT = {"COUNTERSIGN_HASH_WAIT": "60"}


def directory():
    """Where cargo puts what `cargo test` builds."""
    chosen = os.environ.get("PROGRAMS_DIR")
    if chosen:
        return Path(chosen).resolve()
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "debug"


@functools.cache
def postgres():
    """The PostgreSQL of this run, which ends with it, and numbers for its databases."""
    # Of scripts/, which those who only start programs need not have in their path.
    from cluster import Database

    started = Database().__enter__()
    atexit.register(started.__exit__)
    return started, itertools.count()


class Running:
    """A program that listens."""

    def __init__(self, name, called=None, **others):
        """The program `name`; with other facts than it has in `programs.json`, it needs a name of its own."""
        self.name = called or name
        self.facts = PROGRAMS[name] | others
        self.username = self.facts["username"]
        self.password = self.facts["password"]
        self.scopes = self.facts["scopes"]
        self.algorithm = self.facts["algorithm"]
        logs = ROOT / "artifacts" / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        run = f"python.{STORE}" if STORE else "python"
        self.stdout = logs / f"{run}.{self.name}.out"
        self.stderr = logs / f"{run}.{self.name}.err"
        # What a developer has set for a server of their own is not for this one.
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("COUNTERSIGN_")}
        # What it keeps it keeps here.
        self.directory = tempfile.TemporaryDirectory(prefix="interop-")
        self.options = {"env": inherited | PATIENT | self.facts["environment"], "cwd": self.directory.name}
        arguments = self.facts["arguments"]
        if STORE:
            database, numbers = postgres()
            url = database.create(f"test_{next(numbers)}")
            self.options["env"]["COUNTERSIGN_DATABASE"] = url
            # Which plays with a database only if it is named here.
            arguments = [*arguments, "--database", url] if arguments[0] == "dev" else arguments
        if before := self.facts.get("before"):
            self._run(**before)
        with self.stdout.open("wb") as out, self.stderr.open("wb") as err:
            self.process = subprocess.Popen(
                [directory() / self.facts["program"], *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                **self.options,
            )
        self.base = self._wait_for_address()

    def _run(self, arguments, input=""):
        command = [directory() / self.facts["program"], *arguments]
        ran = subprocess.run(command, input=input, capture_output=True, encoding="utf-8", timeout=60, **self.options)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def add_client(self, *arguments):
        """Registers a client, which the program hears of while it runs, and returns what was printed of it."""
        return json.loads(self._run(["client", "add", "--json", *arguments]))

    def _wait_for_address(self):
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            found = re.search(r"http://127\.0\.0\.1:\d+(?=\D)", self.stdout.read_text(encoding="utf-8"))
            if found:
                return found.group()
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        self.process.kill()
        said = self.stdout.read_text(encoding="utf-8") + self.stderr.read_text(encoding="utf-8")
        raise RuntimeError(f"{self.name} did not say where it listens:\n{said}")

    def url(self, path):
        return self.base + path

    @property
    def token_url(self):
        return self.url("/token")

    @property
    def protected_url(self):
        return self.url(self.facts["protected"])

    def log(self):
        return self.stderr.read_text(encoding="utf-8")

    def stop(self):
        """Asks it to end, and returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.directory.cleanup()
