#!/usr/bin/env python3
"""`make bench-replicas`: one and two replicas over PostgreSQL beside one process over SQLite, in one run; and how long a replica
believes what another has ended.

Usage: benches/replicas.py [--quick]

Prints a table; benches/README.md has one that was measured. Build first: cargo build --profile dist -p countersign-server
-p countersign-bench.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from driver import contenders
from driver.databases import Database
from driver.figuring import number, percentile
from driver.loading import Wrk
from driver.planning import CONNECTIONS, posted, shown
from driver.serving import Server, request

WORKS = ["guarded", "introspection", "refresh", "login"]


class Setting:
    """Servers over one database, with a user and a client."""

    def __init__(self, label, url, replicas, folder):
        folder.mkdir()
        self.label, self.folder = label, folder
        self.contender = one = contenders.ours_over(url)
        self.servers = [Server(f"{label}-{number}", one.command, one.ready, folder, one.env) for number in range(replicas)]

    def measure(self, work, seconds):
        """Each replica under its own load, all at once; requests a second are added, the slowest p99 counts."""
        loads = []
        for server in self.servers:
            place = self.folder / server.name
            place.mkdir(exist_ok=True)
            path, job, threads = self._job(work, server)
            connections = CONNECTIONS // len(self.servers)
            loads.append(Wrk(server, path, job, place, seconds, connections, min(threads, connections)))
        done = [load.finish() for load in loads]
        return {"rate": sum(one["rate"] for one in done), "cpu_us": statistics.mean(one["cpu_us"] for one in done),
                "p50_ms": max(one["p50_ms"] for one in done), "p99_ms": max(one["p99_ms"] for one in done)}

    def _job(self, work, server):
        one = self.contender
        if work == "login":
            return one.token, posted(one.login()), 1
        if work == "guarded":
            return one.me, shown(one.token_for_me(server)), 1
        if work == "introspection":
            return one.introspection, posted(one.client | {"token": one.introspectable(server)}), 1
        chains = CONNECTIONS // len(self.servers)
        chain = [server.post(one.token, **one.login())["refresh_token"] for _ in range(chains)]
        job = posted(one.renewal(""))
        return one.token, job | {"chain": chain}, chains

    def stop(self):
        for server in self.servers:
            server.stop()


def staleness(setting, times):
    """Milliseconds from the answer to a revocation on one replica until another refuses the JWT, `times` times."""
    one, other = setting.servers
    contender, found = setting.contender, []
    for _ in range(times):
        login = one.post(contender.token, **(contender.login() | contender.for_me))
        header = {"Authorization": f"Bearer {login['access_token']}"}
        other.get(contender.me, login["access_token"])
        body = "&".join(f"{name}={value}" for name, value in (contender.client | {"token": login["refresh_token"]}).items())
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert request(one.port, "POST", "/revoke", body, form)[0] == 200
        acknowledged = time.perf_counter()
        while request(other.port, "GET", contender.me, headers=header)[0] == 200:
            pass
        found.append((time.perf_counter() - acknowledged) * 1e3)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less of everything")
    quick = parser.parse_args().quick
    rounds, seconds, revocations = (2, 1, 50) if quick else (5, 3, 1000)
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as folder, Database(fsync=True) as database:
        folder = Path(folder)
        folder.chmod(0o711)
        settings = [
            Setting("SQLite", str(folder / "server.db"), 1, folder / "sqlite"),
            Setting("PostgreSQL, one replica", database.create("one"), 1, folder / "one"),
            Setting("PostgreSQL, two replicas", database.create("two"), 2, folder / "two"),
        ]
        try:
            table(settings, rounds, seconds)
            found = staleness(settings[-1], revocations)
        finally:
            for setting in settings:
                setting.stop()
    shares = ", ".join(f"{name} {number(percentile(found, share), 1, 'ms')}" for name, share in
                       [("p50", 50), ("p99", 99), ("at most", 100)])
    print(f"\nA JWT was refused by the other replica after {shares}, of {revocations} revocations.")


def table(settings, rounds, seconds):
    results = {(setting.label, work): [] for setting in settings for work in WORKS}
    for turn in range(rounds + 1):
        for work in WORKS:
            for setting in settings if turn % 2 else reversed(settings):
                result = setting.measure(work, seconds if turn else 1)
                if turn:
                    results[setting.label, work].append(result)
    print("| | | requests a second | least to most | CPU a request | p50 | p99 |\n| --- | --- | --- | --- | --- | --- | --- |")
    for work in WORKS:
        for setting in settings:
            rows = results[setting.label, work]

            def middle(field):
                return statistics.median(row[field] for row in rows)

            rates = [row["rate"] for row in rows]
            print(f"| {work} | {setting.label} | {number(middle('rate'), 0)} | {number(min(rates), 0)} to "
                  f"{number(max(rates), 0)} | {number(middle('cpu_us'), 1, 'µs')} | {number(middle('p50_ms'), 2, 'ms')} | "
                  f"{number(middle('p99_ms'), 2, 'ms')} |")


if __name__ == "__main__":
    main()
