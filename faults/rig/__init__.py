"""The parts of `make faults`: what the faults in `cases/` share."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Starting what cargo built, and watching it, is done elsewhere already.
for _room in (ROOT / "benches", ROOT / "interop" / "python"):
    if str(_room) not in sys.path:
        sys.path.insert(0, str(_room))

# What a developer has set for a server of their own is not for these.
for _name in [name for name in os.environ if name.startswith("COUNTERSIGN_")]:
    del os.environ[_name]
