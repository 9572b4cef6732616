"""A thousand logins at once, clients that go silent half-way, and HTTP/2 (M2, M3, M4, M5)."""

import selectors
import socket
import time
import urllib.parse

from rig.accounts import Violated
from rig.load import new_password
from rig.probe import Probe
from rig.server import Broken, Countersign
from rig.slowness import SLOWNESS

ROUNDS = 5
CROWD = 1000
PATIENCE = 120  # seconds until all of the crowd have an answer
ABSENT = 3  # seconds that the server waits for a client, so that it is seen to give up
HASH_MIB = 7168 / 1024  # of one hash, as the rig sets it
HELD_KIB = 150  # that a connection may hold, as the setting max_connections says
REST_MIB = 24  # for what else a crowd needs, and what the allocator keeps

# What a client has sent when nothing more is heard of it.
SILENT = {
    "nothing": b"",
    "half a head": b"POST /token HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-ty",
    "half a body": b"POST /token HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-www-form-urlencoded\r\n"
                   b"content-length: 100\r\n\r\ngrant_type=pass",
    # More of them than the kernel would take for it.
    "requests whose answers it never reads": b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" * 8,
}
UNREAD = 4096  # bytes that its own side takes
EACH = 100  # connections of each kind
OTHERS = 5  # connections that are none of theirs

# RFC 9113 §3.4: how a client begins that knows the server to speak HTTP/2; then settings, and streams that are opened
# and reset at once.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
STREAMS = 1000
RAPID = 200  # connections
MOST_EACH = 0.01 * SLOWNESS  # seconds of processor time for each of those


def run(trial):
    journal = trial.silent()
    trial.people(journal, 0, 0, leeway=10)
    found = {"logins": 0, "told to come later": 0, "silent clients": 0, "rapid resets": 0}
    slowest = 0.0
    for _ in range(trial.rounds):
        for kinds, settings in (((crowd, rapid_resets), {}), ((silence,), {"CLIENT_TIMEOUT": ABSENT})):
            server = trial.keep(Countersign(trial.store, trial.folder, **settings))
            _, token = trial.witness.log_in(server.port)
            for kind in kinds:
                probe = Probe(server.port, token)
                try:
                    kind(trial, server, found)
                finally:
                    slowest = max(slowest, probe.stop()[1])
            server.stop()
            if server.process.returncode != 0:
                raise Broken(f"it ended with {server.process.returncode}: {server.said()}")
            trial.servers.remove(server)
    return trial.report(**found, **{"slowest look at a token meanwhile": f"{slowest * 1000:.0f} ms"})


def crowd(trial, server, found):
    """Each is let in, or told when to come again; and memory is bounded by those who are hashed for."""
    threads = 2
    before = server.memory("VmHWM")
    wrong = new_password(trial.rng)
    requests = []
    for number in range(CROWD):
        password = trial.witness.password if number % 2 else wrong
        form = {"grant_type": "password", "username": trial.witness.name, "password": password}
        requests.append(posted("/token", form))
    statuses = [head(answer) for answer in together(server.port, requests)]
    for number, (status, headers) in enumerate(statuses):
        if status in (503, 429):
            if "retry-after" not in headers:
                raise Violated("M2", f"{status} without Retry-After")
            found["told to come later"] += 1
        elif status != (200 if number % 2 else 400):
            raise Violated("I4" if number % 2 else "I2", f"a login of the crowd was answered {status}")
        found["logins"] += status == 200
    most = before + threads * HASH_MIB * 1.1 + CROWD * HELD_KIB / 1024 + REST_MIB
    peak = server.memory("VmHWM")
    if peak > most:
        raise Violated("M2", f"{peak:.0f} MiB at the peak, {before:.0f} before, and at most {most:.0f} may be")


def silence(trial, server, found):
    """They are given up after a while, and nobody else waits for them."""
    connections = []
    for sent in SILENT.values():
        for _ in range(EACH):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(sent)
            connections.append(connection)
    began = time.monotonic()
    while time.monotonic() - began < ABSENT + 1:
        status, _ = trial.witness.log_in(server.port)
        if status not in (200, 503):
            raise Violated("M4", f"a login beside silent clients was answered {status}")
        time.sleep(0.1)
    end = time.monotonic() + ABSENT * 4 * SLOWNESS
    while established(server.port) > OTHERS and time.monotonic() < end:
        time.sleep(0.1)
    left = established(server.port)
    if left > OTHERS:
        raise Violated("M4", f"{left} connections are still held, {ABSENT * (1 + 4 * SLOWNESS):.0f} s after the last was heard of")
    for connection in connections:
        connection.close()
    found["silent clients"] += len(connections)


def established(port):
    """How many connections the server at this port has, of the kernel's table."""
    count = 0
    with open("/proc/net/tcp", encoding="ascii") as table:
        for line in list(table)[1:]:
            fields = line.split()
            count += fields[1].endswith(f":{port:04X}") and fields[3] == "01"
    return count


def rapid_resets(trial, server, found):
    """It speaks HTTP/1.1 alone: whoever begins with HTTP/2 is refused at the first line, and costs next to nothing."""
    frames = SETTINGS + b"".join(opened_and_reset(2 * number + 1) for number in range(STREAMS))
    before = server.cpu()
    for _ in range(RAPID):
        answer = b""
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            try:
                connection.sendall(PREFACE + frames)
                while part := connection.recv(4096):
                    answer += part
            except ConnectionError:
                pass  # it hung up while frames were on their way
        status, _ = head(answer) if answer else (400, {})
        if status not in (400, 505):
            raise Violated("M5", f"the preface of HTTP/2 was answered {answer[:100]!r}")
    took = (server.cpu() - before) / RAPID
    if took > MOST_EACH:
        raise Violated("M5", f"{took * 1000:.1f} ms of processor time for each connection that begins with HTTP/2")
    found["rapid resets"] += RAPID * STREAMS


def opened_and_reset(stream):
    number = stream.to_bytes(4, "big")
    headers = b"\x82\x86\x84\x41\x01a"  # GET, http, /, an authority
    return (len(headers).to_bytes(3, "big") + b"\x01\x05" + number + headers
            + b"\x00\x00\x04\x03\x00" + number + b"\x00\x00\x00\x08")


def posted(path, form):
    body = urllib.parse.urlencode(form)
    return (f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n"
            f"content-type: application/x-www-form-urlencoded\r\ncontent-length: {len(body)}\r\n\r\n{body}").encode()


def together(port, requests):
    """Sends all on connections of their own, none before all are open, and returns what came back."""
    answers = {socket.create_connection(("127.0.0.1", port)): bytearray() for _ in requests}
    with selectors.DefaultSelector() as selector:
        for connection, request in zip(answers, requests):
            connection.sendall(request)
            selector.register(connection, selectors.EVENT_READ)
        end, left = time.monotonic() + PATIENCE, len(requests)
        while left and time.monotonic() < end:
            for key, _ in selector.select(1):
                part = key.fileobj.recv(65536)
                if part:
                    answers[key.fileobj] += part
                else:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    left -= 1
    if left:
        raise Violated("M2", f"{left} of {len(requests)} have no answer after {PATIENCE} s")
    return [bytes(answer) for answer in answers.values()]


def head(answer):
    """The status, and the names of the headers in small letters with their values."""
    lines = answer.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    return int(lines[0].split()[1]) if lines[0] else 0, headers
