"""A database server that goes away under load: stopped at once, killed, cut off by the network, hung up on (N5, F6).

What cannot be known is answered 503, never by a denial or a grant; and once it is back all goes on.
"""

import time

from rig.accounts import HEARD, Violated
from rig.checks import check_accounts, check_keys, check_store, key_ids
from rig.probe import CrowdProbe, Probe
from rig.server import Broken, Countersign
from rig.slowness import SLOWNESS

STORES = ("postgres",)
ROUNDS = 84
THREADS, ACCOUNTS = 4, 2  # of each thread
LEEWAY = 60  # seconds
BEFORE, AWAY = (0.2, 0.6), (0.3, 2.0)  # seconds
# One cut of the network in so many is longer than anything that is asked of the database may take: so many seconds.
LONG, LONGER = 4, (10.5, 13.0)
BACK = 5.0 * SLOWNESS  # seconds
LONGEST = 15.0 * SLOWNESS  # seconds until an answer: ten, and what a busy machine adds
# The same where nothing but the feed is waited for: two seconds, whoever else waits for it.
LONGEST_OF_CROWD = 3.0 * SLOWNESS  # seconds


def stopped(trial, cluster):
    cluster.crash()
    time.sleep(trial.rng.uniform(*AWAY))
    cluster.resume()


def restarted(_trial, cluster):
    cluster.crash()
    cluster.resume()


def killed(trial, cluster):
    cluster.kill()
    time.sleep(trial.rng.uniform(*AWAY))
    cluster.resume()


def one_process_killed(trial, cluster):
    cluster.kill_one(trial.store.database, trial.rng)


def unplugged(trial, cluster):
    """The network is cut, and nobody is told: what is sent is lost, and what was open may go on."""
    cluster.cable.pull()
    time.sleep(trial.rng.uniform(*(LONGER if trial.rng.randrange(LONG) == 0 else AWAY)))
    cluster.cable.plug()


def silent(trial, cluster):
    """What is sent arrives, and is not answered; in the end the connections are lost."""
    cluster.relay.fall_silent()
    time.sleep(trial.rng.uniform(*AWAY))
    cluster.relay.go_on()


def hung_up_on(_trial, cluster):
    cluster.relay.hang_up()


WAYS = (stopped, restarted, killed, one_process_killed, unplugged, silent, hung_up_on)


def run(trial):
    journal = trial.journal()
    load = trial.people(journal, THREADS, ACCOUNTS, LEEWAY)
    server = trial.keep(Countersign(trial.store, trial.folder, REFRESH_LEEWAY=LEEWAY))
    keys, shown, slowest = key_ids(server.port), 0, {}
    # A network takes root; what was left out is missing in the line.
    ways = [way for way in WAYS if way is not unplugged or trial.store.cluster.cable]
    first = trial.rng.randrange(len(ways))
    for number in range(trial.rounds):
        way = ways[(first + number) % len(ways)]
        try:
            back, times = one_round(trial, way, load, server, f"{trial.seed}/{number}")
        except Violated as violated:
            raise Violated(violated.invariant, f"round {number}, {way.__name__}: {violated}") from violated
        name, shown = way.__name__.replace("_", " "), shown + times
        slowest[name] = max(back, slowest.get(name, 0.0))
        check_keys(server.port, keys)
    check_store(trial.store)
    check_answers(journal)
    if journal.counts["503"] == 0:
        raise Broken("the database was away, and nothing was refused for it")
    returns = ", ".join(f"{name} {took * 1000:.0f} ms" for name, took in slowest.items())
    facts = {"refused with 503": journal.counts["503"], "verified meanwhile": shown,
             "longest answer": f"{journal.longest:.1f} s", "slowest return": f"({returns})"}
    return trial.report(journal, **facts)


def one_round(trial, way, load, server, seed):
    status, token = trial.witness.log_in(server.port)
    if status != 200:
        raise Violated("I5", f"the witness was answered {status}")
    load.start([server.port], seed, patient=True)
    time.sleep(trial.rng.uniform(*BEFORE))
    load.journal.note(way.__name__)
    probe = Probe(server.port, token, allowed=(200, 503))
    # Of one that is not good nobody is asked whose it is, which may take longer.
    crowd = CrowdProbe(server.port, token[:-8] + "AAAAAAAA", allowed=(401, 503))
    way(trial, trial.store.cluster)
    back = until_it_answers(trial, server.port)
    times, _ = probe.stop()
    longest = crowd.stop()
    load.stop()
    if longest > LONGEST_OF_CROWD:
        raise Violated("N5", f"whether a token is good was answered after {longest:.1f} s")
    # What was not acknowledged may have been done, and be heard of only now.
    time.sleep(HEARD)
    check_accounts(load, load.journal, server.port, seed, restarted=False)
    return back, times


def check_answers(journal):
    """The program was there all the time: each was answered, and none was kept waiting."""
    if lost := journal.counts["lost"]:
        raise Violated("I4", f"{lost} were not answered at all")
    if journal.longest > LONGEST:
        raise Violated("I4", f"an answer took {journal.longest:.1f} s")


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
