"""Carries operations out: asks, writes both sides down, and holds the answer against what must be."""

import time

from .accounts import COMMANDS, HEARD, Is, Kind, Operation, Violated
from .asking import Answer, Asker

SUCCESS = {200, 204}


class Desk:
    """One thread's way to ask: its connection and, where it has one, its command line."""

    def __init__(self, port, journal, command_line=None):
        self.asker, self.journal, self.command_line = Asker(port), journal, command_line

    def perform(self, account, operation):
        """The answer; `None` where nobody knows what was done. Raises `Violated`."""
        now = time.monotonic()
        expected = account.expected(operation, now)
        sent = self.journal.sent(operation)
        account.sent(operation, now)
        answer = self._command(account, operation) if operation.kind in COMMANDS else self._ask(account, operation)
        self.journal.answered(sent, answer)
        if answer is not None and answer.status == 503:
            answer = None
        if answer is not None and answer.status not in expected:
            raise Violated(invariant(operation, answer, expected), said(account, operation, answer, expected))
        account.answered(operation, answer, now)
        return answer

    def _ask(self, account, operation):
        kind, form = operation.kind, None
        grant = account.grants.get(operation.grant)
        client = operation.client or (grant.client if grant else "")
        named = {"client_id": client} if client else {}
        if kind is Kind.LOGIN:
            form = {"grant_type": "password", "username": account.name, "password": operation.value}
            return self.asker.ask("POST", "/token", form | named)
        if kind in (Kind.REFRESH, Kind.RETRY, Kind.REPLAY):
            token = grant.refresh[-1 if kind is Kind.REFRESH else operation.token]
            form = {"grant_type": "refresh_token", "refresh_token": token}
            return self.asker.ask("POST", "/token", form | named)
        if kind in (Kind.REVOKE, Kind.REVOKE_ACCESS):
            token = grant.refresh[-1] if kind is Kind.REVOKE else grant.access[operation.token]
            return self.asker.ask("POST", "/revoke", {"token": token} | named)
        access = grant.access[operation.token]
        if kind is Kind.PASSWORD:
            form = {"current_password": account.password, "new_password": operation.value}
            return self.asker.ask("POST", "/users/me/password", form, access)
        method, path = {
            Kind.LOOK: ("GET", "/users/me"),
            Kind.LIST: ("GET", "/users/me/grants"),
            Kind.END_ALL: ("DELETE", "/users/me/grants"),
            Kind.END_OTHERS: ("DELETE", "/users/me/grants?except=current"),
        }[kind]
        return self.asker.ask(method, path, None, access)

    def _command(self, account, operation):
        typed = ["--password-stdin"] if operation.kind in (Kind.ADD, Kind.SET_PASSWORD) else []
        verb = {Kind.SET_PASSWORD: "set-password"}.get(operation.kind, operation.kind.value)
        done = self.command_line.attempt("user", verb, account.name, *typed, typed=operation.value)
        return Answer(200, "") if done else None

    def settle(self, account, restarted=False):
        """Finds out what an operation without an answer has done; whether that is known now."""
        unsettled = account.unsettled
        if unsettled is None:
            return True
        if not restarted and time.monotonic() - account.unsettled_at < HEARD:
            return False
        self.perform(account, probe(account, unsettled))
        return account.unsettled is None

    def close(self):
        self.asker.close()


def probe(account, unsettled):
    """What tells whether it was done."""
    if unsettled.kind in COMMANDS or unsettled.kind is Kind.PASSWORD:
        changes = unsettled.kind in (Kind.PASSWORD, Kind.SET_PASSWORD)
        return Operation(account.name, Kind.LOGIN, value=unsettled.value if changes else account.password)
    if unsettled.kind is Kind.REVOKE_ACCESS:
        return Operation(account.name, Kind.LOOK, unsettled.grant, unsettled.token)
    either = [number for number, grant in account.grants.items() if grant.status is Is.EITHER]
    if not either:
        # Nothing that is known here could end; of what is not known, nobody knows.
        account.unsettled = None
        return Operation(account.name, Kind.LOGIN, value=account.password)
    return Operation(account.name, Kind.LOOK, either[0], last(account, either[0]))


def last(account, number):
    """The place of the last access token, which is never ended alone."""
    return len(account.grants[number].access) - 1


def invariant(operation, answer, expected):
    if answer.status in SUCCESS:
        return "I2"
    if expected & SUCCESS:
        return "I5" if operation.kind is Kind.LOGIN else "I4"
    return "I4"


def said(account, operation, answer, expected):
    return (f"{operation.kind.value} of {account.name}, grant {operation.grant}, token {operation.token}: "
            f"{answer.status} {answer.body}, and not one of {sorted(expected)}")
