//! What was measured, and what it says.

use serde_json::json;

use super::{kind::Kind, probe::Answer};
use crate::{
    cli::{
        doctor::statistics::{Comparison, MOST_T, RESAMPLES, Verdict, bound, median},
        print,
    },
    failure::{Failure, Outcome},
};

const NANOSECONDS_OF_A_MILLISECOND: f64 = 1e6;

/// What was measured.
#[derive(Debug)]
pub(super) struct Report {
    /// By the place of their kind.
    kinds: [Measured; Kind::ALL.len()],
    /// The first answer of the reference, or whichever came first.
    first: Option<Answer>,
    /// How long it took.
    pub(super) seconds: i64,
}

/// What was measured of a kind.
#[derive(Debug, Default)]
struct Measured {
    /// In nanoseconds, as they came.
    times: Vec<f64>,
    /// In what an answer first differed from the first of all.
    differs_in: Option<String>,
}

/// Whether all kinds look alike, in their time and in their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conclusion {
    Alike,
    Different,
    Undecided,
}

impl Conclusion {
    const fn name(self) -> &'static str {
        match self {
            Self::Alike => "alike",
            Self::Different => "different",
            Self::Undecided => "undecided",
        }
    }
}

impl Report {
    pub(super) fn new() -> Self {
        Self { kinds: Default::default(), first: None, seconds: 0 }
    }

    /// Adds a login of this kind, which took so many nanoseconds.
    pub(super) fn add(&mut self, kind: Kind, time: f64, answer: Answer) {
        let measured = &mut self.kinds[kind.place()];
        measured.times.push(time);
        match &self.first {
            None => self.first = Some(answer),
            Some(first) if measured.differs_in.is_none() => measured.differs_in = difference(first, &answer),
            Some(_) => {}
        }
    }

    fn times(&self, kind: Kind) -> &[f64] {
        &self.kinds[kind.place()].times
    }

    fn differs_in(&self, kind: Kind) -> Option<&str> {
        self.kinds[kind.place()].differs_in.as_deref()
    }

    fn median(&self, kind: Kind) -> f64 {
        median(&mut self.times(kind).to_vec())
    }

    /// Holds each kind against the reference.
    pub(super) fn judge(self) -> Judged {
        let reference = self.times(Kind::REFERENCE);
        let others = Kind::ALL.into_iter().filter(|kind| *kind != Kind::REFERENCE);
        let comparisons = others.map(|kind| (kind, Comparison::of(reference, self.times(kind)))).collect();
        Judged { report: self, comparisons }
    }
}

/// What was measured, with what it says.
#[derive(Debug)]
pub(super) struct Judged {
    report: Report,
    /// All kinds but the reference.
    comparisons: Vec<(Kind, Comparison)>,
}

impl Judged {
    fn conclusion(&self) -> Conclusion {
        let has = |verdict| self.comparisons.iter().any(|(_, comparison)| comparison.verdict == verdict);
        let same_bytes = Kind::ALL.into_iter().all(|kind| self.report.differs_in(kind).is_none());
        match () {
            () if !same_bytes || has(Verdict::Different) => Conclusion::Different,
            () if has(Verdict::Undecided) => Conclusion::Undecided,
            () => Conclusion::Alike,
        }
    }

    /// What the exit code says.
    pub(super) fn outcome(&self) -> Outcome {
        match self.conclusion() {
            Conclusion::Alike => Ok(()),
            Conclusion::Different => Err(Failure::failed("logins that fail can be told apart")),
            Conclusion::Undecided => {
                Err(Failure::failed("it is not decided").hint("take more --probes, or a quieter machine"))
            }
        }
    }

