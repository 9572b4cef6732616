//! `countersign user add`: a new user.

use clap::Args;
use countersign::{
    OwnerStatus, ResourceOwner, Scope, Subject, Username,
    core::{
        clock::System,
        scope::ScopeToken,
        store::{Added, OwnerRegistry as _},
    },
};

use super::{
    password::{self, PasswordSource},
    print::Output,
};
use crate::{
    config::Settings,
    failure::{Failure, Outcome},
    store,
};

/// The longest full name and e-mail address, in bytes (RFC 5321 §4.5.3.1.3 bounds the latter).
const MAX_TEXT_BYTES: usize = 254;

/// Add a user; asks for the password.
#[derive(Debug, Args)]
pub(super) struct Add {
    /// The user name; letter case does not count.
    name: String,
    /// The name to show to people.
    #[arg(long, value_name = "TEXT", value_parser = read_text)]
    full_name: Option<String>,
    /// The e-mail address.
    #[arg(long, value_name = "ADDRESS", value_parser = read_email)]
    email: Option<String>,
    /// A scope that the user may grant. May be repeated, or name several with spaces between.
    #[arg(long = "scope", value_name = "SCOPE", value_parser = read_scope)]
    scopes: Vec<Scope>,
    /// The user may not log in before `countersign user enable`.
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    password: PasswordSource,
}

impl Add {
    pub(super) async fn run(self, settings: &Settings, output: Output) -> Outcome {
        self.password.check()?;
        let username = Username::parse(&self.name).map_err(|problem| Failure::usage(problem.to_string()))?;
        let store = store::open(settings.database.as_str()).await?;
        let taken = || Failure::failed(format!("there is a user named {username} already"));
        // Before anybody types a password twice for nothing; the addition itself decides.
        if super::find(&store, &self.name).await.is_ok() {
            return Err(taken());
        }
        let mut owner = ResourceOwner {
            subject: Subject::random(&System),
            username: username.clone(),
            full_name: self.full_name,
            email: self.email,
            scope: self.scopes.iter().flat_map(Scope::iter).cloned().collect::<Scope>(),
            status: if self.disabled { OwnerStatus::Disabled } else { OwnerStatus::Active },
            password_hash: None,
        };
        owner.password_hash = Some(self.password.read(settings, &password::context(settings, &owner)).await?);
        match store.add_owner(&owner).await? {
            Added::Yes => {
                tracing::info!(event = "user", outcome = "done", what = "added", by = "operator",
                    subject = %owner.subject, "a user was added");
                output.done(owner, "is added")
            }
            Added::NameTaken => Err(taken()),
        }
    }
}

fn read_text(text: &str) -> Result<String, String> {
    match text {
        _ if text.trim().is_empty() => Err("it is empty".to_owned()),
        _ if text.len() > MAX_TEXT_BYTES => Err(format!("it is longer than {MAX_TEXT_BYTES} bytes")),
        _ if text.chars().any(char::is_control) => Err("it has control characters".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// Nobody can tell an address that works from its looks; this keeps out what is plainly something else.
fn read_email(text: &str) -> Result<String, String> {
    let text = read_text(text)?;
    let plausible = text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    if plausible && !text.contains(char::is_whitespace) { Ok(text) } else { Err("it is no e-mail address".to_owned()) }
}

pub(in crate::cli) fn read_scope(text: &str) -> Result<Scope, String> {
    text.split(' ').map(|token| ScopeToken::parse(token).map_err(|problem| problem.to_string())).collect()
}
