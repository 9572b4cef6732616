"""The wall clock of a running program, turned by libfaketime; how time passes stays as it is."""

import os
from datetime import datetime, timezone
from pathlib import Path

PLACES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib64/faketime/libfaketimeMT.so.1")


class NoFakeTime(Exception):
    """libfaketime is not there: no clock can be turned, and nothing is shown."""


def library():
    for place in PLACES:
        for found in sorted(Path("/").glob(place.removeprefix("/"))):
            return found
    raise NoFakeTime("libfaketime is not installed: scripts/setup-test.sh brings it")


class Clock:
    """One clock, for all who are started with `environment()`."""

    def __init__(self, file, offset=0):
        self.file, self.offset = Path(file), 0
        self.turn(offset)

    def turn(self, seconds):
        """Steps it, forward or back."""
        self.offset += seconds
        new = self.file.with_suffix(".new")
        new.write_text(f"{self.offset:+d}\n", encoding="ascii")
        os.replace(new, self.file)

    def environment(self):
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            # Read anew each time, so that it can be turned.
            "FAKETIME_NO_CACHE": "1",
            # For how long something waits is not the clock's to say.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }


def until(moment):
    """The offset that lets a clock show a moment now."""
    then = datetime.fromisoformat(moment).replace(tzinfo=timezone.utc)
    return round((then - datetime.now(timezone.utc)).total_seconds())
