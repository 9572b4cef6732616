//! How hashing is set up, with defaults that fit the machine: its cores, and the memory that we may have.

use std::{fs, num::NonZeroUsize, thread, time::Duration};

use super::super::Argon2Cost;

/// How much hashing happens at once, how much may wait and how long, what a new hash costs, and who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashingSettings {
    /// Hashing threads; each keeps the memory of one hash of the current cost.
    ///
    /// Default: what the machine can run in parallel, or fewer where a control group (Linux) bounds our memory: they take half
    /// of it at most. More would not hash faster, only hold more memory.
    pub threads: NonZeroUsize,
    /// Hashes that may wait for a thread; what comes then is [`Busy`](super::Busy).
    ///
    /// Default: 32 for each thread. At the default cost of some 15 to 35 ms a hash, the last in line then waits about a
    /// second: somebody who waits longer tries again, and makes the line longer.
    pub queue: usize,
    /// How long a hash may wait for a thread; after that it is [`Busy`](super::Busy) and not computed.
    ///
    /// Default: 5 seconds. A line of the default length takes so long only where something else has the cores.
    pub longest_wait: Duration,
    /// Who goes first, hashing or everything else.
    ///
    /// Default: [`HashingPriority::Below`] 5. A request that costs microseconds then need not wait for one that costs
    /// milliseconds, and on a machine that others keep busy logins still get their part.
    pub priority: HashingPriority,
    /// The cost of a new hash. Stored ones of any other are upgraded at their owner's next login.
    ///
    /// Default: [`Argon2Cost::OWASP`].
    pub cost: Argon2Cost,
}

/// How urgent hashing is beside what else the process and the machine do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashingPriority {
    /// As urgent as everything else in the process.
    Normal,
    /// So many steps of `nice` below the rest of the process, 19 at most. On Linux; elsewhere it is as
    /// [`HashingPriority::Normal`], since there a thread cannot be as nice as it likes without its process.
    Below(u8),
}

impl HashingSettings {
    /// The defaults for hashes of this cost.
    ///
    /// The cores, and what control groups allow, are asked of the operating system here: beside time and randomness the one
    /// thing that this crate wants to know of it.
    #[must_use]
    pub fn of_cost(cost: Argon2Cost) -> Self {
        let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let threads = fitting_threads(cores, memory_limit(), cost);
        Self {
            threads,
            queue: QUEUE_PER_THREAD * threads.get(),
            longest_wait: LONGEST_WAIT,
            priority: HashingPriority::Below(STEPS_BELOW),
            cost,
        }
    }
}

impl Default for HashingSettings {
    fn default() -> Self {
        Self::of_cost(Argon2Cost::OWASP)
    }
}

impl HashingPriority {
    /// Makes it that of the present thread. Without it everything works, only in another order.
    pub(super) fn take(self) {
        let Self::Below(steps) = self else { return };
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::process::nice(i32::from(steps)) {
            tracing::warn!(
                event = "hash",
                outcome = "not_lowered",
                %error,
                "the priority of a hashing thread cannot be lowered: cheap requests may wait for logins"
            );
        }
        #[cfg(not(target_os = "linux"))]
        let _ = steps;
    }
}

const QUEUE_PER_THREAD: usize = 32;
const LONGEST_WAIT: Duration = Duration::from_secs(5);
const STEPS_BELOW: u8 = 5;

/// The memory of all threads together is at most this part of what a control group allows: the rest is for everything else.
const PART_OF_LIMIT: u64 = 2;

/// How many threads fit the cores, and the bytes that we may have if they are bounded. At least one: without it nobody could
/// log in.
fn fitting_threads(cores: NonZeroUsize, limit: Option<u64>, cost: Argon2Cost) -> NonZeroUsize {
    let Some(limit) = limit else { return cores };
    let fitting = limit / PART_OF_LIMIT / (u64::from(cost.memory_kib()) * 1024);
    usize::try_from(fitting).map_or(cores, |fitting| cores.min(NonZeroUsize::new(fitting).unwrap_or(NonZeroUsize::MIN)))
}

/// Where control groups are, by version: what begins the line of ours in `/proc/self/cgroup`, where they are mounted, and the
/// files that bound their memory (cgroups(7); `memory.high` slows down who goes beyond).
const HIERARCHIES: [(&str, &str, &[&str]); 3] = [
    ("", "/sys/fs/cgroup", &["memory.max", "memory.high"]),
    ("", "/sys/fs/cgroup/unified", &["memory.max", "memory.high"]),
    ("memory", "/sys/fs/cgroup/memory", &["memory.limit_in_bytes"]),
];

/// The bytes of memory that the control groups of this process allow (Linux): the least of its own and of those above, if any
/// says so.
#[must_use]
pub fn memory_limit() -> Option<u64> {
    limit_of_groups(|path| fs::read_to_string(path).ok())
}

