"""A database server that is lost under load, and its standby takes its place (N5, N7).

The standby follows synchronously, so that it has all that was acknowledged.
"""

import time

from rig.accounts import HEARD
from rig.checks import check_accounts, check_keys, check_store, key_ids
from rig.probe import Probe
from rig.server import Countersign
from rig.standby import Standby

from .database_away import ACCOUNTS, BEFORE, LEEWAY, THREADS, check_answers, until_it_answers

STORES = ("postgres",)
ROUNDS = 10


def run(trial):
    slowest, shown, acknowledged = 0.0, 0, 0
    for number in range(trial.rounds):
        # A cluster of its own: the one that was lost does not come back.
        store = type(trial.store)(trial.folder)
        standby = Standby(store.cluster)
        try:
            back, times, counted = one_round(trial, store, standby, f"{trial.seed}/{number}")
        finally:
            standby.stop()
            store.stop()
        slowest, shown, acknowledged = max(slowest, back), shown + times, acknowledged + counted
    report = trial.report(**{"verified meanwhile": shown, "slowest return": f"{slowest * 1000:.0f} ms"})
    report.acknowledged = acknowledged
    return report


def one_round(trial, store, standby, seed):
    journal = trial.journal()
    load = trial.people(journal, THREADS, ACCOUNTS, LEEWAY, store=store)
    server = trial.keep(Countersign(store, trial.folder, REFRESH_LEEWAY=LEEWAY))
    keys = key_ids(server.port)
    _, token = trial.witness.log_in(server.port)
    load.start([server.port], seed, patient=True)
    time.sleep(trial.rng.uniform(*BEFORE))
    probe = Probe(server.port, token, allowed=(200, 503))
    standby.take_over()
    back = until_it_answers(trial, server.port)
    times, _ = probe.stop()
    load.stop()
    # What was not acknowledged may have been done, and be heard of only now.
    time.sleep(HEARD)
    check_accounts(load, journal, server.port, seed, share=1.0, restarted=False)
    check_keys(server.port, keys)
    check_store(store)
    check_answers(journal)
    server.stop()
    trial.servers.remove(server)
    return back, times, journal.acknowledged
