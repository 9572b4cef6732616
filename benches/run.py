#!/usr/bin/env python3
"""`make bench`: countersign measured beside what would be taken instead, all in one run; and the tables and pictures of it.

Usage: benches/run.py [--quick] [--into FOLDER]

Installs the peers, builds, runs everything in turn, and writes results.md, results.json and the pictures into FOLDER:
`benches`, or with --quick, which measures less of everything, a new temporary one. benches/README.md says what is measured
and how.
"""

import argparse
import datetime
import json
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from driver import contenders, installing, loading, machine, running
from driver.figures import Measured, all_figures
from driver.planning import FULL, QUICK, Plan
from driver.publishing import publish

BINARY = contenders.SERVER


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less of everything: three minutes, and numbers to match")
    parser.add_argument("--into", type=Path, help="where the results go")
    arguments = parser.parse_args()
    if sys.version_info < (3, 11):
        sys.exit("bench: it needs Python 3.11 or newer")
    # Whoever ends the bench ends its servers: `finally` runs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: told to end"))
    began = time.monotonic()
    installing.install()
    prepared = time.monotonic()
    running.say(f"ready after {prepared - began:.0f} s")
    measured, labels, names = measure(QUICK if arguments.quick else FULL)
    figures = all_figures(measured)
    into = arguments.into or (Path(tempfile.mkdtemp(prefix="countersign-bench-")) if arguments.quick else installing.BENCHES)
    facts = {
        "date": datetime.date.today().isoformat(),
        "quick": arguments.quick,
        "machine": machine.describe(),
        "versions": versions(),
        "seconds": round(time.monotonic() - prepared),
        "probe_first": loading.may_go_first(),
    }
    print(publish(into, facts, measured, figures, labels, names))
    running.say(f"{time.monotonic() - prepared:.0f} s of measuring, {time.monotonic() - began:.0f} s in all; {into}")


def measure(extent):
    folder = Path(tempfile.mkdtemp(prefix="countersign-bench-run-"))
    try:
        with Plan(extent, folder) as plan:
            started = running.starts(plan)
            floods = running.floods(plan)
            labels, results, floors = running.rounds(plan)
            names = {one.key: one.label for one in plan.contenders}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    binary = BINARY.stat().st_size / 1024**2
    return Measured(extent, results, floors, floods, started, binary), labels, names


def versions():
    """The peers and what they stand on, as they are pinned."""
    pinned = dict(line.split("==") for file in sorted(installing.PEERS.glob("*/requirements.txt"))
                  for line in file.read_text().split())
    node = json.loads((installing.NODE_PEER / "package.json").read_text())["dependencies"]
    chosen = ["fastapi", "uvicorn", "pwdlib", "PyJWT", "Authlib", "Flask", "gunicorn", "argon2-cffi"]
    return {name: pinned[name] for name in chosen} | dict(sorted(node.items(), reverse=True))


if __name__ == "__main__":
    main()
