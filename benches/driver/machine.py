"""What Linux says of processes and of the machine: processor time, memory, who else was busy."""

import os
import platform
import re
import subprocess
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
CORES = len(os.sched_getaffinity(0))


def parse_stat(text):
    """Of `/proc/PID/stat`: the parent, and the seconds of processor time, own and of children that have ended."""
    fields = text.rsplit(")", 1)[1].split()
    return int(fields[1]), sum(int(ticks) for ticks in fields[11:15]) / TICKS


def tree(root, parents):
    """`root` and all that descend from it, where `parents` has the parent of each process."""
    found, new = {root}, {root}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return found


def _processes():
    stats = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stats[int(folder.name)] = parse_stat((folder / "stat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                pass  # it has ended meanwhile
    return stats


def processor_seconds(root):
    """User and system time of a process and all that descend from it."""
    stats = _processes()
    members = tree(root, {pid: parent for pid, (parent, _) in stats.items()})
    return sum(stats[pid][1] for pid in members if pid in stats)


def memory(root, field):
    """MiB of a field of `/proc/PID/status` (VmRSS, VmHWM), summed over the tree of processes."""
    total = 0
    for pid in tree(root, {pid: parent for pid, (parent, _) in _processes().items()}):
        try:
            total += int(re.search(rf"{field}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1))
        except (FileNotFoundError, ProcessLookupError, AttributeError):
            pass
    return total / 1024


def parse_machine(text):
    """Of `/proc/stat`: seconds that all processors were busy, and seconds that the host took for others."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(ticks) for ticks in text.split("\n")[0].split()[1:9])
    return (user + nice + system + irq + softirq) / TICKS, steal / TICKS


def machine_seconds():
    return parse_machine(Path("/proc/stat").read_text())


def describe():
    """The machine and its programs, for the head of the results."""
    said = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.*)", said)
    memory_kib = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text()).group(1))

    def first_line(*command):
        return subprocess.run(command, capture_output=True, text=True).stdout.split("\n")[0]

    return {
        "processor": model.group(1).strip() if model else platform.machine(),
        "cores": CORES,
        "memory_gib": round(memory_kib / 1024**2, 1),
        "kernel": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "rust": first_line("rustc", "--version").removeprefix("rustc ").split(" (")[0],
        "python": platform.python_version(),
        "node": first_line("node", "--version").removeprefix("v"),
        "wrk": first_line("wrk", "-v").split(" [")[0].removeprefix("wrk ").removeprefix("debian/").strip(),
    }
