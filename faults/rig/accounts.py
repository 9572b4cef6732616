"""What must hold of one user by what was acknowledged, and what may be either since no answer came (I1, I2, I4, I5)."""

from dataclasses import dataclass, field
from enum import Enum

from .slowness import SLOWNESS

# Seconds in which another process on the store hears what has ended; a second is promised.
HEARD = 2.5 if SLOWNESS == 1 else 4.0
# Seconds before the end of the leeway from which a second use of a refresh token is not tried any more.
MARGIN = 5


class Violated(Exception):
    """An invariant does not hold."""

    def __init__(self, invariant, what):
        super().__init__(f"{invariant}: {what}")
        self.invariant = invariant


class Is(Enum):
    """What is known of a thing that can end."""

    LIVE = "live"
    ENDED = "ended"
    EITHER = "either"


class Kind(Enum):
    """What can be asked."""

    LOGIN = "login"
    REFRESH = "refresh"
    RETRY = "retry"
    REPLAY = "replay"
    LOOK = "look"
    LIST = "list"
    REVOKE = "revoke"
    REVOKE_ACCESS = "revoke access"
    END_ALL = "end all"
    END_OTHERS = "end others"
    PASSWORD = "password"
    # By the command line.
    ADD = "add"
    SET_PASSWORD = "set password"
    DISABLE = "disable"
    ENABLE = "enable"
    REMOVE = "remove"


COMMANDS = {Kind.ADD, Kind.SET_PASSWORD, Kind.DISABLE, Kind.ENABLE, Kind.REMOVE}
# What ends every login of the user.
END_ALL = {Kind.END_ALL, Kind.PASSWORD, Kind.SET_PASSWORD, Kind.DISABLE, Kind.REMOVE}
ENDERS = END_ALL | {Kind.REVOKE, Kind.END_OTHERS, Kind.REPLAY}
# What leaves something to find out if its answer is lost.
SETTLED_LATER = ENDERS | {Kind.REVOKE_ACCESS, Kind.ADD, Kind.ENABLE}


@dataclass(frozen=True)
class Operation:
    """Something to ask: of which account and grant, with which of its tokens, or with which password or client."""

    account: str
    kind: Kind
    grant: int = -1
    token: int = -1
    value: str = ""
    client: str = ""


@dataclass
class Grant:
    """One login: its refresh tokens and access tokens in order; the last refresh token is the one that is good."""

    client: str
    refresh: list
    access: list
    status: Is = Is.LIVE
    # Access tokens that were ended alone, by their place.
    ended_alone: dict = field(default_factory=dict)
    rotated_at: float = 0.0
    # When the last refresh token was used without an answer.
    spent_at: float | None = None

    def access_status(self, place):
        alone = self.ended_alone.get(place, Is.LIVE)
        if Is.ENDED in (alone, self.status):
            return Is.ENDED
        return Is.EITHER if Is.EITHER in (alone, self.status) else Is.LIVE


