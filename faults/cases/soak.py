"""Steady load while things expire all the time, and strangers who leave what they can: the store levels off (M7).

What has expired stays for an hour, and a failed login is remembered for a day. So the clock is set forward by an hour or
more after each round, and three days pass in a run. Two processes serve: one from beginning to end, whose memory is
looked at, and one that is started anew in each round, since one that runs does not believe that its clock leapt.
"""

import json
import random
import threading
import time
from collections import Counter

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from rig.accounts import Violated
from rig.asking import Asker
from rig.checks import check_store
from rig.clock import Clock
from rig.load import new_password
from rig.logins import Login
from rig.plateau import plateau, renewed
from rig.server import ISSUER, Countersign
from rig.slowness import SLOWNESS
from rig.store import TABLES
from rig.trial import OPAQUE

ROUNDS = 60
# A round of the long form is a minute, with a turn of all kinds of work each second. With fewer rounds it has a few turns.
TURNS, EVERY = 60, 1.0
BRIEF = 4
SPAN, LEAP = 3 * 86400, 3600  # seconds of the clock: over all rounds, and after each at least
# Seconds, all of them over after a leap.
LIFETIMES = {"ACCESS_TOKEN_LIFETIME": 900, "REFRESH_TOKEN_IDLE": 1200, "REFRESH_TOKEN_LIFETIME": 1800}
THREADS = 4
QUIET, PATIENCE = (0.2 if SLOWNESS == 1 else 1.0), 60  # seconds in which no row comes or goes, and until that must be so
LEFT = 12  # logins of a round that nobody ends, whose tokens are shown again after the leap
# What strangers do in a turn: wrong passwords, unknown clients, and each of the rest.
STRANGERS, FEW_STRANGERS = (4, 16, 2), (2, 4, 1)
SERVICE, SIGNER = "service", "signer"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# What may be more in the last third than in the middle one: of rows, and of files and memory, whose pages are not full, and
# of attempts, of which some may not have been told.
ROWS_SHARE, ROWS = 0.02, 2
SHARE, MIB = 0.1, 1.0
# As many of the answers may be 503, though nothing is broken here: a machine may do much else.
MAY_WAIT = 0.01


