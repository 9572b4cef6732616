"""Databases of the bench: PostgreSQL of its own, and what either engine says of itself."""

import os
import sys
import urllib.parse
from pathlib import Path

from .installing import ROOT, run

sys.path.insert(0, str(ROOT / "scripts"))

from cluster import Database  # noqa: E402

__all__ = ["Database", "ask", "first_process", "size"]


def ask(url, sql):
    """What PostgreSQL answers, one value a line."""
    parts = urllib.parse.urlsplit(url)
    # A URL may have a password in it, which is nothing for a command line.
    names = {"PGHOST": parts.hostname, "PGPORT": str(parts.port), "PGUSER": parts.username, "PGPASSWORD": parts.password,
             "PGDATABASE": parts.path.removeprefix("/")}
    return run("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--command", sql, env=os.environ | names).split()


def first_process(database):
    """The process from which all of a PostgreSQL descend."""
    return int((database.folder / "database" / "data" / "postmaster.pid").read_text().split("\n")[0])


def size(file):
    """Bytes of a database of SQLite, with its log."""
    return sum(path.stat().st_size for path in [Path(file), Path(f"{file}-wal")] if path.exists())
