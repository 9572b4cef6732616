//! Whether there is room where the database's file is: for what it grows by, and for a copy beside it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    cli::doctor::finding::{Check, Finding},
    config::Settings,
    store,
};

const MIB: u64 = 1024 * 1024;

/// With less than this nothing can be written soon.
const NOTHING: u64 = MIB;

/// How much should be free beside the smallest database: more than its log takes.
const LEAST: u64 = 64 * MIB;

pub(super) fn find(settings: &Settings) -> Finding {
    // The file itself comes first, and those beside it belong to it.
    let files = store::files(settings.database.as_str());
    let Some(file) = files.first() else { return Check::Disk.fine("a server has the database") };
    let size = files.iter().filter_map(|file| Some(fs::metadata(file).ok()?.len())).sum();
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .map_or_else(|| PathBuf::from("."), Path::to_owned);
    judge(free(&folder), size, &folder)
}

fn judge(free: Option<u64>, size: u64, folder: &Path) -> Finding {
    let Some(free) = free else { return Check::Disk.fine("how much is free is not known here") };
    let found =
        format!("{} MiB are free in {}, and the database has {}", free / MIB, folder.display(), size.div_ceil(MIB));
    let change = "make room there, or move the database to a larger disk; copies belong on another one";
    match free {
        _ if free < NOTHING => Check::Disk.problem(found, change),
        _ if free < size.max(LEAST) => Check::Disk.advice(found, change),
        _ => Check::Disk.fine(found),
    }
}

/// How many bytes whoever asks may still write there.
#[cfg(unix)]
fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::{super::super::finding::Severity, *};

    #[test]
    fn n10_there_must_be_room_for_as_much_again() {
        for (free, size, severity) in [
            (None, MIB, Severity::Fine),
            (Some(0), 0, Severity::Problem),
            (Some(MIB - 1), MIB, Severity::Problem),
            (Some(MIB), MIB, Severity::Advice),
            (Some(LEAST - 1), MIB, Severity::Advice),
            (Some(LEAST), MIB, Severity::Fine),
            (Some(2 * LEAST - 1), 2 * LEAST, Severity::Advice),
            (Some(2 * LEAST), 2 * LEAST, Severity::Fine),
        ] {
            assert_eq!(judge(free, size, Path::new("/data")).severity, severity, "{free:?} beside {size}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_free_is_asked_of_the_disk() {
        assert!(free(&std::env::temp_dir()).is_some());
        assert_eq!(free(Path::new("/there/is/no/such/folder")), None);
    }
}
