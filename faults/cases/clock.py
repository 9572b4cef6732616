"""Steps of the wall clock under the running program, and two whose clocks are apart (N6, E7).

Whatever the clock does: what has ended stays so, what is good can be renewed, and nobody gets two successors.
"""

import time

from rig.accounts import Violated
from rig.checks import check_store
from rig.clock import Clock, until
from rig.load import new_password
from rig.logins import Teller
from rig.server import Countersign
from rig.trial import OPAQUE

HOUR, DAY = 3600, 86400  # seconds
# Seconds: of an access token, between clocks, and for a second use of a refresh token.
LIFETIME, LEEWAY, RETRIES = 900, 5, 30
SLACK = 3  # seconds that something may take meanwhile
APART = 30  # seconds
TOKENS_UNTIL_SWEEP = 70  # requests, after which what has expired was swept

# Name, where the clock begins, and how far it is stepped.
STEPS = (
    ("an hour forward", None, HOUR),
    ("an hour back", None, -HOUR),
    ("a day forward", None, DAY),
    ("a day back", None, -DAY),
    ("a second twice, as a leap second", None, -1),
    ("a second left out", None, 1),
    ("the end of 32 bits, 2038", "2038-01-19T03:14:06", 3),
    ("the end of 32 bits without a sign, 2106", "2106-02-07T06:28:14", 3),
)
ROUNDS = len(STEPS) + 1  # each step once, and then two clocks


def run(trial):
    journal = trial.silent()
    asked = 0
    for number in range(trial.rounds):
        case = number % ROUNDS
        folder = trial.folder / f"round{number}"
        folder.mkdir()
        store = trial.store.fresh(folder).without_certificates()
        try:
            if case == len(STEPS):
                asked += two_clocks(trial, store, folder)
            else:
                asked += one_step(trial, store, folder, *STEPS[case])
        except Violated as violated:
            name = "two clocks" if case == len(STEPS) else STEPS[case][0]
            raise Violated(violated.invariant, f"{name}: {violated}") from violated
        check_store(store)
    journal.close()
    return trial.report(checks=asked)


class People:
    """Three users, one of whom changes the password, and two clients, one of which is disabled."""

    def __init__(self, trial, store, folder):
        self.command_line = trial.commands_for(store, folder)
        self.passwords = {name: new_password(trial.rng) for name in ("alice", "bob", "carol")}
        for name, password in self.passwords.items():
            self.command_line.run("user", "add", name, "--password-stdin", typed=password)
        for client, token_format in ((OPAQUE, "opaque"), ("doomed", "jwt"), ("doomed2", "jwt")):
            self.command_line.run(
                "client", "add", client, "--public", "--first-party", "--any-scope", "--token-format", token_format,
                "--grant-type", "password", "--grant-type", "refresh_token",
            )


def serve(trial, store, folder, clock, name="countersign", leeway=LEEWAY):
    return trial.keep(Countersign(
        store, folder, name, others=clock.environment(),
        ACCESS_TOKEN_LIFETIME=LIFETIME, LEEWAY=leeway, REFRESH_LEEWAY=RETRIES,
    ))


def one_step(trial, store, folder, name, begins, step):
    clock = Clock(folder / "clock", until(begins) if begins else 0)
    people = People(trial, store, folder)
    server = serve(trial, store, folder, clock)
    teller = Counting(server.port)

    def logins(number, client=""):
        return [teller.refresh(teller.log_in("alice", people.passwords["alice"], client)) for _ in range(number)]

    good = logins(2) + logins(2, OPAQUE)
    replayed, revoked_later, of_client = logins(1), logins(1) + logins(1, OPAQUE), logins(1, "doomed2")
    rotated = logins(1)[0]
    ended = end_some(teller, people, logins)
    others = [teller.log_in("carol", people.passwords["carol"])]

    clock.turn(step)
    if begins:
        time.sleep(SLACK)  # over the end, both by the step and by itself
    after_step(teller, good, step, name)
    dead(teller, ended, f"after {name}")
    # What was used before the step and is shown again: a theft, or the same answer again.
    again = teller.show(replayed[0], 0)
    if abs(step) > RETRIES + SLACK:
        teller.must(f"a used refresh token after {name}", again, 400)
        dead(teller, replayed, f"after {name}, reused")
    elif again.status != 200 or again.body["refresh_token"] != replayed[0].refresh[1]:
        raise Violated("I1", f"a second use {name} got {again.status} {again.body}")
    # In one second by this clock: each knows its only successor, or ends all.
    for _ in range(5):
        teller.refresh(rotated)
    for place in range(2, len(rotated.refresh) - 1):
        again = teller.show(rotated, place)
        if again.status == 200 and again.body["refresh_token"] != rotated.refresh[place + 1]:
            raise Violated("I1", f"refresh token {place} has two successors")
    # Ended by a clock that is wrong, or was.
    for login in revoked_later:
        teller.revoke(login, login.refresh[-1])
    dead(teller, revoked_later, f"revoked after {name}")
    carol = {"current_password": people.passwords["carol"], "new_password": new_password(trial.rng)}
    fresh = teller.log_in("carol", people.passwords["carol"])
    answer = teller.asker.ask("POST", "/users/me/password", carol, fresh.access[-1])
    teller.must("a change of the password", answer, 204)
    dead(teller, [*others, fresh], f"a password changed after {name}")
    disable(teller, trial, store, folder, clock, "doomed2", of_client)
    sweep(teller)

    clock.turn(-step)
    for logins_then, what in (
        (ended, "ended before"), (revoked_later, "revoked meanwhile"),
        ([*others, fresh], "of a password changed meanwhile"), (of_client, "of a client disabled meanwhile"),
    ):
        dead(teller, logins_then, f"{name} and back, {what}")
    if abs(step) > RETRIES + SLACK:
        dead(teller, replayed, f"{name} and back, reused")
    for login in good:
        teller.refresh(login, f"a refresh, {name} and back")
        teller.must(f"a new access token, {name} and back", teller.look(login), 200)
    server.kill()
    trial.servers.remove(server)
    return teller.asked


