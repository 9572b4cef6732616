"""The rig itself: it sees what is wrong, reads traces as they are, and loses what a disk may lose and nothing else."""

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cases import power, soak  # noqa: E402
from rig import disk, tracing  # noqa: E402
from rig.accounts import Account, Is, Kind, Operation, Violated  # noqa: E402
from rig.asking import Answer  # noqa: E402
from rig.checks import check_accounts  # noqa: E402
from rig.network import Cable  # noqa: E402
from rig.plateau import plateau, renewed  # noqa: E402
from rig.server import Countersign  # noqa: E402
from rig.trial import Trial, conduct  # noqa: E402


def test_n3_a_disk_that_forgets_what_was_synced_is_found(monkeypatch):
    monkeypatch.setattr(disk, "sync", lambda file, began: None)
    report = conduct("power", power, "sqlite", 10, 1)
    shutil.rmtree(Path(report.problem.rpartition(" is in ")[2].rstrip(")")), ignore_errors=True)
    assert "nothing kept" in report.problem or "I" in report.problem.split(":")[0], report


def test_m7_a_store_from_which_nothing_goes_is_found(monkeypatch):
    for name in ("SPAN", "LEAP"):
        monkeypatch.setattr(soak, name, 0)
    monkeypatch.setattr(soak, "after_their_time", lambda soak: soak.left.clear())
    report = conduct("soak", soak, "sqlite", 9, 1)
    shutil.rmtree(Path(report.problem.rpartition(" is in ")[2].rstrip(")")), ignore_errors=True)
    assert "M7: rows of " in report.problem, report


ROWS, MIB = (soak.ROWS_SHARE, soak.ROWS), (soak.SHARE, soak.MIB)


@pytest.mark.parametrize("allowance", [(0, 0), ROWS, MIB])
@pytest.mark.parametrize("rounds", [9, 10, 60])
def test_m7_what_is_full_before_the_last_third_has_levelled_and_what_grows_as_ever_has_not(allowance, rounds):
    full = rounds // 3 + 1
    assert plateau("x", [100 * min(number, full) for number in range(rounds)], *allowance) == (100 * full, 100 * full)
    with pytest.raises(Violated, match="^M7: x grew"):
        plateau("x", [100 * number for number in range(rounds)], *allowance)


@pytest.mark.parametrize(("allowance", "much", "little"), [(ROWS, 23, 22), (MIB, 102, 101)])
def test_m7_what_grows_from_a_level_is_found_beyond_what_may_be(allowance, much, little):
    level, end = [1000] * 20, [1000] * 9
    assert plateau("x", [*level, *end, 1000 + little], *allowance) == (1000, 1000 + little)
    with pytest.raises(Violated, match="^M7"):
        plateau("x", [*level, *end, 1000 + much], *allowance)


def test_m7_few_measurements_or_nothing_that_went_show_nothing():
    with pytest.raises(ValueError, match="too few"):
        plateau("x", [1] * 8)
    for values, written in (([0] * 9, 0), ([0] * 9, 100), ([50] * 9, 99)):
        with pytest.raises(Violated, match="^M7.*shows nothing"):
            renewed("x", values, written)
    renewed("x", [50] * 9, 100)


ENOUGH = 100  # answers: so much is missing from a store that goes back behind them
PATIENCE = 120  # seconds


def ask_until_enough(load, port):
    load.start([port], "seed")
    deadline = time.monotonic() + PATIENCE
    while load.journal.acknowledged < ENOUGH and not load.problems:
        assert time.monotonic() < deadline, "nothing is answered"
        time.sleep(0.01)
    load.stop()


@pytest.fixture
def trial():
    trial = Trial("test", "sqlite", 1, 1)
    yield trial
    trial.end(trial.report())


