"""Load on a server, and what it cost: wrk for closed loops, our probe for an open one."""

import json
import os
import subprocess
import sys
import time
import urllib.parse

from . import machine
from .installing import BENCHES, BUILT

SCRIPT = BENCHES / "load" / "load.lua"
PROGRAM = BUILT / "countersign-bench"


def lua(value):
    """A value as Lua writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"[{lua(key)}] = {lua(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "{" + ", ".join(map(lua, value)) + "}"
    if not isinstance(value, str) or any(not " " <= letter <= "~" for letter in value):
        raise ValueError(f"a job has texts alone, in ASCII: {value!r}")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parse_wrk(output):
    """What load.lua printed at the end."""
    for line in output.splitlines():
        if line.startswith("BENCH "):
            return json.loads(line.removeprefix("BENCH "))
    raise ValueError(f"wrk did not come to its end: {output}")


class NoAnswer(Exception):
    """Nothing was refused, and nothing was answered: the machine was too busy."""


class Wrk:
    """wrk at work on a server: started at once; `finish` waits for its end."""

    def __init__(self, server, path, job, folder, seconds, connections, threads=1):
        self.server, self.asked = server, f"{job['method']} {path} of {server.name}"
        file = folder / "job.lua"
        file.write_text(f"return {lua(job)}\n")
        command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(SCRIPT),
                   f"http://127.0.0.1:{server.port}{path}"]
        self.before = server.cpu()
        self.machine_before = machine.machine_seconds()
        self.began = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        env={**os.environ, "BENCH_JOB": str(file)})

    def finish(self):
        """Requests a second and processor time for each; who else used the machine, as shares of it."""
        output = self.process.stdout.read()
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        took = time.perf_counter() - self.began
        busy, steal = (now - then for now, then in zip(machine.machine_seconds(), self.machine_before))
        server_cpu = self.server.cpu() - self.before
        if self.process.returncode != 0:
            sys.exit(f"bench: wrk failed:\n{output}")
        said = parse_wrk(output)
        if said["broken"] or said["refused"]:
            sys.exit(f"bench: {self.asked}: {said}\n{self.server.said()}")
        if not said["requests"]:
            raise NoAnswer(f"{self.asked}: no answer in {said['seconds']:.1f} s")
        load_cpu = usage.ru_utime + usage.ru_stime
        whole = took * machine.CORES
        return {
            "requests": said["requests"],
            "rate": said["requests"] / said["seconds"],
            "cpu_us": server_cpu / said["requests"] * 1e6,
            "p50_ms": said["p50_us"] / 1e3,
            "p99_ms": said["p99_us"] / 1e3,
            "server_share": server_cpu / whole,
            "load_share": load_cpu / whole,
            "others_share": max(0.0, busy - server_cpu - load_cpu + steal) / whole,
        }

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def probe(server, path, token, rate, seconds):
    """Milliseconds that each request of an open loop took from when it was due, and how late the probe was itself."""
    return _sampled(server, "probe", path, token, rate, seconds)


def post(server, path, forms, file, rate, seconds):
    """As of `probe`, for forms that are sent in turn, from a file."""
    file.write_text("".join(f"{urllib.parse.urlencode(form)}\n" for form in forms))
    return _sampled(server, "posts", path, file, rate, seconds)


def _sampled(server, mode, path, what, rate, seconds):
    command = [PROGRAM, mode, f"127.0.0.1:{server.port}", path, str(what), str(rate), str(seconds)]
    first = _ahead_of_others if may_go_first() else None
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=first)
    if done.returncode != 0:
        sys.exit(f"bench: the probe of {server.name} failed: {done.stderr}{server.said()}")
    said = json.loads(done.stdout)
    return [us / 1e3 for us in said["took_us"]], [us / 1e3 for us in said["late_us"]]


def _ahead_of_others():
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def may_go_first():
    """Whether the probe may run at real-time priority, so that what it measures is not its own waiting for a core."""
    return subprocess.run(["true"], preexec_fn=_quietly_ahead).returncode == 0


def _quietly_ahead():
    try:
        _ahead_of_others()
    except PermissionError:
        os._exit(1)
