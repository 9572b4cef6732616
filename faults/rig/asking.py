"""One client's connection: what it asks, and what it hears, which may be nothing."""

import http.client
import json
import socket
import urllib.parse
from dataclasses import dataclass

from .slowness import SLOWNESS

PATIENCE = 30 * SLOWNESS  # seconds: longer than any answer may take
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Answer:
    """What came back, whole."""

    status: int
    body: object
    request_id: str = ""

    @property
    def error(self):
        return self.body.get("error") if isinstance(self.body, dict) else None


class Asker:
    """Asks a port, on one connection as long as it is kept."""

    def __init__(self, port, host="127.0.0.1", patience=PATIENCE):
        self.connection = http.client.HTTPConnection(host, port, timeout=patience)

    def ask(self, method, path, form=None, token=None, source=None):
        """The answer; `None` where none came whole, so that nobody knows what was done. A proxy says the `source`."""
        headers = {} if form is None else dict(FORM)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if source is not None:
            headers["X-Forwarded-For"] = source
        body = None if form is None else urllib.parse.urlencode(form)
        try:
            if self.connection.sock is None:
                self.connection.connect()
                self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Head and body go together: who refuses by the head alone hangs up on a body that has not come.
            self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            self.connection.request(method, path, body, headers)
            self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
            answer = self.connection.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            return None
        return Answer(answer.status, parsed(raw), answer.headers.get("x-request-id", ""))

    def close(self):
        self.connection.close()


def parsed(raw):
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode("utf-8", "replace")
