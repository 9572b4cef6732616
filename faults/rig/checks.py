"""What is looked at after a fault: every account by what was acknowledged, the keys, and the store itself."""

import random

from .accounts import Is, Kind, Operation, Violated
from .asked import Desk, last
from .asking import Asker
from .load import KEPT, may_retry

# Shares of what is tried, so that a round takes little; a whole look takes all.
SOME = 0.35
SETTLING = 20  # tries, one at least for each login that may have ended


def key_ids(port):
    answer = Asker(port).ask("GET", "/.well-known/jwks.json")
    return {key["kid"] for key in answer.body["keys"]}


def check_store(store):
    """I6."""
    wrong = store.check()
    if wrong:
        raise Violated("I6", f"the store is not whole: {wrong[:5]}")


def check_keys(port, before):
    gone = before - key_ids(port)
    if gone:
        raise Violated("I5", f"keys are gone: {gone}")


def check_accounts(load, journal, port, seed, share=SOME, restarted=True):
    """I1, I2, I4 and I5, of every account; what was unsettled is settled then."""
    rng = random.Random(seed)
    desk = Desk(port, journal)
    try:
        for account in load.everybody():
            if restarted:
                account.heard_at = 0.0
            _settle(desk, account, restarted)
            _check(desk, account, rng, share)
            account.forget(KEPT, rng)
    finally:
        desk.close()


def _settle(desk, account, restarted):
    for _ in range(SETTLING):
        if desk.settle(account, restarted):
            return
    raise Violated("I4", f"{account.name}: no answer, although nothing is wrong any more")


def _check(desk, account, rng, share):
    name = account.name

    def must(operation):
        if desk.perform(account, operation) is None:
            raise Violated("I4", f"{operation.kind.value} of {name}: no answer, although nothing is wrong any more")

    for number in account.ended():
        if number in sorted(account.ended())[-2:] or rng.random() < share:
            must(Operation(name, Kind.LOOK, number, last(account, number)))
            must(Operation(name, Kind.REFRESH, number))
    for number in account.live():
        grant = account.grants[number]
        must(Operation(name, Kind.LOOK, number, last(account, number)))
        for place, status in grant.ended_alone.items():
            if status is Is.ENDED and rng.random() < share:
                must(Operation(name, Kind.LOOK, number, place))
        if may_retry(grant, account.leeway) and rng.random() < share:
            must(Operation(name, Kind.RETRY, number, len(grant.refresh) - 2))
        if grant.spent_at is not None or rng.random() < share:
            must(Operation(name, Kind.REFRESH, number))
    live = account.live()
    if live:
        must(Operation(name, Kind.LIST, live[0], last(account, live[0])))
    if account.status is not Is.ENDED or rng.random() < share:
        must(Operation(name, Kind.LOGIN, value=account.password))
