//! `countersign openapi`: the API's document, without a database.

use std::num::NonZeroUsize;

use countersign::{Memory, OAuth2, core::password::HashingSettings};

use crate::{
    announce,
    config::{Global, LogLevel},
    failure::Outcome,
    telemetry,
};

/// Print the OpenAPI document.
#[derive(Debug, clap::Args)]
pub(super) struct Openapi {}

impl Openapi {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let settings = global.load([])?;
        telemetry::start(settings.log_format, LogLevel::Warn);
        let hashing = HashingSettings { threads: NonZeroUsize::MIN, ..HashingSettings::default() };
        let oauth2 = settings.configure(OAuth2::new(Memory::new()))?.hashing(hashing).build().await?;
        announce::line(&oauth2.router().openapi()?)
    }
}
