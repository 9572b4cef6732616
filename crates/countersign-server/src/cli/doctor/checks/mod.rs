//! All checks, a file for each group. None changes anything.

mod clients;
mod clock;
mod disk;
mod exposure;
mod files;
mod grants;
mod keys;
mod lifetimes;
mod machine;
mod passwords;
mod start;
mod throttle;

use std::{path::PathBuf, time::Duration};

use countersign::{Clock as _, core::clock::System};
use countersign_sql::Schema;

use super::{
    database::{Contents, Measure},
    finding::{Check, Finding},
};
use crate::{cli::explain::IssuerUrl, config::Settings, failure::Failure, store};

/// A replaced secret may go on for a week: longer is no overlap, but a second secret.
const LONGEST_OVERLAP: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Everything that is found. `file` names the database, if one does; `url` is asked for the time.
pub(super) async fn run(settings: &Settings, file: Option<PathBuf>, url: Option<&IssuerUrl>) -> Vec<Finding> {
    let mut findings = vec![start::find(settings).await];
    findings.extend(exposure::find(settings).await);
    findings.extend(throttle::find(settings));
    findings.extend(grants::find(settings));
    findings.extend(lifetimes::find(settings));
    findings.extend(keys::of_settings(settings));
    findings.extend(passwords::of_settings(settings));
    // Before the database is opened: what SQLite puts beside it meanwhile is not what is there otherwise.
    findings.extend(files::find(settings, file));
    findings.extend(in_database(settings).await);
    if let Some(url) = url {
        findings.push(clock::elsewhere(url).await);
    }
    findings.push(disk::find(settings));
    findings.extend(machine::find(settings));
    findings
}

async fn in_database(settings: &Settings) -> Vec<Finding> {
    let now = System.now();
    let contents = match look(settings).await {
        Ok(contents) => contents,
        Err(failure) => {
            let change = if store::is_server(settings.database.as_str()) {
                "start PostgreSQL, or correct the URL, or after an update start the new `countersign serve` once"
            } else if store::exists(settings.database.as_str()) {
                "after an update start the new server once, or give this user the rights to it, or restore a backup"
            } else {
                "database = \"…\", or `countersign serve`, which makes it"
            };
            let found = Check::Database.problem(failure.message(), change);
            return vec![found, clock::here(now, None)];
        }
    };
    let mut findings =
        vec![Check::Database.fine(format!("{} can be read", settings.database)), schema(contents.schema)];
    findings.extend(grants::in_database(settings, &contents.clients));
    findings.extend(keys::in_database(settings, &contents.keys, now));
    findings.extend(passwords::in_database(&contents.users));
    findings.extend(clients::find(&contents.clients));
    findings.push(clock::here(now, contents.newest));
    findings
}

fn schema(schema: Schema) -> Finding {
    let Schema { found, known } = schema;
    match schema.is_newer() {
        true => Check::DatabaseSchema.advice(
            format!("version {found}, of a newer program; this one knows none after {known}, and can work beside it"),
            "update this program too",
        ),
        false => Check::DatabaseSchema.fine(format!("version {found}, which this program makes")),
    }
}

async fn look(settings: &Settings) -> Result<Contents, Failure> {
    let measure = Measure { cost: settings.hashing()?.cost, replaced_until: System.now().plus(LONGEST_OVERLAP) };
    Contents::read(settings.database.as_str(), measure).await
}
