//! `countersign key`: what an operator does with the keys that tokens are signed with, while the server runs or not.

mod print;

use clap::{Args, Subcommand};
use countersign::{
    SigningChoice,
    core::{
        clock::{Clock as _, System},
        jose::Algorithm,
        key::{KeySettings, LiveKeys, Made, states},
        names::KeyId,
        store::{Found, KeyRecord, Keys as _},
    },
};

use self::print::{Output, Shown};
use super::open_existing;
use crate::{
    cli::print::utc,
    config::{Global, LogLevel},
    failure::{Failure, Outcome},
    store::Database,
    telemetry,
};

/// Show, rotate and withdraw the keys that tokens are signed with; works while the server runs.
#[derive(Debug, Args)]
pub(super) struct Key {
    #[command(subcommand)]
    verb: Verb,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the keys; never their private halves.
    List,
    /// Make the next key. It signs in some ten minutes, once all who verify tokens can know it; no token is refused.
    Rotate,
    /// Withdraw a key that leaked: what it signed is refused, within a second wherever the database is. Another signs at
    /// once. Other services that verify tokens believe it until they read the published keys again, or hear the feed.
    Withdraw(Name),
}

#[derive(Debug, Args)]
struct Name {
    /// The name of the key, the `kid` of its tokens.
    #[arg(allow_hyphen_values = true)]
    kid: String,
}

impl Key {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let settings = global.load([])?;
        // What changes the keys is an event of the log.
        let level = if self.verb.changes() { settings.log_level } else { LogLevel::Warn };
        telemetry::start(settings.log_format, level);
        let of_keys = settings.keys()?;
        let store = open_existing(&settings).await?;
        let output = Output::new(self.json);
        match self.verb {
            Verb::List => output.keys(&shown(&store, &of_keys).await?),
            Verb::Rotate => rotate(&store, of_keys, output).await,
            Verb::Withdraw(name) => withdraw(&store, of_keys, &KeyId::new(name.kid), output).await,
        }
    }
}

impl Verb {
    const fn changes(&self) -> bool {
        !matches!(self, Self::List)
    }
}

async fn rotate(store: &Database, settings: KeySettings, output: Output) -> Outcome {
    let live = LiveKeys::open(store, settings.clone(), &System).await?;
    let next = live.rotate(store, &System).await?;
    let what = match next.made {
        Made::Now => "is made, and signs",
        Made::Before => "was made before, and signs",
    };
    output.done(&find(store, &settings, &next.id).await?, &format!("{what} from {}", utc(next.signs_from)))
}

async fn withdraw(store: &Database, settings: KeySettings, id: &KeyId, output: Output) -> Outcome {
    // Before anything is made that a name with a slip would not need.
    let found = find(store, &settings, id).await?;
    let live = LiveKeys::open(store, settings.clone(), &System).await?;
    if live.withdraw(store, &found.record.id, &System).await? == Found::No {
        return Err(unknown());
    }
    let signing = live.ring().signing_id(System.now()).map(ToString::to_string);
    let rest = signing.map_or_else(String::new, |signing| format!("; {signing} signs"));
    output.done(&find(store, &settings, id).await?, &format!("is withdrawn{rest}"))
}

/// All keys, each with what it is for.
async fn shown(store: &Database, settings: &KeySettings) -> Result<Vec<Shown>, Failure> {
    let records: Vec<KeyRecord> = store.find_keys().await?;
    let signing = match &settings.signing {
        SigningChoice::KeyPair(algorithm) => Some(Algorithm::from(*algorithm)),
        SigningChoice::Secret(_) => None,
    };
    let states = states(&records, signing, settings.token_life, System.now());
    Ok(records.into_iter().zip(states).map(|(record, state)| Shown { record, state }).collect())
}

async fn find(store: &Database, settings: &KeySettings, id: &KeyId) -> Result<Shown, Failure> {
    let found = shown(store, settings).await?.into_iter().find(|shown| shown.record.id == *id);
    found.ok_or_else(unknown)
}

fn unknown() -> Failure {
    Failure::failed("there is no such key, or it is withdrawn already").hint("`countersign key list` shows all")
}