    /// A table, and a statement.
    pub(super) fn text(&self) -> String {
        let report = &self.report;
        let row = |kind: Kind, comparison: Option<&Comparison>| {
            let compared = comparison.map_or_else(
                || [String::new(), String::new(), String::new(), "reference".to_owned()],
                |comparison| {
                    let Comparison { difference, interval: (low, high), t, verdict } = comparison;
                    let interval = format!("{} to {}", milliseconds(*low), milliseconds(*high));
                    [milliseconds(*difference), interval, format!("{t:+.2}"), words(*verdict).to_owned()]
                },
            );
            let [difference, interval, t, verdict] = compared;
            let bytes = report.differs_in(kind).map_or_else(|| "the same".to_owned(), |what| format!("differ: {what}"));
            let median = format!("{:.3}", report.median(kind) / NANOSECONDS_OF_A_MILLISECOND);
            [
                kind.name().to_owned(),
                report.times(kind).len().to_string(),
                median,
                difference,
                interval,
                t,
                bytes,
                verdict,
            ]
        };
        let rows: Vec<_> = std::iter::once(row(Kind::REFERENCE, None))
            .chain(self.comparisons.iter().map(|(kind, comparison)| row(*kind, Some(comparison))))
            .collect();
        let head = ["LOGIN", "PROBES", "MEDIAN ms", "DIFFERENCE ms", "95 % INTERVAL ms", "t", "BYTES", "TIME"];
        format!("{}\n\n{}\n{}", print::table(head, rows), self.statement(), self.method())
    }

    fn statement(&self) -> String {
        let reference = Kind::REFERENCE.name();
        let of = |verdict: Verdict| {
            let kinds = self.comparisons.iter().filter(|(_, comparison)| comparison.verdict == verdict);
            kinds.map(|(kind, _)| format!("\"{}\"", kind.name())).collect::<Vec<_>>().join(", ")
        };
        let different_bytes: Vec<_> =
            Kind::ALL.into_iter().filter(|kind| self.report.differs_in(*kind).is_some()).map(Kind::name).collect();
        let mut sentences = Vec::new();
        if self.conclusion() == Conclusion::Alike {
            sentences.push("These logins cannot be told apart, by their time or by their bytes.".to_owned());
        }
        match of(Verdict::Different) {
            kinds if kinds.is_empty() => {}
            kinds => sentences.push(format!("By their time can be told from \"{reference}\": {kinds}.")),
        }
        match of(Verdict::Undecided) {
            kinds if kinds.is_empty() => {}
            kinds => sentences.push(format!(
                "Not decided for {kinds}: the interval is too wide. Take more --probes, or a quieter machine."
            )),
        }
        if !different_bytes.is_empty() {
            sentences.push(format!("By their bytes can be told: {}.", different_bytes.join(", ")));
        }
        sentences.join("\n")
    }

    /// By what it is judged.
    fn method(&self) -> String {
        format!(
            "Judged by Welch's t of the means (below {MOST_T}) and the 95 % confidence interval of the difference of \
             medians (bootstrap, {RESAMPLES} resamples; within {:.3} ms: 1 ms, or 1 % of the median). Bytes: status, headers \
             without date and x-request-id, body. It took {} seconds.",
            self.bound() / NANOSECONDS_OF_A_MILLISECOND,
            self.report.seconds
        )
    }

    pub(super) fn json(&self) -> Result<String, Failure> {
        let of =
            |kind: Kind| self.comparisons.iter().find(|(other, _)| *other == kind).map(|(_, comparison)| comparison);
        let kinds = Kind::ALL.map(|kind| {
            json!({
                "login": kind.name(),
                "probes": self.report.times(kind).len(),
                "median_ns": self.report.median(kind),
                "difference_ns": of(kind).map(|comparison| comparison.difference),
                "interval_ns": of(kind).map(|comparison| [comparison.interval.0, comparison.interval.1]),
                "t": of(kind).map(|comparison| comparison.t),
                "time": of(kind).map(|comparison| name(comparison.verdict)),
                "bytes_differ_in": self.report.differs_in(kind),
            })
        });
        Ok(serde_json::to_string_pretty(&json!({
            "verdict": self.conclusion().name(),
            "reference": Kind::REFERENCE.name(),
            "most_t": MOST_T,
            "bound_ns": self.bound(),
            "resamples": RESAMPLES,
            "logins": kinds,
        }))?)
    }

    fn bound(&self) -> f64 {
        bound(self.report.median(Kind::REFERENCE))
    }
}

