"""What the program asked of the kernel, by strace: each write with its bytes, each sync, each answer that was sent."""

import re
import shutil
from dataclasses import dataclass

# Everything that changes a file, makes it stay, or sends an answer.
CALLS = (
    "openat", "creat", "write", "writev", "pwrite64", "pwritev", "pwritev2", "ftruncate", "truncate", "fallocate",
    "fsync", "fdatasync", "sync_file_range", "unlink", "unlinkat", "rename", "renameat", "renameat2", "sendto",
    "sendmsg", "sendfile",
)
LONGEST = 1 << 20  # bytes of one write that are kept

UNFINISHED = " <unfinished ...>"
RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)", re.S)
QUOTED = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
FILE = re.compile(r"^(?:\d+|AT_FDCWD)<([^>]*)>")
RESULT = re.compile(r"\)\s+= (-?\d+)")
REQUEST_ID = re.compile(rb"x-request-id: ([0-9a-f]+)")


class Unreadable(Exception):
    """strace is not there, may not trace, or said what is not understood: nothing is shown then."""


@dataclass
class Call:
    """One call: when it began and ended, by its place in the trace, and what it was about."""

    name: str
    began: int
    ended: int
    file: str
    data: bytes
    numbers: list
    arguments: str


def prefix(file):
    """The words that let a command be traced into a file."""
    strace = shutil.which("strace")
    if strace is None:
        raise Unreadable("strace is not installed: scripts/setup-test.sh brings it")
    return [
        strace, "-f", "--seccomp-bpf", "-yy", "-xx", "-qq", "-s", LONGEST, "-e", f"trace={','.join(CALLS)}",
        "-e", "signal=none", "-o", file,
    ]


def read(file):
    """The calls that ended well, in the order in which they began; and how long the trace is."""
    begun, calls, place = {}, [], -1
    with open(file, encoding="ascii") as lines:
        for place, line in enumerate(lines):
            thread, _, text = line.rstrip("\n").partition(" ")
            text = text.lstrip()
            if text.endswith(UNFINISHED):
                begun[thread] = (place, text.removesuffix(UNFINISHED))
                continue
            began = place
            if resumed := RESUMED.match(text):
                began, start = begun.pop(thread)
                text = start + resumed[2]
            if call := parse(text, began, place):
                calls.append(call)
    # What was under way at the end may have been done in part.
    for began, text in begun.values():
        if call := parse(text + ") = 0", began, place + 1):
            calls.append(call)
    calls.sort(key=lambda call: call.began)
    return calls, place + 1


def parse(text, began, ended):
    """One line of strace's; `None` for what changed nothing."""
    name, bracket, rest = text.partition("(")
    result = RESULT.search(rest[rest.rfind(")"):]) if bracket else None
    if name not in CALLS or result is None or int(result[1]) < 0:
        return None
    found = QUOTED.findall(rest)
    if any(cut for _, cut in found):
        raise Unreadable(f"a {name} of more than {LONGEST} bytes")
    about = FILE.match(rest)
    arguments = QUOTED.sub('""', rest)
    numbers = [int(number) for number in re.findall(r", (\d+)(?=[,)])", arguments)]
    data = b"".join(bytes.fromhex(quoted.replace("\\x", "")) for quoted, _ in found)
    return Call(name, began, ended, decoded(about[1]) if about else "", data, numbers, arguments)


def decoded(text):
    return re.sub(r"\\x([0-9a-f]{2})", lambda byte: chr(int(byte[1], 16)), text)


def sent_at(calls):
    """Where in the trace the server began to send each answer, by the answer's `x-request-id`."""
    found = {}
    for call in calls:
        if call.file.startswith("TCP") and call.data:
            for identifier in REQUEST_ID.findall(call.data):
                found.setdefault(identifier.decode(), call.began)
    return found
