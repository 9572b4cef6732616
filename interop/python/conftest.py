"""Each test that takes `server` runs against every program of `programs.json`; some are only for the tests of tokens."""

import functools
import time

import pytest
import requests

from running import PROGRAMS, STORE, Running

PERIOD = 240  # seconds for which a token is handed out: it is good for 900, and a test may take long

# Every token that was issued here, for the test of the log.
ISSUED = []


@pytest.fixture(scope="session")
def started():
    """Gives a program by its name, and starts each only once: its log is of the whole run."""
    programs = {}

    def find(name):
        if name not in programs:
            programs[name] = Running(name)
        return programs[name]

    yield find
    for running in programs.values():
        assert running.stop() == 0, f"{running.name} did not stop as asked: {running.log()[-2000:]}"


@pytest.fixture(params=[name for name in PROGRAMS if not PROGRAMS[name].get("only_tokens")])
def server(request, started):
    return started(request.param)


@pytest.fixture
def token(server):
    """An access token with all scopes, asked for in the plainest way."""
    return issue(server, time.monotonic() // PERIOD)


@functools.cache
def issue(server, period):
    return log_in(server)


def log_in(server):
    """A login of its own, which whoever has it may end."""
    form = {
        "grant_type": "password",
        "username": server.username,
        "password": server.password,
        "scope": " ".join(server.scopes),
    }
    answer = requests.post(server.token_url, data=form, timeout=60)
    assert answer.status_code == 200, answer.text
    ISSUED.append(answer.json()["access_token"])
    return ISSUED[-1]


@pytest.fixture
def document(server):
    return requests.get(server.url("/openapi.json"), timeout=60).json()


def pytest_collection_modifyitems(config, items):
    """The tests of the log look at what all the others left in it. Over another store only those run that start a program."""
    items.sort(key=lambda item: item.path.name == "test_log.py")
    if STORE:
        others = [item for item in items if not {"server", "attacked"} & set(item.fixturenames)]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]
