//! `countersign grant`: what an operator does with the logins of users, while the server runs or not.

mod print;

use clap::{Args, Subcommand};
use countersign::{
    Clock as _, GrantId, ResourceOwner, ResourceOwners as _, Username,
    core::{
        clock::System,
        grant_record::Grant,
        store::{Found, Grants as _, OwnerRegistry as _},
    },
};

use self::print::{Login, Output};
use super::{open_existing, user::find};
use crate::{
    config::{Global, LogLevel},
    failure::{Failure, Outcome},
    store::Database,
    telemetry,
};

/// How many users, and how many grants of each, are read at a time.
const PAGE: usize = 500;

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
    Revoke(Revoke),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Revoke {
    /// The login, as `countersign grant list` names it.
    #[arg(allow_hyphen_values = true)]
    id: Option<String>,
    /// All logins of this user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

impl GrantCommand {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let settings = global.load([])?;
        // What ends a login is an event of the log.
        let level = if matches!(self.verb, Verb::Revoke(_)) { settings.log_level } else { LogLevel::Warn };
        telemetry::start(settings.log_format, level);
        let output = Output::new(self.json);
        let store = open_existing(&settings).await?;
        match self.verb {
            Verb::List { user: Some(name) } => output.logins(&logins_of(&store, &find(&store, &name).await?).await?),
            Verb::List { user: None } => output.logins(&all_logins(&store).await?),
            Verb::Revoke(Revoke { id: Some(id), .. }) => revoke(&store, &GrantId::new(id), output).await,
            Verb::Revoke(Revoke { user, .. }) => revoke_all(&store, &user.unwrap_or_default(), output).await,
        }
    }
}

async fn all_logins(store: &Database) -> Result<Vec<Login>, Failure> {
    let (mut logins, mut last): (_, Option<Username>) = (Vec::new(), None);
    loop {
        let owners = store.list_owners(last.as_ref(), PAGE).await?;
        for owner in &owners {
            logins.extend(logins_of(store, owner).await?);
        }
        match owners.last().filter(|_| owners.len() == PAGE) {
            Some(owner) => last = Some(owner.username.clone()),
            None => return Ok(logins),
        }
    }
}

async fn logins_of(store: &Database, owner: &ResourceOwner) -> Result<Vec<Login>, Failure> {
    let now = System.now();
    let mut grants: Vec<Grant> = Vec::new();
    loop {
        let page = store.list_grants(&owner.subject, grants.last().map(|last| &last.id), PAGE).await?;
        let full = page.len() == PAGE;
        grants.extend(page);
        if !full {
            break;
        }
    }
    let alive = grants.into_iter().filter(|grant| grant.expires_at() > now);
    Ok(alive.map(|grant| Login { username: Some(owner.username.to_string()), grant }).collect())
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
    let ended = store.revoke_grants_of(&owner.subject).await?;
    tracing::info!(event = "revocation", outcome = "done", what = "grants", by = "operator", subject = %owner.subject,
        ended, "an operator ended the grants of a user");
    output.all_ended(&owner, ended)
}
