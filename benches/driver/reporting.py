"""What is written: the tables, as Markdown, and everything that was measured, as JSON."""

import statistics

from .figuring import number

WORKS = [
    ("me", "`GET /users/me`", "16 connections that are kept, one request at a time on each."),
    ("login", "Logins", "`POST /token`, the password grant, 16 at once; Argon2id at 19,456 KiB, two passes, one lane."),
    ("refresh", "Refresh tokens", "`POST /token`, 16 chains at once, each request with the token of the answer before."),
    ("introspection", "Introspection", "16 connections, the same token over and over."),
    ("client_credentials", "Client credentials", "`POST /token`, 16 connections; a JWT signed ES256 each time."),
]


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def figures_table(figures):
    verdicts = {True: "reached", False: "**missed**", None: ""}
    return table(
        ["figure", "median", "least to most", "aim", "", "beside it"],
        [[figure.name, figure.shown(), figure.spread(), figure.aim(), verdicts[figure.is_reached],
          "; ".join(figure.beside)] for figure in figures])


def shortfalls(figures):
    missed = [figure.shortfall() for figure in figures if figure.is_reached is False]
    return "\n".join(f"- {sentence}" for sentence in missed) if missed else "No figure is short of its aim."


def work_table(work, labels, results):
    rows = []
    for key, label in labels.items():
        if key.startswith(f"{work}/"):
            column = {name: [result[name] for result in results[key]] for name in results[key][0]}
            middle = {name: statistics.median(values) for name, values in column.items()}
            rows.append([
                label,
                number(middle["rate"], 0), f"{number(min(column['rate']), 0)} to {number(max(column['rate']), 0)}",
                number(middle["cpu_us"], 1, "µs"),
                f"{number(min(column['cpu_us']), 1)} to {number(max(column['cpu_us']), 1)}",
                number(middle["p99_ms"], 2, "ms"), share(middle["server_share"]), share(middle["load_share"]),
                share(middle["others_share"])])
    head = ["", "requests a second", "least to most", "CPU a request", "least to most", "p99", "server", "load generator",
            "others"]
    return table(head, rows)


def share(value):
    return f"{value * 100:.0f} %"


def starts_table(starts, names):
    return table(["", "start to first answer", "idle memory"], [
        [names[who], number(statistics.median(entry["start_ms"]), 0, "ms"),
         number(statistics.median(entry["memory_mib"]), 1, "MiB")] for who, entry in starts.items()])


def floods_table(floods, names, percentile):
    def row(who, rounds):
        def p99(field):
            return statistics.median(percentile(entry[field], 99) for entry in rounds)

        return [names[who], number(p99("idle_ms"), 2, "ms"), number(p99("flooded_ms"), 2, "ms"),
                number(statistics.median(entry["logins"] for entry in rounds), 0),
                number(max(entry["memory_mib"] for entry in rounds), 1, "MiB")]

    return table(["", "p99, idle", "p99, flooded", "logins a second meanwhile", "most memory"],
                 [row(who, rounds) for who, rounds in floods.items()])


def machine_line(machine, versions, date):
    peers = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (f"Measured on {date}: {machine['cores']} cores ({machine['processor']}), {machine['memory_gib']} GiB, "
            f"{machine['kernel']}; Rust {machine['rust']} (profile dist), Python {machine['python']}, Node.js "
            f"{machine['node']}, wrk {machine['wrk']}; {peers}.")
