//! `countersign doctor`: what an operator should change, finding by finding; and a proof that failed logins look alike.

mod checks;
mod database;
mod finding;
mod print;
mod statistics;
mod timing;

use clap::{Args, Subcommand};

use self::{finding::Severity, timing::Timing};
use super::explain::IssuerUrl;
use crate::{
    announce,
    config::{Global, LogLevel},
    failure::{Failure, Outcome},
    telemetry,
};

const EXAMPLES: &str = "\
Examples:
  countersign doctor --config /etc/countersign.toml     What to change, of the settings and in the database
  countersign doctor --url https://login.example.com    Also compares the clocks
  countersign doctor timing                             Can a stranger tell who has an account here?

Changes nothing; works while the server runs.

Exit codes: 0 no problem, 1 a problem was found, 2 wrong usage or settings.";

/// Check settings, database and machine, and say what to change.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Doctor {
    #[command(subcommand)]
    what: Option<What>,
    /// Ask this server, or another, for the time, and compare the clocks.
    #[arg(long, value_name = "URL", value_parser = IssuerUrl::parse)]
    url: Option<IssuerUrl>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    Timing(Timing),
}

impl Doctor {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let settings = global.load([])?;
        let url = match (self.what, self.url) {
            (Some(What::Timing(_)), Some(_)) => {
                return Err(Failure::usage("`doctor timing` measures a server of its own: leave out --url"));
            }
            (Some(What::Timing(timing)), None) => return timing.run(settings, self.json).await,
            (None, url) => url,
        };
        telemetry::start(settings.log_format, LogLevel::Error);
        let mut findings = checks::run(&settings, global.file_with_database(), url.as_ref()).await;
        // In each kind they stay in the order of the page.
        findings.sort_by_key(|finding| finding.severity);
        announce::line(&if self.json { print::json(&findings)? } else { print::text(&findings) })?;
        match findings.iter().filter(|finding| finding.severity == Severity::Problem).count() {
            0 => Ok(()),
            1 => Err(Failure::failed("there is a problem")),
            problems => Err(Failure::failed(format!("there are {problems} problems"))),
        }
    }
}
