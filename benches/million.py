#!/usr/bin/env python3
"""`make bench-million`: what a million users with a million live grants cost, beside stores that have only those who take part.

Usage: benches/million.py [--quick] [--people COUNT]

Prints tables; benches/README.md has some that were measured. Build first: cargo build --profile dist -p countersign-server
-p countersign-bench. PROGRAMS_DIR says where the programs are, if not in target/dist.
"""

import argparse
import contextlib
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from driver import contenders, machine
from driver.contenders import API, SERVER
from driver.databases import Database, ask, first_process, size
from driver.figuring import number, percentile, ratios
from driver.installing import environment, run
from driver.loading import post
from driver.running import IDLE, say
from driver.serving import Server

# A second: as few that nobody waits for another.
RATES = {"login": 40, "refresh": 200}
AIM = 1.2  # the p99 of the full store ÷ that of the empty one, at most
MOST_PAIRS = 500_000  # of an account and a source that are kept
LOOK_EVERY = 0.5  # seconds, at the memory of a command
LONG_AGO = 1  # in seconds since 1970
MIB = 1024**2


@dataclass
class Extent:
    """How much of everything."""

    people: int
    rounds: int
    seconds: dict
    # Seconds from a start until what has expired goes by itself, and not only with requests.
    until_sweeps: int
    starts: int
    # Of the servers, beside what everybody has.
    settings: dict

    @property
    def shown(self):
        """How many take part: each refresh token is used once, in one of the rounds or before them."""
        return (self.rounds + 1) * self.seconds["refresh"] * RATES["refresh"]


FULL = Extent(people=1_000_000, rounds=15, seconds={"login": 5, "refresh": 3}, until_sweeps=11, starts=9,
              settings={})
QUICK = Extent(people=20_000, rounds=1, seconds={"login": 1, "refresh": 1}, until_sweeps=0, starts=1,
               # On a busy machine nobody goes without an answer: what is looked at is whether all of it works.
               settings={"COUNTERSIGN_HASH_QUEUE": "1000", "COUNTERSIGN_HASH_WAIT": "300"})


class Store:
    """A server over a database, and those who take part."""

    def __init__(self, engine, fill, contender, people, folder, database=None):
        folder.mkdir()
        self.engine, self.fill, self.contender, self.folder, self.database = engine, fill, contender, folder, database
        self.url = contender.env["COUNTERSIGN_DATABASE"]
        # In an order that is not the order of the names, and the same on each of the engines.
        lines = people.read_text().splitlines()
        random.Random(1).shuffle(lines)
        self.names, self.tokens = zip(*(line.split() for line in lines))
        self.done = {"login": 0, "refresh": 0}
        self.start()

    def start(self):
        one = self.contender
        self.server = Server(f"{self.engine}-{self.fill}", one.command, one.ready, self.folder, one.env)

    def stop(self):
        if self.server:
            self.server.stop()
        self.server = None

    def measure(self, work, seconds):
        """p50 and p99, in milliseconds, and how late the probe itself was."""
        at, count, one = self.done[work], RATES[work] * seconds, self.contender
        self.done[work] += count
        if work == "login":
            forms = [one.login(self.names[which % len(self.names)]) for which in range(at, at + count)]
        else:
            forms = [one.renewal(self.tokens[which]) for which in range(at, at + count)]
        took, late = post(self.server, one.token, forms, self.folder / "forms", RATES[work], seconds)
        return {"p50": percentile(took, 50), "p99": percentile(took, 99), "late": percentile(late, 99)}

    def memory(self):
        """MiB: of the server, and of PostgreSQL what its processes do not share."""
        database = machine.memory(first_process(self.database), "RssAnon") if self.database else None
        return {"server": self.server.memory("VmRSS"), "database": database}

    def ask(self, sql):
        """What the database itself answers."""
        if self.database:
            return ask(self.url, sql)
        with contextlib.closing(sqlite3.connect(self.url)) as connection:
            found = connection.execute(sql).fetchall()
            connection.commit()
        return [str(value) for row in found for value in row]

    def grants(self):
        [count] = self.ask("SELECT COUNT(*) FROM oauth2_grants")
        return int(count)


