//! Whether the machine has what the settings take. It is asked for this process, which may have other limits than the
//! server's: under systemd, say.

use std::fs;

use countersign::core::password::memory_limit;

use crate::{
    cli::doctor::finding::{Check, Finding},
    config::Settings,
    listen::OTHER_FILES,
};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

pub(super) fn find(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Ok(hashing) = settings.hashing() {
        let threads = hashing.threads.get();
        let needed = threads as u64 * u64::from(hashing.cost.memory_kib()) * KIB;
        findings.push(memory(threads, needed, least_memory()));
    }
    let limit = fs::read_to_string("/proc/self/limits").ok().as_deref().and_then(files_limit);
    findings.push(open_files(settings.max_connections.0, limit));
    findings
}

fn memory(threads: usize, needed: u64, limit: Option<u64>) -> Finding {
    let takes = format!("hashing threads: {threads}, with {} MiB", needed.div_ceil(MIB));
    let Some(limit) = limit else { return Check::HashingMemory.fine(format!("{takes}; the limit is not known here")) };
    let found = format!("{takes} of {} MiB", limit / MIB);
    let change =
        "hash_threads = …, or more memory for the control group (`MemoryMax=` of systemd, the limit of the container)";
    match needed {
        _ if needed >= limit => Check::HashingMemory.problem(found, change),
        _ if needed > limit / 2 => Check::HashingMemory.advice(found, change),
        _ => Check::HashingMemory.fine(found),
    }
}

/// The least memory that this process may take, by its control groups and the machine, in bytes.
fn least_memory() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(machine_memory);
    memory_limit().into_iter().chain(machine).min()
}

/// The memory of the machine out of `/proc/meminfo`, in bytes.
fn machine_memory(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(KIB)
}

/// Whether so many connections have a file each, and the rest of the server has its own.
fn open_files(connections: u32, limit: Option<u64>) -> Finding {
    let needed = u64::from(connections).saturating_add(OTHER_FILES);
    match limit {
        None => Check::OpenFiles.fine("there is no limit that is known here"),
        Some(limit) if limit < needed => Check::OpenFiles.advice(
            format!("{limit} at once, and {connections} connections take {needed}: the server takes fewer"),
            format!(
                "`LimitNOFILE={needed}` of systemd, or `ulimit -Hn {needed}` before the start; or max_connections = …"
            ),
        ),
        Some(limit) => Check::OpenFiles.fine(format!("{limit} at once, for {connections} connections")),
    }
}

/// The hard limit out of `/proc/self/limits`, to which the server raises its own; none if there is none.
fn files_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{super::super::finding::Severity, *};

    #[test]
    fn m2_the_memory_of_the_machine_is_a_limit_too() {
        assert_eq!(machine_memory("MemFree:  1 kB\nMemTotal:       2048 kB\n"), Some(2048 * KIB));
        for nothing in ["", "MemTotal: many kB\n", "MemTotal: 18446744073709551615 kB\n"] {
            assert_eq!(machine_memory(nothing), None);
        }
    }

    #[test]
    fn m2_hashing_must_fit_into_memory() {
        for (needed, limit, severity) in [
            (19 * MIB, None, Severity::Fine),
            (19 * MIB, Some(38 * MIB), Severity::Fine),
            (20 * MIB, Some(39 * MIB), Severity::Advice),
            (20 * MIB, Some(20 * MIB), Severity::Problem),
        ] {
            assert_eq!(memory(1, needed, limit).severity, severity, "{needed} of {limit:?}");
        }
    }

    #[test]
    fn the_limit_of_open_files_is_the_hard_one_held_against_the_connections() {
        let limits = "Limit   Soft Limit   Hard Limit   Units\nMax open files            1024                 524288               files     \n";
        assert_eq!(files_limit(limits), Some(524_288));
        assert_eq!(files_limit("Max open files            unlimited            unlimited            files"), None);
        assert_eq!(files_limit(""), None);
        for (limit, severity) in [(None, Severity::Fine), (Some(1063), Severity::Advice), (Some(1064), Severity::Fine)]
        {
            assert_eq!(open_files(1000, limit).severity, severity, "{limit:?}");
        }
    }
}
