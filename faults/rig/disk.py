"""A disk that loses its power: what a trace says of some files, as they may look after a cut at any place in it."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from .tracing import Unreadable

SECTOR = 512  # bytes that are written whole or not at all
WRITES = {"write", "writev", "pwrite64", "pwritev", "pwritev2"}
SYNCS = {"fsync", "fdatasync"}

# What of that which was not synced is there after the cut.
NOTHING, EVERYTHING, SOME, BEGINNING, SECTORS = "nothing", "everything", "some", "beginning", "sectors"
KEEPS = (NOTHING, EVERYTHING, SOME, BEGINNING, SECTORS)


@dataclass
class File:
    """What is surely on the disk, and what may be: changes in their order, each with its end in the trace."""

    content: bytearray = field(default_factory=bytearray)
    changes: list = field(default_factory=list)


@dataclass(frozen=True)
class Change:
    """Bytes at a place, or with `data` none, another length."""

    ended: int
    offset: int
    data: bytes | None


class Disk:
    """The files of one folder whose names `matches` takes."""

    def __init__(self, folder, matches, before):
        """`before` has what was there, by name, and had been synced."""
        self.folder, self.matches = Path(folder), matches
        self.before = before

    def cut(self, calls, place, keep, rng, into):
        """Writes what may be there when the power goes at a place of the trace."""
        files = {name: File(bytearray(content)) for name, content in self.before.items()}
        # Of each name: what it surely is, and what it has become since the folder was synced.
        surely, since = dict(files), []
        now = dict(files)
        for call in calls:
            if call.began >= place:
                break
            self._apply(call, place, now, surely, since)
        for name, file in since:
            if keep == EVERYTHING or (keep != NOTHING and rng.random() < 0.5):
                surely[name] = file
        for name, file in surely.items():
            if file is not None:
                (Path(into) / name).write_bytes(after(file, keep, rng))

    def _apply(self, call, place, now, surely, since):
        path = call.file
        if call.name in SYNCS and path == str(self.folder) and call.ended < place:
            surely.update(since)
            since.clear()
            return
        if call.name == "openat":
            name = self._name(os.path.join(path, call.data.decode()))
            if name and "O_TRUNC" in call.arguments:
                raise Unreadable(f"{name} was opened and emptied at once")
            if name and "O_CREAT" in call.arguments and now.get(name) is None:
                now[name] = File()
                since.append((name, now[name]))
            return
        if call.name in ("unlink", "unlinkat", "rename", "renameat", "renameat2"):
            name = self._name(os.path.join(path, call.data.decode()))
            if name and call.name.startswith("rename"):
                raise Unreadable(f"{name} was renamed")
            if name:
                now[name] = None
                since.append((name, None))
            return
        name = self._name(path)
        if name is None or now.get(name) is None:
            return
        file = now[name]
        if call.name in SYNCS:
            if call.ended < place:
                sync(file, call.began)
        elif call.name == "pwrite64":
            file.changes.append(Change(call.ended, call.numbers[-1], call.data))
        elif call.name == "ftruncate":
            file.changes.append(Change(call.ended, call.numbers[-1], None))
        elif call.name not in ("sync_file_range", "creat"):
            raise Unreadable(f"{call.name} of {name}")

    def _name(self, path):
        path = Path(path)
        return path.name if path.parent == self.folder and self.matches(path.name) else None


def sync(file, began):
    """What had ended before a sync began is on the disk when that has ended."""
    for change in file.changes:
        if change.ended < began:
            write(file.content, change.offset, change.data)
    file.changes = [change for change in file.changes if change.ended >= began]


def write(content, offset, data):
    if data is None:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
        return
    content.extend(bytes(max(0, offset - len(content))))
    content[offset:offset + len(data)] = data


def after(file, keep, rng):
    """The content with some of what was not synced: whatever the disk had got round to, in whichever order."""
    content = bytearray(file.content)
    changes = file.changes
    if keep == BEGINNING and changes:
        changes = changes[:rng.randrange(len(changes) + 1)]
    for number, change in enumerate(changes):
        if keep == NOTHING or (keep == SOME and rng.random() < 0.5):
            continue
        torn = keep == SECTORS or (keep == BEGINNING and number == len(changes) - 1)
        if not torn or change.data is None:
            write(content, change.offset, change.data)
            continue
        for start, piece in sectors(change.offset, change.data):
            if rng.random() < 0.5:
                write(content, start, piece)
    return bytes(content)


def sectors(offset, data):
    """A write in the pieces that are written whole: those of the disk's sectors."""
    start = 0
    while start < len(data):
        end = min(len(data), start + SECTOR - (offset + start) % SECTOR)
        yield offset + start, data[start:end]
        start = end