def timed(*command, env=None):
    """Seconds that a command takes, and the most memory that it had, in MiB."""
    began, most = time.perf_counter(), 0
    process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               env=environment(env))
    while process.poll() is None:
        most = max(most, machine.memory(process.pid, "VmHWM"))
        time.sleep(LOOK_EVERY)
    if process.returncode:
        sys.exit(f"bench: {' '.join(map(str, command))} failed")
    return time.perf_counter() - began, most


def made(folder, name, people, shown):
    """A file with so many users, of whom each has logged in once; who of them takes part; and what it came to."""
    file, list_of = folder / f"{name}.db", folder / f"{name}.txt"
    contender = contenders.ours_over(str(file))
    sizes, seconds = [size(file)], []
    for command in [("users", file, people), ("logins", file, shown, list_of)]:
        seconds.append(timed(API, *command)[0])
        sizes.append(size(file))
    return contender, list_of, sizes, seconds


def moved(contender, url, people):
    """The same in PostgreSQL; seconds and MiB."""
    took = timed(SERVER, "migrate", "--from", contender.env["COUNTERSIGN_DATABASE"], env={"COUNTERSIGN_MIGRATE_TO": url})
    # From where each has logged in within a month, as far as that is kept; no migration moves it.
    ask(url, "INSERT INTO oauth2_known_pairs (key, kept_until) SELECT decode(md5(n::text), 'hex'), "
             f"extract(epoch FROM now()) + 86400 * (n % 30) FROM generate_series(1, {min(people, MOST_PAIRS)}) AS n")
    # What it does by itself within minutes.
    ask(url, "VACUUM (ANALYZE)")
    return replace(contender, env=contender.env | {"COUNTERSIGN_DATABASE": url}), took


def fill(ends, folder, extent):
    """The four stores, and what became of the full ones meanwhile, a line each."""
    databases = {name: ends.enter_context(Database(fsync=True)) for name in ("empty", "full")}
    stores = []
    for name, people in [("empty", extent.shown), ("full", extent.people)]:
        say(f"making {people:,} users and grants")
        contender, list_of, sizes, seconds = made(folder, name, people, extent.shown)
        contender = replace(contender, env=contender.env | extent.settings)
        url = databases[name].create("bench")
        in_server, there = moved(contender, url, people)
        if name == "full":
            report_sizes(folder, people, sizes, seconds, contender, url, there)
        for engine, one, database in [("SQLite", contender, None), ("PostgreSQL", in_server, databases[name])]:
            stores.append(Store(engine, name, one, list_of, folder / f"{engine}-{name}", database))
            ends.callback(stores[-1].stop)
    return sorted(stores, key=lambda store: store.engine)


def report_sizes(folder, people, sizes, seconds, contender, url, there):
    def each(size):
        return f"{number(size / people, 0)} bytes"

    def moving(label, took):
        rate = number(2 * people / took[0], 0)
        print(f"| `countersign migrate`, {label} | {number(took[0], 1, 's')}, {rate} rows a second, "
              f"{number(took[1], 0, 'MiB')} |")

    copy, back = folder / "copy.db", folder / "back.db"
    file = contender.env["COUNTERSIGN_DATABASE"]
    copying = timed(SERVER, "--database", file, "backup", copy)
    returned = timed(SERVER, "migrate", "--to", back, env={"COUNTERSIGN_DATABASE": url})
    tables = [int(size) for size in ask(url, "SELECT pg_total_relation_size(name::regclass) FROM "
                                             "unnest(ARRAY['oauth2_owners', 'oauth2_grants']) AS name")]
    print(f"\n| {people:,} users, a grant each | |\n| --- | --- |")
    print(f"| made through SQLite's store | users in {number(seconds[0], 0, 's')}, grants in {number(seconds[1], 0, 's')} |")
    print(f"| SQLite, a user | {each(sizes[1] - sizes[0])} |\n| SQLite, a grant | {each(sizes[2] - sizes[1])} |")
    print(f"| SQLite, the file | {number(sizes[2] / MIB, 0, 'MiB')} |")
    print(f"| its backup | {number(size(copy) / MIB, 0, 'MiB')} in {number(copying[0], 1, 's')}, "
          f"{number(copying[1], 0, 'MiB')} of memory |")
    print(f"| PostgreSQL, a user, with its indexes | {each(tables[0])} |\n| PostgreSQL, a grant | {each(tables[1])} |")
    moving("SQLite to PostgreSQL", there)
    moving("back", returned)
    for path in (copy, back):
        path.unlink()


