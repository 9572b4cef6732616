#!/usr/bin/env python3
"""Figures of the program: cold start, idle memory, logins over HTTP, and what a guard costs a request.

Usage: benches/server.py   (after `cargo build --release`; needs wrk: apt-get install wrk)

All in one run, against the release build, so that the ratios mean something. Prints a table; benches/README.md keeps one.
"""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

PROGRAM = os.path.join(os.path.dirname(__file__), "..", "target", "release", "countersign")
STARTS = 21
ROUNDS = 5
SECONDS = 4


class Server:
    """`countersign serve` on a database, ready when the first 200 has come."""

    def __init__(self, database):
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--listen", "127.0.0.1:0", "--database", database],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "COUNTERSIGN_LOG_LEVEL": "error"},
        )
        for line in self.process.stdout:
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            if found:
                self.url = found.group(0)
                break
        else:
            sys.exit("the server did not start")
        urllib.request.urlopen(self.url + "/health/ready").read()
        self.first_answer = time.perf_counter() - self.began

    def memory(self, field):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(rf"{field}:\s+(\d+)", status.read()).group(1)) / 1024

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def wrk(url, *options):
    """Requests a second, as wrk counts them; anything but 200 ends the run."""
    out = subprocess.run(["wrk", "-t1", f"-d{SECONDS}s", *options, url], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out:
        sys.exit(f"refused: {out}")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def row(name, value):
    print(f"| {name} | {value} |")


def main():
    with tempfile.TemporaryDirectory() as folder:
        database = os.path.join(folder, "bench.db")
        subprocess.run([PROGRAM, "--database", database, "user", "add", "alice", "--password-stdin"],
                       input="correct horse battery\n", text=True, check=True, stdout=subprocess.DEVNULL)
        Server(database).stop()  # makes the keys
        starts = []
        for _ in range(STARTS):
            server = Server(database)
            starts.append(server.first_answer * 1000)
            server.stop()
        print("| figure | value |\n| --- | --- |")
        row("cold start to the first 200", f"{statistics.median(starts):.1f} ms ({min(starts):.1f} to {max(starts):.1f})")
        row("binary, stripped", f"{os.path.getsize(PROGRAM) / 1024 ** 2:.1f} MiB")

        server = Server(database)
        time.sleep(1)
        row("idle memory (RSS)", f"{server.memory('VmRSS'):.1f} MiB")
        form = urllib.parse.urlencode({"username": "alice", "password": "correct horse battery"})
        answer = urllib.request.urlopen(server.url + "/token", form.encode())
        token = json.load(answer)["access_token"]
        script = os.path.join(folder, "login.lua")
        with open(script, "w") as lua:
            lua.write('wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/x-www-form-urlencoded"\n'
                      f'wrk.body = "{form}"\n')
        rates = {"bare": [], "user": []}
        costs = {"bare": [], "user": []}
        for _ in range(ROUNDS):
            for name, path, headers in [("bare", "/health/live", []), ("user", "/users/me", [])]:
                before = server.cpu()
                rate = wrk(server.url + path, "-c16", "-H", f"Authorization: Bearer {token}")
                rates[name].append(rate)
                costs[name].append((server.cpu() - before) / (rate * SECONDS) * 1e6)
        for name, label in [("bare", "/health/live"), ("user", "/users/me, ES256, one query for the user")]:
            row(f"{label}", f"{statistics.median(rates[name]):,.0f} /s, {statistics.median(costs[name]):.1f} us of CPU each")
        row("guarded / bare, requests a second", f"{statistics.median(rates['user']) / statistics.median(rates['bare']):.2f}")
        row("bare / guarded, CPU a request", f"{statistics.median(costs['bare']) / statistics.median(costs['user']):.2f}")
        logins = [wrk(server.url + "/token", "-c16", "-s", script) for _ in range(ROUNDS)]
        row("logins over HTTP, 16 at once", f"{statistics.median(logins):.1f} /s ({min(logins):.1f} to {max(logins):.1f})")
        row("peak memory after the logins", f"{server.memory('VmHWM'):.1f} MiB")
        server.stop()


if __name__ == "__main__":
    main()
