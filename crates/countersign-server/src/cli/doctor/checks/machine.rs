//! Whether the machine has what the settings take. It is asked for this process, which may have other limits than the
//! server's: under systemd, say.

use std::{fs, path::Path};

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
        findings.push(memory(threads, needed, memory_limit(Path::new("/"))));
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

/// The least memory that this process may take, by its control group, those above it, and the machine, in bytes.
fn memory_limit(root: &Path) -> Option<u64> {
    let read = |path: String| fs::read_to_string(root.join(path)).ok();
    let groups = read("proc/self/cgroup".to_owned()).unwrap_or_default();
    let of_group = |line: &str| match line.splitn(3, ':').collect::<Vec<_>>()[..] {
        ["0", "", path] => Some(("sys/fs/cgroup", path.to_owned(), "memory.max")),
        [_, controllers, path] if controllers.split(',').any(|controller| controller == "memory") => {
            Some(("sys/fs/cgroup/memory", path.to_owned(), "memory.limit_in_bytes"))
        }
        _ => None,
    };
    let limits = groups.lines().filter_map(of_group).flat_map(|(folder, path, file)| {
        let above: Vec<_> = Path::new(path.trim_start_matches('/')).ancestors().map(Path::to_path_buf).collect();
        above.into_iter().filter_map(move |group| {
            read(format!("{folder}/{}", group.join(file).display()))?.trim().parse::<u64>().ok()
        })
    });
    let limits: Vec<_> = limits.collect();
    let machine = read("proc/meminfo".to_owned()).as_deref().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(KIB)
    });
    limits.into_iter().chain(machine).min()
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

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        root
    }

    #[test]
    fn m2_the_least_of_all_limits_counts() {
        let machine = ("proc/meminfo", "MemFree:  1 kB\nMemTotal:       2048 kB\n");
        let group = ("proc/self/cgroup", "0::/system.slice/a.service\n");
        let limit = |files: &[(&str, &str)]| memory_limit(root(files).path());
        assert_eq!(limit(&[]), None);
        assert_eq!(limit(&[machine]), Some(2048 * KIB));
        assert_eq!(
            limit(&[machine, group, ("sys/fs/cgroup/system.slice/a.service/memory.max", "max\n")]),
            Some(2048 * KIB)
        );
        let own = ("sys/fs/cgroup/system.slice/a.service/memory.max", "4096\n");
        assert_eq!(limit(&[machine, group, own]), Some(4096));
        assert_eq!(limit(&[machine, group, own, ("sys/fs/cgroup/system.slice/memory.max", "1024\n")]), Some(1024));
        assert_eq!(limit(&[group, ("sys/fs/cgroup/memory.max", "512\n")]), Some(512));
        let old = [
            ("proc/self/cgroup", "5:cpu:/a\n4:memory:/a\n"),
            ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "256\n"),
        ];
        assert_eq!(limit(&old), Some(256));
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
