//! `countersign user`: what an operator does with the table of users, while the server runs or not.

mod add;
mod password;
mod print;

use clap::{Args, Subcommand};
use countersign::{
    OwnerStatus, ResourceOwner, ResourceOwners as _, Username,
    core::{
        clock::{Clock as _, System},
        store::{Found, OwnerRegistry as _},
    },
};

pub(super) use self::add::read_scope;
use self::{password::PasswordSource, print::Output};
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

/// Add, show and change users; works while the server runs.
#[derive(Debug, Args)]
pub(super) struct User {
    #[command(subcommand)]
    verb: Verb,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Add(add::Add),
    /// List all users.
    List,
    /// Show a user; never the password's hash.
    Show(Name),
    /// Set the password of a user; asks for it.
    SetPassword(SetPassword),
    /// Disable a user: no more logins, and those that there are end, in a running server within a second.
    Disable(Name),
    /// Enable a user who was disabled.
    Enable(Name),
    /// Remove a user for good.
    Remove(Name),
}

#[derive(Debug, Args)]
struct Name {
    /// The user name.
    name: String,
}

#[derive(Debug, Args)]
struct SetPassword {
    /// The user name.
    name: String,
    #[command(flatten)]
    password: PasswordSource,
}

impl User {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let settings = global.load([])?;
        // What is done to a user is an event of the log.
        let level = if self.verb.changes() { settings.log_level } else { LogLevel::Warn };
        telemetry::start(settings.log_format, level);
        let output = Output::new(self.json);
        match self.verb {
            Verb::Add(add) => add.run(&settings, output).await,
            Verb::List => {
                let store = open_existing(&settings).await?;
                output.users(async |take: &mut Take<'_, _>| read_all(&store, take).await).await
            }
            Verb::Show(name) => output.user(find(&open_existing(&settings).await?, &name.name).await?),
            Verb::SetPassword(set) => set.run(&settings, output).await,
            Verb::Disable(name) => set_status(&settings, &name.name, OwnerStatus::Disabled, output).await,
            Verb::Enable(name) => set_status(&settings, &name.name, OwnerStatus::Active, output).await,
            Verb::Remove(name) => remove(&settings, &name.name, output).await,
        }
    }
}

impl Verb {
    const fn changes(&self) -> bool {
        !matches!(self, Self::List | Self::Show(_))
    }
}

/// Tells the log what an operator did to a user.
fn log(owner: &ResourceOwner, what: &'static str) {
    tracing::info!(event = "user", outcome = "done", what, by = "operator", subject = %owner.subject, "a user was changed");
}

impl SetPassword {
    async fn run(self, settings: &Settings, output: Output) -> Outcome {
        self.password.check()?;
        let store = open_existing(settings).await?;
        let owner = find(&store, &self.name).await?;
        let hash = self.password.read(settings, &password::context(settings, &owner)).await?;
        found(store.set_password(&owner.subject, &hash, System.now()).await?, &owner.username)?;
        log(&owner, "password_set");
        output.done(find(&store, &self.name).await?, "has a new password")
    }
}

/// Reads all users, in pages.
async fn read_all(store: &Database, take: &mut Take<'_, ResourceOwner>) -> Outcome {
    let mut last: Option<Username> = None;
    loop {
        let page = store.list_owners(last.as_ref(), PAGE).await?;
        last = page.last().filter(|_| page.len() == PAGE).map(|owner| owner.username.clone());
        if take(page)?.is_break() || last.is_none() {
            return Ok(());
        }
    }
}

async fn set_status(settings: &Settings, name: &str, status: OwnerStatus, output: Output) -> Outcome {
    let store = open_existing(settings).await?;
    let owner = find(&store, name).await?;
    found(store.set_status(&owner.subject, status, System.now()).await?, &owner.username)?;
    let (event, what) = match status {
        OwnerStatus::Active => ("enabled", "is enabled"),
        OwnerStatus::Disabled => ("disabled", "is disabled"),
    };
    log(&owner, event);
    output.done(find(&store, name).await?, what)
}

async fn remove(settings: &Settings, name: &str, output: Output) -> Outcome {
    let store = open_existing(settings).await?;
    let owner = find(&store, name).await?;
    found(store.remove_owner(&owner.subject, System.now()).await?, &owner.username)?;
    log(&owner, "removed");
    output.done(owner, "is removed")
}

pub(super) async fn find(store: &Database, name: &str) -> Result<ResourceOwner, Failure> {
    let username = Username::parse(name)?;
    store.find_by_username(&username).await?.ok_or_else(|| nobody(&username))
}

fn found(found: Found, username: &Username) -> Outcome {
    match found {
        Found::Yes => Ok(()),
        // Removed by somebody else since we looked.
        Found::No => Err(nobody(username)),
    }
}

fn nobody(username: &Username) -> Failure {
    Failure::failed(format!("there is no user named {username}")).hint("`countersign user list` shows who there is")
}
