//! Which grants are on, and for whom.

use crate::{
    cli::doctor::{
        database::Clients,
        finding::{Check, Finding},
    },
    config::{Settings, Switch},
};

pub(super) fn find(settings: &Settings) -> [Finding; 1] {
    [match settings.password_grant {
        Switch::Off => Check::PasswordGrant.fine("off"),
        Switch::On => Check::PasswordGrant.advice(
            "on",
            "password_grant = false where nobody logs in by a password here; else keep it to clients of your own \
             (docs/how-to/turn-off-the-password-grant.md)",
        ),
    }]
}

pub(super) fn in_database(settings: &Settings, clients: &Clients) -> [Finding; 1] {
    let public = &clients.public_with_password;
    [match settings.password_grant {
        Switch::Off => Check::PublicPasswordClients.fine("the password grant is off"),
        Switch::On if public.count == 0 => Check::PublicPasswordClients.fine("none is registered"),
        Switch::On => Check::PublicPasswordClients.advice(
            format!("public clients with the password grant: {} ({public})", public.count),
            "`countersign client add` without --public for those that can keep a secret, then `countersign client remove`",
        ),
    }]
}
