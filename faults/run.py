#!/usr/bin/env python3
"""`make faults`: breaks what the built program stands on, again and again, and checks what it had acknowledged.

Usage: faults/run.py [--rounds N] [--seed S] [--store STORE] [FAULT…]

Without a name all faults, on each store that they are for, with as many rounds as the long form has. What it does
depends on the seed alone; how the threads meet is the machine's. faults/README.md says what each fault is.
"""

import argparse
import importlib
import pkgutil
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import cases  # noqa: E402
from rig.store import STORES  # noqa: E402
from rig.trial import conduct  # noqa: E402

FAULTS = sorted(module.name for module in pkgutil.iter_modules(cases.__path__))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"of {', '.join(FAULTS)}")
    parser.add_argument("--rounds", type=int, help="in place of those of the long form")
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), help="that of a run to repeat"
    )
    parser.add_argument("--store", choices=STORES, help="of those that a fault is for; else on each of them")
    arguments = parser.parse_args()
    unknown = set(arguments.faults) - set(FAULTS)
    if unknown:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    modules = {name: importlib.import_module(f"cases.{name}") for name in arguments.faults or FAULTS}
    asked = [arguments.store] if arguments.store else STORES
    stores = {
        name: [store for store in asked if store in getattr(module, "STORES", STORES)] for name, module in modules.items()
    }
    for name in arguments.faults:
        if not stores[name]:
            parser.error(f"{name} is not for {arguments.store}")
    print(f"faults: seed {arguments.seed}", flush=True)
    failed = 0
    for name, module in modules.items():
        for store in stores[name]:
            report = conduct(name, module, store, arguments.rounds or module.ROUNDS, arguments.seed)
            print(report, flush=True)
            failed += bool(report.problem)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
