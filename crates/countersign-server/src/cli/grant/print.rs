//! Logins as people and programs read them; nothing of a token is in either.

use countersign::{ResourceOwner, core::grant_record::Grant};
use serde_json::{Value, json};

use crate::{
    announce,
    cli::print::{self, utc},
    failure::Outcome,
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

    /// All of these.
    pub(super) fn logins(self, logins: &[Login]) -> Outcome {
        match self {
            Self::Json => {
                let logins: Vec<_> = logins.iter().map(as_json).collect();
                announce::line(&serde_json::to_string_pretty(&logins)?)
            }
            Self::Human => announce::line(&table(logins)),
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

fn table(logins: &[Login]) -> String {
    let rows = logins.iter().map(|Login { username, grant }| {
        [
            grant.id.to_string(),
            username.clone().unwrap_or_default(),
            grant.client_id.to_string(),
            utc(grant.created_at),
            utc(grant.used_at),
            utc(grant.expires_at()),
            grant.scope.to_string(),
        ]
    });
    print::table(["ID", "USER", "CLIENT ID", "CREATED", "LAST USED", "EXPIRES", "SCOPES"], rows)
}
