"""slowhttptest, with a thousand connections that never get to the point: the others are served."""

import re
import subprocess

import pytest
import requests

from running import Running

CONNECTIONS = 1000
SECONDS = 12
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


def log_in(running):
    form = {"grant_type": "password", "username": running.username, "password": running.password}
    return requests.post(running.token_url, data=form, timeout=60)


@pytest.mark.parametrize("kind", ATTACKS)
def test_m4_a_thousand_slow_clients_stop_nobody(attacked, kind, tmp_path):
    assert log_in(attacked).status_code == 200
    base = memory(attacked, "VmHWM")
    mode, flag, path, *more = ATTACKS[kind]
    command = ["slowhttptest", mode, flag, attacked.url(path), *more, "-c", str(CONNECTIONS), "-r", "500"]
    command += ["-i", "2", "-l", str(SECONDS), "-p", "10", "-g", "-o", str(tmp_path / "found")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8") as attack:
        answers = 0
        while attack.poll() is None:
            assert log_in(attacked).status_code == 200
            answers += 1
        said = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", attack.stdout.read())
    assert answers >= SECONDS / 4, f"{answers} logins in {SECONDS} seconds"
    # Its own probe, each second: seconds, closed, pending, connected, service available.
    rows = [line.split(",") for line in (tmp_path / "found.csv").read_text().splitlines()[1:]]
    assert all(int(row[4]) > 0 for row in rows[1:]), f"not available: {rows}\n{said[-1000:]}"
    most = max(int(row[3]) for row in rows)
    assert most >= CONNECTIONS * 0.9 or any(int(row[1]) > 0 for row in rows), f"no attack at all: {rows}"
    peak = memory(attacked, "VmHWM")
    print(f"{kind}: {base // 1024} KiB before, {peak // 1024} KiB at the peak, {answers} logins, {most} connections")
    assert peak <= base + CONNECTIONS * HELD + REST
