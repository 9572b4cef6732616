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

# Rounds of each, so that all together take about three minutes.
SHORT = {
    ("sqlite", "kill"): 8, ("sqlite", "power"): 15, ("sqlite", "disk_full"): 2, ("sqlite", "clock"): 3,
    ("sqlite", "race"): 40, ("sqlite", "crowd"): 1, ("sqlite", "soak"): 9,
    ("postgres", "kill"): 3, ("postgres", "race"): 8, ("postgres", "database_away"): 5, ("postgres", "failover"): 1,
    ("postgres", "soak"): 9,
}


@pytest.mark.parametrize(("store", "fault"), SHORT)
def test_after_a_fault_what_was_acknowledged_holds(store, fault):
    report = conduct(fault, importlib.import_module(f"cases.{fault}"), store, SHORT[store, fault], SEED)
    print(report)
    assert not report.problem, str(report)