def rounds(stores, extent):
    """What each store came to in each round, in turns."""
    results = {(store.engine, store.fill, work): [] for store in stores for work in RATES}
    for turn in range(extent.rounds + 1):
        say(f"round {turn}" if turn else "warming up")
        for work, seconds in extent.seconds.items():
            # The empty and the full one of an engine next to each other, and neither always first.
            for store in stores if turn % 2 else reversed(stores):
                result = store.measure(work, seconds)
                if turn:
                    results[store.engine, store.fill, work].append(result)
    return results


def report_times(results):
    print("\n| | | empty: p50 | p99 | full: p50 | p99 | p99, full ÷ empty | of the rounds | aim |\n|" + " --- |" * 9)
    for engine in ("SQLite", "PostgreSQL"):
        for work in RATES:
            empty, full = (results[engine, fill, work] for fill in ("empty", "full"))

            def middle(rows, field):
                return number(statistics.median(row[field] for row in rows), 2, "ms")

            shares = ratios([row["p99"] for row in full], [row["p99"] for row in empty])
            print(f"| {work} | {engine} | {middle(empty, 'p50')} | {middle(empty, 'p99')} | {middle(full, 'p50')} | "
                  f"{middle(full, 'p99')} | {number(statistics.median(shares))} | {number(min(shares))} to "
                  f"{number(max(shares))} | ≤ {AIM} |")
    late = [row["late"] for rows in results.values() for row in rows]
    print(f"\nThe probe itself was late by {number(statistics.median(late), 2, 'ms')} (p99, median of the rounds).")


def starts(stores, extent):
    """Milliseconds from each start of a server to its first answer."""
    found = [[] for _ in stores]
    for _ in range(extent.starts):
        for store, took in zip(stores, found):
            store.stop()
            store.start()
            took.append(store.server.first_answer * 1e3)
    return found


def report_memory(stores, started, idle):
    print("\n| | | start | the server idle, after | PostgreSQL's own idle, after |\n| --- | --- | --- | --- | --- |")
    for store, took, before in zip(stores, started, idle):
        after = store.memory()
        own = f"{number(before['database'], 0)}, {number(after['database'], 0, 'MiB')}" if store.database else ""
        print(f"| {store.engine} | {store.fill} | {number(statistics.median(took), 0, 'ms')} | "
              f"{number(before['server'], 1)}, {number(after['server'], 1, 'MiB')} | {own} |")


def report_sweeps(stores, extent):
    """Logins while a million grants go that have all expired at once, of which no sweep knew."""
    print("\n| logins while all that expired goes | p50 | p99 | grants that went |\n| --- | --- | --- | --- |")
    for store in stores:
        store.stop()
        store.ask(f"UPDATE oauth2_grants SET expires_at = {LONG_AGO}, refresh_expires_at = {LONG_AGO}")
        if store.database:
            ask(store.url, "VACUUM (ANALYZE)")
        store.start()
    time.sleep(extent.until_sweeps)
    for store in stores:
        there, began, seconds = store.grants(), time.perf_counter(), extent.seconds["login"]
        result = store.measure("login", seconds)
        left = store.grants() - RATES["login"] * seconds
        gone = there - left
        rate = gone / (time.perf_counter() - began)
        print(f"| {store.engine} | {number(result['p50'], 2, 'ms')} | {number(result['p99'], 2, 'ms')} | "
              f"{number(rate, 0)} a second, {left:,} are left |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--people", type=int, help="users in the full stores")
    arguments = parser.parse_args()
    extent = QUICK if arguments.quick else FULL
    extent = replace(extent, people=arguments.people or extent.people)
    if extent.people < extent.shown:
        parser.error(f"{extent.shown} take part")
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as folder, contextlib.ExitStack() as ends:
        folder = Path(folder)
        stores = fill(ends, folder, extent)
        started = starts(stores, extent)
        time.sleep(IDLE)
        idle = [store.memory() for store in stores]
        report_times(rounds(stores, extent))
        report_memory(stores, started, idle)
        report_sweeps([store for store in stores if store.fill == "full"], extent)


if __name__ == "__main__":
    main()