/// In what two answers differ, without what is in them.
fn difference(first: &Answer, other: &Answer) -> Option<String> {
    let names = |answer: &Answer| answer.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    match () {
        () if first == other => None,
        () if first.status != other.status => Some(format!("status {} and {}", first.status, other.status)),
        () if first.body != other.body => Some("the body".to_owned()),
        () if names(first) != names(other) => Some("which headers there are".to_owned()),
        () => {
            let pairs = first.headers.iter().zip(&other.headers);
            let differing = pairs.filter(|(first, other)| first != other).map(|((name, _), _)| name.as_str());
            Some(format!("the headers {}", differing.collect::<Vec<_>>().join(", ")))
        }
    }
}

fn milliseconds(nanoseconds: f64) -> String {
    format!("{:+.3}", nanoseconds / NANOSECONDS_OF_A_MILLISECOND)
}

const fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Alike => "cannot be told apart",
        Verdict::Different => "can be told apart",
        Verdict::Undecided => "not decided",
    }
}

const fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Alike => "alike",
        Verdict::Different => "different",
        Verdict::Undecided => "undecided",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        Answer { status: 400, headers: vec![("a".to_owned(), b"1".to_vec())], body: b"no".to_vec() }
    }

    /// A hundred logins of each kind, some of which take so many milliseconds more.
    fn report(slower: Option<(Kind, f64)>) -> Report {
        let mut report = Report::new();
        for number in 0..100 {
            for kind in Kind::ALL {
                let more = slower.filter(|(slow, _)| *slow == kind).map_or(0.0, |(_, more)| more);
                // From 15 to 16 milliseconds, in no order.
                let noise = f64::from(number * 37 % 100) / 100.0;
                report.add(kind, (15.0 + noise + more) * NANOSECONDS_OF_A_MILLISECOND, answer());
            }
        }
        report
    }

    #[test]
    fn d12_the_verdict_follows_from_the_times() {
        let alike = report(None).judge();
        assert_eq!(alike.conclusion(), Conclusion::Alike);
        assert!(alike.outcome().is_ok());
        assert!(alike.text().contains("These logins cannot be told apart"));
        for kind in Kind::ALL {
            let slower = report(Some((kind, 3.0))).judge();
            assert_eq!(slower.conclusion(), Conclusion::Different, "{kind:?}");
            assert!(slower.outcome().is_err());
            let text = slower.text();
            assert!(!text.contains("These logins cannot") && text.contains("can be told from \"wrong\""), "{text}");
            let named = Kind::ALL.into_iter().filter(|other| *other != Kind::REFERENCE);
            for other in named {
                let is_told = text.contains(&format!("\"{}\"", other.name()));
                assert_eq!(is_told, kind == other || kind == Kind::REFERENCE, "{other:?}: {text}");
            }
        }
    }

    #[test]
    fn d12_few_probes_that_scatter_decide_nothing() {
        let mut report = Report::new();
        for time in [10.0, 30.0, 12.0, 28.0, 20.0] {
            for kind in Kind::ALL {
                let more = if kind == Kind::Unknown { 2.0 } else { 0.0 };
                report.add(kind, (time + more) * NANOSECONDS_OF_A_MILLISECOND, answer());
            }
        }
        let report = report.judge();
        assert_eq!(report.conclusion(), Conclusion::Undecided);
        assert!(report.outcome().is_err() && report.text().contains("more --probes"));
    }

    #[test]
    fn a8_one_answer_with_other_bytes_is_enough() {
        for (other, told) in [
            (Answer { status: 401, ..answer() }, "status 400 and 401"),
            (Answer { body: b"nobody".to_vec(), ..answer() }, "the body"),
            (Answer { headers: Vec::new(), ..answer() }, "which headers there are"),
            (Answer { headers: vec![("a".to_owned(), b"2".to_vec())], ..answer() }, "the headers a"),
        ] {
            let mut report = report(None);
            report.add(Kind::Disabled, 15.5 * NANOSECONDS_OF_A_MILLISECOND, other);
            report.add(Kind::Disabled, 15.5 * NANOSECONDS_OF_A_MILLISECOND, answer());
            let report = report.judge();
            assert_eq!(report.conclusion(), Conclusion::Different, "{told}");
            let text = report.text();
            assert!(text.contains(&format!("differ: {told}")) && text.contains("can be told: disabled."), "{text}");
        }
    }
}
