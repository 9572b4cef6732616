"""A token that is shown all the time while something else is broken: a good one is never refused, and nobody waits."""

import threading
import time

from .accounts import Violated
from .asking import Asker

EVERY = 0.01  # seconds
EVERY_OF_CROWD = 0.1  # seconds


class Probe:
    """Shows a token on a connection of its own until it is told to stop."""

    def __init__(self, port, token, allowed=(200,), path="/users/me"):
        self.asker, self.token, self.allowed, self.path = Asker(port), token, set(allowed), path
        self.times, self.wrong, self._stop = [], [], threading.Event()
        self.thread = threading.Thread(target=self._show, daemon=True)
        self.thread.start()

    def _show(self):
        while not self._stop.wait(EVERY):
            began = time.monotonic()
            answer = self.asker.ask("GET", self.path, token=self.token)
            self.times.append(time.monotonic() - began)
            status = answer.status if answer else None
            if status not in self.allowed:
                self.wrong.append(f"{status} {answer.body if answer else ''}")

    def stop(self):
        """How often it was shown, and the longest that an answer took, in seconds."""
        self._stop.set()
        self.thread.join()
        self.asker.close()
        if self.wrong:
            raise Violated("I4", f"a good token: {len(self.wrong)} of {len(self.times)} were answered {self.wrong[0]}")
        if not self.times:
            raise Violated("I4", "a good token was never shown")
        return len(self.times), max(self.times)


class CrowdProbe:
    """Shows a token ever again, each time in a thread and on a connection of its own, whoever still waits for an answer.

    One who waits for the answer before it asks again does not see that those who come meanwhile wait for each other.
    """

    def __init__(self, port, token, allowed, path="/users/me"):
        self.port, self.token, self.allowed, self.path = port, token, set(allowed), path
        self.times, self.wrong, self.threads, self._stop = [], [], [], threading.Event()
        self.thread = threading.Thread(target=self._go_on, daemon=True)
        self.thread.start()

    def _go_on(self):
        while not self._stop.wait(EVERY_OF_CROWD):
            self.threads.append(threading.Thread(target=self._show, daemon=True))
            self.threads[-1].start()

    def _show(self):
        asker, began = Asker(self.port), time.monotonic()
        answer = asker.ask("GET", self.path, token=self.token)
        self.times.append(time.monotonic() - began)
        asker.close()
        status = answer.status if answer else None
        if status not in self.allowed:
            self.wrong.append(f"{status} {answer.body if answer else ''}")

    def stop(self):
        """The longest that an answer took, in seconds."""
        self._stop.set()
        self.thread.join()
        for thread in self.threads:
            thread.join()
        if self.wrong:
            raise Violated("I4", f"a token: {len(self.wrong)} of {len(self.times)} were answered {self.wrong[0]}")
        return max(self.times, default=0.0)