/// In a container the paths are often those of the host, of which only the end, or only the root, can be seen.
fn limit_of_groups(read: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let groups = read("/proc/self/cgroup")?;
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        for (controller, mount, files) in HIERARCHIES {
            if !controllers.split(',').any(|ours| ours == controller) {
                continue;
            }
            let above = path.match_indices('/').map(|(end, _)| &path[..end]).chain([path.trim_end_matches('/')]);
            for group in above {
                let texts = files.iter().filter_map(|file| read(&format!("{mount}{group}/{file}")));
                // What is no number is `max`.
                limits.extend(texts.filter_map(|text| text.trim().parse::<u64>().ok()));
            }
        }
    }
    limits.into_iter().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn threads(cores: usize, limit: Option<u64>, cost: Argon2Cost) -> usize {
        fitting_threads(NonZeroUsize::new(cores).expect("some"), limit, cost).get()
    }

    #[test]
    fn m2_threads_are_as_many_as_cores_unless_memory_is_scarce() {
        let costly = Argon2Cost::new(47_104, 1, 1).expect("a cost");
        assert_eq!(threads(8, None, Argon2Cost::OWASP), 8);
        assert_eq!(threads(8, Some(1024 * MIB), Argon2Cost::OWASP), 8);
        assert_eq!(threads(8, Some(8 * 2 * 19 * MIB), Argon2Cost::OWASP), 8);
        assert_eq!(threads(8, Some(8 * 2 * 19 * MIB - 1), Argon2Cost::OWASP), 7);
        assert_eq!(threads(8, Some(128 * MIB), Argon2Cost::OWASP), 3);
        assert_eq!(threads(8, Some(128 * MIB), costly), 1);
        assert_eq!(threads(8, Some(16 * MIB), Argon2Cost::OWASP), 1, "one, or nobody logs in");
        assert_eq!(threads(8, Some(0), Argon2Cost::OWASP), 1);
        assert_eq!(threads(8, Some(u64::MAX), Argon2Cost::OWASP), 8);
    }

    #[track_caller]
    fn limit(files: &[(&str, &str)]) -> Option<u64> {
        limit_of_groups(|path| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned()))
    }

    #[test]
    fn m2_the_least_limit_of_our_group_and_those_above_counts() {
        let ours = ("/proc/self/cgroup", "0::/system.slice/login.service\n");
        let (of_service, of_slice) =
            ("/sys/fs/cgroup/system.slice/login.service/memory.max", "/sys/fs/cgroup/system.slice/memory.max");
        assert_eq!(limit(&[ours, (of_service, "134217728\n"), (of_slice, "max\n")]), Some(128 * MIB));
        assert_eq!(limit(&[ours, (of_service, "max\n"), (of_slice, "67108864\n")]), Some(64 * MIB));
        assert_eq!(limit(&[ours, (of_service, "max\n"), (of_slice, "max\n")]), None);
        let high = "/sys/fs/cgroup/system.slice/login.service/memory.high";
        assert_eq!(limit(&[ours, (of_service, "134217728\n"), (high, "67108864\n")]), Some(64 * MIB));
        assert_eq!(limit(&[ours]), None);
        assert_eq!(limit(&[]), None, "no Linux");
        assert_eq!(limit(&[("/proc/self/cgroup", "nonsense\n\n:\n")]), None);
    }

    #[test]
    fn m2_of_a_container_the_root_of_the_mount_is_seen() {
        let namespaced = ("/proc/self/cgroup", "0::/\n");
        assert_eq!(limit(&[namespaced, ("/sys/fs/cgroup/memory.max", "134217728\n")]), Some(128 * MIB));
        let of_host = ("/proc/self/cgroup", "0::/docker/0123456789ab\n");
        assert_eq!(limit(&[of_host, ("/sys/fs/cgroup/memory.max", "134217728\n")]), Some(128 * MIB));
    }

    #[test]
    fn m2_the_first_version_of_control_groups_has_limits_too() {
        let ours = ("/proc/self/cgroup", "9:cpu,cpuacct:/other\n4:memory:/jobs/login\n0::/\n");
        let of_job = "/sys/fs/cgroup/memory/jobs/login/memory.limit_in_bytes";
        let unlimited = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(limit(&[ours, (of_job, "134217728\n"), unlimited]), Some(128 * MIB));
        assert_eq!(limit(&[ours, ("/sys/fs/cgroup/memory/other/memory.limit_in_bytes", "1\n")]), None, "another's");
        let with_others = ("/proc/self/cgroup", "4:cpuset,memory:/jobs/login\n");
        assert_eq!(limit(&[with_others, (of_job, "134217728\n")]), Some(128 * MIB));
    }
}
