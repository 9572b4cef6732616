"""A client's journal: what was asked is written down before it is sent, and what was answered as soon as it was."""

import json
import threading
import time
from collections import Counter

UNKNOWN = (None, 503)


class Entry:
    """An operation, when it was sent, and the answer, if one came."""

    __slots__ = ("operation", "sent_at", "answer", "is_over")

    def __init__(self, operation, sent_at):
        self.operation, self.sent_at = operation, sent_at
        self.answer, self.is_over = None, False


class Journal:
    """Kept in memory as far as a fault wants to look back, and in a file for those who look at what went wrong."""

    def __init__(self, file, keeps=False):
        self.file = open(file, "w", encoding="utf-8")
        self.entries = [] if keeps else None
        self.counts = Counter()
        # Seconds that an answer took, at most.
        self.longest = 0.0
        self._number, self._lock = 0, threading.Lock()

    def sent(self, operation):
        entry = Entry(operation, time.monotonic())
        with self._lock:
            self._number += 1
            if self.entries is not None:
                self.entries.append(entry)
            self._write({"sent": self._number, "at": time.time(), "account": operation.account,
                         "kind": operation.kind.value, "grant": operation.grant, "token": operation.token,
                         "value": operation.value, "client": operation.client})
            return entry, self._number

    def answered(self, sent, answer):
        entry, number = sent
        entry.answer, entry.is_over = answer, True
        status = None if answer is None else answer.status
        with self._lock:
            self.longest = max(self.longest, time.monotonic() - entry.sent_at)
            kind = entry.operation.kind.value
            self.counts["acknowledged" if status not in UNKNOWN else "503" if status else "lost"] += 1
            if status in (200, 204):
                self.counts[kind] += 1
            self._write({"answered": number, "at": time.time(), "status": status,
                         "body": None if answer is None else answer.body})

    def note(self, what):
        """A fault says what it did, and when."""
        with self._lock:
            self._write({"fault": what, "at": time.time()})

    def _write(self, record):
        self.file.write(json.dumps(record) + "\n")

    def close(self):
        self.file.close()

    @property
    def acknowledged(self):
        return self.counts["acknowledged"]
