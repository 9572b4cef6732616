"""The stores that faults are tried on, each a class of one shape: where it is, and whether it is whole.

How to add one: a class with `name`, `url`, `check()`, `fresh(folder)` and `stop()`, made by `Class(folder)`, and its
line in `STORES`.
"""

import itertools
import re
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path

from . import ROOT
from .relay import Relay


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

    def fresh(self, folder):
        """Another that is empty."""
        return Sqlite(folder)

    def stop(self):
        """Nothing runs for it."""


class Cluster:
    """A PostgreSQL of its own, by scripts/postgres.sh, behind a relay that can be cut."""

    SCRIPT = ROOT / "scripts" / "postgres.sh"

    def __init__(self):
        # Not in the folder of the trial: it belongs to the user that PostgreSQL runs as.
        self.folder = Path(tempfile.mkdtemp(prefix="countersign-fault-postgres-"))
        self.url = self._script("start").strip()
        port = re.search(r":(\d+)/", self.url)
        self.relay = Relay(int(port[1]))
        self.url = self.url[:port.start(1)] + str(self.relay.port) + self.url[port.end(1):]
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

    def resume(self):
        self._script("resume")

    def stop(self):
        self.relay.stop()
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

    def fresh(self, folder):
        """Another that is empty, in the same cluster."""
        return Postgres(folder, self.cluster)

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
