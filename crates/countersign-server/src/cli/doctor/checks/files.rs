//! Who else can read or write the files.

use std::path::{Path, PathBuf};

use crate::{
    announce::shell_word,
    cli::doctor::finding::{Check, Finding},
    config::Settings,
    store,
};

/// What others may do with a file of ours: nothing.
const ANYTHING: u32 = 0o077;

/// Or read it, where it is no secret.
const WRITE: u32 = 0o022;

/// `file` names the database, if one does.
pub(super) fn find(settings: &Settings, file: Option<PathBuf>) -> [Finding; 3] {
    let url = settings.database.as_str();
    let mut secrets = vec![settings.hs256_secret_file.clone(), settings.key_encryption_key_file.clone()];
    secrets.push(store::password_file(url));
    // With the password in it, the settings are a secret.
    secrets.push(file.filter(|_| store::has_password(url)));
    let secrets: Vec<_> = secrets.into_iter().flatten().collect();
    let database = match store::is_server(url) {
        true => Check::DatabaseFiles.fine("there are none: a server has it"),
        false => judge(Check::DatabaseFiles, &store::files(url)),
    };
    [database, judge(Check::SecretFiles, &secrets), blocklist(settings.password_blocklist_file.as_deref())]
}

/// Files that are not there, others tell of.
fn judge(check: Check, files: &[PathBuf]) -> Finding {
    let open: Vec<_> = files.iter().filter_map(|file| Some((file, mode_of_others(file, ANYTHING)?))).collect();
    if open.is_empty() {
        return check.fine("only their owner can reach them");
    }
    let found: Vec<_> = open.iter().map(|(file, mode)| format!("{} has mode {mode:o}", file.display())).collect();
    let files: Vec<_> = open.iter().map(|(file, _)| shell_word(&file.to_string_lossy())).collect();
    check.problem(found.join(", "), format!("chmod 600 {}", files.join(" ")))
}

fn blocklist(file: Option<&Path>) -> Finding {
    let Some(file) = file else { return Check::BlocklistFile.fine("there is none") };
    let Some(mode) = mode_of_others(file, WRITE) else {
        return Check::BlocklistFile.fine("only its owner can write it");
    };
    let change = format!("chmod go-w {}", shell_word(&file.to_string_lossy()));
    Check::BlocklistFile.problem(format!("{} has mode {mode:o}", file.display()), change)
}

/// The mode of a file with which others than its owner can do any of this.
#[cfg(unix)]
fn mode_of_others(file: &Path, any: u32) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = std::fs::metadata(file).ok()?.permissions().mode() & 0o777;
    (mode & any != 0).then_some(mode)
}

/// Elsewhere the directory decides who can read what is in it.
#[cfg(not(unix))]
fn mode_of_others(_: &Path, _: u32) -> Option<u32> {
    None
}
