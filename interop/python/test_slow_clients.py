"""slowhttptest, with a thousand connections that never get to the point: the others are served."""

import re
import signal
import subprocess
import time

import pytest
import requests

from running import Running

CONNECTIONS = 1000
ATTACK = CONNECTIONS * 0.9  # of them are one
SECONDS = 12  # of attack at least
TIMEOUT = 120  # seconds that the attack has to come to all its connections
PATIENCE = 5  # seconds: what the server is told, so that it loses it while it is watched

HELD = 24 * 1024  # bytes that a connection may hold
REST = 48 * 1024 * 1024  # bytes for logins, and for what the allocator keeps

# Headers that never end, a body that never ends, and answers that are taken a few bytes at a time.
ATTACKS = {
    "headers": ["-H", "-u", "/health/live"],
    "body": ["-B", "-u", "/token", "-s", "4096"],
    "read": ["-X", "-u", "/docs/swagger-ui-bundle.js", "-k", "3", "-w", "512", "-y", "1024", "-n", "2", "-z", "32"],
}


@pytest.fixture(scope="module")
def attacked():
    environment = {"COUNTERSIGN_LOG_LEVEL": "warn", "COUNTERSIGN_CLIENT_TIMEOUT": str(PATIENCE)}
    running = Running("countersign", called="countersign.slow_clients", environment=environment)
    yield running
    assert running.stop() == 0, running.log()[-2000:]


def memory(running, name):
    with open(f"/proc/{running.process.pid}/status", encoding="utf-8") as status:
        return int(re.search(rf"{name}:\s+(\d+) kB", status.read())[1]) * 1024


def spoken(said):
    """What slowhttptest has printed, without its colours."""
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", said.read_text(encoding="utf-8"))


def attackers(said):
    """The connections it has opened by its newest status, of every five seconds: those that are open, and those that were lost."""
    found = re.findall(r"connected: +(\d+)\n.*\nclosed: +(\d+)\n", spoken(said))
    return sum(map(int, found[-1])) if found else 0


def log_in(running):
    form = {"grant_type": "password", "username": running.username, "password": running.password}
    return requests.post(running.token_url, data=form, timeout=60)


@pytest.mark.parametrize("kind", ATTACKS)
def test_m4_a_thousand_slow_clients_stop_nobody(attacked, kind, tmp_path):
    assert log_in(attacked).status_code == 200
    base = memory(attacked, "VmHWM")
    mode, flag, path, *more = ATTACKS[kind]
    command = ["slowhttptest", mode, flag, attacked.url(path), *more, "-c", str(CONNECTIONS), "-r", "500"]
    command += ["-i", "2", "-l", str(TIMEOUT), "-p", "60", "-v", "1", "-g", "-o", str(tmp_path / "found")]
    said = tmp_path / "said"
    with said.open("wb") as out, subprocess.Popen(["stdbuf", "-oL", *command], stdout=out, stderr=out) as attack:
        began = time.monotonic()
        answers = 0
        # How soon they have all come is the machine's affair: the first may be lost by then.
        while attack.poll() is None and (attackers(said) < ATTACK or time.monotonic() < began + SECONDS):
            assert log_in(attacked).status_code == 200
            answers += 1
        attack.send_signal(signal.SIGINT)
    assert attackers(said) >= ATTACK, spoken(said)[-1000:]
    # Its own probe, each second: seconds, closed, pending, connected, service available.
    rows = [line.split(",") for line in (tmp_path / "found.csv").read_text().splitlines()[1:]]
    assert len(rows) > 1 and all(int(row[4]) > 0 for row in rows[1:]), f"not available: {rows}\n{spoken(said)[-1000:]}"
    peak = memory(attacked, "VmHWM")
    print(f"{kind}: {base // 1024} KiB before, {peak // 1024} KiB at the peak, {answers} logins, {attackers(said)} connections")
    assert peak <= base + CONNECTIONS * HELD + REST
