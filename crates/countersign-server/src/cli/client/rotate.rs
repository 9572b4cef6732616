//! `countersign client rotate-secret`: a new secret beside the old one, for a while.

use std::time::Duration;

use clap::Args;
use countersign::core::{client::registry, clock::System};

use super::{find, open_existing, print::Output};
use crate::{config::Settings, failure::Outcome};

/// The longest that an old secret may go on: a quarter of a year, after which nobody is coming to replace it.
const MAX_OVERLAP: Duration = Duration::from_secs(90 * DAY);

const DAY: u64 = 24 * 60 * 60;

/// Make a new secret for a client, which is printed once; the old one goes on for a while.
#[derive(Debug, Args)]
pub(super) struct RotateSecret {
    /// The client identifier.
    #[arg(allow_hyphen_values = true)]
    id: String,
    /// How long the old secret is still good: a number and s, m, h or d. With 0 it ends now.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = read_duration)]
    overlap: Duration,
}

impl RotateSecret {
    pub(super) async fn run(self, settings: &Settings, output: Output) -> Outcome {
        let store = open_existing(settings).await?;
        let client = find(&store, &self.id).await?;
        let secret = registry::rotate_secret(&store, &client.id, self.overlap, &System, &System).await?;
        output.done(&find(&store, &self.id).await?, "has a new secret", Some(&secret))
    }
}

fn read_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.find(|character: char| !character.is_ascii_digit()) {
        Some(end) => text.split_at(end),
        None => (text, "s"),
    };
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => DAY,
        _ => return Err("it must be a number and s, m, h or d, such as 24h".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "it must begin with a whole number, such as 24h".to_owned())?;
    let duration = Duration::from_secs(number.saturating_mul(seconds));
    if duration > MAX_OVERLAP { Err("it must be 90 days at most".to_owned()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, seconds) in [("0", 0), ("90", 90), ("90s", 90), ("15m", 900), ("24h", 86_400), ("90d", 7_776_000)] {
            assert_eq!(read_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "h", "1w", "-1h", "1.5h", "1 h", "91d", "99999999999999999999s", "18446744073709551615d", "٣h"]
        {
            assert!(read_duration(bad).is_err(), "{bad}");
        }
    }
}
