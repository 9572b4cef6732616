//! The command line: one file a command, each with its flags and what it does.

mod backup;
mod client;
mod dev;
mod doctor;
mod explain;
mod grant;
mod key;
mod migrate;
mod openapi;
mod pages;
mod print;
mod restore;
mod serve;
mod settings;
mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use countersign::{BlocklistFile, Memory, OAuth2, core::key::KeySettings};

use crate::{
    config::{Global, Problem, Settings, Switch},
    failure::{Failure, Outcome},
    listen::Place,
    store::{self, Database},
    watch::Watch,
};

const EXAMPLES: &str = "\
Examples:
  countersign dev                               Try it: a server with a login, and what to paste
  countersign user add alice --scope items      Add a user; asks for the password
  countersign serve --issuer https://login.example.com
                                                Serve for real, behind a proxy that speaks TLS
  countersign backup /var/backups/login.db      Copy the database while the server runs
  countersign explain < token.txt               Why is this token refused?
  countersign doctor                            What should be changed here?

Settings come from the file (--config), the environment (COUNTERSIGN_…) and flags, the later the stronger;
`countersign settings` explains each.

Exit codes: 0 done, 1 failed, 2 wrong usage or settings.";

/// OAuth2 for your web API: logins, tokens and a docs page, in one program with its database inside.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::Dev),
    Serve(serve::Serve),
    User(user::User),
    Grant(grant::GrantCommand),
    Client(client::ClientCommand),
    Key(key::Key),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Migrate(migrate::Migrate),
    Openapi(openapi::Openapi),
    Explain(explain::Explain),
    Doctor(doctor::Doctor),
    Settings(settings::Reference),
}

/// Reads the command line, does what it says, and returns the exit code.
pub(crate) fn run() -> ExitCode {
    // Wrong usage ends here, with exit code 2 and clap's own words.
    let cli = Cli::parse();
    let done = tokio::runtime::Runtime::new().map_err(Into::into).and_then(|runtime| runtime.block_on(obey(cli)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn obey(cli: Cli) -> Outcome {
    let Cli { command, global } = cli;
    match command {
        Command::Dev(dev) => dev.run(&global).await,
        Command::Serve(serve) => serve.run(&global).await,
        Command::User(user) => user.run(&global).await,
        Command::Grant(grant) => grant.run(&global).await,
        Command::Client(client) => client.run(&global).await,
        Command::Key(key) => key.run(&global).await,
        Command::Backup(backup) => backup.run(&global).await,
        Command::Restore(restore) => restore.run(&global).await,
        Command::Migrate(migrate) => migrate.run(&global).await,
        Command::Openapi(openapi) => openapi.run(&global).await,
        Command::Explain(explain) => explain.run(&global).await,
        Command::Doctor(doctor) => doctor.run(&global).await,
        Command::Settings(settings) => settings.run(),
    }
}

/// Opens the database for a command that works while the server runs.
async fn open_existing(settings: &Settings) -> Result<Database, Failure> {
    store::open_existing(settings.database.as_str()).await
}

/// What the settings lead to, read before anything is opened.
struct Ready {
    keys: KeySettings,
    blocklist: Option<BlocklistFile>,
    place: Place,
}

impl Ready {
    /// Checks all settings, and reads what they name.
    ///
    /// # Errors
    /// What keeps the server from starting, but for the database and who else listens.
    async fn check(settings: &Settings) -> Result<Self, Failure> {
        settings.configure(OAuth2::new(Memory::new()))?.check().map_err(Problem::Library)?;
        let keys = settings.keys()?;
        let blocklist = settings.blocklist()?;
        let place = Place::find(settings).await?;
        if let Some(listen) = &settings.metrics_listen {
            place.check_metrics(listen).await?;
        }
        Ok(Self { keys, blocklist, place })
    }
}

/// Checks all settings, and only then starts the log and opens the database. Nothing listens yet.
async fn open(settings: &Settings) -> Result<(OAuth2, Place), Failure> {
    let Ready { keys, blocklist, place } = Ready::check(settings).await?;
    let watch = Watch::start(settings)?;
    if settings.developer_mode == Switch::On && place.others_reach_it(settings) {
        tracing::warn!(
            event = "start",
            outcome = "unsafe",
            "developer mode is on where others can reach it: it tells whoever forges a token which step found it out; \
             the setting developer_mode turns it off"
        );
    }
    let store = store::open(settings.database.as_str()).await?;
    let mut builder = settings.configure(OAuth2::new(store))?.signing(keys.signing);
    if let Some(encryption) = keys.encryption {
        builder = builder.key_encryption(encryption);
    }
    if let Some(blocklist) = blocklist {
        tracing::info!(
            event = "blocklist",
            outcome = "loaded",
            loaded = blocklist.loaded(),
            "there is a list of known passwords, which nobody may set"
        );
        builder = builder.password_blocklist(blocklist);
    }
    let oauth2 = builder.build().await?;
    Ok((oauth2, place.watched_by(watch)))
}
