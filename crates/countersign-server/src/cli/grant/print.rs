//! Logins as people and programs read them; nothing of a token is in either.

use countersign::{
    ResourceOwner,
    core::{grant_record::Grant, store::Epoch},
};
use serde_json::{Value, json};

use crate::{
    announce,
    cli::{
        pages::{Take, print_array, print_table},
        print::utc,
    },
    config::Settings,
    failure::Outcome,
    store,
    telemetry::one_line,
};

/// For whom to print.
#[derive(Clone, Copy, Debug)]
pub(super) enum Output {
    Human,
    Json,
}

/// A grant, and whose it is.
#[derive(Debug)]
pub(super) struct Login {
    /// `None` if the user is gone.
    pub(super) username: Option<String>,
    pub(super) grant: Grant,
}

impl Output {
    pub(super) const fn new(json: bool) -> Self {
        if json { Self::Json } else { Self::Human }
    }

    /// All of these, as they are read.
    pub(super) async fn logins(self, read: impl AsyncFn(&mut Take<'_, Login>) -> Outcome) -> Outcome {
        match self {
            Self::Json => print_array(read, |login| serde_json::to_string_pretty(&as_json(&login))).await,
            Self::Human => print_table(HEAD, read, row).await,
        }
    }

    /// One that has ended.
    pub(super) fn ended(self, login: &Login) -> Outcome {
        match self {
            Self::Json => announce::line(&serde_json::to_string_pretty(&as_json(login))?),
            Self::Human => announce::line(&format!("{} has ended", one_line(login.grant.id.as_str()))),
        }
    }

    /// How many of a user have.
    pub(super) fn all_ended(self, owner: &ResourceOwner, ended: usize) -> Outcome {
        match self {
            Self::Json => {
                let told =
                    json!({ "sub": owner.subject.as_str(), "username": owner.username.as_str(), "ended": ended });
                announce::line(&serde_json::to_string_pretty(&told)?)
            }
            Self::Human => announce::line(&format!("{ended} logins of {} have ended", owner.username)),
        }
    }

    /// Those of everybody have, and the keys with them.
    pub(super) fn everything_ended(self, settings: &Settings, epoch: Epoch) -> Outcome {
        let Epoch { number, grants, opaque_tokens, one_time, keys } = epoch;
        match self {
            Self::Json => {
                let told = json!({
                    "database": settings.database.to_string(),
                    "ended_grants": grants,
                    "ended_opaque_tokens": opaque_tokens,
                    "ended_one_time": one_time,
                    "withdrawn_keys": keys,
                    "feed_number": number,
                });
                announce::line(&serde_json::to_string_pretty(&told)?)
            }
            Self::Human => {
                let who = match store::is_server(settings.database.as_str()) {
                    true => "A server that runs, or the next start, makes",
                    false => "The next start makes",
                };
                announce::line(&format!(
                    "What was issued until now is worth nothing: logins that ended: {grants}, opaque tokens: \
                     {opaque_tokens}, one-time codes: {one_time}, keys that were withdrawn: {keys}. {who} a key, and \
                     everybody logs in again. Users, their passwords and clients are as they were."
                ))
            }
        }
    }
}

fn as_json(Login { username, grant }: &Login) -> Value {
    json!({
        "id": grant.id.as_str(),
        "sub": grant.subject.as_str(),
        "username": username,
        "client_id": grant.client_id.as_str(),
        "scope": grant.scope.to_string(),
        "created_at": grant.created_at.seconds(),
        "last_used_at": grant.used_at.seconds(),
        "expires_at": grant.expires_at().seconds(),
    })
}

const HEAD: [&str; 7] = ["ID", "USER", "CLIENT ID", "CREATED", "LAST USED", "EXPIRES", "SCOPES"];

fn row(Login { username, grant }: Login) -> [String; 7] {
    [
        grant.id.to_string(),
        username.unwrap_or_default(),
        grant.client_id.to_string(),
        utc(grant.created_at),
        utc(grant.used_at),
        utc(grant.expires_at()),
        grant.scope.to_string(),
    ]
}
