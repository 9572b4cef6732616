//! Whether the server starts with these settings.

use crate::{
    cli::{
        Ready,
        doctor::finding::{Check, Finding},
    },
    config::Settings,
};

pub(super) async fn find(settings: &Settings) -> Finding {
    match Ready::check(settings).await {
        Ok(_) => Check::Start.fine("the settings are complete, and fit together"),
        Err(failure) => {
            Check::Start.problem(failure.message(), "what it says; `countersign settings` explains each setting")
        }
    }
}
