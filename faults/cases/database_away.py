"""A database server that goes away under load: stopped at once, restarted, cut off by the network, hung up on (N5, F6).

What cannot be known is answered 503, never by a denial or a grant; and once it is back all goes on.
"""

import time

from rig.accounts import HEARD, Violated
from rig.checks import check_accounts, check_keys, check_store, key_ids
from rig.probe import Probe
from rig.server import Broken, Countersign

STORES = ("postgres",)
ROUNDS = 60
THREADS, ACCOUNTS = 4, 2  # of each thread
LEEWAY = 60  # seconds
BEFORE, AWAY = (0.2, 0.6), (0.3, 2.0)  # seconds
BACK = 5.0  # seconds


def stopped(trial, cluster):
    cluster.crash()
    time.sleep(trial.rng.uniform(*AWAY))
    cluster.resume()


def restarted(_trial, cluster):
    cluster.crash()
    cluster.resume()


def cut_off(trial, cluster):
    cluster.relay.fall_silent()
    time.sleep(trial.rng.uniform(*AWAY))
    cluster.relay.go_on()


def hung_up_on(_trial, cluster):
    cluster.relay.hang_up()


WAYS = (stopped, restarted, cut_off, hung_up_on)


def run(trial):
    journal = trial.journal()
    load = trial.people(journal, THREADS, ACCOUNTS, LEEWAY)
    server = trial.keep(Countersign(trial.store, trial.folder, REFRESH_LEEWAY=LEEWAY))
    keys, slowest, shown = key_ids(server.port), 0.0, 0
    for number in range(trial.rounds):
        way = WAYS[number % len(WAYS)]
        try:
            back, times = one_round(trial, way, load, server, f"{trial.seed}/{number}")
        except Violated as violated:
            raise Violated(violated.invariant, f"round {number}, {way.__name__}: {violated}") from violated
        slowest, shown = max(slowest, back), shown + times
        check_keys(server.port, keys)
    check_store(trial.store)
    if journal.counts["503"] == 0:
        raise Broken("the database was away, and nothing was refused for it")
    facts = {"refused with 503": journal.counts["503"], "verified meanwhile": shown,
             "slowest return": f"{slowest * 1000:.0f} ms"}
    return trial.report(journal, **facts)


def one_round(trial, way, load, server, seed):
    status, token = trial.witness.log_in(server.port)
    if status != 200:
        raise Violated("I5", f"the witness was answered {status}")
    load.start([server.port], seed, patient=True)
    time.sleep(trial.rng.uniform(*BEFORE))
    load.journal.note(way.__name__)
    probe = Probe(server.port, token, allowed=(200, 503))
    way(trial, trial.store.cluster)
    back = until_it_answers(trial, server.port)
    times, _ = probe.stop()
    load.stop()
    # What was not acknowledged may have been done, and be heard of only now.
    time.sleep(HEARD)
    check_accounts(load, load.journal, server.port, seed, restarted=False)
    return back, times


def until_it_answers(trial, port):
    """Seconds from when the database is there until a login is written."""
    began = time.monotonic()
    while True:
        status, _ = trial.witness.log_in(port)
        took = time.monotonic() - began
        if status == 200:
            return took
        if status != 503 or took > BACK:
            raise Violated("I4", f"{took:.1f} s after the database was back, a login was answered {status}")
        time.sleep(0.02)
