//! What the operating system says of the process, by the names that Prometheus' own clients give it. Linux alone tells it.

use std::{fmt::Write, fs};

use countersign::core::meters::{Meter, MeterKind};

pub(super) const MEMORY: Meter = Meter {
    name: "process_resident_memory_bytes",
    kind: MeterKind::Gauge,
    help: "Memory of the process that is in use.",
    labels: &[],
};

pub(super) const CPU: Meter = Meter {
    name: "process_cpu_seconds_total",
    kind: MeterKind::Counter,
    help: "Processor time that the process has used.",
    labels: &[],
};

/// Clock ticks a second, in which Linux counts a process' time whatever the machine.
const TICKS: f64 = 100.0;

/// Bytes of a kilobyte as `/proc` counts it.
const KILOBYTE: u64 = 1024;

/// Prometheus' text; empty where it is not told. It has fractions, which a counter of the recorder cannot have.
pub(super) fn text() -> String {
    let mut text = String::new();
    #[expect(clippy::cast_precision_loss, reason = "no process has that much memory")]
    let memory = resident_bytes().map(|bytes| bytes as f64);
    for (Meter { name, kind, help, .. }, value) in [(MEMORY, memory), (CPU, cpu_seconds())] {
        if let Some(value) = value {
            // Writing to a string does not fail.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {}\n{name} {value}\n\n", kind.name());
        }
    }
    text
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(KILOBYTE)
}

/// Its own and the kernel's for it: the 14th and 15th fields, of which the name before may hold spaces and brackets.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let mut times = stat.rsplit(')').next()?.split_whitespace().skip(11).map(str::parse::<f64>);
    Some((times.next()?.ok()? + times.next()?.ok()?) / TICKS)
}
