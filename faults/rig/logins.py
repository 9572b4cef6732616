"""Single logins, asked about step by step, where a fault has a story of its own."""

import time
from dataclasses import dataclass

from .accounts import HEARD, Violated
from .asking import Asker
from .slowness import SLOWNESS

AGAIN = 0.05  # seconds


@dataclass
class Login:
    """Its client, and its tokens in order."""

    client: str
    refresh: list
    access: list


class Teller:
    """Asks on one connection, and holds each answer against what it must be."""

    def __init__(self, port):
        self.asker = Asker(port)

    def must(self, what, answer, *statuses, invariant=None):
        status = answer.status if answer else None
        if status not in statuses:
            kind = invariant or ("I2" if status in (200, 204) else "I4")
            raise Violated(kind, f"{what}: {status} {answer.body if answer else ''}, and not {statuses}")
        return answer

    def token(self, login, **form):
        named = {"client_id": login.client} if login.client else {}
        return self.asker.ask("POST", "/token", form | named)

    def log_in(self, name, password, client=""):
        login = Login(client, [], [])
        answer = self.token(login, grant_type="password", username=name, password=password)
        self.must(f"a login of {name}", answer, 200)
        return self._took(login, answer)

    def refresh(self, login, what="a refresh"):
        return self._took(login, self.must(what, self.show(login), 200))

    def show(self, login, place=-1):
        return self.token(login, grant_type="refresh_token", refresh_token=login.refresh[place])

    def look(self, login, place=-1):
        return self.asker.ask("GET", "/users/me", token=login.access[place])

    def revoke(self, login, token):
        named = {"client_id": login.client} if login.client else {}
        return self.must("a revocation", self.asker.ask("POST", "/revoke", {"token": token} | named), 200)

    def hears(self, logins):
        """Waits until the end of these was heard here, or it must have been."""
        end = time.monotonic() + HEARD * SLOWNESS
        for login in logins:
            for place in range(len(login.access)):
                while time.monotonic() < end and (answer := self.look(login, place)) and answer.status == 200:
                    time.sleep(AGAIN)

    def is_dead(self, login, what):
        """Neither its refresh tokens nor its access tokens are good."""
        for place in range(len(login.access)):
            self.must(f"{what}: access token {place}", self.look(login, place), 401)
        for place in range(len(login.refresh)):
            self.must(f"{what}: refresh token {place}", self.show(login, place), 400)

    @staticmethod
    def _took(login, answer):
        login.refresh.append(answer.body["refresh_token"])
        login.access.append(answer.body["access_token"])
        return login
