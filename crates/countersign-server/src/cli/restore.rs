//! `countersign restore`: puts a copy in the place of a lost database, with the past made powerless.

use std::path::PathBuf;

use countersign::{
    Timestamp,
    core::clock::{Clock as _, System},
};
use countersign_sql::{Copied, Restored};
use serde_json::{Value, json};

use super::print::utc;
use crate::{
    announce,
    config::{Global, Settings},
    failure::Outcome,
    store, telemetry,
};

/// Put a copy in the place of a lost database. Whatever was issued before is worth nothing then: everybody logs in again.
///
/// Nobody knows what was revoked, disabled or withdrawn after the copy was made. So all logins end, all tokens that were
/// issued before are refused, here and by services that follow the feed, and all keys are withdrawn. Users and clients are
/// as they were in the copy.
#[derive(Debug, clap::Args)]
pub(super) struct Restore {
    /// The copy, as `countersign backup` made it. It stays as it is.
    #[arg(required_unless_present = "in_place")]
    file: Option<PathBuf>,
    /// The database is there already, put back by other means: do the rest. No server may have an SQLite file open; over
    /// PostgreSQL they may run.
    #[arg(long, conflicts_with = "file")]
    in_place: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Restore {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let settings = global.load([])?;
        // What it does is an event of the log.
        telemetry::start(settings.log_format, settings.log_level);
        let (copied, restored) = match &self.file {
            Some(file) => {
                let (copied, restored) = store::restore(file, settings.database.as_str(), System.now()).await?;
                (Some(copied), restored)
            }
            None => (None, store::restore_in_place(settings.database.as_str(), System.now()).await?),
        };
        let epoch = restored.epoch;
        tracing::warn!(
            event = "restore",
            outcome = "done",
            grants = epoch.grants,
            keys = epoch.keys,
            number = epoch.number,
            "the database was put back, and what was issued before is worth nothing"
        );
        announce::line(&match self.json {
            true => serde_json::to_string_pretty(&as_json(&settings, copied, restored))?,
            false => in_words(&settings, copied, restored),
        })
    }
}

fn as_json(settings: &Settings, copied: Option<Copied>, restored: Restored) -> Value {
    let Restored { epoch, newest_moment } = restored;
    json!({
        "database": settings.database.to_string(),
        "users": copied.map(|copied| copied.owners),
        "clients": copied.map(|copied| copied.clients),
        "ended_grants": epoch.grants,
        "ended_opaque_tokens": epoch.opaque_tokens,
        "ended_one_time": epoch.one_time,
        "withdrawn_keys": epoch.keys,
        "feed_number": epoch.number,
        "newest_moment": newest_moment.map(Timestamp::seconds),
    })
}

fn in_words(settings: &Settings, copied: Option<Copied>, restored: Restored) -> String {
    let Restored { epoch, newest_moment } = restored;
    let has = copied
        .map_or_else(String::new, |copied| format!(", with users: {}, clients: {}", copied.owners, copied.clients));
    let newest = newest_moment.map_or_else(String::new, |newest| format!(" (its newest moment is {})", utc(newest)));
    let (who, when) = match store::is_server(settings.database.as_str()) {
        true => ("A server that runs, or the next start, makes", "At once"),
        false => ("The next start makes", "Before you start the server"),
    };
    format!(
        "{} is put back{has}.\n\
         What was issued before is worth nothing: logins that ended: {}, opaque tokens: {}, one-time codes: {}, keys that \
         were withdrawn: {}. {who} a key, and everybody logs in again.\n\
         Nobody knows what changed after the copy was made{newest}. Users who were removed or disabled since, or got \
         another password, are as they were; so are clients and their secrets. {when}, look through \
         `countersign user list` and `countersign client list`.",
        settings.database, epoch.grants, epoch.opaque_tokens, epoch.one_time, epoch.keys,
    )
}