class Account:
    """A user, whom one thread asks about at a time."""

    def __init__(self, name, password, leeway, exists=Is.LIVE):
        self.name, self.password, self.leeway = name, password, leeway
        self.status = exists
        self.grants, self._numbers = {}, 0
        # Logins whose answers were lost: at most so many grants that nobody here knows of.
        self.strays = 0
        self.unsettled, self.unsettled_at = None, 0.0
        # Until then a process that did not end something itself may not have heard of it.
        self.heard_at = 0.0
        self.gone = False

    # What an answer may be.

    def expected(self, operation, now):
        """The statuses that keep the invariants; 503, or no answer, always may be."""
        kind = operation.kind
        if kind is Kind.LOGIN:
            return self._expected_login(operation)
        if kind in COMMANDS:
            return {200}
        grant = self.grants[operation.grant]
        if kind is Kind.REFRESH:
            return self._expected_refresh(grant, now)
        if kind is Kind.REPLAY:
            return {400}
        if kind is Kind.LOOK:
            status = Is.ENDED if self.status is Is.ENDED else grant.access_status(operation.token)
            if self.status is Is.EITHER or (status is Is.ENDED and now < self.heard_at):
                status = Is.EITHER
            return {Is.LIVE: {200}, Is.ENDED: {401}, Is.EITHER: {200, 401}}[status]
        return {204} if kind in (Kind.END_ALL, Kind.END_OTHERS, Kind.PASSWORD) else {200}

    def _expected_login(self, operation):
        if self.status is Is.ENDED:
            return {400}
        changing = self.unsettled is not None and self.unsettled.kind in (Kind.PASSWORD, Kind.SET_PASSWORD)
        if self.status is Is.EITHER or changing:
            return {200, 400}
        return {200} if operation.value == self.password else {400}

    def _expected_refresh(self, grant, now):
        if grant.status is Is.ENDED or self.status is Is.ENDED:
            return {400}
        sure = grant.status is Is.LIVE and self.status is Is.LIVE
        if grant.spent_at is not None and now - grant.spent_at > self.leeway - MARGIN:
            sure = False
        return {200} if sure else {200, 400}

    # What is so once it was sent, and once it was answered.

    def sent(self, operation, now):
        kind = operation.kind
        if kind is Kind.LOGIN:
            self.strays += 1
        elif kind is Kind.REFRESH:
            grant = self.grants[operation.grant]
            grant.spent_at = now if grant.spent_at is None else grant.spent_at
        elif kind is Kind.REVOKE_ACCESS:
            self.grants[operation.grant].ended_alone[operation.token] = Is.EITHER
        for grant in self._targets(operation):
            grant.status = Is.EITHER
        if kind in (Kind.ADD, Kind.DISABLE, Kind.ENABLE, Kind.REMOVE):
            self.status = Is.EITHER
        if kind in SETTLED_LATER:
            self.unsettled, self.unsettled_at = operation, now

    def answered(self, operation, answer, now):
        """`answer` is `None` where nobody knows what was done."""
        if answer is None:
            return
        kind = operation.kind
        if kind is Kind.LOGIN:
            self._answered_login(operation, answer, now)
        elif kind is Kind.REFRESH:
            self._answered_refresh(operation, answer, now)
        elif kind is Kind.RETRY:
            grant = self.grants[operation.grant]
            if answer.body["refresh_token"] != grant.refresh[operation.token + 1]:
                raise Violated("I1", f"{self.name}: a second use of a refresh token gave another successor")
            # The same answer again, as a rule with the same access token.
            if answer.body["access_token"] not in grant.access:
                grant.access.append(answer.body["access_token"])
        elif kind is Kind.LOOK:
            self._answered_look(operation, answer)
        elif kind is Kind.LIST:
            self._answered_list(answer)
        elif kind in SETTLED_LATER:
            self.settle(True)
            if kind in COMMANDS:
                self.heard_at = now + HEARD

    def _answered_login(self, operation, answer, now):
        self.strays -= 1
        is_in = answer.status == 200
        if is_in:
            body = answer.body
            self.grants[self._numbers] = Grant(
                operation.client, [body["refresh_token"]], [body["access_token"]], rotated_at=now
            )
            self._numbers += 1
        unsettled = self.unsettled
        if unsettled is None:
            return
        if unsettled.kind in (Kind.PASSWORD, Kind.SET_PASSWORD):
            self.settle((operation.value == unsettled.value) == is_in, but=self._numbers - 1 if is_in else None)
        elif unsettled.kind in (Kind.ADD, Kind.ENABLE):
            self.settle(is_in)
        elif unsettled.kind in (Kind.DISABLE, Kind.REMOVE):
            self.settle(not is_in)

    def _answered_refresh(self, operation, answer, now):
        grant = self.grants[operation.grant]
        grant.spent_at = None
        if answer.status == 200:
            grant.refresh.append(answer.body["refresh_token"])
            grant.access.append(answer.body["access_token"])
            grant.rotated_at = now
        else:
            grant.status = Is.ENDED

    def _answered_look(self, operation, answer):
        unsettled = self.unsettled
        if unsettled is None or unsettled.kind in COMMANDS or unsettled.kind is Kind.PASSWORD:
            return
        grant = self.grants[operation.grant]
        ended = answer.status == 401
        if unsettled.kind is Kind.END_OTHERS:
            # Each is ended by itself: of one that was not acknowledged some may have been.
            if grant.status is Is.EITHER:
                grant.status = Is.ENDED if ended else Is.LIVE
            if all(one.status is not Is.EITHER for one in self.grants.values()):
                self.unsettled = None
            return
        concerns = operation.token == unsettled.token if unsettled.kind is Kind.REVOKE_ACCESS else True
        if concerns and grant.access_status(operation.token) is Is.EITHER:
            self.settle(ended)

    def _answered_list(self, answer):
        known = [grant.status for grant in self.grants.values()]
        least = known.count(Is.LIVE)
        # A login that was ended by a second use of an old token, with its answer lost, is there or not.
        most = least + known.count(Is.EITHER) + self.strays
        found = len(answer.body)
        maybe_spent = sum(grant.spent_at is not None for grant in self.grants.values())
        if found > most:
            raise Violated("I2", f"{self.name} has {found} logins, and at most {most} can be")
        if found < least - maybe_spent:
            raise Violated("I4", f"{self.name} has {found} logins, and {least} were acknowledged")

    # What an operation without an answer turned out to have done.

    def settle(self, happened, but=None):
        """`but` is a grant that came after it."""
        unsettled, self.unsettled = self.unsettled, None
        kind = unsettled.kind
        if kind is Kind.REVOKE_ACCESS:
            self.grants[unsettled.grant].ended_alone[unsettled.token] = Is.ENDED if happened else Is.LIVE
        for number, grant in self.grants.items():
            if grant.status is Is.EITHER and number != but:
                grant.status = Is.ENDED if happened else Is.LIVE
        if happened and kind in END_ALL | {Kind.END_OTHERS}:
            self.strays = 0
        if happened and kind in (Kind.PASSWORD, Kind.SET_PASSWORD):
            self.password = unsettled.value
        if kind in (Kind.ADD, Kind.ENABLE):
            self.status = Is.LIVE if happened else Is.ENDED
            # Nobody goes on guessing at who never was: PostgreSQL counts failures over every kill, and slows them.
            self.gone = kind is Kind.ADD and not happened
        elif kind in (Kind.DISABLE, Kind.REMOVE):
            self.status = Is.ENDED if happened else Is.LIVE
            self.gone = happened and kind is Kind.REMOVE

    def _targets(self, operation):
        kind = operation.kind
        if kind not in ENDERS:
            return []
        if kind in (Kind.REVOKE, Kind.REPLAY):
            numbers = [operation.grant]
        else:
            numbers = [number for number in self.grants if kind is not Kind.END_OTHERS or number != operation.grant]
        return [self.grants[number] for number in numbers if self.grants[number].status is Is.LIVE]

    def live(self):
        """The grants that must be good, by number."""
        if self.status is not Is.LIVE:
            return []
        return [number for number, grant in self.grants.items() if grant.status is Is.LIVE]

    def ended(self):
        return [number for number, grant in self.grants.items() if grant.status is Is.ENDED]

    def forget(self, keep, rng):
        """Keeps only so many grants that have ended, most of them the newest."""
        ended = self.ended()
        old = ended[:-keep]
        for number in old:
            if rng.random() < 0.9:
                del self.grants[number]
