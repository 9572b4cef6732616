//! Whether the server starts with these settings.

use countersign::{Memory, OAuth2};

use crate::{
    cli::doctor::finding::{Check, Finding},
    config::{Problem, Settings},
    failure::Outcome,
    listen::Place,
};

pub(super) async fn find(settings: &Settings) -> Finding {
    match try_settings(settings).await {
        Ok(()) => Check::Start.fine("the settings are complete, and fit together"),
        Err(failure) => {
            Check::Start.problem(failure.message(), "what it says; `countersign settings` explains each setting")
        }
    }
}

/// As `serve` does before it opens the database.
async fn try_settings(settings: &Settings) -> Outcome {
    settings.configure(OAuth2::new(Memory::new()))?.check().map_err(Problem::Library)?;
    Place::find(settings).await.map(drop)
}
