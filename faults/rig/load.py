"""The mixed load: threads, each with accounts of its own, that log in, refresh, revoke and change users all the time."""

import random
import threading
import time

from .accounts import COMMANDS, MARGIN, Account, Is, Kind, Operation, Violated
from .asked import Desk, last

GRANTS = 4  # that an account has at a time, about
KEPT = 8  # grants that have ended, of an account
LONG_AGO = float("-inf")
ADDED = "added"  # how their names begin that were added during the run
CREATED = 4  # accounts that were added during the run, at a time

# What is asked how often, by those who speak HTTP.
MIXED = {
    Kind.REFRESH: 40, Kind.LOOK: 8, Kind.RETRY: 8, Kind.REPLAY: 4, Kind.LIST: 3, Kind.REVOKE: 14,
    Kind.REVOKE_ACCESS: 6, Kind.LOGIN: 8, Kind.END_OTHERS: 3, Kind.END_ALL: 3, Kind.PASSWORD: 3,
}
# And by an operator.
OPERATED = {
    Kind.LOGIN: 20, Kind.REFRESH: 20, Kind.DISABLE: 10, Kind.ENABLE: 10, Kind.SET_PASSWORD: 5, Kind.ADD: 5,
    Kind.REMOVE: 4,
}


class Load:
    """The accounts, and the threads that ask about them while the fault is made."""

    def __init__(self, journal, accounts, operated, leeway, clients=("",)):
        """`accounts` and `operated` are lists of lists: a thread has a list, and nobody else asks about those in it."""
        self.journal, self.accounts, self.operated = journal, accounts, operated
        self.leeway, self.clients = leeway, clients
        self.problems = []

    def everybody(self):
        return [account for group in self.accounts + self.operated for account in group]

    def set_leeway(self, seconds):
        """As the server has it that is asked from now on. What was kept for second uses may go with a shorter one."""
        if seconds == self.leeway:
            return
        self.leeway = seconds
        for account in self.everybody():
            account.leeway = seconds
            for grant in account.grants.values():
                grant.rotated_at = LONG_AGO
                grant.spent_at = None if grant.spent_at is None else LONG_AGO

    def start(self, ports, seed, command_line=None, patient=False):
        """Begins to ask, each thread a port in turn. Who is patient goes on after a connection was lost."""
        self._stop = threading.Event()
        groups = [(group, MIXED) for group in self.accounts] + [(group, OPERATED) for group in self.operated]
        self.threads = [
            threading.Thread(
                target=self._work, daemon=True,
                args=(group, weights, ports[number % len(ports)], f"{seed}/{number}", command_line, patient),
            )
            for number, (group, weights) in enumerate(groups)
        ]
        for thread in self.threads:
            thread.start()

    def stop(self):
        """Lets each thread finish what it asks, and raises what any of them found."""
        self._stop.set()
        for thread in self.threads:
            thread.join()
        if self.problems:
            raise self.problems[0]

    def _work(self, group, weights, port, seed, command_line, patient):
        rng = random.Random(seed)
        desk = Desk(port, self.journal, command_line)
        try:
            while not self._stop.is_set():
                account = rng.choice(group)
                if not desk.settle(account):
                    time.sleep(0.005)
                    continue
                operation = self._choose(account, weights, rng)
                if operation is None:
                    continue
                if operation.kind is Kind.ADD:
                    account = self._added(group, operation)
                    if account is None:
                        continue
                answer = desk.perform(account, operation)
                if answer is None and operation.kind not in COMMANDS:
                    if not patient:
                        return
                    time.sleep(0.01)
        except Violated as violated:
            self.problems.append(violated)
            self._stop.set()
        except Exception as problem:  # noqa: BLE001: a thread that dies in silence would show nothing
            self.problems.append(problem)
            self._stop.set()
        finally:
            desk.close()

    def _choose(self, account, weights, rng):
        kind = rng.choices(list(weights), list(weights.values()))[0]
        if kind is Kind.ADD:
            return Operation(f"{ADDED}{rng.getrandbits(48):012x}", Kind.ADD, value=new_password(rng))
        if account.gone:
            return None
        if account.status is Is.ENDED:
            return Operation(account.name, Kind.ENABLE) if kind in (Kind.ENABLE, Kind.LOGIN) else None
        if kind is Kind.ENABLE or (kind is Kind.REMOVE and not account.name.startswith(ADDED)):
            return None
        if kind in (Kind.DISABLE, Kind.REMOVE):
            return Operation(account.name, kind)
        if kind is Kind.SET_PASSWORD:
            return Operation(account.name, kind, value=new_password(rng))
        live = account.live()
        if not live or (kind is Kind.LOGIN and len(live) < GRANTS):
            return Operation(account.name, Kind.LOGIN, value=account.password, client=rng.choice(self.clients))
        number = rng.choice(live)
        if len(live) > GRANTS:
            return Operation(account.name, Kind.REVOKE, number)
        return self._of_grant(account, number, kind, rng)

    def _of_grant(self, account, number, kind, rng):
        grant = account.grants[number]
        newest = last(account, number)
        place = newest
        if kind in (Kind.RETRY, Kind.REPLAY, Kind.REVOKE_ACCESS, Kind.LOGIN):
            if kind is Kind.REVOKE_ACCESS and newest > 0:
                place = rng.randrange(max(0, newest - 2), newest)
                if grant.access_status(place) is Is.LIVE:
                    return Operation(account.name, kind, number, place)
            if kind is Kind.RETRY and may_retry(grant, account.leeway):
                return Operation(account.name, kind, number, len(grant.refresh) - 2)
            if kind is Kind.REPLAY and account.leeway == 0 and len(grant.refresh) > 1:
                return Operation(account.name, kind, number, rng.randrange(len(grant.refresh) - 1))
            kind, place = Kind.REFRESH, newest
        value = new_password(rng) if kind is Kind.PASSWORD else ""
        return Operation(account.name, kind, number, place, value)

    def _added(self, group, operation):
        """The account that is about to be, in the place of one that is gone; `None` if there are enough."""
        created = [account for account in group if account.name.startswith(ADDED)]
        if len(created) >= CREATED:
            gone = [account for account in created if account.gone and account.unsettled is None]
            if not gone:
                return None
            group.remove(gone[0])
        account = Account(operation.account, operation.value, self.leeway, exists=Is.ENDED)
        group.append(account)
        return account


def may_retry(grant, leeway):
    """Whether the last but one refresh token may still be tried again, and gets what it got."""
    fresh = time.monotonic() - grant.rotated_at < leeway - MARGIN
    return fresh and len(grant.refresh) > 1 and grant.spent_at is None


def new_password(rng):
    return f"{rng.getrandbits(96):024x}"
