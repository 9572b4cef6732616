//! Which passwords people may set, and how they rest.

use crate::{
    cli::doctor::{
        database::Users,
        finding::{Check, Finding},
    },
    config::{Settings, Switch},
};

/// NIST SP 800-63B-4 §3.1.1.2: where the password is the only factor.
const ONLY_FACTOR_LENGTH: u32 = 15;

pub(super) fn of_settings(settings: &Settings) -> [Finding; 2] {
    let length = settings.minimum_password_length.0;
    let minimum = match settings.password_grant {
        Switch::On if length < ONLY_FACTOR_LENGTH => Check::MinimumPasswordLength.advice(
            format!("{length} characters, and the password is the only factor"),
            format!("minimum_password_length = {ONLY_FACTOR_LENGTH}; passwords that are set already stay"),
        ),
        _ => Check::MinimumPasswordLength.fine(format!("{length} characters")),
    };
    // Less than OWASP's list asks for is refused as the settings are read.
    let cost = Check::HashCost.fine(format!(
        "Argon2id, memory {} KiB, passes {}, lanes {}: one of OWASP's choices, or more",
        settings.argon2_memory_kib.0, settings.argon2_passes.0, settings.argon2_lanes.0
    ));
    [minimum, cost]
}

pub(super) fn in_database(users: &Users) -> [Finding; 3] {
    let Users { all, disabled, outdated, malformed } = users;
    let old = match outdated.count {
        0 => Check::OldHashes.fine(format!("none of {all}")),
        count => Check::OldHashes.advice(
            format!("hashes of another scheme or cost: {count} of {all} ({outdated})"),
            "nothing, if they log in soon: each gets a new hash at its next login; `countersign user set-password` or \
             `countersign user disable` for those who never do",
        ),
    };
    let unreadable = match malformed.count {
        0 => Check::MalformedHashes.fine(format!("none of {all}")),
        count => Check::MalformedHashes.problem(
            format!("hashes that cannot be verified: {count} of {all} ({malformed})"),
            "`countersign user set-password NAME`",
        ),
    };
    let there = match all {
        0 => Check::Users.fine("none yet; `countersign user add NAME` adds one"),
        all => Check::Users.fine(format!("{all}, disabled: {disabled}")),
    };
    [old, unreadable, there]
}
