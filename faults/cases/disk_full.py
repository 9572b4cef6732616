"""A full disk: what writes is answered 503, and what only verifies goes on (N4).

Once there is room all goes on, without a restart.
"""

import shutil
import time

from rig.accounts import HEARD, Account, Violated
from rig.checks import check_accounts, check_store
from rig.load import Load
from rig.probe import Probe
from rig.server import Broken, Countersign
from rig.slowness import SLOWNESS
from rig.small_disk import SmallDisk

STORES = ("sqlite",)
ROUNDS = 30
SIZE = "8m"
THREADS, ACCOUNTS = 4, 2  # of each thread
LEEWAY = 60  # seconds
MOST_LEFT = 200_000  # bytes that are still free, at most
BEFORE, FULL = (0.05, 0.4), (0.3, 1.0)  # seconds
PATIENCE = 20 * SLOWNESS  # seconds until a write must have been refused
RECOVERY = 5.0 * SLOWNESS  # seconds


def run(trial):
    journal = trial.journal()
    people = trial.people(journal, THREADS, ACCOUNTS, LEEWAY)
    prepared = trial.folder / "prepared"
    prepared.mkdir()
    for path in trial.folder.glob("countersign.db*"):
        path.rename(prepared / path.name)
    slowest, shown = 0.0, 0
    for number in range(trial.rounds):
        groups = [[Account(one.name, one.password, LEEWAY) for one in group] for group in people.accounts]
        load = Load(journal, groups, [], LEEWAY, people.clients)
        recovery, times = one_round(trial, number, load, prepared)
        slowest, shown = max(slowest, recovery), shown + times
    facts = {"refused with 503": journal.counts["503"], "verified meanwhile": shown,
             "slowest recovery": f"{slowest * 1000:.0f} ms"}
    return trial.report(journal, **facts)


def one_round(trial, number, load, prepared):
    disk = SmallDisk(trial.folder / "disk", prepared, SIZE)
    server = trial.keep(Countersign(disk.store, trial.folder, before=disk.before(), REFRESH_LEEWAY=LEEWAY))
    disk.entered(server.process.pid)
    journal, seed = load.journal, f"{trial.seed}/{number}"
    _, token = trial.witness.log_in(server.port)
    load.start([server.port], seed, patient=True)
    time.sleep(trial.rng.uniform(*BEFORE))
    refused = journal.counts["503"]
    disk.fill(trial.rng.randrange(MOST_LEFT))
    journal.note("full")
    probe = Probe(server.port, token)
    await_refusal(journal, refused)
    time.sleep(trial.rng.uniform(*FULL))
    disk.free()
    journal.note("free")
    recovery = until_it_writes(trial, server.port)
    times, _ = probe.stop()
    load.stop()
    # What was not acknowledged may have been done, and be heard of only now.
    time.sleep(HEARD)
    check_accounts(load, journal, server.port, seed, share=1.0, restarted=False)
    # And once more from what the disk has.
    copied = disk.copy(trial.folder / "copied")
    server.kill()
    trial.servers.remove(server)
    server = trial.keep(Countersign(copied, trial.folder, REFRESH_LEEWAY=LEEWAY))
    check_accounts(load, journal, server.port, seed, share=1.0)
    check_store(copied)
    server.kill()
    trial.servers.remove(server)
    shutil.rmtree(copied.folder)
    return recovery, times


def await_refusal(journal, before):
    end = time.monotonic() + PATIENCE
    while journal.counts["503"] == before:
        if time.monotonic() > end:
            raise Broken("the disk was full, and nothing was refused for it")
        time.sleep(0.01)


def until_it_writes(trial, port):
    """Seconds from when there is room until a login is written."""
    began = time.monotonic()
    while True:
        status, _ = trial.witness.log_in(port)
        took = time.monotonic() - began
        if status == 200:
            return took
        if status != 503 or took > RECOVERY:
            raise Violated("I4", f"{took:.1f} s after there was room, a login was answered {status}")
        time.sleep(0.01)
