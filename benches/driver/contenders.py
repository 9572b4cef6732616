"""Who is measured: how each is started, where its endpoints are, and what a client says to it."""

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from .installing import BUILT, NODE_PEER, PEERS, PYTHON, environment, run
from .serving import Server

SERVER = BUILT / "countersign"
API = BUILT / "countersign-bench"
AUDIENCE = "https://api.example.com"
PASSWORD = "correct horse battery"
DAY = 24 * 60 * 60


@dataclass
class Contender:
    """An authorization server, or an API that issues its own tokens."""

    key: str
    label: str
    command: list
    ready: tuple
    env: dict = field(default_factory=dict)
    cwd: Path | None = None
    token: str = "/token"
    me: str = "/users/me"
    introspection: str = "/introspect"
    # By what the client proves who it is; empty where there are no clients.
    client: dict = field(default_factory=dict)
    scope: str = "me items"
    # What makes a token one for the API, and what makes one that opens `me`.
    for_api: dict = field(default_factory=dict)
    for_me: dict = field(default_factory=dict)

    def start(self, folder):
        return Server(self.key, self.command, self.ready, folder, self.env, self.cwd)

    def login(self, username="alice"):
        """The form of a login for the API."""
        form = {"grant_type": "password", "username": username, "password": PASSWORD, "scope": self.scope}
        return form | self.client | self.for_api

    def renewal(self, refresh_token):
        """The form by which a refresh token is used."""
        return {"grant_type": "refresh_token"} | self.client | {"refresh_token": refresh_token}

    def own(self):
        """The form by which the client gets a token of its own for the API."""
        return {"grant_type": "client_credentials", "scope": "me"} | self.client | self.for_api

    def token_for_me(self, server):
        form = {name: value for name, value in self.login().items() if name not in self.for_api}
        return server.post(self.token, **form | self.for_me)["access_token"]

    def introspectable(self, server):
        """A token of the client's own, of a format that the server introspects."""
        form = {name: value for name, value in self.own().items() if name not in self.for_api}
        return server.post(self.token, **form)["access_token"]


def ours(folder):
    """`countersign serve` on SQLite."""
    return ours_over(str(Path(folder) / "server.db"))


def ours_over(database):
    """`countersign serve` over this database, with a user and a client as an operator adds them."""
    # A URL may have a password in it, which is nothing for a command line.
    env = {"COUNTERSIGN_DATABASE": database}
    run(SERVER, "user", "add", "alice", "--password-stdin", "--scope", "me items",
        "--full-name", "Alice Chains", "--email", "alice@example.com", input=PASSWORD + "\n", env=environment(env))
    grant_types = [f"--grant-type={name}" for name in ("password", "refresh_token", "client_credentials")]
    added = run(SERVER, "client", "--json", "add", "bench", "--first-party", *grant_types,
                "--scope", "me items", "--serves", AUDIENCE, env=environment(env))
    return Contender(
        "countersign", "countersign",
        [SERVER, "serve", "--listen", "127.0.0.1:{port}"], ("/health/ready", 200),
        # The issuer stays when the port does not. No line for each request, as with the others.
        env=env | {"COUNTERSIGN_ISSUER": "https://login.example.com", "COUNTERSIGN_AUDIENCE": AUDIENCE,
             "COUNTERSIGN_ACCESS_TOKEN_LIFETIME": str(DAY), "COUNTERSIGN_LOG_LEVEL": "error"},
        client={"client_id": "bench", "client_secret": json.loads(added)["client_secret"]},
    )


def fastapi(workers):
    command = [PYTHON, "-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", "{port}", "--workers", workers,
               "--loop", "uvloop", "--http", "httptools", "--log-level", "warning", "--no-access-log"]
    label = f"FastAPI, {workers} worker{'s' if workers > 1 else ''}"
    return Contender(f"fastapi_{workers}", label, command, ("/openapi.json", 200),
                     env={"SECRET_KEY": secrets.token_hex(32)}, cwd=PEERS / "fastapi")


def oidc_provider():
    return Contender(
        "oidc_provider", "oidc-provider", ["node", "server.js"], ("/.well-known/openid-configuration", 200),
        env={"NODE_ENV": "production"}, cwd=NODE_PEER, me="/me", introspection="/token/introspection",
        client={"client_id": "bench", "client_secret": "bench-secret"},
        for_api={"resource": AUDIENCE}, for_me={"scope": "openid"},
    )


def authlib():
    command = [PYTHON, "-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "1", "--threads", "4",
               "--keep-alive", "60", "--log-level", "warning", "app:app"]
    return Contender("authlib", "Authlib (Flask)", command, ("/users/me", 401), cwd=PEERS / "authlib",
                     client={"client_id": "bench", "client_secret": "bench-secret"})
