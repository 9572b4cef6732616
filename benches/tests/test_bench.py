"""The parts of the bench that can be wrong without anybody noticing: what it reads, counts, compares, writes and draws."""

import os
import re
import socket
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

BENCHES = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(BENCHES))

from driver import figures, machine, picturing, publishing, reporting, serving  # noqa: E402
from driver.figuring import Figure, number, percentile, ratios  # noqa: E402
from driver.loading import lua, parse_wrk  # noqa: E402
from driver.planning import FULL  # noqa: E402


def test_a_process_whose_name_has_brackets_and_spaces_is_read():
    stat = "42 (a) b (c)) S 7 42 42 0 -1 0 1 2 3 4 150 50 25 75 20 0 1 0 0"
    parent, seconds = machine.parse_stat(stat)
    assert (parent, seconds) == (7, 300 / machine.TICKS)


def test_a_tree_has_all_descendants_and_nobody_else():
    assert machine.tree(1, {1: 0, 2: 1, 3: 2, 4: 9, 5: 3}) == {1, 2, 3, 5}


def test_the_machine_is_busy_with_all_but_idle_and_steal():
    busy, steal = machine.parse_machine("cpu  100 10 50 9999 999 5 5 30 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    assert (busy, steal) == (170 / machine.TICKS, 30 / machine.TICKS)


def test_processor_time_of_a_child_that_ended_counts():
    spin = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {spin!r}])\nprint('done', flush=True)\ninput()"
    process = subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "done\n"
        assert machine.processor_seconds(process.pid) >= 0.19
        process.stdin.write("\n")


@pytest.mark.parametrize("value", ["\n", "é", 1, None])
def test_a_job_that_lua_would_read_otherwise_is_refused(value):
    with pytest.raises(ValueError):
        lua({"body": value})


def test_a_job_is_written_as_lua_reads_it():
    assert lua({"a": 'say "x\\y"', "b": ["1", "2"]}) == '{["a"] = "say \\"x\\\\y\\"", ["b"] = {"1", "2"}}'


def test_wrk_that_did_not_come_to_its_end_is_no_result():
    with pytest.raises(ValueError):
        parse_wrk("Running 3s test\n  1 threads\n")


def test_what_wrk_counted_is_read():
    said = 'Running\nBENCH {"requests": 7, "seconds": 2.0, "broken": 0, "refused": 0, "p50_us": 1, "p99_us": 2}\nmore'
    assert parse_wrk(said)["requests"] == 7


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (1, 1), (50, 50), (99, 99), (100, 100)])
def test_percentiles_are_values_that_were_measured(percent, expected):
    assert percentile(list(range(100, 0, -1)), percent) == expected


def test_ratios_are_of_the_same_rounds():
    assert ratios([1, 9], [2, 3]) == [0.5, 3]
    with pytest.raises(ValueError):
        ratios([1], [2, 3])


def test_a_figure_that_misses_its_aim_says_so_in_a_sentence():
    below = Figure("guarded ÷ bare", [0.5, 0.6, 0.98], at_least=0.97)
    assert below.is_reached is False
    assert below.shortfall() == "guarded ÷ bare: 0.60 is short of the aim of ≥ 0.97; some rounds reach it."
    above = Figure("memory", [65.0, 70.0], "MiB", at_most=64)
    assert above.shortfall() == "memory: 67.50 MiB is short of the aim of ≤ 64 MiB; no round reaches it."
    above.reason = "Each thread keeps 19 MiB."
    assert above.shortfall().endswith("no round reaches it. Each thread keeps 19 MiB.")


def test_a_figure_at_its_aim_is_reached_and_one_without_has_none():
    assert Figure("a", [0.97], at_least=0.97).shortfall() == ""
    assert Figure("a", [64], at_most=64).is_reached is True
    assert Figure("a", [1]).is_reached is None


def test_numbers_are_written_to_be_read():
    assert number(1234567.89, 1, "µs") == "1,234,567.9 µs"
    assert number(0.97, None) == "0.97"


def test_a_picture_is_well_formed_whatever_its_labels_are():
    entries = [picturing.Bar("a <b> & \"c\" " * 9, 10, "10 µs", "ours"), picturing.Bar("half", 5, "5"), picturing.Bar("0", 0, "0")]
    picture = picturing.bars("Title & more", "a <note>", entries)
    root = ElementTree.fromstring(picture)
    widths = [float(bar.get("width")) for bar in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert widths[0] == 2 * widths[1] and widths[2] >= 1
    assert all(float(text.get("x")) < picturing.WIDTH for text in root.iter("{http://www.w3.org/2000/svg}text"))
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")


def test_a_picture_of_nothing_but_zeros_can_be_drawn():
    ElementTree.fromstring(picturing.bars("t", "n", [picturing.Bar("a", 0, "0")]))


def test_a_free_port_can_be_listened_on_and_is_none_that_clients_get():
    port = serving.free_port()
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert port < lowest or lowest < 32_000
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))


def test_a_server_that_does_not_start_ends_the_bench_and_says_why(tmp_path):
    command = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    with pytest.raises(SystemExit, match="(?s)broken ended at its start.*no such thing"):
        serving.Server("broken", command, ("/", 200), tmp_path)


def test_a_server_that_answers_otherwise_ends_the_bench_and_is_ended(tmp_path):
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", tmp_path, "{port}"]
    with pytest.raises(SystemExit, match="answers 404 at /missing, not 200"):
        serving.Server("other", command, ("/missing", 200), tmp_path)
    server = serving.Server("right", command, ("/", 200), tmp_path)
    server.stop()
    assert server.process.returncode is not None


