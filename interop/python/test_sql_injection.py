"""sqlmap asks for SQL in every parameter and header: over either store it finds no way in, and it knows one when it sees it."""

import json
import re
import sqlite3
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode

import pytest
import requests

from running import STORE, Running

OWNER, PASSWORD, CLIENT = "alice", "horse battery staple", "app"
TIMEOUT = 300  # seconds for one address; some ten are enough
DATABASE = "postgresql" if STORE else "sqlite"
FOUND, NOT_FOUND = "identified the following injection point", "do not appear to be injectable"


@pytest.fixture(scope="module")
def attacked():
    """The program, which never tells sqlmap to wait, with somebody's client and login."""
    running = Running(
        "countersign",
        called="countersign.injection",
        before={"arguments": ["user", "add", OWNER, "--password-stdin"], "input": PASSWORD},
        arguments=["serve", "--listen", "127.0.0.1:0"],
        environment={"COUNTERSIGN_THROTTLE": "off", "COUNTERSIGN_LOG_LEVEL": "error"},
    )
    client = running.add_client(
        CLIENT, "--first-party", "--any-scope", "--grant-type", "password", "--grant-type", "refresh_token"
    )
    running.credentials = {"client_id": CLIENT, "client_secret": client["client_secret"]}
    yield running
    assert running.stop() == 0, running.log()[-2000:]


def sqlmap(url, kind, form, folder):
    """What sqlmap says when it tries each field, and the headers that it knows."""
    command = ["sqlmap", "-u", url, "--data", urlencode(form), "--batch", "--disable-coloring", "--flush-session",
               "-p", ",".join([*form, "User-Agent", "Referer"]), "--level", "3", "--risk", "2", "--technique", "BEUQ",
               "--dbms", kind, "--threads", "4", "--ignore-code", "*", "--output-dir", str(folder)]
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=TIMEOUT)
    return ran.stdout + ran.stderr


def log_in(running):
    form = {"grant_type": "password", "username": OWNER, "password": PASSWORD} | running.credentials
    answer = requests.post(running.token_url, data=form, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def forms(running):
    login = log_in(running)
    return {
        "password": ("/token", {"grant_type": "password", "username": OWNER, "password": PASSWORD, "scope": "me"}),
        "refresh": ("/token", {"grant_type": "refresh_token", "refresh_token": login["refresh_token"]}),
        "introspect": ("/introspect", {"token": login["access_token"], "token_type_hint": "access_token"}),
        "revoke": ("/revoke", {"token": log_in(running)["refresh_token"], "token_type_hint": "refresh_token"}),
    }


@pytest.mark.parametrize("what", ["password", "refresh", "introspect", "revoke"])
def test_n9_no_parameter_is_taken_for_sql(attacked, what, tmp_path):
    path, form = forms(attacked)[what]
    said = sqlmap(attacked.url(path), DATABASE, form | attacked.credentials, tmp_path)
    assert NOT_FOUND in said and FOUND not in said, said[-3000:]
    for name in form:
        assert re.search(rf"testing.* parameter '{name}'", said), f"{name} was not tried: {said[-3000:]}"
    assert "error" not in attacked.log().lower(), attacked.log()[-2000:]
    assert log_in(attacked)["refresh_token"], "and all goes on"


class Careless(BaseHTTPRequestHandler):
    """A login that puts its statement together."""

    def do_POST(self):
        form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        try:
            owners = sqlite3.connect(self.server.database)
            found = owners.execute(f"SELECT name FROM owners WHERE name = '{form.get('username')}'").fetchall()
        except sqlite3.Error:
            found = []
        body = json.dumps({"found": found}).encode()
        self.send_response(200 if found else 400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_what_puts_sql_together_is_found_out(tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), Careless) as server:
        server.database = tmp_path / "owners.db"
        with sqlite3.connect(server.database) as owners:
            owners.execute("CREATE TABLE owners (name TEXT)")
            owners.execute("INSERT INTO owners VALUES ('alice')")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said = sqlmap(f"http://127.0.0.1:{server.server_port}/token", "sqlite", {"username": OWNER}, tmp_path / "found")
        server.shutdown()
    assert FOUND in said, said[-3000:]
