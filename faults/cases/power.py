"""Power loss below SQLite: from the trace of one run, the files as they may be after a cut, again and again (N3).

What was synced is there. Of the rest anything may be: nothing, all, some writes and not those before them, some sectors
of a write. Beside it the trace shows that each answer was sent after a sync.
"""

import bisect
import shutil
import time

from rig.accounts import Account, Kind, Violated
from rig.asked import SUCCESS
from rig.checks import check_accounts, check_keys, check_store, key_ids
from rig.disk import KEEPS, SYNCS, Disk
from rig.load import Load, new_password
from rig.server import Broken, Countersign
from rig.store import Sqlite
from rig.tracing import prefix, read, sent_at
from rig.trial import Witness

STORES = ("sqlite",)
ROUNDS = 250
FIRST = 10  # cuts of a database that is new
THREADS, ACCOUNTS = 4, 2  # of each thread
LOAD = 0.05  # seconds of load for each cut, within these bounds
LEAST, MOST = 2.0, 12.0
# What writes something, if it is answered with success.
WRITING = {Kind.LOGIN, Kind.REFRESH, Kind.REVOKE, Kind.REVOKE_ACCESS, Kind.END_ALL, Kind.PASSWORD}
# Of ten cuts: just as an answer leaves, when all that it says must be there; while the log goes into the database, or is
# removed; and anywhere.
SHARES = (5, 2, 3)


def run(trial):
    added = first_user(trial)
    journal = trial.journal(keeps=True)
    load = trial.people(journal, THREADS, ACCOUNTS, leeway=0)
    people = [(account.name, account.password) for account in load.everybody()]
    before = {path.name: path.read_bytes() for path in trial.folder.iterdir() if is_database(path.name)}
    trace = trial.folder / "trace"
    server = trial.keep(Countersign(trial.store, trial.folder, before=prefix(trace), REFRESH_LEEWAY=0))
    keys = key_ids(server.port)
    load.start([server.port], trial.seed)
    time.sleep(min(max(LOAD * trial.rounds, LEAST), MOST))
    load.stop()
    # Told to end, it writes the log back into the database, and removes it.
    server.stop()
    calls, length = read(trace)
    sent = sent_at(calls)
    proved = prove_order(journal.entries, calls, sent)
    told = [entry for entry in journal.entries if is_known(entry, sent)]
    answers = sorted(sent[entry.answer.request_id] for entry in told)
    checkpoints = [call.began for call in calls if call.file == trial.store.file.as_posix() or call.name == "unlink"]
    checkpoints = [place for place in checkpoints if place > answers[0]]
    disk = Disk(trial.folder, is_database, before)
    entries = list(journal.entries)
    for number in range(trial.rounds):
        places = (answers, checkpoints, range(answers[0], length))
        place = trial.rng.choice(trial.rng.choices(places, SHARES)[0]) + 1
        keep = KEEPS[number % len(KEEPS)]
        folder = trial.folder / "cut"
        folder.mkdir()
        disk.cut(calls, place, keep, trial.rng, folder)
        people_then = [known(account, entries, sent, place) for account in people]
        try:
            check(trial, folder, Load(trial.silent(), [people_then], [], leeway=0), keys, number)
        except Exception as problem:
            raise Broken(f"cut {number} at {place} of {length}, {keep} kept: {problem}") from problem
        shutil.rmtree(folder)
    facts = {"answers": len(told), "written before sent": f"{proved} of {proved}",
             "cuts of a first user": added, "syncs": sum(call.name in SYNCS for call in calls),
             "writes into the database": sum(place > answers[0] for place in checkpoints)}
    return trial.report(journal, **facts)


def first_user(trial):
    """A user who is added to a database that this makes: once the command has ended, there is no more to lose."""
    folder, trace = trial.folder / "first", trial.folder / "first.trace"
    folder.mkdir()
    store, password = Sqlite(folder), new_password(trial.rng)
    command_line = trial.commands_for(store, folder)
    command_line.run("user", "add", "alice", "--password-stdin", typed=password, before=prefix(trace))
    shutil.rmtree(folder)
    calls, length = read(trace)
    disk = Disk(folder, is_database, {})
    for number in range(FIRST):
        is_over = number % 2 == 0
        place = length + 1 if is_over else trial.rng.randrange(length)
        keep = KEEPS[number // 2 % len(KEEPS)]
        folder.mkdir()
        disk.cut(calls, place, keep, trial.rng, folder)
        server = trial.keep(Countersign(store, folder))
        status, _ = Witness("alice", password).log_in(server.port)
        if status != 200 and (is_over or status != 400):
            raise Violated("I5", f"cut at {place} of {length}, {keep} kept: a user who was added is answered {status}")
        check_store(store)
        server.kill()
        trial.servers.remove(server)
        shutil.rmtree(folder)
    return FIRST


def is_database(name):
    # What is in `-shm` is made anew from the log.
    return name.startswith("countersign.db") and not name.endswith("-shm")


def is_known(entry, sent):
    return entry.answer is not None and entry.answer.request_id in sent


def known(person, entries, sent, place):
    """What must hold of a person by the answers that had been sent before a place of the trace."""
    account = Account(*person, leeway=0)
    for entry in entries:
        if entry.operation.account != account.name:
            continue
        account.sent(entry.operation, entry.sent_at)
        if not is_known(entry, sent) or sent[entry.answer.request_id] >= place:
            # Of the next thing that was asked nobody knows; what came after it was not asked yet.
            break
        answer = entry.answer if entry.answer.status != 503 else None
        account.answered(entry.operation, answer, entry.sent_at)
    return account


def check(trial, folder, load, keys, number):
    """Starts the program on what the disk has, and looks at everything that was acknowledged."""
    store = Sqlite(folder)
    server = trial.keep(Countersign(store, folder, REFRESH_LEEWAY=0))
    try:
        check_keys(server.port, keys)
        check_accounts(load, load.journal, server.port, f"{trial.seed}/cut/{number}", share=1.0)
        check_store(store)
    finally:
        server.kill()
        trial.servers.remove(server)


def prove_order(entries, calls, sent):
    """How many answers said that something was written; a sync of the log ended between the request and each of them."""
    syncs = [call.ended for call in calls if call.name in SYNCS and call.file.endswith(".db-wal")]
    earlier, proved = {}, 0
    for entry in entries:
        if not is_known(entry, sent):
            continue
        place = sent[entry.answer.request_id]
        # One thread asks about an account, and asks after the answer before.
        asked_after = earlier.get(entry.operation.account, 0)
        earlier[entry.operation.account] = place
        if entry.operation.kind in WRITING and entry.answer.status in SUCCESS:
            latest = bisect.bisect_left(syncs, place) - 1
            if latest < 0 or syncs[latest] < asked_after:
                raise Violated("I2", f"{entry.operation.kind.value} was answered, and nothing was synced meanwhile")
            proved += 1
    if proved == 0:
        raise Broken("no answer said that anything was written")
    return proved
