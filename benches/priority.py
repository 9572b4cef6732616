#!/usr/bin/env python3
"""The priority of the hashing threads: what each choice does to cheap requests, and to logins on a machine that is busy.

Usage: benches/priority.py   (Linux, after `cargo build --release`; needs root to try all priorities, and wrk)

The server runs with its default settings; the priority of its hashing threads is set from outside, so that each of them
can be tried on one process, interleaved. Prints a table of medians, and of the least tail of all rounds, which other work on the
machine disturbs least; benches/README.md keeps one.

- idle: GET /users/me, 100 a second in open loop (a late answer does not hold up the next question), nothing else.
- flood: the same during 64 logins at once, without a pause.
- busy: logins a second, 64 at once, while as many other processes as there are cores compute without end.
"""

import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

PROGRAM = os.environ.get("PROGRAM") or os.path.join(os.path.dirname(__file__), "..", "target", "release", "countersign")
ROUNDS = int(os.environ.get("ROUNDS", "7"))
# Without settings of whoever starts it, which would change what is measured.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
SECONDS = 6
RATE = 100
LOGINS = 64
CONNECTIONS = 8
PRIORITIES = [("nice 0", os.SCHED_OTHER, 0), ("nice 5", os.SCHED_OTHER, 5), ("nice 10", os.SCHED_OTHER, 10),
              ("nice 19", os.SCHED_OTHER, 19), ("SCHED_BATCH", os.SCHED_BATCH, 0), ("SCHED_IDLE", os.SCHED_IDLE, 0)]


def start(database):
    process = subprocess.Popen([PROGRAM, "serve", "--listen", "127.0.0.1:0", "--database", database],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                               env=ENVIRONMENT | {"COUNTERSIGN_LOG_LEVEL": "error"})
    for line in process.stdout:
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        if found:
            return process, int(found.group(1))
    sys.exit("the server did not start")


def hashing_threads(process):
    tasks = f"/proc/{process.pid}/task"
    for thread in os.listdir(tasks):
        with open(f"{tasks}/{thread}/comm") as comm:
            if comm.read().startswith("countersign-has"):
                yield int(thread)


def set_priority(process, policy, nice):
    for thread in hashing_threads(process):
        os.sched_setscheduler(thread, policy, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, thread, nice)


def latencies(port, token, seconds):
    """Milliseconds from when each question was due to its answer, of RATE questions a second."""
    begin = time.perf_counter() + 0.05
    took = []

    def ask(first):
        # What is measured is the server: the one who asks does not wait for a core.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.connect()
        for number in range(first, int(RATE * seconds), CONNECTIONS):
            due = begin + number / RATE
            time.sleep(max(0, due - time.perf_counter()))
            connection.request("GET", "/users/me", headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                sys.exit(f"GET /users/me: {answer.status}")
            took.append((time.perf_counter() - due) * 1000)

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(took)


def p99(took):
    return took[int(len(took) * 0.99)]


def flood(port, script, seconds):
    return subprocess.Popen(["wrk", "-t1", f"-c{LOGINS}", f"-d{seconds}s", "--timeout", "60s", "-s", script,
                             f"http://127.0.0.1:{port}/token"], stdout=subprocess.PIPE, text=True)


def logins_a_second(process):
    out = process.communicate()[0]
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    seconds = float(re.search(r"requests in ([\d.]+)s", out).group(1))
    return (requests - (int(refused.group(1)) if refused else 0)) / seconds


def main():
    with tempfile.TemporaryDirectory() as folder:
        database = os.path.join(folder, "bench.db")
        subprocess.run([PROGRAM, "--database", database, "user", "add", "alice", "--password-stdin"],
                       input="correct horse battery\n", text=True, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, env=ENVIRONMENT)
        server, port = start(database)
        form = urllib.parse.urlencode({"username": "alice", "password": "correct horse battery"})
        answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/token", form.encode())
        token = json.load(answer)["access_token"]
        script = os.path.join(folder, "login.lua")
        with open(script, "w") as lua:
            lua.write('wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/x-www-form-urlencoded"\n'
                      f'wrk.body = "{form}"\n')
        figures = {name: {"idle": [], "median": [], "flood": [], "logins": [], "busy": []} for name, _, _ in PRIORITIES}
        for _ in range(ROUNDS):
            for name, policy, nice in PRIORITIES:
                set_priority(server, policy, nice)
                figure = figures[name]
                figure["idle"].append(p99(latencies(port, token, SECONDS / 2)))
                logins = flood(port, script, SECONDS)
                time.sleep(0.5)
                took = latencies(port, token, SECONDS - 1)
                figure["median"].append(statistics.median(took))
                figure["flood"].append(p99(took))
                figure["logins"].append(logins_a_second(logins))
                others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count())]
                time.sleep(0.2)
                figure["busy"].append(logins_a_second(flood(port, script, SECONDS)))
                for other in others:
                    other.kill()
                    other.wait()
        server.terminate()
        server.wait()
        print("| | idle: p99, ms (least) | flood: median, ms | flood: p99, ms (least) | logins /s | busy: logins /s |")
        print("| --- | --- | --- | --- | --- | --- |")
        for name, figure in figures.items():
            of = {key: statistics.median(values) for key, values in figure.items()}
            tail = {key: f"{of[key]:.1f} ({min(figure[key]):.1f})" for key in ["idle", "flood"]}
            print(f"| {name} | {tail['idle']} | {of['median']:.1f} | {tail['flood']} | {of['logins']:.0f} | {of['busy']:.1f} |")


if __name__ == "__main__":
    main()
