"""What is run: every piece of work on every server that can do it, in groups whose rounds take turns."""

import shutil
import urllib.parse
from dataclasses import dataclass
from typing import Callable

from . import contenders
from .contenders import API
from .installing import run
from .loading import Wrk
from .serving import Server

CONNECTIONS = 16


@dataclass
class Extent:
    """How much of everything."""

    rounds_of_me: int
    rounds_of_tokens: int
    seconds: int
    login_seconds: int
    warm_seconds: int
    flood_rounds: int
    peer_flood_rounds: int
    flood_seconds: int
    starts: int
    peer_starts: int
    tokens: int
    grants: int
    revoked: int


FULL = Extent(rounds_of_me=7, rounds_of_tokens=5, seconds=3, login_seconds=4, warm_seconds=1, flood_rounds=5,
              peer_flood_rounds=2, flood_seconds=8, starts=15, peer_starts=2, tokens=100_000, grants=100_000, revoked=10_000)
QUICK = Extent(rounds_of_me=2, rounds_of_tokens=2, seconds=1, login_seconds=2, warm_seconds=1, flood_rounds=1,
               peer_flood_rounds=1, flood_seconds=2, starts=5, peer_starts=1, tokens=60_000, grants=20_000, revoked=2_000)


@dataclass
class Cell:
    """One piece of work on one server. `prepare` hands over the server, the path, the job of load.lua and its threads."""

    work: str
    who: str
    label: str
    prepare: Callable
    # Most requests that may be done: beyond it the work would not be the same any more.
    most: int | None = None
    # How many tokens it shows in turn, each of which the server should have seen before it counts.
    shows: int = 0
    # Whether `prepare` starts a server that is for this time alone.
    is_fresh: bool = False

    @property
    def key(self):
        return f"{self.work}/{self.who}"


class Plan:
    """All servers, running, and the cells. Ends its servers when it is left."""

    def __init__(self, extent, folder):
        self.extent, self.folder, self.running = extent, folder, []
        self.contenders = [contenders.ours(folder), contenders.fastapi(1), contenders.fastapi(2),
                           contenders.oidc_provider(), contenders.authlib()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        while self.running:
            self.running.pop().stop()

    def keep(self, server):
        self.running.append(server)
        return server

    def drop(self, server):
        self.running.remove(server)
        server.stop()

    def build(self):
        """Starts everything; returns the cells of the guarded route, and those of the endpoints for tokens."""
        servers = {one.key: self.keep(one.start(self.folder)) for one in self.contenders}
        me = self._guard() + [_me(one, servers[one.key]) for one in self.contenders if one.key != "countersign"]
        logins = [_login(one, servers[one.key]) for one in self.contenders]
        of_clients = [one for one in self.contenders if one.client]
        others = [make(one, servers[one.key]) for make in (_refresh, _introspection, _own) for one in of_clients]
        return me, logins + others

    def _api(self, name, database, *more):
        command = [API, "api", database, "127.0.0.1:{port}", *more]
        return self.keep(Server(name, command, ("/users/me", 401), self.folder))

    def _guard(self):
        """The guarded route in all its conditions, and the bare one under the same load."""
        extent, folder = self.extent, self.folder
        plain, loaded, file = folder / "plain.db", folder / "loaded.db", folder / "tokens.txt"
        run(API, "tokens", plain, file, extent.tokens)
        shutil.copy(plain, loaded)
        run(API, "load", loaded, extent.grants, extent.revoked)
        token, *_, last = file.read_text().split()
        self.token_bytes = len(token)
        guarded = self._api("guarded", plain)
        raised = self._api("guarded_raised", plain, 2 * extent.tokens)
        with_load = self._api("guarded_loaded", loaded)
        body = guarded.get("/users/me", token)
        bare = self.keep(Server("bare", [API, "bare", "127.0.0.1:{port}", body], ("/users/me", 200), folder))
        if bare.get("/users/me", token) != body:
            raise AssertionError("the bare route does not answer the same bytes")
        one, turn = shown(token), {"method": "GET", "tokens": str(file)}

        def fresh():
            """An API that has seen one token, which it will not be shown again."""
            server = self._api("guarded_fresh", plain)
            Wrk(server, "/users/me", shown(last), folder, extent.warm_seconds, CONNECTIONS).finish()
            return server, "/users/me", turn, 1

        def cell(who, label, server, job, **more):
            return Cell("me", who, label, lambda: (server, "/users/me", job, 1), **more)

        many = f"{extent.tokens:,} tokens in turn"
        return [
            cell("bare", "bare axum route", bare, one),
            cell("guarded", "countersign, one token", guarded, one),
            cell("guarded_loaded", f"countersign, one token; {extent.grants:,} live grants, {extent.revoked:,} revoked "
                 "tokens", with_load, one),
            cell("bare_turn", f"bare axum route, {many}", bare, turn),
            Cell("me", "guarded_new", "countersign, tokens never seen", fresh, most=extent.tokens - 1,
                 is_fresh=True),
            cell("guarded_turn", f"countersign, {many}", guarded, turn,
                 shows=extent.tokens),
            cell("guarded_raised", f"countersign, {many}, `remembered_tokens` raised", raised, turn,
                 shows=extent.tokens),
        ]


def shown(token):
    return {"method": "GET", "headers": {"Authorization": f"Bearer {token}"}}


def posted(form):
    return {"method": "POST", "headers": {"Content-Type": "application/x-www-form-urlencoded"},
            "body": urllib.parse.urlencode(form)}


def _me(one, server):
    def prepare():
        token = one.token_for_me(server)
        server.get(one.me, token)
        return server, one.me, shown(token), 1

    return Cell("me", one.key, one.label, prepare)


def _login(one, server):
    return Cell("login", one.key, one.label, lambda: (server, one.token, posted(one.login()), 1))


def _refresh(one, server):
    def prepare():
        chain = [server.post(one.token, **one.login())["refresh_token"] for _ in range(CONNECTIONS)]
        job = posted(one.renewal(""))
        return server, one.token, job | {"chain": chain}, CONNECTIONS

    return Cell("refresh", one.key, one.label, prepare)


def _introspection(one, server):
    def prepare():
        token = one.introspectable(server)
        if server.post(one.introspection, **one.client, token=token)["active"] is not True:
            raise AssertionError(f"{one.label} says that its token is not active")
        return server, one.introspection, posted(one.client | {"token": token}), 1

    return Cell("introspection", one.key, one.label, prepare)


def _own(one, server):
    def prepare():
        server.post(one.token, **one.own())
        return server, one.token, posted(one.own()), 1

    return Cell("client_credentials", one.key, one.label, prepare)
