"""A network of the kernel's between the program and its database: a namespace, and a cable to it that can be pulled."""

import ctypes
import itertools
import os
import random
import socket
import subprocess
import threading
import time

PATIENCE = 60  # seconds until the namespace is there
CLONE_NEWNET = 0x40000000


NUMBERS = itertools.count(1)


class NoNetwork(Exception):
    """A network could not be made."""


def lay():
    """A cable; `None` where nobody may lay one, which takes root."""
    allowed = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode == 0
    return Cable() if allowed else None


class Cable:
    """Between this machine's own network and a namespace; `address` is at the far end.

    What is sent while it is pulled is lost without a word, as it would be between two machines.
    """

    def __init__(self):
        # Of the range for tests of networks (RFC 2544, appendix C.2.2), four addresses of our own.
        first = random.SystemRandom().randrange(1 << 14) * 4
        own, self.address = (f"198.18.{first >> 8}.{(first & 255) + number}" for number in (1, 2))
        self.near, self.far = (f"{end}{os.getpid()}x{next(NUMBERS)}" for end in ("csn", "csf"))
        # It ends when we do, and all of this with it.
        self.holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            self._await_namespace()
            told("ip", "link", "add", self.near, "type", "veth", "peer", "name", self.far, "netns", self.holder.pid)
            told("ip", "address", "add", f"{own}/30", "dev", self.near)
            told("ip", "link", "set", self.near, "up")
            self._inside("ip", "address", "add", f"{self.address}/30", "dev", self.far)
            self.plug()
        except NoNetwork:
            self.stop()
            raise

    def listen(self):
        """A socket at the far end: it stays in the namespace in which it was made, whoever has it."""
        made = []

        def make():
            # Of this thread alone, which ends here.
            with open(self._namespace(), "rb") as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) == 0:
                    made.append(socket.create_server((self.address, 0), backlog=256))

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if not made:
            raise NoNetwork("the namespace cannot be entered")
        return made[0]

    def pull(self):
        self._inside("ip", "link", "set", self.far, "down")

    def plug(self):
        self._inside("ip", "link", "set", self.far, "up")

    def stop(self):
        subprocess.run(["ip", "link", "delete", self.near], capture_output=True, check=False)
        self.holder.stdin.close()
        self.holder.wait()

    def _namespace(self):
        return f"/proc/{self.holder.pid}/ns/net"

    def _await_namespace(self):
        end = time.monotonic() + PATIENCE
        while os.readlink(self._namespace()) == os.readlink("/proc/self/ns/net"):
            if self.holder.poll() is not None or time.monotonic() > end:
                raise NoNetwork("a namespace cannot be made")
            time.sleep(0.005)

    def _inside(self, *words):
        told("nsenter", f"--net={self._namespace()}", *words)


def told(*words):
    try:
        ran = subprocess.run([str(word) for word in words], capture_output=True, encoding="utf-8", check=False)
    except FileNotFoundError as problem:
        raise NoNetwork(str(problem)) from problem
    if ran.returncode != 0:
        raise NoNetwork(ran.stderr.strip())
