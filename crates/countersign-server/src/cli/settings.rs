//! `countersign settings`: the reference page of the settings.

use crate::{announce, config::reference, failure::Outcome};

/// Explain every setting: meaning, default, and name in the file and the environment.
#[derive(Debug, clap::Args)]
pub(super) struct Reference {}

impl Reference {
    #[expect(clippy::unused_self, reason = "as its siblings")]
    pub(super) fn run(self) -> Outcome {
        announce::line(reference::page().trim_end())
    }
}
