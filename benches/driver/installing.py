"""What the bench needs before it can start: programs that are there, the peers from their registries, our own build."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

BENCHES = Path(__file__).resolve().parent.parent
ROOT = BENCHES.parent
PEERS = BENCHES / "peers"
VENV = BENCHES / ".venv"
PYTHON = VENV / "bin" / "python"
NODE_PEER = PEERS / "oidc-provider"
BUILT = Path(os.environ.get("PROGRAMS_DIR") or ROOT / "target" / "dist")
NEEDED = {"wrk": "apt-get install wrk", "node": "https://nodejs.org", "npm": "https://nodejs.org", "cargo": "https://rustup.rs"}


def run(*command, **options):
    """Runs a command whose output is shown only if it fails: then the bench ends."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"bench: {' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def environment(more=None):
    """That of whoever started the bench, without settings of countersign, which would change what is measured."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
    return inherited | (more or {})


def install():
    """Makes all of it, or ends saying what is missing. What is there already and has not changed stays."""
    if sys.platform != "linux":
        sys.exit("bench: it reads processor time from /proc, so it needs Linux")
    for program, where in NEEDED.items():
        if shutil.which(program) is None:
            sys.exit(f"bench: {program} is missing ({where})")
    _python_peers()
    _node_peer()
    print("bench: building (cargo, profile dist)", flush=True)
    command = ["cargo", "build", "--profile", "dist", "--locked", "-p", "countersign-server", "-p", "countersign-bench"]
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        sys.exit("bench: cargo failed")


def _python_peers():
    files = sorted(PEERS.glob("*/requirements.txt"))
    wanted = f"{sys.version} {sys.base_prefix} {_digest(*files)}"
    made_of = VENV / "made-of"
    if made_of.exists() and made_of.read_text() == wanted:
        return
    print("bench: installing the Python peers", flush=True)
    run(sys.executable, "-m", "venv", "--clear", VENV)
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check"]
    for file in files:
        run(*pip, "install", "--quiet", "--no-deps", "-r", file)
    run(*pip, "check")
    made_of.write_text(wanted)


def _node_peer():
    wanted = run("node", "--version") + _digest(NODE_PEER / "package-lock.json")
    made_of = NODE_PEER / "node_modules" / "made-of"
    if made_of.exists() and made_of.read_text() == wanted:
        return
    print("bench: installing the Node.js peer", flush=True)
    run("npm", "ci", "--loglevel=error", cwd=NODE_PEER)
    made_of.write_text(wanted)


def _digest(*files):
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
