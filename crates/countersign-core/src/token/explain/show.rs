//! How findings are shown: what strangers wrote is escaped and shortened, and the table is aligned.

use std::fmt;

use super::{Explanation, Verdict};
use crate::clock::Timestamp;

/// The longest value that is shown, in characters.
const MAX_SHOWN: usize = 200;

/// The most values of a list that are shown.
const MAX_LISTED: usize = 10;

/// The widest column: longer values push the rest of their line aside.
const MAX_WIDTH: usize = 48;

/// A stranger's text: every character but the printable ones of ASCII escaped, so that none can move a cursor, reverse
/// a line or pass for another.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars().take(MAX_SHOWN) {
        match character {
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(character),
            other => out.extend(other.escape_unicode()),
        }
    }
    let more = text.chars().count().saturating_sub(MAX_SHOWN);
    if more > 0 {
        out.push_str(&format!("... and {more} more"));
    }
    if out.is_empty() { "\"\"".to_owned() } else { out }
}

pub(super) fn list(mut values: impl Iterator<Item = String>) -> String {
    let first: Vec<_> = values.by_ref().take(MAX_LISTED).collect();
    match (first.is_empty(), values.count()) {
        (true, _) => "no key is known".to_owned(),
        (false, 0) => first.join(", "),
        (false, more) => format!("{}, and {more} more", first.join(", ")),
    }
}

/// How far a moment is from now.
pub(super) fn apart(moment: Timestamp, now: Timestamp) -> String {
    match moment.seconds().saturating_sub(now.seconds()) {
        0 => "now".to_owned(),
        ahead @ 1.. => format!("in {ahead} s"),
        behind => format!("{} s ago", behind.unsigned_abs()),
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Holds => "holds",
            Self::Fails => "FAILS",
            Self::Unknown => "?",
        })
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |of: fn(&super::Finding) -> usize| self.findings.iter().map(of).max().unwrap_or(0).min(MAX_WIDTH);
        let (what, found) = (width(|finding| finding.what.len()), width(|finding| finding.found.len()));
        for finding in &self.findings {
            let super::Finding { what: name, expected, found: value, verdict, advice } = finding;
            writeln!(f, "{verdict:<5}  {name:<what$}  {value:<found$}  expected: {expected}")?;
            if let Some(advice) = advice {
                writeln!(f, "{:<5}  {:<what$}  {advice}", "", "")?;
            }
        }
        match self.reason {
            Some(reason) => writeln!(f, "refused: {reason}"),
            None if self.findings.iter().any(|finding| finding.verdict == Verdict::Unknown) => {
                writeln!(f, "nothing speaks against it, as far as can be said")
            }
            None => writeln!(f, "accepted"),
        }
    }
}
