"""Servers as processes: started on a free port, ready at the first answer, and ended with all that descends from them."""

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

from . import machine
from .installing import environment

# Below those from which Linux takes the ports of outgoing connections, so that no client takes one meanwhile.
PORTS = range(20_000, 32_000)
PATIENCE = 120  # seconds until a server must have answered
GRACE = 60  # seconds until one that was told to end must have


class Server:
    """A running server. `ready` is a path and the status that it answers once it serves."""

    def __init__(self, name, command, ready, folder, env=None, cwd=None):
        self.name, self.port = name, free_port()
        self.log = Path(folder) / f"{name}.log"
        command = [str(part).replace("{port}", str(self.port)) for part in command]
        began = time.perf_counter()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=cwd, start_new_session=True,
                env=environment({"PORT": str(self.port)} | (env or {})),
            )
        try:
            self._await(*ready)
        except BaseException:
            self.stop()
            raise
        self.first_answer = time.perf_counter() - began

    def _await(self, path, status):
        end = time.monotonic() + PATIENCE
        while True:
            if self.process.poll() is not None:
                sys.exit(f"bench: {self.name} ended at its start ({self.process.returncode}):\n{self.said()}")
            try:
                got, body = request(self.port, "GET", path)
            except OSError:
                if time.monotonic() > end:
                    sys.exit(f"bench: {self.name} does not answer:\n{self.said()}")
                time.sleep(0.0005)
                continue
            if got != status:
                sys.exit(f"bench: {self.name} answers {got} at {path}, not {status}: {body}\n{self.said()}")
            return

    def said(self):
        return self.log.read_text(errors="replace")[-4000:]

    def cpu(self):
        return machine.processor_seconds(self.process.pid)

    def memory(self, field):
        return machine.memory(self.process.pid, field)

    def get(self, path, token):
        """The body of a guarded route; anything but 200 ends the run."""
        return self._expect_200("GET", path, None, {"Authorization": f"Bearer {token}"})

    def post(self, path, **form):
        """The JSON that a form is answered with; anything but 200 ends the run."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return json.loads(self._expect_200("POST", path, urllib.parse.urlencode(form), headers))

    def _expect_200(self, method, path, body, headers):
        status, answer = request(self.port, method, path, body, headers)
        if status != 200:
            sys.exit(f"bench: {self.name} answers {status} at {method} {path}: {answer}\n{self.said()}")
        return answer

    def stop(self):
        """Ends it, and whatever it started."""
        for how, patience in [(signal.SIGTERM, GRACE), (signal.SIGKILL, None)]:
            try:
                os.killpg(self.process.pid, how)
            except ProcessLookupError:
                pass
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
        # The first process has ended; nobody of its group stays.


def free_port():
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def request(port, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        connection.close()
