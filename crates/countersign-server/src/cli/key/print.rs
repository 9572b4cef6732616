//! Keys as people and programs read them; a private half is in neither.

use countersign::{
    Timestamp,
    core::{
        key::KeyState,
        store::{KeyRecord, RestingKey},
    },
};
use serde_json::{Value, json};

use crate::{
    announce,
    cli::print::{self, utc},
    failure::Outcome,
};

/// For whom to print.
#[derive(Clone, Copy, Debug)]
pub(super) enum Output {
    Human,
    Json,
}

/// A key, with what it is for now.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) record: KeyRecord,
    pub(super) state: KeyState,
}

impl Output {
    pub(super) const fn new(json: bool) -> Self {
        if json { Self::Json } else { Self::Human }
    }

    /// All keys.
    pub(super) fn keys(self, keys: &[Shown]) -> Outcome {
        match self {
            Self::Json => {
                announce::line(&serde_json::to_string_pretty(&keys.iter().map(Shown::json).collect::<Vec<_>>())?)
            }
            Self::Human => announce::line(&table(keys)),
        }
    }

    /// A key to which something was done.
    pub(super) fn done(self, key: &Shown, what: &str) -> Outcome {
        match self {
            Self::Json => announce::line(&serde_json::to_string_pretty(&key.json())?),
            Self::Human => announce::line(&format!("{} {what}", key.record.id)),
        }
    }
}

impl Shown {
    fn json(&self) -> Value {
        let KeyRecord { id, algorithm, private_key, signs_from, verifies_until, withdrawn_at } = &self.record;
        json!({
            "kid": id.as_str(),
            "alg": algorithm.name(),
            "state": name(self.state),
            "signs_from": signs_from.seconds(),
            "verifies_until": verifies_until.map(Timestamp::seconds),
            "withdrawn_at": withdrawn_at.map(Timestamp::seconds),
            "encrypted": matches!(private_key, RestingKey::Sealed(_)),
        })
    }

    fn row(&self) -> [String; 5] {
        let until = self.record.verifies_until.map_or_else(String::new, utc);
        let key = &self.record;
        [key.id.to_string(), key.algorithm.to_string(), name(self.state).to_owned(), utc(key.signs_from), until]
    }
}

const fn name(state: KeyState) -> &'static str {
    match state {
        KeyState::Next => "next",
        KeyState::Signing => "signing",
        KeyState::Verifying => "verifying",
        KeyState::Retired => "retired",
        KeyState::Withdrawn => "withdrawn",
        KeyState::OfNewer => "unknown",
    }
}

fn table(keys: &[Shown]) -> String {
    print::table(["KID", "ALGORITHM", "STATE", "SIGNS FROM", "VERIFIES UNTIL"], keys.iter().map(Shown::row))
}
