//! `countersign openapi`: the API's document, or the audit of its routes, without a database.

use std::num::NonZeroUsize;

use countersign::{Memory, OAuth2, core::password::HashingSettings};

use crate::{
    announce, app,
    config::{Global, LogLevel},
    failure::Outcome,
    telemetry,
};

/// Print the OpenAPI document, or the audit of the routes.
#[derive(Debug, clap::Args)]
pub(super) struct Openapi {
    /// Print every route instead, those that the document does not tell of too: who may call it, and where that was said.
    #[arg(long)]
    audit: bool,
    /// Print the audit as JSON.
    #[arg(long, requires = "audit")]
    json: bool,
}

impl Openapi {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let settings = global.load([])?;
        telemetry::start(settings.log_format, LogLevel::Warn);
        let hashing = HashingSettings { threads: NonZeroUsize::MIN, ..HashingSettings::default() };
        let oauth2 = settings.configure(OAuth2::new(Memory::new()))?.hashing(hashing).build().await?;
        let routes = app::routes(&oauth2);
        let text = match self {
            Self { audit: false, .. } => routes.openapi()?,
            Self { json: true, .. } => serde_json::to_string_pretty(&routes.audit())?,
            Self { json: false, .. } => routes.audit().to_string(),
        };
        announce::line(text.trim_end())
    }
}
