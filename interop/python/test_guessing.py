"""hydra guesses passwords: no more of its guesses are looked at than the settings of the throttle allow."""

import json
import re
import socket
import subprocess
import time
from urllib.parse import urlencode, urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

from running import Running

GUESSES = 3_000

# The settings by default: guesses that fail at one account, and from one source, before others must wait; then the time
# until one more is looked at, in seconds.
OF_ACCOUNT, ACCOUNT_WAIT = 10, 30
OF_SOURCE, SOURCE_WAIT = 50, 12

LONG_WAIT = 20  # seconds: none that ends between two requests

OWNER, PASSWORD = "alice", "horse battery staple"


class From(HTTPAdapter):
    """Connects from another address."""

    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *arguments, **options):
        super().init_poolmanager(*arguments, source_address=(self.address, 0), **options)


@pytest.fixture
def attacked():
    running = Running(
        "countersign",
        called="countersign.guessing",
        before={"arguments": ["user", "add", OWNER, "--password-stdin"], "input": PASSWORD},
        arguments=["serve", "--listen", "127.0.0.1:0"],
        environment={"COUNTERSIGN_LOG_LEVEL": "info"},
    )
    yield running
    running.stop()


def hydra(running, *who):
    """Lets hydra guess, and returns what it found and for how many seconds it tried."""
    where = urlsplit(running.base)
    form = "/token:grant_type=password&username=^USER^&password=^PASS^:S=access_token"
    command = ["hydra", "-I", "-t", "32", "-f", "-s", str(where.port), *who, where.hostname, "http-post-form", form]
    began = time.monotonic()
    ran = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=1500, cwd=running.directory.name)
    said = ran.stdout + ran.stderr
    assert "completed" in said, said[-2000:]
    return re.findall(r"login: (\S+)\s+password: (.+)", said), time.monotonic() - began


def looked_at(running):
    """How many guesses were held against a password, by the log."""
    lines = (json.loads(line) for line in running.log().splitlines() if line.startswith("{"))
    events = [fields(line) for line in lines]
    logins = [event for event in events if event.get("event") == "login" and event.get("outcome") == "denied"]
    reasons = {"wrong_password", "unknown_user"}
    return sum(event.get("reason") in reasons for event in logins), len(events)


def fields(line):
    return line | line.get("fields", {})


def allowed(seconds, at_once, wait):
    # What was being looked at when the last place was taken counts as well: one for each that guesses at once.
    return at_once + seconds / wait + 1


def log_in(running, address, password=PASSWORD):
    with requests.Session() as session:
        session.mount("http://", From(address))
        form = {"grant_type": "password", "username": OWNER, "password": password}
        return session.post(running.token_url, data=form, timeout=60)


def wait_of(refused):
    return int(refused.headers["Retry-After"])


def test_many_guesses_at_one_account_find_nothing_and_do_not_lock_its_owner_out(attacked, tmp_path):
    assert log_in(attacked, "127.0.0.2").status_code == 200, "from where the owner always comes"
    guesses = tmp_path / "guesses"
    guesses.write_text("".join(f"wrong guess {number}\n" for number in range(GUESSES)) + f"{PASSWORD}\n")
    found, seconds = hydra(attacked, "-l", OWNER, "-P", str(guesses))
    assert found == [], "the right password was the last of all"
    tried, lines = looked_at(attacked)
    assert lines > GUESSES / 2, "hydra did not get through to the server"
    assert 0 < tried <= allowed(seconds, OF_ACCOUNT, ACCOUNT_WAIT), f"{tried} in {seconds:.0f} s"
    # By now the wait may be over, or all but over. The next guess that is looked at begins a longer one.
    deadline = time.monotonic() + 60
    while (refused := log_in(attacked, "127.0.0.1", "wrong guess")).status_code != 429 or wait_of(refused) < LONG_WAIT:
        assert time.monotonic() < deadline, f"{refused.status_code} {refused.headers}"
        time.sleep(0.1)
    assert log_in(attacked, "127.0.0.1").status_code == 429, "who guessed must wait"
    answer = log_in(attacked, "127.0.0.2")
    assert answer.status_code == 200, f"the owner, from elsewhere: {answer.status_code} {answer.text}"


def test_one_guess_at_each_of_many_accounts_finds_nothing(attacked, tmp_path):
    names = tmp_path / "names"
    names.write_text("".join(f"user{number}\n" for number in range(GUESSES)) + f"{OWNER}\n")
    found, seconds = hydra(attacked, "-L", str(names), "-p", PASSWORD)
    assert found == [], "the right name was the last of all"
    tried, lines = looked_at(attacked)
    assert lines > GUESSES / 2, "hydra did not get through to the server"
    assert 0 < tried <= allowed(seconds, OF_SOURCE, SOURCE_WAIT), f"{tried} in {seconds:.0f} s"
    assert log_in(attacked, "127.0.0.2").status_code == 200, "from elsewhere"


def test_d15_who_hangs_up_during_a_login_does_not_close_the_account(attacked):
    assert log_in(attacked, "127.0.0.1").status_code == 200, "from behind a proxy, say"
    for _ in range(4 * OF_ACCOUNT):
        ask_and_hang_up(attacked)
        # Meanwhile the server sees it.
        assert requests.get(attacked.url("/health/live"), timeout=60).status_code == 200
    answer = log_in(attacked, "127.0.0.1")
    assert answer.status_code == 200, f"{answer.status_code} {answer.text}"


def ask_and_hang_up(running):
    where = urlsplit(running.base)
    form = urlencode({"grant_type": "password", "username": OWNER, "password": PASSWORD}).encode()
    head = f"POST /token HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    with socket.create_connection((where.hostname, where.port), timeout=60) as connection:
        connection.sendall(head.encode() + f"Content-Length: {len(form)}\r\n\r\n".encode() + form)
