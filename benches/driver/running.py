"""Carries a plan out: rounds in which everything takes its turn, floods of logins, starts."""

import json
import sys
import time

from .contenders import API
from .installing import NODE_PEER, PEERS, PYTHON, run
from .loading import NoAnswer, Wrk, probe
from .planning import CONNECTIONS, posted, shown

FLOOD = 64  # parallel logins
RATE = 100  # requests a second beside them
LEAD = 0.5  # seconds from the flood's begin to the probe's
PATIENCE = 30  # seconds until a server must rest after its load
MOMENT = 0.05  # seconds in which it must do nothing for that
BARELY = 0.01  # seconds of processor time that are nothing: a tick
NEW_A_SECOND = 8_000  # tokens that an API verifies in a second, about
PATIENT = (30, 60)  # seconds until every token was shown once, where that does not hold
TRIES = 3  # at a piece of work that gets no answer
IDLE = 1  # seconds after a start until memory is looked at


def say(text):
    print(f"bench: {text}", flush=True)


def measure(plan, cell, seconds):
    """Does one piece of work, again and for longer where the machine was too busy for a single answer."""
    for _ in range(TRIES - 1):
        try:
            return measure_once(plan, cell, seconds)
        except NoAnswer as none:
            say(f"{none}: once more")
            seconds *= 2
    try:
        return measure_once(plan, cell, seconds)
    except NoAnswer as none:
        sys.exit(f"bench: {none}")


def measure_once(plan, cell, seconds):
    server, path, job, threads = cell.prepare()
    load = Wrk(server, path, job, plan.folder, seconds, CONNECTIONS, threads)
    try:
        result = load.finish()
        settle(server)
    finally:
        load.stop()
        if cell.is_fresh:
            plan.drop(server)
    if cell.most is not None and result["requests"] > cell.most:
        sys.exit(f"bench: {cell.key}: {result['requests']} requests, but only {cell.most} are what they should be")
    return result


def warm(plan, cell):
    """Does the work once, uncounted; where tokens are shown in turn, until each was shown."""
    seconds = plan.extent.login_seconds if cell.work == "login" else plan.extent.warm_seconds
    result = measure(plan, cell, max(seconds, cell.shows // NEW_A_SECOND))
    for patience in PATIENT:
        if result["requests"] >= cell.shows:
            return
        result = measure(plan, cell, patience)
    if result["requests"] < cell.shows:
        sys.exit(f"bench: {cell.key}: {result['requests']} tokens in {PATIENT[-1]} s: the machine is too busy")


def settle(server):
    """Waits until a server does nothing any more: what it was asked last may go on after wrk has gone."""
    end, now = time.monotonic() + PATIENCE, server.cpu()
    while time.monotonic() < end:
        then = now
        time.sleep(MOMENT)
        now = server.cpu()
        if now - then <= BARELY:
            return
    sys.exit(f"bench: {server.name} does not come to rest")


def rounds(plan):
    """What each cell came to in each round, and the floors: one signature check and one hash, alone."""
    extent = plan.extent
    say("starting everything, and making tokens and grants")
    me, tokens = plan.build()
    say(f"warming up: {len(me) + len(tokens)} pieces of work")
    for cell in me + tokens:
        warm(plan, cell)
    results = {cell.key: [] for cell in me + tokens}
    floors = []
    for number in range(max(extent.rounds_of_me, extent.rounds_of_tokens)):
        say(f"round {number + 1}")
        floors.append(floor(plan.token_bytes))
        cells = (me if number < extent.rounds_of_me else []) + (tokens if number < extent.rounds_of_tokens else [])
        # Forwards and backwards, so that nobody always comes after the same other.
        for cell in cells if number % 2 == 0 else reversed(cells):
            seconds = extent.login_seconds if cell.work == "login" else extent.seconds
            results[cell.key].append(measure(plan, cell, seconds))
    labels = {cell.key: cell.label for cell in me + tokens}
    return labels, results, floors


def floor(token_bytes):
    """Processor time of one signature check and of one hash: by ours, and by what the peers hash with."""
    alone = json.loads(run(API, "alone", token_bytes))
    return alone | {
        "argon2_cffi_ms": float(run(PYTHON, PEERS / "hash.py")),
        "node_rs_argon2_ms": float(run("node", "hash.js", cwd=NODE_PEER)),
    }


def floods(plan):
    """For each who is flooded with logins: what the probe saw before and meanwhile, and the most memory."""
    extent, found = plan.extent, {}
    for number in range(extent.flood_rounds):
        for one in plan.contenders:
            if one.key in ("fastapi_2", "authlib") or (one.key != "countersign" and number >= extent.peer_flood_rounds):
                continue
            say(f"a flood of logins: {one.label}")
            found.setdefault(one.key, []).append(_flood(plan, one))
    return found


def _flood(plan, one):
    extent = plan.extent
    server = plan.keep(one.start(plan.folder))
    token = one.token_for_me(server)
    seconds = extent.flood_seconds
    # Warm, and with the memory that requests alone take.
    Wrk(server, one.me, shown(token), plan.folder, extent.warm_seconds, CONNECTIONS).finish()
    idle, _ = probe(server, one.me, token, RATE, seconds)
    flood = Wrk(server, one.token, posted(one.login()), plan.folder, seconds + 2, FLOOD)
    try:
        time.sleep(LEAD)
        flooded, late = probe(server, one.me, token, RATE, seconds)
        logins = flood.finish()
    finally:
        flood.stop()
    memory = server.memory("VmHWM")
    plan.drop(server)
    return {"idle_ms": idle, "flooded_ms": flooded, "late_ms": late, "memory_mib": memory, "logins": logins["rate"]}


def starts(plan):
    """Milliseconds from the start of each to its first answer, and its memory a second later."""
    extent, found = plan.extent, {}
    for number in range(extent.starts):
        for one in plan.contenders:
            if one.key != "countersign" and number >= extent.peer_starts:
                continue
            server = plan.keep(one.start(plan.folder))
            entry = found.setdefault(one.key, {"start_ms": [], "memory_mib": []})
            entry["start_ms"].append(server.first_answer * 1000)
            if number < extent.peer_starts:
                time.sleep(IDLE)
                entry["memory_mib"].append(server.memory("VmRSS"))
            plan.drop(server)
    return found
