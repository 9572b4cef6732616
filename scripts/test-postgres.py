#!/usr/bin/env python3
"""Runs the tests that any store must pass over PostgreSQL: `TESTS_STORE=postgres` is for what makes their stores.

They are what `cargo test --workspace` has built: to choose packages would choose features, and build all anew.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

# The other crates' tests are of no store, or of each by itself.
PACKAGES = ["countersign", "countersign-server"]

build = ["cargo", "test", "--workspace", "--locked", "--test", "it", "--no-run", "--message-format=json"]
built = subprocess.run(build, check=True, stdout=subprocess.PIPE, encoding="utf-8")
artifacts = [json.loads(line) for line in built.stdout.splitlines()]
tests = {
    Path(artifact["manifest_path"]).parent: artifact["executable"]
    for artifact in artifacts
    if artifact["reason"] == "compiler-artifact" and artifact["target"]["kind"] == ["test"]
}
failed = []
for folder, program in tests.items():
    if folder.name in PACKAGES:
        print(f"{folder.name} over PostgreSQL", flush=True)
        ran = subprocess.run([program, *sys.argv[1:]], cwd=folder, env=os.environ | {"TESTS_STORE": "postgres"})
        failed += [folder.name] if ran.returncode != 0 else []
sys.exit(f"failed over PostgreSQL: {', '.join(failed)}" if failed else 0)