def test_i2_a_store_that_went_back_is_found(trial):
    load = trial.people(trial.silent(), threads=2, each=2, leeway=60)
    server = trial.keep(Countersign(trial.store, trial.folder))
    before = {path.name: path.read_bytes() for path in trial.folder.glob("countersign.db*") if "shm" not in path.name}
    ask_until_enough(load, server.port)
    check_accounts(load, load.journal, server.port, "seed", share=1.0, restarted=False)
    server.kill()
    for path in trial.folder.glob("countersign.db*"):
        path.unlink()
    for name, content in before.items():
        (trial.folder / name).write_bytes(content)
    server = trial.keep(Countersign(trial.store, trial.folder))
    with pytest.raises(Violated):
        check_accounts(load, load.journal, server.port, "seed", share=1.0)


def test_i2_a_database_of_postgresql_that_went_back_is_found():
    trial = Trial("test", "postgres", 1, 1)
    try:
        load = trial.people(trial.silent(), threads=2, each=2, leeway=60)
        server = trial.keep(Countersign(trial.store, trial.folder))
        saved = subprocess.run(["pg_dump", "--clean", trial.store.url], capture_output=True, check=True)
        ask_until_enough(load, server.port)
        check_accounts(load, load.journal, server.port, "seed", share=1.0, restarted=False)
        server.kill()
        subprocess.run(["psql", "-X", "-q", trial.store.url], input=saved.stdout, capture_output=True, check=True)
        server = trial.replace(server, Countersign(trial.store, trial.folder))
        with pytest.raises(Violated):
            check_accounts(load, load.journal, server.port, "seed", share=1.0)
    finally:
        trial.end(trial.report())


def logged_in():
    account = Account("alice", "password", leeway=0)
    login = Operation("alice", Kind.LOGIN, value="password")
    account.sent(login, 0)
    account.answered(login, Answer(200, {"refresh_token": "r0", "access_token": "a0"}), 0)
    return account


def test_of_a_revocation_without_an_answer_either_may_be_so_and_of_an_acknowledged_one_only_the_end():
    account, revoke = logged_in(), Operation("alice", Kind.REVOKE, 0)
    refresh, look = Operation("alice", Kind.REFRESH, 0), Operation("alice", Kind.LOOK, 0, 0)
    assert account.expected(refresh, 0) == {200} and account.expected(look, 0) == {200}
    account.sent(revoke, 0)
    account.answered(revoke, None, 0)
    assert account.expected(refresh, 0) == {200, 400} and account.expected(look, 0) == {200, 401}
    account.answered(look, Answer(200, {}), 0)
    assert account.unsettled is None and account.expected(refresh, 0) == {200}
    account.sent(revoke, 0)
    account.answered(revoke, Answer(200, ""), 0)
    assert account.expected(refresh, 0) == {400} and account.expected(look, 0) == {401}


def test_a_change_of_the_password_without_an_answer_was_done_whole_or_not_at_all():
    for new_one_is_good in (True, False):
        account = logged_in()
        change = Operation("alice", Kind.PASSWORD, 0, 0, value="other")
        account.sent(change, 0)
        tried = Operation("alice", Kind.LOGIN, value="other")
        assert account.expected(tried, 0) == {200, 400}
        account.sent(tried, 0)
        body = {"refresh_token": "r1", "access_token": "a1"}
        account.answered(tried, Answer(200, body) if new_one_is_good else Answer(400, {}), 0)
        assert account.password == ("other" if new_one_is_good else "password")
        assert account.grants[0].status is (Is.ENDED if new_one_is_good else Is.LIVE)
        old = Operation("alice", Kind.LOGIN, value="password")
        assert account.expected(old, 0) == ({400} if new_one_is_good else {200})


def test_a_second_successor_is_found():
    account = logged_in()
    refresh = Operation("alice", Kind.REFRESH, 0)
    account.sent(refresh, 0)
    account.answered(refresh, Answer(200, {"refresh_token": "r1", "access_token": "a1"}), 0)
    retry = Operation("alice", Kind.RETRY, 0, 0)
    with pytest.raises(Violated, match="^I1"):
        account.answered(retry, Answer(200, {"refresh_token": "r2", "access_token": "a2"}), 0)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may lay a cable")
