"""One run of one fault: its folder, seed and rounds; the accounts it begins with; and the report at its end."""

import os
import random
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from .accounts import Account
from .asking import Asker
from .journal import Journal
from .load import Load, new_password
from .server import CommandLine
from .store import STORES

# A public client of ours whose access tokens say nothing, beside the built-in one, whose are JWTs.
OPAQUE = "opaque"


@dataclass
class Report:
    """What a fault came to."""

    fault: str
    store: str
    seed: int
    rounds: int
    acknowledged: int = 0
    facts: dict = field(default_factory=dict)
    problem: str = ""
    seconds: float = 0.0

    def __str__(self):
        facts = "".join(f", {name} {value}" for name, value in self.facts.items())
        result = f"FAILED: {self.problem}" if self.problem else "ok"
        return (f"{self.fault} on {self.store}: {self.rounds} rounds, seed {self.seed}, "
                f"{self.acknowledged} acknowledged{facts}, {self.seconds:.0f} s: {result}")


@dataclass(frozen=True)
class Witness:
    """A user whom the load leaves alone."""

    name: str
    password: str

    def log_in(self, port, client=""):
        """The status, and the access token; `None` where no answer came."""
        form = {"grant_type": "password", "username": self.name, "password": self.password}
        answer = Asker(port).ask("POST", "/token", form | ({"client_id": client} if client else {}))
        if answer is None:
            return None, None
        return answer.status, answer.body["access_token"] if answer.status == 200 else None


class Trial:
    """What a fault is given."""

    def __init__(self, fault, store, rounds, seed, folder=None):
        self.fault, self.kind, self.rounds, self.seed = fault, store, rounds, seed
        self.folder = Path(folder or tempfile.mkdtemp(prefix=f"countersign-fault-{fault}-"))
        self.rng = random.Random(f"{seed}/{fault}")
        self.store = STORES[store](self.folder)
        self.began = time.monotonic()
        self.servers = []

    def journal(self, keeps=False):
        return Journal(self.folder / "journal.jsonl", keeps)

    @staticmethod
    def silent():
        """One that is kept nowhere."""
        return Journal(os.devnull)

    def keep(self, server):
        """Ends it, whatever happens."""
        self.servers.append(server)
        return server

    def replace(self, ended, server):
        """The same for one that takes the place of another."""
        self.servers.remove(ended)
        return self.keep(server)

    def command_line(self, **settings):
        return self.commands_for(self.store, self.folder, **settings)

    @staticmethod
    def commands_for(store, folder, others=None, **settings):
        return CommandLine(store, folder, others, **settings)

    def people(self, journal, threads, each, leeway, operated=0, store=None):
        """A load over new accounts: `threads` with `each` of them, and of as many each for `operated` operators."""
        command_line = self.commands_for(store or self.store, self.folder)
        self.witness = Witness("witness", new_password(self.rng))
        command_line.run("user", "add", self.witness.name, "--password-stdin", typed=self.witness.password)
        groups = []
        for group in range(threads + operated):
            accounts = [Account(f"user{group}x{number}", new_password(self.rng), leeway) for number in range(each)]
            for account in accounts:
                command_line.run("user", "add", account.name, "--password-stdin", typed=account.password)
            groups.append(accounts)
        command_line.run(
            "client", "add", OPAQUE, "--public", "--first-party", "--any-scope", "--token-format", "opaque",
            "--grant-type", "password", "--grant-type", "refresh_token",
        )
        return Load(journal, groups[:threads], groups[threads:], leeway, ("", OPAQUE))

    def report(self, journal=None, **facts):
        report = Report(self.fault, self.kind, self.seed, self.rounds, facts=facts)
        if journal is not None:
            report.acknowledged = journal.acknowledged
        return report

    def end(self, report):
        """Stops what runs, and leaves the folder only where something went wrong."""
        for server in self.servers:
            server.stop()
        self.store.stop()
        report.seconds = time.monotonic() - self.began
        if not report.problem:
            shutil.rmtree(self.folder, ignore_errors=True)
        return report


def conduct(fault, module, store, rounds, seed, folder=None):
    """Runs a fault; what it finds wrong is in the report, and its folder stays."""
    trial = Trial(fault, store, rounds, seed, folder)
    try:
        report = module.run(trial)
    except Exception as problem:  # noqa: BLE001: whatever it is, the servers end and the seed is said
        report = trial.report()
        report.problem = f"{type(problem).__name__}: {problem} (everything is in {trial.folder})"
    except BaseException:
        trial.end(trial.report())
        raise
    return trial.end(report)