def run(trial):
    brief = trial.rounds < ROUNDS
    trial.store.without_relay()
    soak, samples = Soak(trial, brief), []
    with open(trial.folder / "samples.jsonl", "w", encoding="utf-8") as file:
        for number in range(trial.rounds):
            soak.serve_anew()
            after_their_time(soak)
            before = soak.counts["logins"]
            soak.round(f"{trial.seed}/{number}")
            if soak.counts["logins"] == before:
                raise Violated("I4", f"round {number}: nobody could log in")
            samples.append(sample(trial.store, soak.lasting))
            print(json.dumps(samples[-1] | soak.counts), file=file, flush=True)
            soak.clock.turn(max(LEAP, SPAN // trial.rounds))
    check_store(trial.store)
    counts = soak.counts
    if counts["503"] > MAY_WAIT * SLOWNESS * counts["acknowledged"]:
        raise Violated("I4", f"{counts['503']} answers were 503, and {counts['acknowledged']} as they must be")
    facts = {name: counts[name] for name in ("logins", "refreshes", "wrong passwords", "wrong clients", "503")}
    report = trial.report(**facts, **levelled(samples, counts, brief))
    report.acknowledged = counts["acknowledged"]
    return report


def sample(store, server):
    """Rows by table, once they stay as they are, and MiB: how an attempt ended is told in the background."""
    rows, end = None, time.monotonic() + PATIENCE
    while rows != (rows := store.rows()) and time.monotonic() < end:
        time.sleep(QUIET)
    return rows | store.sizes() | {"memory": server.memory("VmRSS")}


def levelled(samples, counts, brief):
    """What there was at most in the middle third and in the last. Raises `Violated`."""
    # At least: some write more, one that nobody has counted.
    written = {
        "oauth2_grants": counts["logins"], "oauth2_opaque_tokens": counts["opaque tokens"],
        "oauth2_one_time": counts["assertions"], "oauth2_feed": counts["ends"],
        "oauth2_attempts": 2 * counts["wrong passwords"] + counts["wrong clients"],
    }
    found = {}
    for name in samples[0]:
        values = [one[name] for one in samples]
        if name.startswith(TABLES):
            share = SHARE if name == "oauth2_attempts" else ROWS_SHARE
            found[name] = plateau(f"rows of {name}", values, share, ROWS)
            if name in written:
                renewed(name, values, written[name])
        elif not brief:
            # A few rows fill no file, and in seconds no memory is full.
            found[f"MiB of {name}"] = plateau(f"MiB of {name}", values, SHARE, MIB)
    return {name: f"{middle:.4g} then {last:.4g}" for name, (middle, last) in found.items()}


def after_their_time(soak):
    """Nothing of the last round is good any more (I3)."""
    for port in soak.ports():
        asker = Asker(port)
        for login in soak.left:
            form = {"grant_type": "refresh_token", "refresh_token": login.refresh[-1]} | named(login.client)
            soak.surely("I3", lambda: asker.ask("GET", "/users/me", token=login.access[-1]), 401)
            soak.surely("I3", lambda: asker.ask("POST", "/token", form), 400)
        asker.close()
    soak.left.clear()


class Soak:
    """Who is there, the two processes, and the work of a round."""

    def __init__(self, trial, brief):
        self.trial, self.brief, self.clock = trial, brief, Clock(trial.folder / "clock")
        self.counts, self.left, self.problems, self._lock = Counter(), [], [], threading.Lock()
        trial.people(trial.silent(), 0, 0, leeway=10)
        commands = trial.command_line()
        self.users = [(f"user{number}", new_password(trial.rng)) for number in range(THREADS)]
        for name, password in self.users:
            commands.run("user", "add", name, "--password-stdin", typed=password)
        added = commands.run("client", "add", SERVICE, "--auth", "post", "--serves", ISSUER, "--json")
        self.secret = json.loads(added)["client_secret"]
        self.key, self.other_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        keys = trial.folder / "jwks.json"
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
        keys.write_text(json.dumps({"keys": [public | {"alg": "ES256", "use": "sig"}]}), encoding="utf-8")
        commands.run(
            "client", "add", SIGNER, "--auth", "private_key_jwt", "--jwks", keys, "--grant-type", "client_credentials",
            "--scope", "items", "--token-format", "opaque",
        )
        self.lasting, self.fresh = self._serve("lasting"), None

    def _serve(self, name):
        return self.trial.keep(Countersign(
            self.trial.store, self.trial.folder, name, others=self.clock.environment(), TRUSTED_PROXIES="127.0.0.1",
            SCOPES="items=Items.", DEFAULT_SCOPE="items", REMEMBERED_TOKENS=1000, **LIFETIMES,
        ))

    def serve_anew(self):
        if self.fresh:
            self.fresh.stop()
            self.trial.servers.remove(self.fresh)
        self.fresh = self._serve("fresh")
        # The first token that a process gives makes it look for what has expired.
        end = time.monotonic() + PATIENCE
        while (status := self.trial.witness.log_in(self.fresh.port)[0]) == 503 and time.monotonic() < end:
            time.sleep(QUIET)
        if status != 200:
            raise Violated("I4", f"a login was answered {status}")

    def ports(self):
        return self.lasting.port, self.fresh.port

    def count(self, what, number=1):
        with self._lock:
            self.counts[what] += number

    def must(self, invariant, answer, status=200):
        """The answer; `None` where it was 503, which may be."""
        got = answer.status if answer else None
        if got == 503:
            self.count("503")
            return None
        if got != status:
            raise Violated(invariant, f"{got} {answer.body if answer else ''}, and not {status}")
        self.count("acknowledged")
        return answer

    def surely(self, invariant, ask, status):
        """Asks until the answer is not 503."""
        end = time.monotonic() + PATIENCE
        while self.must(invariant, ask(), status) is None:
            if time.monotonic() > end:
                raise Violated("I4", f"503 for {PATIENCE} seconds")
            time.sleep(QUIET)

    def round(self, seed):
        """So many turns, each not before its time: what is written is as much in each round."""
        turns, every = (BRIEF, 0.0) if self.brief else (TURNS, EVERY)
        began = time.monotonic()
        threads = [
            threading.Thread(target=self._work, args=(number, seed, turns, every, began), daemon=True)
            for number in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.problems:
            raise self.problems[0]
        time.sleep(max(0.0, began + turns * every - time.monotonic()))

    def _work(self, number, seed, turns, every, began):
        askers = [Asker(port) for port in self.ports()]
        try:
            for turn in range(number, turns, THREADS):
                time.sleep(max(0.0, began + turn * every - time.monotonic()))
                worker = Worker(self, askers, self.users[number], random.Random(f"{seed}/{turn}"))
                for client in ("", OPAQUE):
                    # Each user ends a login in another way than the last, and as many end in each way in every round.
                    worker.log_in_and_out(client, how=turn + turn // THREADS)
                worker.service()
                worker.strangers()
        except Exception as problem:  # noqa: BLE001: a thread that dies in silence would show nothing
            self.problems.append(problem)
        finally:
            for asker in askers:
                asker.close()


class Worker:
    """The work of one turn: each answer is as it must be, or 503."""

    def __init__(self, soak, askers, user, rng):
        self.soak, (self.lasting, self.fresh), (self.name, self.password), self.rng = soak, askers, user, rng

    def post(self, asker, path, form, status=200):
        """With credentials that are good."""
        # So many sources of each are known, which takes some rounds of the long form: in the short one there is one.
        whence = "192.0.2.1" if self.soak.brief else anywhere(self.rng)
        return self.soak.must("I4", asker.ask("POST", path, form, source=whence), status)

    def refused(self, path, form, status=401):
        """A stranger comes from everywhere."""
        return self.soak.must("I2", self.lasting.ask("POST", path, form, source=anywhere(self.rng)), status)

    def log_in_and_out(self, client, how):
        """A login, from somewhere else each time, which is used, renewed, and ended in one of four ways."""
        here, there = self.rng.sample([self.lasting, self.fresh], 2)
        form = {"grant_type": "password", "username": self.name, "password": self.password}
        answer = self.post(here, "/token", form | named(client))
        if answer is None:
            return
        self.soak.count("logins")
        login = Login(client, [answer.body["refresh_token"]], [answer.body["access_token"]])
        for asker in (there, here):
            form = {"grant_type": "refresh_token", "refresh_token": login.refresh[-1]}
            answer = self.post(asker, "/token", form | named(client))
            if answer is None:
                return
            login.refresh.append(answer.body["refresh_token"])
            login.access.append(answer.body["access_token"])
            self.soak.count("refreshes")
        self.soak.count("opaque tokens", len(login.access) if client else 0)
        for asker in (here, there):
            self.soak.must("I4", asker.ask("GET", "/users/me", token=login.access[-1]))
            answer = self.introspect(asker, login.access[-1])
            if answer and answer.body.get("active") is not True:
                raise Violated("I4", f"a good token was said to be {answer.body}")
        self.end(here, login, how)

    def introspect(self, asker, token):
        form = {"token": token, "client_id": SERVICE, "client_secret": self.soak.secret}
        return self.post(asker, "/introspect", form)

    def end(self, asker, login, how):
        """By its refresh token, by one access token alone, by the end of all logins, or by time."""
        token = login.access[-1]
        how %= 4
        if how == 3:
            if len(self.soak.left) < LEFT:
                self.soak.left.append(login)
            return
        if how == 2:
            ended = self.soak.must("I4", asker.ask("DELETE", "/users/me/grants", token=token), 204)
        else:
            shown = token if how == 1 else login.refresh[-1]
            ended = self.post(asker, "/revoke", {"token": shown} | named(login.client))
        if ended:
            self.soak.count("ends")
            self.soak.must("I2", asker.ask("GET", "/users/me", token=token), 401)

    def service(self):
        """A client that proves who it is by an assertion, each with a name of its own."""
        if self.post(self.fresh, "/token", self.assertion(self.soak.key)):
            self.soak.count("assertions")
            self.soak.count("opaque tokens")

    def assertion(self, key):
        now = int(time.time()) + self.soak.clock.offset
        claims = {"iss": SIGNER, "sub": SIGNER, "aud": ISSUER, "exp": now + 60, "jti": new_password(self.rng)}
        return {
            "grant_type": "client_credentials", "client_assertion_type": ASSERTION,
            "client_assertion": jwt.encode(claims, key, "ES256"),
        }

    def strangers(self):
        """They have no credentials, and ever new names. One process hears all of them."""
        wrong_passwords, unknown_clients, others = FEW_STRANGERS if self.soak.brief else STRANGERS
        for _ in range(wrong_passwords):
            form = {"grant_type": "password", "username": f"x{new_password(self.rng)}", "password": "not the password"}
            if self.refused("/token", form, 400):
                self.soak.count("wrong passwords")
        for _ in range(unknown_clients):
            form = {"grant_type": "client_credentials", "client_id": new_password(self.rng), "client_secret": "none"}
            self.wrong_client("/token", form)
        for _ in range(others):
            made_up = f"cs_refresh_{new_password(self.rng)}{new_password(self.rng)}"
            self.wrong_client("/token", self.assertion(self.soak.other_key))
            self.wrong_client("/introspect", {"token": made_up, "client_id": SERVICE, "client_secret": "none"})
            self.refused("/token", {"grant_type": "refresh_token", "refresh_token": made_up}, 400)
            # Whose answer says nothing.
            self.refused("/revoke", {"token": made_up}, 200)

    def wrong_client(self, path, form):
        if self.refused(path, form):
            self.soak.count("wrong clients")


def named(client):
    return {"client_id": client} if client else {}


def anywhere(rng):
    """An address that as good as nobody had before."""
    return ".".join(str(rng.randrange(1, 255)) for _ in range(4))
