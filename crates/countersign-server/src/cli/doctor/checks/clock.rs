//! Whether the clock can be right: by what was written before, by when the program was built, by another's clock.

use countersign::{Clock as _, Timestamp, core::clock::System};

use crate::cli::{
    doctor::finding::{Check, Finding},
    explain::{IssuerUrl, fetch_date},
    print::{seconds_of, utc},
};

/// When the program was built, in seconds since 1970.
const BUILT_AT: &str = env!("BUILT_AT_SECONDS");

/// How far clocks are apart that are set by the network, with a second for the answer.
const USUAL_SECONDS: u64 = 5;

/// The longest leeway there is.
const MOST_SECONDS: u64 = 60;

const CHANGE: &str = "set the clock, and let it be kept by the network (`timedatectl set-ntp true`)";

/// Our own clock, by what it said before.
pub(super) fn here(now: Timestamp, newest: Option<Timestamp>) -> Finding {
    let built = Timestamp::from_seconds(BUILT_AT.parse().unwrap_or_default());
    judge(now, newest, built)
}

fn judge(now: Timestamp, newest: Option<Timestamp>, built: Timestamp) -> Finding {
    if now < built {
        let found = format!("it is {} here, before this program was built at {}", utc(now), utc(built));
        return Check::Clock.problem(found, CHANGE);
    }
    match newest {
        Some(newest) if newest.seconds().saturating_sub(now.seconds()) > MOST_SECONDS as i64 => Check::Clock
            .problem(format!("it is {} here, and something was written at {}", utc(now), utc(newest)), CHANGE),
        Some(_) => Check::Clock.fine(format!("it is {} here, after all that was written", utc(now))),
        // Nothing was written, or it cannot be read.
        None => Check::Clock.fine(format!("it is {} here", utc(now))),
    }
}

/// Our clock against another's.
pub(super) async fn elsewhere(url: &IssuerUrl) -> Finding {
    let date = fetch_date(url).await;
    let now = System.now();
    match date {
        Err(failure) => Check::ClockElsewhere.problem(failure.message(), "give a --url that answers"),
        Ok(date) => match date.as_deref().and_then(read_date) {
            Some(there) => compare(now, there),
            None => Check::ClockElsewhere.problem("the answer has no date that can be read", "give another --url"),
        },
    }
}

fn compare(now: Timestamp, there: Timestamp) -> Finding {
    let apart = now.seconds().abs_diff(there.seconds());
    let found = format!("it is {} here and {} there", utc(now), utc(there));
    match () {
        () if apart <= USUAL_SECONDS => Check::ClockElsewhere.fine(found),
        () if apart <= MOST_SECONDS => Check::ClockElsewhere.advice(found, CHANGE),
        () => Check::ClockElsewhere.problem(found, CHANGE),
    }
}

/// A date as servers write it (RFC 9110 §5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`. The day of the week is not read.
fn read_date(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.split_once(", ")?;
    let [day, month, year, time, "GMT"] = rest.split(' ').collect::<Vec<_>>()[..] else { return None };
    let [hour, minute, second] = time.split(':').collect::<Vec<_>>()[..] else { return None };
    let number = |text: &str, length: usize| -> Option<i64> {
        (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
    };
    let month = MONTHS.iter().position(|name| *name == month)?;
    let (month, date) = (i64::try_from(month + 1).ok()?, (number(year, 4)?, number(day, 2)?));
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    let moment = Timestamp::from_seconds(seconds_of((date.0, month, date.1)) + hour * 3600 + minute * 60 + second);
    // What is no date of the calendar is another when it is written again.
    let again = format!("{:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", date.0, date.1);
    (utc(moment) == again).then_some(moment)
}

#[cfg(test)]
mod tests {
    use super::{super::super::finding::Severity, *};

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn at(difference: i64) -> Timestamp {
        Timestamp::from_seconds(NOW.seconds() + difference)
    }

    #[test]
    fn n6_a_clock_behind_what_was_written_is_wrong() {
        for (newest, severity) in [
            (None, Severity::Fine),
            (Some(at(-1)), Severity::Fine),
            (Some(at(60)), Severity::Fine),
            (Some(at(61)), Severity::Problem),
            (Some(Timestamp::from_seconds(i64::MAX)), Severity::Problem),
        ] {
            let found = judge(NOW, newest, at(-100));
            assert_eq!(found.severity, severity, "{newest:?}");
            let is_held_against = newest.is_some() && severity == Severity::Fine;
            assert_eq!(found.found.contains("after all that was written"), is_held_against, "{found:?}");
        }
    }

    #[test]
    fn a_clock_before_the_program_was_built_is_wrong() {
        assert_eq!(judge(NOW, None, NOW).severity, Severity::Fine);
        assert_eq!(judge(NOW, None, at(1)).severity, Severity::Problem);
        assert_eq!(here(System.now(), None).severity, Severity::Fine);
        assert_eq!(here(Timestamp::from_seconds(1_700_000_000), None).severity, Severity::Problem);
    }

    #[test]
    fn two_clocks_may_be_a_little_apart() {
        for (difference, severity) in [
            (0, Severity::Fine),
            (5, Severity::Fine),
            (-5, Severity::Fine),
            (6, Severity::Advice),
            (-60, Severity::Advice),
            (61, Severity::Problem),
            (-61, Severity::Problem),
        ] {
            assert_eq!(compare(NOW, at(difference)).severity, severity, "{difference}");
        }
    }

    #[test]
    fn a_date_is_read_as_servers_write_it() {
        let seconds = |text| read_date(text).map(Timestamp::seconds);
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds("Fri, 15 Jan 2027 08:00:00 GMT"), Some(1_800_000_000));
        assert_eq!(seconds("Tue, 29 Feb 2000 00:00:00 GMT"), Some(951_782_400));
        for other in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Thu, 29 Feb 2001 00:00:00 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 99999 08:49:37 GMT",
        ] {
            assert_eq!(seconds(other), None, "{other:?}");
        }
    }
}
