//! `countersign backup`: a copy of the database, while the server runs or not.

use std::path::{Path, PathBuf};

use countersign_sql::Copied;
use serde_json::json;

use crate::{
    announce,
    config::{Global, LogLevel},
    failure::Outcome,
    store, telemetry,
};

/// Copy the database into a new file; works while the server runs, and holds nobody up.
///
/// The copy is of one moment, checked, and readable by its owner alone. It has the hashes of all passwords, and the private
/// keys: treat it like the database.
#[derive(Debug, clap::Args)]
pub(super) struct Backup {
    /// The file to make. One that is there is never overwritten.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Backup {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let settings = global.load([])?;
        telemetry::start(settings.log_format, LogLevel::Warn);
        let copied = store::back_up(settings.database.as_str(), &self.file).await?;
        announce::line(&match self.json {
            true => serde_json::to_string_pretty(&as_json(&self.file, copied))?,
            false => in_words(&self.file, copied),
        })
    }
}

fn as_json(file: &Path, copied: Copied) -> serde_json::Value {
    let Copied { bytes, owners, clients, grants, private_keys, plain_keys } = copied;
    json!({
        "file": file.to_string_lossy(),
        "bytes": bytes,
        "users": owners,
        "clients": clients,
        "grants": grants,
        "private_keys": private_keys,
        "plain_keys": plain_keys,
    })
}

fn in_words(file: &Path, copied: Copied) -> String {
    let Copied { bytes, owners, clients, grants, private_keys, plain_keys } = copied;
    let mut text = format!(
        "{} is whole: users: {owners}, clients: {clients}, logins: {grants}, private keys: {private_keys}; {bytes} bytes",
        file.display()
    );
    if plain_keys > 0 {
        text.push_str(
            "\nWarning: its private keys are not encrypted. Whoever can read the file can sign tokens; the setting \
             key_encryption_key_file changes that.",
        );
    }
    text
}
