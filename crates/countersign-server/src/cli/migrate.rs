//! `countersign migrate`: moves all that a database has into another, of either engine.

use std::{
    env,
    time::{Duration, Instant},
};

use countersign_sql::{Migrated, Progress, Step};
use serde_json::{Value as Json, json};

use super::print;
use crate::{
    announce,
    config::{DatabaseUrl, Global, LogLevel, MIGRATE_TO_VARIABLE, Value as _},
    failure::{Failure, Outcome},
    store, telemetry,
};

/// Move everything into another database: users, clients, keys, logins, tokens, and what has ended. Stop the server first.
///
/// The other database must be empty; a file is made. What was issued before goes on being good there, or ended. All of it is
/// compared before it is kept; if anything fails, the other database is as empty as before. This one is not changed.
#[derive(Debug, clap::Args)]
pub(super) struct Migrate {
    /// Where everything is. By default the database of the settings.
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// Where it goes: a path, sqlite://path, or postgres://user@host/name?password_file=FILE. Also COUNTERSIGN_MIGRATE_TO,
    /// where nobody sees a password that is in it.
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Migrate {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let settings = global.load([])?;
        telemetry::start(settings.log_format, LogLevel::Warn);
        let from = match &self.from {
            Some(from) => read("--from", from)?,
            None => settings.database,
        };
        let to = match (&self.to, env::var(MIGRATE_TO_VARIABLE)) {
            (Some(to), _) => read("--to", to)?,
            (None, Ok(to)) if !to.is_empty() => read(MIGRATE_TO_VARIABLE, &to)?,
            _ => {
                return Err(Failure::usage("nothing says where to move the database")
                    .hint("name a database with --to, or in COUNTERSIGN_MIGRATE_TO"));
            }
        };
        let migrated = store::migrate(from.as_str(), to.as_str(), reporter()).await?;
        announce::line(&match self.json {
            true => serde_json::to_string_pretty(&as_json(&from, &to, &migrated))?,
            false => in_words(&from, &to, &migrated),
        })
    }
}

/// No value is repeated in the refusal: there may be a password in it.
fn read(place: &str, url: &str) -> Result<DatabaseUrl, Failure> {
    let refused = || Failure::usage(format!("{place} must be {}", DatabaseUrl::expected()));
    DatabaseUrl::read_text(url).ok_or_else(refused)
}

/// How often somebody who waits hears how far it is, and after what time for the first time.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Says on standard error how far it is.
fn reporter() -> impl FnMut(Progress) + Send + 'static {
    let mut last = Instant::now();
    move |progress| {
        if last.elapsed() >= REPORT_EVERY {
            last = Instant::now();
            announce::aside(&report(progress));
        }
    }
}

fn report(progress: Progress) -> String {
    let done = match progress.step {
        Step::Copy => "copied",
        Step::Compare => "compared",
    };
    format!("{done}: {} of {} rows of {}", progress.rows, progress.of, progress.table)
}

fn as_json(from: &DatabaseUrl, to: &DatabaseUrl, migrated: &Migrated) -> Json {
    let tables = migrated.tables.iter();
    let tables = tables.map(|of| json!({ "table": of.table, "rows": of.rows, "sha256": of.digest }));
    json!({
        "from": from.to_string(),
        "to": to.to_string(),
        "tables": tables.collect::<Vec<_>>(),
        "feed_number": migrated.feed_number,
    })
}

/// How much of a digest people compare.
const SHORT_DIGEST: usize = 16;

fn in_words(from: &DatabaseUrl, to: &DatabaseUrl, migrated: &Migrated) -> String {
    let rows = migrated.tables.iter().map(|of| {
        let digest = of.digest.get(..SHORT_DIGEST).unwrap_or_default();
        [of.table.to_owned(), of.rows.to_string(), digest.to_owned()]
    });
    format!(
        "{from} was moved to {to}, where everything is the same:\n\n{}\n\n\
         Set `database` to where it is now, and start the server. Keep what was there until you are content, and let no \
         server start over it; then remove it: it has the hashes of all passwords, and the private keys.",
        print::table(["TABLE", "ROWS", "SHA-256"], rows)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_repeated() {
        let refused = read("--to", "mysql://somebody:canary@db.example/app").unwrap_err();
        assert!(!format!("{refused:?}").contains("canary"), "{refused:?}");
        let url = read("--to", "postgres://somebody:canary@db.example/app?password=canary").unwrap();
        assert_eq!(url.to_string(), "postgres://somebody@db.example/app");
    }
}
