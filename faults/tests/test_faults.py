"""The short forms of all faults: `FAULTS_SEED=N` repeats a run, whose seed each failure tells."""

import importlib
import os
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rig.trial import conduct  # noqa: E402

SEED = int(os.environ.get("FAULTS_SEED", random.SystemRandom().randrange(10**6)))

# Rounds of each, so that all together take about a minute.
SHORT = {"kill": 8, "power": 15, "disk_full": 2, "clock": 3, "race": 40, "crowd": 1}


@pytest.mark.parametrize("fault", SHORT)
def test_after_a_fault_what_was_acknowledged_holds(fault):
    report = conduct(fault, importlib.import_module(f"cases.{fault}"), "sqlite", SHORT[fault], SEED)
    print(report)
    assert not report.problem, str(report)
