//! `countersign client`: what an operator does with the registry of clients, while the server runs or not.

mod add;
mod print;
mod rotate;

use std::time::Duration;

use clap::{Args, Subcommand};
use countersign::{
    Client, ClientId,
    core::{
        client::{
            ClientStatus,
            registry::{self, RegistryProblem},
        },
        clock::System,
        store::Clients as _,
    },
};

use self::print::Output;
use super::{
    open_existing,
    pages::{PAGE, Take},
};
use crate::{
    config::{Global, LogLevel, Settings},
    failure::{Failure, Outcome},
    store::Database,
    telemetry,
};

/// Add, show and change clients; works while the server runs.
#[derive(Debug, Args)]
pub(super) struct ClientCommand {
    #[command(subcommand)]
    verb: Verb,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Add(Box<add::Add>),
    /// List all clients.
    List,
    /// Show a client; never a secret or its hash.
    Show(Id),
    RotateSecret(rotate::RotateSecret),
    /// Disable a client: it gets no more tokens, and what was granted to it ends.
    Disable(Id),
    /// Enable a client that was disabled.
    Enable(Id),
    /// Remove a client for good, and what was granted to it.
    Remove(Id),
}

#[derive(Debug, Args)]
struct Id {
    /// The client identifier.
    #[arg(allow_hyphen_values = true)]
    id: String,
}

impl ClientCommand {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let settings = global.load([])?;
        // What changes the registry is an event of the log.
        let level = if self.verb.changes() { settings.log_level } else { LogLevel::Warn };
        telemetry::start(settings.log_format, level);
        let output = Output::new(self.json);
        match self.verb {
            Verb::Add(add) => add.run(&settings, output).await,
            Verb::List => {
                let store = open_existing(&settings).await?;
                output.clients(async |take: &mut Take<'_, _>| read_all(&store, take).await).await
            }
            Verb::Show(id) => output.client(&find(&open_existing(&settings).await?, &id.id).await?),
            Verb::RotateSecret(rotate) => rotate.run(&settings, output).await,
            Verb::Disable(id) => set_status(&settings, &id.id, ClientStatus::Disabled, output).await,
            Verb::Enable(id) => set_status(&settings, &id.id, ClientStatus::Active, output).await,
            Verb::Remove(id) => remove(&settings, &id.id, output).await,
        }
    }
}

impl Verb {
    const fn changes(&self) -> bool {
        !matches!(self, Self::List | Self::Show(_))
    }
}

/// Reads all clients, in pages.
async fn read_all(store: &Database, take: &mut Take<'_, Client>) -> Outcome {
    let mut last: Option<ClientId> = None;
    loop {
        let page = store.list_clients(last.as_ref(), PAGE).await?;
        last = page.last().filter(|_| page.len() == PAGE).map(|client| client.id.clone());
        if take(page)?.is_break() || last.is_none() {
            return Ok(());
        }
    }
}

async fn set_status(settings: &Settings, id: &str, status: ClientStatus, output: Output) -> Outcome {
    let store = open_existing(settings).await?;
    let client = find(&store, id).await?;
    registry::set_status(&store, &client.id, status, leeway(settings), &System).await?;
    let what = match status {
        ClientStatus::Active => "is enabled",
        ClientStatus::Disabled => "is disabled",
    };
    output.done(&find(&store, id).await?, what, None)
}

async fn remove(settings: &Settings, id: &str, output: Output) -> Outcome {
    let store = open_existing(settings).await?;
    let id = parse(id)?;
    let client = store.find_client(&id).await?;
    // Also one that is gone: a command that was killed may have left some of what it got.
    match registry::remove(&store, &id, leeway(settings), &System).await {
        Err(RegistryProblem::Unknown) => return Err(unknown(&id)),
        removed => removed?,
    }
    let client = client.ok_or_else(|| unknown(&id))?;
    output.done(&client, "is removed", None)
}

/// How far the server's clock may be apart from this machine's.
fn leeway(settings: &Settings) -> Duration {
    Duration::from_secs(settings.leeway.0.into())
}

async fn find(store: &Database, id: &str) -> Result<Client, Failure> {
    let id = parse(id)?;
    store.find_client(&id).await?.ok_or_else(|| unknown(&id))
}

fn parse(id: &str) -> Result<ClientId, Failure> {
    ClientId::parse(id).map_err(|problem| Failure::usage(problem.to_string()))
}

fn unknown(id: &ClientId) -> Failure {
    Failure::failed(format!("there is no client {id}")).hint("`countersign client list` shows which there are")
}
