"""Writes the results of a run: results.md, results.json, and the pictures beside them."""

import json
import statistics
import textwrap
from dataclasses import asdict

from . import machine, reporting
from .figuring import number, percentile
from .picturing import Bar, bars

# Which pieces of work a picture shows, where not all of them.
SHOWN_OF_ME = ["bare", "guarded", "guarded_new", "oidc_provider", "fastapi_1", "fastapi_2", "authlib"]


def publish(folder, facts, measured, figures, labels, names):
    """Writes everything into `folder`, and returns the table of figures with what is short of its aim."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = pictures(measured, labels, names)
    for name, picture in drawn.items():
        (folder / name).write_text(picture, encoding="utf-8")
    summary = f"{reporting.figures_table(figures)}\n\n{reporting.shortfalls(figures)}"
    (folder / "results.md").write_text(_page(facts, measured, summary, labels, names), encoding="utf-8")
    (folder / "results.json").write_text(_json(facts, measured, figures) + "\n", encoding="utf-8")
    return summary


def _page(facts, measured, summary, labels, names):
    extent = measured.extent
    load = [result["load_share"] for results in measured.results.values() for result in results]
    others = [result["others_share"] for results in measured.results.values() for result in results]
    probe = ("It ran at real-time priority, so that its own waiting for a core is not counted."
             if facts["probe_first"] else "It ran at normal priority: its own waiting for a core is counted.")
    quick = "**A quick run: less of everything, so trust it less.**\n\n" if facts["quick"] else ""
    told = f"""On shared machines trust CPU a request: user and system time of the server's whole process tree, divided by
        the requests. Everything ran in one run of {facts["seconds"]} s, in turns, in {extent.rounds_of_me} rounds (`GET
        /users/me`) or {extent.rounds_of_tokens} (the others); a ratio is of one round, and the median is of the ratios. The
        load generator ran on the same cores and took {reporting.share(min(load))} to {reporting.share(max(load))} of the
        machine (median {reporting.share(statistics.median(load))}); other processes and other guests of the host took
        {reporting.share(statistics.median(others))} (at most {reporting.share(max(others))}). What the peers are, and what is
        not the same, is in the [README](README.md)."""
    sections = [f"""# Results

<!-- Written by benches/run.py: `make bench`. -->

{quick}{_filled(reporting.machine_line(facts["machine"], facts["versions"], facts["date"]))}

{_filled(told)}

## Figures

{summary}"""]
    for work, title, note in reporting.WORKS:
        sections.append(f"## {title}\n\n{note}\n\n{reporting.work_table(work, labels, measured.results)}\n\n"
                        f"![{title}]({_file(work)})")
    flooded = f"""64 logins at once without a pause, and beside them 100 requests a second to `GET /users/me` (userinfo of
        oidc-provider), each sent when it is due whatever became of those before, and counted from then. {probe}"""
    sections.append(f"""## Requests beside a flood of logins

{_filled(flooded)}

{reporting.floods_table(measured.floods, names, percentile)}

![Requests beside a flood of logins]({_file("flood")})""")
    sections.append(f"## Start and memory\n\n{reporting.starts_table(measured.starts, names)}")
    return "\n\n".join(sections) + "\n"


def _filled(text):
    return textwrap.fill(" ".join(text.split()), 120, break_on_hyphens=False, break_long_words=False)


def _json(facts, measured, figures):
    whole = {
        **facts, "extent": asdict(measured.extent), "figures": [figure.as_json() for figure in figures],
        "rounds": measured.results, "floors": measured.floors, "starts": measured.starts,
        "floods": {who: [_summed(flood) for flood in floods] for who, floods in measured.floods.items()},
    }
    return json.dumps(whole, indent=1)


def _summed(flood):
    """Percentiles in the place of thousands of samples."""
    short = {name: value for name, value in flood.items() if not isinstance(value, list)}
    for name, value in flood.items():
        if isinstance(value, list):
            short[name] = {f"p{percent}": percentile(value, percent) for percent in (50, 90, 99, 100)}
    return short


def _file(work):
    return {"me": "users-me.svg", "client_credentials": "client-credentials.svg"}.get(work, f"{work}.svg")


def pictures(measured, labels, names):
    """The pictures by their file names."""

    def entries(work, field, unit, digits, only=None):
        found = []
        for key, label in labels.items():
            kind, who = key.split("/")
            if kind == work and (only is None or who in only):
                value = statistics.median(measured.of(key, field))
                shade = "ceiling" if who.startswith("bare") else "ours" if label.startswith("countersign") else "theirs"
                found.append(Bar(label, value, number(value, digits, unit), shade))
        return found

    drawn = {_file("me"): bars("CPU a request of GET /users/me", "microseconds, user and system; shorter is better",
                               entries("me", "cpu_us", "µs", 1, SHOWN_OF_ME))}
    for work, title, _ in reporting.WORKS[1:]:
        drawn[_file(work)] = bars(f"{title}: requests a second", "longer is better", entries(work, "rate", "/s", 0))
    hash_ms, _ = measured.fastest_hash_ms()
    limit = machine.CORES / hash_ms * 1000
    ceiling = Bar("the cores, hashing alone", limit, number(limit, 0, "/s"), "ceiling")
    drawn[_file("login")] = bars("Logins a second", "Argon2id, 19 MiB, two passes; longer is better",
                                 [ceiling, *entries("login", "rate", "/s", 0)])
    beside = []
    for who, rounds in measured.floods.items():
        for field, when in [("idle_ms", "idle"), ("flooded_ms", "flooded")]:
            value = statistics.median(percentile(entry[field], 99) for entry in rounds)
            beside.append(Bar(f"{names[who]}, {when}", value, number(value, 2, "ms"),
                              "ours" if who == "countersign" else "theirs"))
    drawn[_file("flood")] = bars("p99 of GET /users/me beside 64 parallel logins", "milliseconds; shorter is better", beside)
    return drawn