def end_some(teller, people, logins):
    """What is ended in each way while the clock is right."""
    by_refresh, by_access = logins(1) + logins(1, OPAQUE), logins(1)
    for login in by_refresh:
        teller.revoke(login, login.refresh[-1])
    alone = by_access[0]
    teller.revoke(alone, alone.access[-1])
    # Only its last access token is dead: its other ones, and it can be renewed.
    alone.access, alone.refresh = alone.access[-1:], []
    bob = [teller.log_in("bob", people.passwords["bob"]) for _ in range(2)]
    answer = teller.asker.ask("DELETE", "/users/me/grants", token=bob[0].access[-1])
    teller.must("the end of all logins", answer, 204)
    of_client = logins(1, "doomed")
    people.command_line.run("client", "disable", "doomed")
    teller.hears(of_client)
    for login in of_client:
        login.refresh = []  # whose client is unknown now, which is another answer
    return by_refresh + by_access + bob + of_client


def after_step(teller, good, step, name):
    for login in good:
        old = teller.look(login)
        if step > LIFETIME + LEEWAY:
            teller.must(f"an access token that expired with {name}", old, 401, invariant="I3")
        elif abs(step) <= LEEWAY - SLACK:
            teller.must(f"an access token, {name}", old, 200)
        elif step < -LEEWAY - SLACK and not login.client:
            teller.must(f"an access token before its time, {name}", old, 401, invariant="I3")
        teller.refresh(login, f"a refresh, {name}")
        teller.must(f"a new access token, {name}", teller.look(login), 200)


def disable(teller, trial, store, folder, clock, client, logins):
    """Ends what a client has, by a command that sees the same clock."""
    trial.commands_for(store, folder, others=clock.environment()).run("client", "disable", client)
    teller.hears(logins)
    for login in logins:
        login.refresh = []
    dead(teller, logins, "of a client that was disabled")


def dead(teller, logins, what):
    for login in logins:
        teller.is_dead(login, what)


def sweep(teller):
    """Lets the server forget what has expired: it does that now and then, as token requests come."""
    for _ in range(TOKENS_UNTIL_SWEEP):
        teller.asker.ask("POST", "/token", {"grant_type": "refresh_token", "refresh_token": "nothing of ours"})


def two_clocks(trial, store, folder):
    """Two processes on one store, half a minute apart, as the setting `leeway` allows it."""
    people = People(trial, store, folder)
    clocks = [Clock(folder / "clock0"), Clock(folder / "clock1", APART)]
    servers = [
        serve(trial, store, folder, clock, f"countersign{number}", leeway=60) for number, clock in enumerate(clocks)
    ]
    tellers = [Counting(server.port) for server in servers]
    for here, there in (tellers, tellers[::-1]):
        for client in ("", OPAQUE):
            login = here.log_in("alice", people.passwords["alice"], client)
            there.must("a token from the other process", there.look(login), 200)
            for teller in (there, here, there, here):
                teller.refresh(login, "a refresh at the other process")
                there.must("a renewed token", there.look(login), 200)
                here.must("a renewed token", here.look(login), 200)
            there.revoke(login, login.refresh[-1])
            # Of all that is asked of the store, at once; of JWTs as soon as it is heard.
            if not client:
                here.must("a revoked refresh token", here.show(login), 400)
                here.hears([login])
            dead(here, [login], "revoked at the other process")
            dead(there, [login], "revoked here")
    for server in servers:
        server.kill()
        trial.servers.remove(server)
    return sum(teller.asked for teller in tellers)


class Counting(Teller):
    """Counts what it holds against what must be."""

    asked = 0

    def must(self, *arguments, **options):
        self.asked += 1
        return super().must(*arguments, **options)
