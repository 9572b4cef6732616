#!/usr/bin/env python3
"""Checks every crate in Cargo.lock against deny.toml: its licence is allowed, its source is the default registry.

So the rule holds without cargo-deny, which reads the same file. The lock file of npm must name no addresses.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OURS = ["crates", "benches"]


class Expression:
    """An SPDX licence expression, in the part of the grammar that crates use."""

    def __init__(self, text):
        # Crates of old write `MIT/Apache-2.0`.
        self.tokens = re.findall(r"[()]|[\w.+-]+", text.replace("/", " OR "))

    def allowed_by(self, allowed):
        """The licences that we take, of those offered; `None` if what is offered is not enough."""
        taken = self._alternatives(allowed)
        if self.tokens:
            raise ValueError(f"cannot be read from {self.tokens[0]!r} on")
        return taken

    def _alternatives(self, allowed):
        taken = self._all_of(allowed)
        while self._next_is("OR"):
            other = self._all_of(allowed)
            taken = other if taken is None else taken
        return taken

    def _all_of(self, allowed):
        taken = self._one(allowed)
        while self._next_is("AND"):
            other = self._one(allowed)
            taken = None if taken is None or other is None else taken | other
        return taken

    def _one(self, allowed):
        token = self.tokens.pop(0)
        if token == "(":
            taken = self._alternatives(allowed)
            if not self._next_is(")"):
                raise ValueError("a bracket stays open")
            return taken
        name = f"{token} WITH {self.tokens.pop(0)}" if self._next_is("WITH") else token
        return {name} if name in allowed else None

    def _next_is(self, token):
        if self.tokens[:1] == [token]:
            self.tokens.pop(0)
            return True
        return False


def packages():
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--all-features"]
    metadata = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return json.loads(metadata)["packages"]


def is_default_registry(source):
    return source is not None and re.fullmatch(r"registry\+https://[^ ]+/crates\.io-index", source) is not None


def main():
    rules = tomllib.loads((ROOT / "deny.toml").read_text(encoding="utf-8"))
    allowed = set(rules["licenses"]["allow"])
    problems, used, checked = [], set(), 0
    for package in packages():
        name = f"{package['name']} {package['version']}"
        ours = any(Path(package["manifest_path"]).is_relative_to(ROOT / folder) for folder in OURS)
        if not ours and not is_default_registry(package["source"]):
            problems.append(f"{name} comes from {package['source'] or package['manifest_path']}")
        try:
            taken = Expression(package["license"] or "").allowed_by(allowed) if package["license"] else None
        except (ValueError, IndexError) as error:
            problems.append(f"{name}: the licence {package['license']!r} {error}")
            continue
        if taken is None:
            problems.append(f"{name}: the licence {package['license']!r} is not among those that deny.toml allows")
        used |= taken or set()
        checked += 1
    problems += [f"deny.toml allows {licence}, which nothing needs" for licence in sorted(allowed - used)]
    for lock in [*ROOT.glob("interop/**/package-lock.json"), *ROOT.glob("benches/**/package-lock.json")]:
        if "node_modules" not in lock.parts and '"resolved"' in lock.read_text(encoding="utf-8"):
            problems.append(f"{lock.relative_to(ROOT)} names download addresses")
    for problem in problems:
        print(f"dependencies: {problem}", file=sys.stderr)
    print(f"dependencies: {checked} crates, each under {', '.join(sorted(used))}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
