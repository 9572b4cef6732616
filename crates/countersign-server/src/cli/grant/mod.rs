//! `countersign grant`: what an operator does with the logins of users, while the server runs or not.

mod print;

use std::ops::ControlFlow;

use clap::{Args, Subcommand};
use countersign::{
    Clock as _, GrantId, ResourceOwner, ResourceOwners as _, Username,
    core::{
        clock::System,
        store::{Found, Grants as _, OwnerRegistry as _},
    },
};

use countersign_sql::Restored;

use self::print::{Login, Output};
use super::{
    open_existing,
    pages::{PAGE, Take},
    user::find,
};
use crate::{
    config::{Global, LogLevel, Settings},
    failure::{Failure, Outcome},
    store::{self, Database},
    telemetry,
};

/// Show and end the logins of users; works while the server runs.
#[derive(Debug, Args)]
pub(super) struct GrantCommand {
    #[command(subcommand)]
    verb: Verb,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the logins of all users, or of one.
    List {
        /// Of this user alone.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// End a login, or all of a user: their tokens open nothing any more, in a running server within a second.
    ///
    /// Or those of everybody: then all tokens end, whoever they are of, and all keys are withdrawn. Users, their passwords
    /// and clients stay as they are. No server may have an SQLite file open for it; over PostgreSQL they may run.
    Revoke(Revoke),
}

#[derive(Debug, Args)]
struct Revoke {
    #[command(flatten)]
    which: Which,
    /// Everybody logs in again, and that is meant.
    #[arg(long, requires = "all", conflicts_with_all = ["id", "user"])]
    yes: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The login, as `countersign grant list` names it.
    #[arg(allow_hyphen_values = true)]
    id: Option<String>,
    /// All logins of this user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// All logins, tokens and keys there are; with --yes alone.
    #[arg(long, requires = "yes")]
    all: bool,
}

impl GrantCommand {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let settings = global.load([])?;
        // What ends a login is an event of the log.
        let level = if matches!(self.verb, Verb::Revoke(_)) { settings.log_level } else { LogLevel::Warn };
        telemetry::start(settings.log_format, level);
        let output = Output::new(self.json);
        if let Verb::Revoke(Revoke { which: Which { all: true, .. }, .. }) = self.verb {
            return revoke_everything(&settings, output).await;
        }
        let store = open_existing(&settings).await?;
        match self.verb {
            Verb::List { user: Some(name) } => {
                let owner = find(&store, &name).await?;
                output.logins(async |take: &mut Take<'_, _>| read_of(&store, &owner, take).await.map(drop)).await
            }
            Verb::List { user: None } => {
                output.logins(async |take: &mut Take<'_, _>| read_all(&store, take).await).await
            }
            Verb::Revoke(Revoke { which: Which { id: Some(id), .. }, .. }) => {
                revoke(&store, &GrantId::new(id), output).await
            }
            Verb::Revoke(Revoke { which, .. }) => revoke_all(&store, &which.user.unwrap_or_default(), output).await,
        }
    }
}

/// Reads the logins of all users, in pages.
async fn read_all(store: &Database, take: &mut Take<'_, Login>) -> Outcome {
    let mut last: Option<Username> = None;
    loop {
        let owners = store.list_owners(last.as_ref(), PAGE).await?;
        for owner in &owners {
            if read_of(store, owner, take).await?.is_break() {
                return Ok(());
            }
        }
        match owners.last().filter(|_| owners.len() == PAGE) {
            Some(owner) => last = Some(owner.username.clone()),
            None => return Ok(()),
        }
    }
}

/// Reads the logins of a user, in pages.
async fn read_of(
    store: &Database,
    owner: &ResourceOwner,
    take: &mut Take<'_, Login>,
) -> Result<ControlFlow<()>, Failure> {
    let (now, mut last) = (System.now(), None);
    loop {
        let page = store.list_grants(&owner.subject, last.as_ref(), PAGE).await?;
        last = page.last().filter(|_| page.len() == PAGE).map(|grant| grant.id.clone());
        let alive = page.into_iter().filter(|grant| grant.expires_at() > now);
        let taken = take(alive.map(|grant| Login { username: Some(owner.username.to_string()), grant }).collect())?;
        if taken.is_break() || last.is_none() {
            return Ok(taken);
        }
    }
}

async fn revoke(store: &Database, id: &GrantId, output: Output) -> Outcome {
    let unknown =
        || Failure::failed(format!("there is no login {id}")).hint("`countersign grant list` shows which there are");
    let grant = store.find_grant(id).await?.ok_or_else(unknown)?;
    let owner = store.find_by_subject(&grant.subject).await?;
    if store.revoke_grant(id).await? == Found::No {
        return Err(unknown());
    }
    tracing::info!(event = "revocation", outcome = "done", what = "grant", by = "operator", subject = %grant.subject,
        client = %grant.client_id, grant = %grant.id, "an operator ended a grant");
    output.ended(&Login { username: owner.map(|owner| owner.username.to_string()), grant })
}

async fn revoke_all(store: &Database, name: &str, output: Output) -> Outcome {
    let owner = find(store, name).await?;
    let ended = store.revoke_grants_of(&owner.subject, System.now()).await?;
    tracing::info!(event = "revocation", outcome = "done", what = "grants", by = "operator", subject = %owner.subject,
        ended, "an operator ended the grants of a user");
    output.all_ended(&owner, ended)
}

/// Begins an epoch, as a restore does: what was issued until now is worth nothing, and nobody can say what was.
async fn revoke_everything(settings: &Settings, output: Output) -> Outcome {
    let now = System.now();
    let Restored { epoch, newest_moment } = store::revoke_everything(settings.database.as_str(), now).await?;
    tracing::warn!(
        event = "revocation",
        outcome = "done",
        what = "everything",
        by = "operator",
        grants = epoch.grants,
        keys = epoch.keys,
        number = epoch.number,
        "an operator ended all that was issued"
    );
    if let Some(newest) = newest_moment.filter(|newest| *newest > now && settings.hs256_secret_file.is_some()) {
        tracing::warn!(
            event = "revocation",
            outcome = "secret_stays",
            newest_moment = newest.seconds(),
            "a clock was ahead once, and what it signed with the HS256 secret is good when its time comes: set another secret"
        );
    }
    output.everything_ended(settings, epoch)
}
