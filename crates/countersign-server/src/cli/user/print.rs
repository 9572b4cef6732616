//! Users as people and programs read them; a hash is in neither.

use countersign::{ResourceOwner, User};

use crate::{
    announce,
    cli::{
        pages::{Take, print_array, print_table},
        print::yes_or_no,
    },
    failure::Outcome,
    telemetry::one_line,
};

/// For whom to print.
#[derive(Clone, Copy, Debug)]
pub(super) enum Output {
    Human,
    Json,
}

impl Output {
    pub(super) const fn new(json: bool) -> Self {
        if json { Self::Json } else { Self::Human }
    }

    /// One user.
    pub(super) fn user(self, owner: ResourceOwner) -> Outcome {
        let user = User::from(owner);
        match self {
            Self::Json => announce::line(&serde_json::to_string_pretty(&user)?),
            Self::Human => {
                let rows = [
                    ("name", user.username),
                    ("full name", user.full_name.unwrap_or_default()),
                    ("e-mail", user.email.unwrap_or_default()),
                    ("disabled", yes_or_no(user.disabled)),
                    ("scopes", user.scopes.join(" ")),
                    ("subject", user.sub),
                ];
                let lines = rows.map(|(name, value)| format!("{name:<10} {}", one_line(&value)).trim_end().to_owned());
                announce::line(&lines.join("\n"))
            }
        }
    }

    /// All users, as they are read.
    pub(super) async fn users(self, read: impl AsyncFn(&mut Take<'_, ResourceOwner>) -> Outcome) -> Outcome {
        match self {
            Self::Json => print_array(read, |owner| serde_json::to_string_pretty(&User::from(owner))).await,
            Self::Human => print_table(HEAD, read, row).await,
        }
    }

    /// A user to whom something was done.
    pub(super) fn done(self, owner: ResourceOwner, what: &str) -> Outcome {
        match self {
            Self::Json => self.user(owner),
            Self::Human => announce::line(&format!("{} {what}", owner.username)),
        }
    }
}

const HEAD: [&str; 5] = ["NAME", "FULL NAME", "E-MAIL", "DISABLED", "SCOPES"];

fn row(owner: ResourceOwner) -> [String; 5] {
    let user = User::from(owner);
    [
        user.username,
        user.full_name.unwrap_or_default(),
        user.email.unwrap_or_default(),
        yes_or_no(user.disabled),
        user.scopes.join(" "),
    ]
}
