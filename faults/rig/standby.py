"""A standby of a PostgreSQL cluster that has what the first has before anybody is told, and can take its place."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from driver.serving import free_port

PATIENCE = 30  # seconds until the standby follows


class Standby:
    """A second server on the same machine, which follows the first at once."""

    def __init__(self, cluster):
        self.cluster, self.folder = cluster, cluster.folder / "standby"
        self.port = free_port()
        first = re.search(r"port = (\d+)", (cluster.folder / "data" / "postgresql.auto.conf").read_text())[1]
        self._run("pg_basebackup", "-h", cluster.folder, "-p", first, "-U", "countersign", "-D", self.folder, "-R",
                  "-c", "fast")
        with open(self.folder / "postgresql.auto.conf", "a", encoding="ascii") as settings:
            settings.write(f"port = {self.port}\n")
        self._control("start", "-l", cluster.folder / "standby.log")
        # From now on nothing is acknowledged that the standby does not have.
        cluster.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
        cluster.ask("SELECT pg_reload_conf()")
        end = time.monotonic() + PATIENCE
        while cluster.ask("SELECT sync_state FROM pg_stat_replication") != ["sync"]:
            if time.monotonic() > end:
                raise RuntimeError("the standby does not follow")
            time.sleep(0.05)

    def take_over(self):
        """The first is gone, as by a loss of power, and this is asked in its place."""
        self.cluster.crash()
        self._control("promote")
        self.cluster.relay.to_port = self.port
        self.cluster.relay.go_on()

    def stop(self):
        self._control("stop", "-m", "immediate")

    def _control(self, verb, *more):
        self._run("pg_ctl", "-D", self.folder, "-s", "-w", *more, verb)

    def _run(self, name, *arguments):
        words = [programs() / name, *arguments]
        if os.getuid() == 0:
            # PostgreSQL refuses to run as root.
            words = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *words]
        # What it starts holds on to what it is given: a pipe would never end.
        with open(self.cluster.folder / "standby.said", "w+", encoding="utf-8") as said:
            ran = subprocess.run(
                [str(word) for word in words], stdin=subprocess.DEVNULL, stdout=said, stderr=said, timeout=120,
                cwd=self.cluster.folder, check=False,
            )
            if ran.returncode != 0:
                said.seek(0)
                raise RuntimeError(f"{name}: {said.read()}")


def programs():
    """Debian keeps those of each version apart; the newest is taken."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return found[-1] if found else Path(shutil.which("initdb")).parent
