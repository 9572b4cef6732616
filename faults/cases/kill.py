"""kill -9 at a random moment under mixed load, again and again (N2)."""

import time

from rig.checks import check_accounts, check_keys, check_store, key_ids
from rig.server import Broken, Countersign
from rig.slowness import SLOWNESS

ROUNDS = 1000
THREADS, ACCOUNTS = 5, 2  # of each thread
LEEWAY = 60  # seconds: what was answered before the kill can be asked for again after it
EARLIEST, LATEST = 0.01, 0.35  # seconds of load before the kill
RESTART = 2.0 * SLOWNESS  # seconds, the most
# One round of so many is begun where a second use of a refresh token is a theft; and in one of so many the commands are
# killed too.
STRICT, COMMANDS_TOO = 4, 3


def run(trial):
    journal = trial.journal()
    load = trial.people(journal, THREADS, ACCOUNTS, LEEWAY, operated=1)
    command_line = trial.command_line()
    server = trial.keep(Countersign(trial.store, trial.folder, REFRESH_LEEWAY=LEEWAY))
    keys, slowest = key_ids(server.port), 0.0
    for number in range(trial.rounds):
        load.start([server.port], f"{trial.seed}/{number}", command_line)
        time.sleep(trial.rng.uniform(EARLIEST, LATEST))
        journal.note("kill")
        if trial.rng.randrange(COMMANDS_TOO) == 0:
            command_line.kill_all()
        server.kill()
        load.stop()
        leeway = 0 if trial.rng.randrange(STRICT) == 0 else LEEWAY
        load.set_leeway(leeway)
        server = trial.replace(server, Countersign(trial.store, trial.folder, REFRESH_LEEWAY=leeway))
        slowest = max(slowest, server.first_answer)
        if server.first_answer > RESTART:
            raise Broken(f"round {number}: the restart took {server.first_answer:.2f} s")
        check_keys(server.port, keys)
        check_accounts(load, journal, server.port, f"{trial.seed}/check/{number}")
        check_store(trial.store)
    check_accounts(load, journal, server.port, f"{trial.seed}/last", share=1.0)
    facts = {"lost": journal.counts["lost"], "slowest restart": f"{slowest * 1000:.0f} ms"}
    return trial.report(journal, **facts)
