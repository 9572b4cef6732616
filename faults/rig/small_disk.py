"""A disk of a few MiB that one server has for itself: a tmpfs in a mount namespace, without privileges if that may be."""

import shutil
import subprocess
from pathlib import Path

from .store import Sqlite

BLOCK = 4096  # bytes

# Mounts, copies in what was prepared, and becomes the command.
SCRIPT = 'mount -t tmpfs -o "size=$1,mode=700" countersign-fault "$2" && cp -a "$3/." "$2" && shift 3 && exec "$@"'


class NoNamespace(Exception):
    """This machine lets nobody make a mount namespace: the fault cannot be made, and nothing is shown."""


def unshare():
    """The words that give a command mounts of its own: by a user namespace, or as root without one."""
    for words in (["unshare", "--user", "--map-root-user", "--mount"], ["unshare", "--mount"]):
        tried = subprocess.run([*words, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, text=True)
        if tried.returncode == 0:
            return words
    raise NoNamespace(f"neither with a user namespace nor as root: {tried.stderr.strip()}")


class SmallDisk:
    """Where a server finds its store; `entered` tells whose namespace it is in, once the server runs."""

    def __init__(self, folder, prepared, size):
        self.folder, self.prepared, self.size = Path(folder), Path(prepared), size
        self.folder.mkdir(exist_ok=True)
        self.store = Sqlite(self.folder)
        self.process = None

    def before(self):
        return [*unshare(), "sh", "-c", SCRIPT, "sh", self.size, self.folder, self.prepared]

    def entered(self, process):
        self.process = process

    def _seen(self, name):
        return Path(f"/proc/{self.process}/root{self.folder}") / name

    def fill(self, leave):
        """Takes all that is free but `leave` bytes."""
        with open(self._seen("filler"), "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(BLOCK))
            except OSError:
                filler.truncate(max(0, filler.tell() - leave))

    def free(self):
        self._seen("filler").unlink()

    def copy(self, into):
        """What is on it, elsewhere; nobody may write meanwhile."""
        Path(into).mkdir()
        for path in self._seen(".").iterdir():
            if path.name.startswith("countersign.db") and not path.name.endswith("-shm"):
                shutil.copyfile(path, Path(into) / path.name)
        return Sqlite(into)
