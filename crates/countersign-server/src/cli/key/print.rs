//! Keys as people and programs read them; a private half is in neither.

use countersign::{
    Timestamp,
    core::{
        key::KeyState,
        store::{KeyRecord, RestingKey},
    },
};
use serde_json::{Value, json};

use crate::{announce, failure::Outcome};

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
        let until = self.record.verifies_until.map_or_else(String::new, time);
        let key = &self.record;
        [key.id.to_string(), key.algorithm.to_string(), name(self.state).to_owned(), time(key.signs_from), until]
    }
}

const fn name(state: KeyState) -> &'static str {
    match state {
        KeyState::Next => "next",
        KeyState::Signing => "signing",
        KeyState::Verifying => "verifying",
        KeyState::Retired => "retired",
        KeyState::Withdrawn => "withdrawn",
    }
}

fn table(keys: &[Shown]) -> String {
    let head = ["KID", "ALGORITHM", "STATE", "SIGNS FROM", "VERIFIES UNTIL"].map(ToOwned::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(keys.iter().map(Shown::row)).collect();
    let mut widths = [0; 5];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let lines = rows.iter().map(|row| {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A moment in UTC as people read it (RFC 3339).
pub(super) fn time(moment: Timestamp) -> String {
    const SECONDS_OF_A_DAY: i64 = 24 * 60 * 60;
    let (days, second) = (moment.seconds().div_euclid(SECONDS_OF_A_DAY), moment.seconds().rem_euclid(SECONDS_OF_A_DAY));
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// The date of a day since 1970, in the Gregorian calendar: years begin in March here, so that a leap day is the last of
/// its year, and 400 years are a cycle of 146,097 days.
fn date(days_since_1970: i64) -> (i64, i64, i64) {
    const CYCLE: i64 = 146_097;
    /// From the first of March of the year 0 to 1970.
    const BEFORE_1970: i64 = 719_468;
    let days = days_since_1970.saturating_add(BEFORE_1970);
    let (cycle, day) = (days.div_euclid(CYCLE), days.rem_euclid(CYCLE));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (cycle * 400 + year + i64::from(month <= 2), month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_by_the_calendar() {
        for (seconds, told) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_800_000_000, "2027-01-15T08:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(time(Timestamp::from_seconds(seconds)), told);
        }
    }
}