def _measured():
    """A run in which everything took the same, but for what each test looks at."""
    me = ["bare", "guarded", "guarded_loaded", "bare_turn", "guarded_new", "guarded_turn", "guarded_raised", "fastapi_1",
          "fastapi_2", "oidc_provider", "authlib"]
    tokens = ["countersign", "oidc_provider", "authlib"]
    keys = [f"me/{who}" for who in me]
    keys += [f"login/{who}" for who in ["countersign", "fastapi_1", "fastapi_2", "oidc_provider", "authlib"]]
    keys += [f"{work}/{who}" for work in ["refresh", "introspection", "client_credentials"] for who in tokens]
    result = {"requests": 9, "rate": 100.0, "cpu_us": 10.0, "p50_ms": 1.0, "p99_ms": 2.0, "server_share": 0.5,
              "load_share": 0.25, "others_share": 0.01}
    results = {key: [dict(result), dict(result)] for key in keys}
    floors = [{"verify_us": 75.0, "hash_ms": 8.0, "hash_all_cores_ms": 10.0, "argon2_cffi_ms": 16.0,
               "node_rs_argon2_ms": 20.0}] * 2
    flood = {"idle_ms": [1.0] * 100, "flooded_ms": [1.2] * 100, "late_ms": [0.1] * 100, "memory_mib": 40.0, "logins": 99.0}
    floods = {who: [flood] for who in ["countersign", "fastapi_1", "oidc_provider"]}
    starts = {who: {"start_ms": [30.0, 32.0], "memory_mib": [11.0]} for who in ["countersign", "authlib"]}
    return figures.Measured(FULL, results, floors, floods, starts, 11.2)


def _find(measured, start):
    [figure] = [figure for figure in figures.all_figures(measured) if figure.name.startswith(start)]
    return figure


def test_the_figures_of_the_guard_divide_the_right_way_round():
    measured = _measured()
    for result in measured.results["me/guarded"]:
        result["cpu_us"] = 20.0
    assert _find(measured, "guarded `GET /users/me`").value == 0.5
    measured = _measured()
    for result in measured.results["me/fastapi_1"]:
        result["cpu_us"] = 900.0
    assert _find(measured, "CPU a request of guarded").value == 90
    for result in measured.results["me/guarded_new"]:
        result["cpu_us"] = 100.0
    assert "what is left 15.0 µs" in _find(measured, "the same with a token never seen").beside


def test_logins_are_held_against_the_fastest_hash():
    figure = _find(_measured(), "logins/s")
    assert figure.value == 100 / (machine.CORES / 0.008)
    assert "one hash 8.00 ms (argon2-rust)" in figure.beside


def test_rates_are_divided_by_those_of_the_peer():
    measured = _measured()
    for result in measured.results["introspection/oidc_provider"]:
        result["rate"] = 5.0
    assert _find(measured, "introspection/s").value == 20


def test_what_a_run_came_to_is_written_whole(tmp_path):
    measured = _measured()
    labels = {key: key for key in measured.results}
    names = {who: who for who in ["countersign", "fastapi_1", "oidc_provider", "authlib"]}
    facts = {"date": "2026-01-01", "quick": False, "seconds": 1, "probe_first": True, "versions": {"fastapi": "1"},
             "machine": {"processor": "p", "cores": 2, "memory_gib": 1, "kernel": "k", "rust": "1", "python": "1", "node": "1",
                         "wrk": "1"}}
    all_figures = figures.all_figures(measured)
    summary = publishing.publish(tmp_path, facts, measured, all_figures, labels, names)
    page = (tmp_path / "results.md").read_text()
    assert summary in page and all(figure.name in page for figure in all_figures)
    pictures = {path.name for path in tmp_path.glob("*.svg")}
    assert pictures == {part.split(")")[0] for part in page.split("](") if part.split(")")[0].endswith(".svg")}
    for picture in pictures:
        ElementTree.parse(tmp_path / picture)


def test_a_table_names_who_else_was_busy():
    measured = _measured()
    table = reporting.work_table("login", {"login/authlib": "Authlib"}, measured.results)
    assert "| Authlib | 100 | 100 to 100 | 10.0 µs | 10.0 to 10.0 | 2.00 ms | 50 % | 25 % | 1 % |" in table


def test_the_million_is_measured_of_both_engines():
    built = Path(os.environ.get("CARGO_TARGET_DIR", BENCHES.parent / "target")).resolve() / "debug"
    # What is set where it runs, for countersign, is not what is measured; and an unknown name would end it.
    settings = {"COUNTERSIGN_HASH_THREADS": "none", "COUNTERSIGN_NO_SETTING": "of ours"}
    environment = os.environ | settings | {"PROGRAMS_DIR": os.environ.get("PROGRAMS_DIR") or str(built)}
    command = [sys.executable, BENCHES / "million.py", "--quick", "--people", "1000"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for engine in ("SQLite", "PostgreSQL"):
        for work in ("login", "refresh"):
            assert re.search(rf"^\| {work} \| {engine} \|( [\d.,]+ ms \|){{4}} [\d.,]+ \|", ran.stdout, re.M), ran.stdout
        row = rf"^\| {engine} \| [\d.,]+ ms \| [\d.,]+ ms \| ([\d,]+) a second, ([\d,]+) are left"
        [(gone, left)] = re.findall(row, ran.stdout, re.M)
        # On a slow machine all may have gone before it was looked at.
        assert gone != "0" or left == "0", ran.stdout
    assert len(re.findall(r"^\| .* a (?:user|grant)\b.* \| [1-9][\d,]* bytes \|$", ran.stdout, re.M)) == 4, ran.stdout
