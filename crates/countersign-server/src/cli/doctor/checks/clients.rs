//! How registered clients prove who they are.

use crate::cli::doctor::{
    database::Clients,
    finding::{Check, Finding},
};

pub(super) fn find(clients: &Clients) -> [Finding; 3] {
    let Clients { with_secret, with_replaced_secret, disabled, .. } = clients;
    let shared = match with_secret.count {
        0 => Check::SharedSecrets.fine("no client has one"),
        count => Check::SharedSecrets.advice(
            format!("clients that prove who they are by a secret: {count} ({with_secret})"),
            "`countersign client add … --jwks FILE` for those that can sign (private_key_jwt)",
        ),
    };
    let replaced = match with_replaced_secret.count {
        0 => Check::ReplacedSecrets.fine("none goes on for more than a week"),
        count => Check::ReplacedSecrets.advice(
            format!("clients with one that goes on for more than a week: {count} ({with_replaced_secret})"),
            "`countersign client rotate-secret ID --overlap …` with a shorter time, once more",
        ),
    };
    let disabled = match disabled.count {
        0 => Check::DisabledClients.fine("none"),
        count => Check::DisabledClients
            .advice(format!("{count} ({disabled})"), "`countersign client remove ID` for those that do not come back"),
    };
    [shared, replaced, disabled]
}
