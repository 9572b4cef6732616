"""Two replicas over PostgreSQL behind haproxy, as `make cluster` starts them: what one does the other knows."""

import threading
import time

import pytest
import requests
from cluster import OWNER, Cluster

from running import PATIENT, directory

BOUND = 1  # second: how stale a replica may be about what another has ended
PATIENCE = 60  # times as long as each bound, on a machine that does much else
BACK_WITHIN = 5  # seconds, after the database is back


@pytest.fixture(scope="module")
def cluster():
    with Cluster(directory(), environment=PATIENT) as running:
        yield running


def log_in(base, password, scope="me"):
    form = {"grant_type": "password", "username": OWNER, "password": password, "scope": scope}
    answer = requests.post(f"{base}/token", data=form, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def me(base, token):
    return requests.get(f"{base}/users/me", headers={"Authorization": f"Bearer {token}"}, timeout=60)


def refresh(base, token):
    return requests.post(f"{base}/token", data={"grant_type": "refresh_token", "refresh_token": token}, timeout=60)


def revoke(base, token):
    answer = requests.post(f"{base}/revoke", data={"token": token}, timeout=60)
    assert answer.status_code == 200, answer.text


def test_f3_a_token_revoked_on_one_replica_is_refused_on_the_other(cluster):
    one, two = (replica.base for replica in cluster.replicas)
    for here, there in [(one, two), (two, one)]:
        login = log_in(here, cluster.password)
        assert me(there, login["access_token"]).status_code == 200
        revoke(here, login["refresh_token"])
        acknowledged = time.monotonic()
        assert me(here, login["access_token"]).status_code == 401, "at once where it was done"
        assert refresh(there, login["refresh_token"]).status_code == 400, "at once where the store is asked"
        while me(there, login["access_token"]).status_code != 401:
            assert time.monotonic() - acknowledged < BOUND * PATIENCE, "it is good for too long"


def test_e4_a_refresh_token_has_one_successor_whichever_replica_is_asked(cluster):
    one, two = (replica.base for replica in cluster.replicas)
    token = log_in(one, cluster.password)["refresh_token"]
    answers = [refresh(base, token).json()["refresh_token"] for base in (one, two, cluster.base, two, one)]
    assert len(set(answers)) == 1


def test_i2_both_replicas_sign_with_the_same_key(cluster):
    sets = [requests.get(f"{replica.base}/.well-known/jwks.json", timeout=60).json() for replica in cluster.replicas]
    assert sets[0] == sets[1] and sets[0]["keys"]


class Users:
    """Honest ones, who go on through the proxy until they are told to stop; what they did not get is kept."""

    def __init__(self, base, password, number=4):
        self.base, self.is_over, self.failures, self.answers = base, threading.Event(), [], 0
        logins = [log_in(base, password) for _ in range(number)]
        self.threads = [threading.Thread(target=self._work, args=(login,)) for login in logins]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()

    def _work(self, login):
        while not self.is_over.is_set():
            renewed = self._asked(lambda: refresh(self.base, login["refresh_token"]))
            login = renewed.json() if renewed is not None else login
            self._asked(lambda: me(self.base, login["access_token"]))

    def _asked(self, ask):
        try:
            answer = ask()
        except requests.RequestException as problem:
            self.failures.append(repr(problem))
            return None
        self.answers += 1
        if answer.status_code != 200:
            self.failures.append(f"{answer.status_code} {answer.text[:200]}")
            return None
        return answer


def test_n7_replicas_are_restarted_in_turn_and_no_good_request_fails(cluster):
    with Users(cluster.base, cluster.password) as users:
        for replica in cluster.replicas * 2:
            asked = users.answers
            assert replica.stop() == 0, replica.log.read_text()[-2000:]
            before = len(replica.log.read_text())
            replica.start()
            wait_until_ready(replica)
            deadline = time.monotonic() + 60
            # The proxy must have found it again before the other one goes.
            while (users.answers < asked + 50 or not has_answered(replica, before)) and not users.failures:
                assert time.monotonic() < deadline, "nothing is answered any more"
                time.sleep(0.01)
    assert users.failures == []


def has_answered(replica, since):
    """Whether its log, from there on, tells of anything asked but its health."""
    return '"event":"request"' in replica.log.read_text()[since:]


def wait_until_ready(replica):
    deadline = time.monotonic() + 60
    while requests.get(f"{replica.base}/health/ready", timeout=60).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_n5_without_the_database_nobody_is_refused_for_what_cannot_be_known(cluster):
    one = cluster.replicas[0].base
    login = log_in(one, cluster.password)
    assert me(one, login["access_token"]).status_code == 200
    cluster.database.do("crash")
    try:
        for _ in range(5):
            form = {"grant_type": "password", "username": OWNER, "password": cluster.password}
            for answer in (
                requests.post(f"{one}/token", data=form, timeout=60),
                refresh(one, login["refresh_token"]),
                requests.post(f"{one}/revoke", data={"token": login["refresh_token"]}, timeout=60),
            ):
                assert answer.status_code == 503 and answer.headers["Retry-After"], answer.text
            for base in (one, cluster.base):
                assert me(base, login["access_token"]).status_code in (200, 503)
        assert me(cluster.base, "none").status_code == 401, "by a replica, and not by the proxy"
    finally:
        cluster.database.do("resume")
    back = time.monotonic()
    while refresh(one, login["refresh_token"]).status_code != 200:
        assert time.monotonic() - back < BACK_WITHIN * PATIENCE
    while me(one, login["access_token"]).status_code != 200:
        assert time.monotonic() - back < BACK_WITHIN * PATIENCE

