"""Two processes on one store that race for the same refresh tokens, and revocations that race with refreshes.

Of all who use a refresh token at once, each gets the same successor, or where nobody may try again one gets it; and
after the answer to a revocation nothing of the login is good at either process (E3, E4, E8, N7).
"""

import threading
import time

from rig.accounts import Violated
from rig.checks import check_store
from rig.logins import Login, Teller
from rig.server import Countersign
from rig.trial import OPAQUE

ROUNDS = 1000
RACERS = 50  # that use one token at once, half of them at each process
TOGETHER = 25  # rounds that share a wait, until the other process has heard of what has ended
LEEWAY = 60  # seconds: the most there is, for all of a round


def run(trial):
    journal = trial.silent()
    trial.people(journal, 0, 0, LEEWAY)
    counts = {"successors": 0, "revoked": 0, "refreshed before": 0, "not told": 0}
    for leeway in (LEEWAY, 0):
        servers = [
            trial.keep(Countersign(trial.store, trial.folder, f"countersign{number}", REFRESH_LEEWAY=leeway))
            for number in range(2)
        ]
        racing(trial, servers, leeway, counts)
        revoking(trial, servers, counts)
        for server in servers:
            server.stop()
            trial.servers.remove(server)
    check_store(trial.store)
    return trial.report(**counts)


class Line:
    """Threads that stay, each with a connection to one of the processes, and do one thing at the same time."""

    def __init__(self, servers, size):
        self.tellers = [Teller(servers[number % len(servers)].port) for number in range(size)]

    def at_once(self, calls):
        """What each of `calls` returns: the first with the first teller, and so on."""
        results, ready = [None] * len(calls), threading.Barrier(len(calls))

        def one(number):
            ready.wait()
            results[number] = calls[number](self.tellers[number])

        threads = [threading.Thread(target=one, args=(number,)) for number in range(len(calls))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results


def log_in(trial, teller, number):
    return teller.log_in(trial.witness.name, trial.witness.password, OPAQUE if number % 2 else "")


def until_told(teller, login):
    """A use, again as long as the answer is 503, which may always be."""
    end = time.monotonic() + LEEWAY
    while (answer := teller.show(login)) and answer.status == 503 and time.monotonic() < end:
        pass
    return answer


def racing(trial, servers, leeway, counts):
    """One refresh token, used by all at once."""
    use = until_told if leeway else Teller.show
    line = Line(servers, RACERS)
    for number in range(trial.rounds // 2):
        login = log_in(trial, line.tellers[0], number)
        answers = line.at_once([lambda teller: use(teller, login)] * RACERS)
        won = {answer.body["refresh_token"] for answer in answers if answer and answer.status == 200}
        statuses = sorted(answer.status if answer else 0 for answer in answers)
        if 503 in statuses and len(won) < 2:
            # Of who may not try again it is not known whether it was the one.
            counts["not told"] += 1
            continue
        if len(won) != 1:
            raise Violated("I1", f"round {number}: {len(won)} successors of one refresh token, {statuses}")
        counts["successors"] += 1
        login.refresh.append(won.pop())
        if leeway:
            if set(statuses) != {200}:
                raise Violated("I4", f"round {number}: a use that may be tried again was answered {statuses}")
            line.tellers[number % RACERS].refresh(login)
        elif statuses.count(200) != 1 or line.tellers[number % RACERS].show(login).status != 400:
            # The others were a theft, and have ended it.
            raise Violated("I2", f"round {number}: {statuses}, and the login goes on")


def revoking(trial, servers, counts):
    """A login is revoked while it is refreshed; the answer to the revocation came before all that is asked after it."""
    line, dead = Line(servers, 2), []
    for number in range(trial.rounds // 2):
        login = log_in(trial, line.tellers[0], number)
        calls = [lambda teller: teller.show(login), lambda teller: teller.revoke(login, login.refresh[0])]
        if number % 4 >= 2:
            calls.reverse()
        answers = line.at_once(calls)
        refreshed = answers[number % 4 >= 2]
        ended = Login(login.client, list(login.refresh), list(login.access))
        if refreshed and refreshed.status == 200:
            counts["refreshed before"] += 1
            ended.refresh.append(refreshed.body["refresh_token"])
            ended.access.append(refreshed.body["access_token"])
        counts["revoked"] += 1
        for teller in line.tellers:
            for place in range(len(ended.refresh)):
                teller.must(f"round {number}: a refresh token of a revoked login", teller.show(ended, place), 400)
        dead.append(ended)
        if len(dead) == TOGETHER or number == trial.rounds // 2 - 1:
            all_dead(line, dead)
            dead = []


def all_dead(line, logins):
    """Every access token, at both: at the process that was not asked to revoke, within a second."""
    for teller in line.tellers:
        teller.hears(logins)
        for login in logins:
            for place in range(len(login.access)):
                teller.must("an access token of a revoked login", teller.look(login, place), 401)
