"""How many times as long as its bound something may take: `FAULTS_SLOWNESS`, for a machine that does much else; else 1."""

import os

SLOWNESS = float(os.environ.get("FAULTS_SLOWNESS", "1"))
