"""The stores that faults are tried on, each a class of one shape: where it is, and whether it is whole.

How to add one: a class with `name`, `url`, `check()`, `rows()`, `sizes()`, `fresh(folder)`,
`without_certificates()`, `without_relay()` and `stop()`, made by `Class(folder)`, and its line in `STORES`.
"""

import itertools
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from contextlib import closing
from pathlib import Path

from . import ROOT
from .network import lay
from .relay import Relay
from .slowness import SLOWNESS

PATIENCE = 60  # seconds until what was killed is gone
TABLES = "oauth2_"  # how the names of all tables begin
MIB = 1024 * 1024


class Sqlite:
    """A database file in a folder of its own."""

    name = "sqlite"

    def __init__(self, folder):
        self.folder = Path(folder)
        self.file = self.folder / "countersign.db"
        self.url = f"sqlite://{self.file}"

    def check(self):
        """What is wrong with it (I6). A server may have it open meanwhile."""
        with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=10)) as connection:
            found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
            orphans = list(connection.execute("PRAGMA foreign_key_check"))
        return [line for line in found if line != "ok"] + [f"refers to nothing: {row}" for row in orphans]

    def rows(self):
        """How many rows each table has."""
        with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=10)) as connection:
            names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {name: count_of(connection, name) for name in sorted(names) if name.startswith(TABLES)}

    def sizes(self):
        """MiB of its files."""
        log = self.file.with_name(self.file.name + "-wal")
        return {"file": self.file.stat().st_size / MIB, "log": log.stat().st_size / MIB if log.exists() else 0.0}

    def fresh(self, folder):
        """Another that is empty."""
        return Sqlite(folder)

    def without_certificates(self):
        """The same; it has none."""
        return self

    def without_relay(self):
        """The same; nothing is before it."""
        return self

    def stop(self):
        """Nothing runs for it."""


def count_of(connection, table):
    return connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]


class Cluster:
    """A PostgreSQL of its own, by scripts/postgres.sh, behind a relay that can be cut, if that may be over a cable."""

    SCRIPT = ROOT / "scripts" / "postgres.sh"

    def __init__(self):
        # Not in the folder of the trial: it belongs to the user that PostgreSQL runs as.
        self.folder = Path(tempfile.mkdtemp(prefix="countersign-fault-postgres-"))
        self.cable = lay()
        self.url = self._script("start").strip()
        # As the program has it by itself, if nothing slows this machine down.
        chosen = f"&connect_timeout={5 * SLOWNESS:.0f}" if SLOWNESS > 1 else ""
        self.url = re.sub(r"&connect_timeout=\d+", chosen, self.url)
        self.direct = self.url
        port = re.search(r":(\d+)/", self.url)
        self.relay = Relay(int(port[1]), self.cable)
        self.url = self.url[:port.start(1)] + str(self.relay.port) + self.url[port.end(1):]
        if self.cable:
            self.url += f"&hostaddr={self.cable.address}"
        self.numbers = itertools.count(1)

    def _script(self, verb):
        ran = subprocess.run(
            ["bash", self.SCRIPT, verb, self.folder], capture_output=True, encoding="utf-8", timeout=120, check=False
        )
        if ran.returncode != 0:
            raise RuntimeError(f"postgres.sh {verb}: {ran.stderr}")
        return ran.stdout

    def ask(self, text):
        """What its superuser is told."""
        return sql(self.url, text)

    def crash(self):
        self._script("crash")

    def kill(self):
        """SIGKILL, to all its processes."""
        first = int((self.folder / "data" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        # Its first process is stopped before, so that it starts no others meanwhile.
        os.kill(first, signal.SIGSTOP)
        others = Path(f"/proc/{first}/task/{first}/children").read_text(encoding="ascii").split()
        for process in [*map(int, others), first]:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it had ended
        end = time.monotonic() + PATIENCE
        while Path(f"/proc/{first}").exists():
            if time.monotonic() > end:
                raise RuntimeError("what was killed is there still")
            time.sleep(0.005)

    def kill_one(self, database, rng):
        """SIGKILL, to one process that serves a connection; the others are ended for it, and all is recovered."""
        serving = self.ask(f"SELECT pid FROM pg_stat_activity "
                           f"WHERE datname = '{database}' AND backend_type = 'client backend' ORDER BY pid")
        try:
            os.kill(int(rng.choice(serving)), signal.SIGKILL)
        except ProcessLookupError:
            pass  # It has just ended by itself.

    def resume(self):
        self._script("resume")

    def stop(self):
        self.relay.stop()
        if self.cable:
            self.cable.stop()
        self._script("stop")
        shutil.rmtree(self.folder, ignore_errors=True)


class Postgres:
    """A database in a cluster."""

    name = "postgres"

    def __init__(self, folder, cluster=None):
        self.is_owner = cluster is None
        self.cluster = cluster or Cluster()
        self.database = f"fault{next(self.cluster.numbers)}"
        self.cluster.ask(f"CREATE DATABASE {self.database}")
        self.url = self.cluster.url.replace("/postgres?", f"/{self.database}?")

    def check(self):
        """What is wrong with it (I6): every index is held against its table."""
        sql(self.url, "CREATE EXTENSION IF NOT EXISTS amcheck")
        indexes = sql(
            self.url, "SELECT indexrelid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
            "JOIN pg_am ON pg_am.oid = relam WHERE amname = 'btree' AND relpersistence = 'p'",
        )
        wrong = []
        try:
            sql(self.url, "; ".join(f"SELECT bt_index_check({index}, true)" for index in indexes))
        except RuntimeError as problem:
            wrong.append(str(problem))
        return wrong

    def rows(self):
        """How many rows each table has."""
        names = sql(self.url, f"SELECT relname FROM pg_stat_user_tables WHERE relname LIKE '{TABLES}%' ORDER BY relname")
        counts = sql(self.url, " UNION ALL ".join(f"SELECT '{name}', COUNT(*) FROM {name}" for name in names))
        return {name: int(number) for name, number in (count.split("|") for count in counts)}

    def sizes(self):
        """MiB of its tables with their indexes."""
        found = sql(self.url, "SELECT COALESCE(SUM(pg_total_relation_size(relid)), 0) FROM pg_stat_user_tables")
        return {"tables": int(found[0]) / MIB}

    def fresh(self, folder):
        """Another that is empty, in the same cluster."""
        return Postgres(folder, self.cluster)

    def without_certificates(self):
        """The same without TLS: a clock that is wrong takes no certificate."""
        self.url = re.sub(r"sslrootcert=[^&]*", "sslmode=disable", self.url)
        return self

    def without_relay(self):
        """The same, asked directly."""
        self.url = self.cluster.direct.replace("/postgres?", f"/{self.database}?")
        return self

    def stop(self):
        if self.is_owner:
            self.cluster.stop()


def sql(url, text):
    """The words of what psql prints."""
    ran = subprocess.run(
        ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", url, "-c", text],
        capture_output=True, encoding="utf-8", timeout=60, check=False,
    )
    if ran.returncode != 0:
        raise RuntimeError(f"psql: {ran.stderr}")
    return ran.stdout.split()


STORES = {store.name: store for store in (Sqlite, Postgres)}