def test_n5_what_is_sent_over_a_cable_that_is_pulled_arrives_when_it_is_plugged_and_not_before():
    cable = Cable()
    try:
        with cable.listen() as listener, socket.create_connection(listener.getsockname(), timeout=5) as near:
            far, _ = listener.accept()
            with far:
                far.settimeout(0.5)
                cable.pull()
                near.sendall(b"lost at first")
                with pytest.raises(TimeoutError):
                    far.recv(100)
                cable.plug()
                far.settimeout(60)
                assert far.recv(100) == b"lost at first"
    finally:
        cable.stop()


def test_i5_a_user_whose_adding_was_undone_is_gone():
    account = Account("alice", "password", leeway=0, exists=Is.ENDED)
    account.sent(Operation("alice", Kind.ADD, value="password"), 0)
    login = Operation("alice", Kind.LOGIN, value="password")
    account.sent(login, 1)
    account.answered(login, Answer(400, {}), 1)
    assert account.gone and account.status is Is.ENDED


TRACE = r"""
7 openat(AT_FDCWD<\x2f\x64>, "\x2f\x64\x2f\x61\x2e\x64\x62", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3<\x2f\x64\x2f\x61\x2e\x64\x62>
7 pwrite64(3<\x2f\x64\x2f\x61\x2e\x64\x62>, "\x41\x42", 2, 4) = 2
8 fsync(3<\x2f\x64\x2f\x61\x2e\x64\x62> <unfinished ...>
7 pwrite64(3<\x2f\x64\x2f\x61\x2e\x64\x62>, "\x43", 1, 0) = 1
8 <... fsync resumed>)              = 0
9 writev(4<TCP:[127.0.0.1:1->127.0.0.1:2]>, [{iov_base="\x78\x2d\x72\x65\x71\x75\x65\x73\x74\x2d\x69\x64\x3a\x20\x61\x62", iov_len=16}, {iov_base="\x0d\x0a", iov_len=2}], 2) = 18
7 unlink("\x2f\x64\x2f\x62") = -1 ENOENT (No such file or directory)
"""


@pytest.fixture
def calls(tmp_path):
    (tmp_path / "trace").write_text(TRACE.lstrip(), encoding="ascii")
    return tracing.read(tmp_path / "trace")


def test_a_trace_is_read_as_it_is(calls):
    calls, length = calls
    assert length == 7
    assert [(call.name, call.began, call.ended) for call in calls] == [
        ("openat", 0, 0), ("pwrite64", 1, 1), ("fsync", 2, 4), ("pwrite64", 3, 3), ("writev", 5, 5),
    ]
    assert (calls[1].file, calls[1].data, calls[1].numbers[-1]) == ("/d/a.db", b"AB", 4)
    assert tracing.sent_at(calls) == {"ab": 5}


def cut(calls, place, keep, tmp_path, before):
    folder = tmp_path / f"{place}-{keep}"
    folder.mkdir()
    one = disk.Disk("/d", lambda name: name.endswith(".db"), before)
    one.cut(calls, place, keep, random.Random(1), folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_only_what_ended_before_a_sync_began_is_surely_there(calls, tmp_path):
    calls, length = calls
    was = {"a.db": b"........"}
    assert cut(calls, 4, disk.NOTHING, tmp_path, was) == was, "the sync has not ended"
    assert cut(calls, length, disk.NOTHING, tmp_path, was) == {"a.db": b"....AB.."}
    assert cut(calls, length, disk.EVERYTHING, tmp_path, was) == {"a.db": b"C...AB.."}


def test_a_file_that_was_made_may_be_gone_while_its_folder_was_not_synced(calls, tmp_path):
    calls, length = calls
    assert cut(calls, length, disk.NOTHING, tmp_path, {}) == {}
    assert cut(calls, length, disk.EVERYTHING, tmp_path, {}) == {"a.db": b"C\0\0\0AB"}


def test_a_write_is_torn_at_the_sectors_of_the_disk():
    data = bytes(range(256)) * 5
    pieces = list(disk.sectors(500, data))
    assert [start for start, _ in pieces] == [500, 512, 1024, 1536]
    assert b"".join(piece for _, piece in pieces) == data
