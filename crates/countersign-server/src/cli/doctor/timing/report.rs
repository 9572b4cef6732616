//! What was measured, and what it says.

use serde_json::{Value, json};

use super::{
    kind::{Kind, Pass},
    probe::Answer,
};
use crate::{
    cli::{
        doctor::statistics::{Comparison, MOST_T, RESAMPLES, Verdict, bound, median},
        print,
    },
    failure::{Failure, Outcome},
};

const NANOSECONDS_OF_A_MILLISECOND: f64 = 1e6;

/// What was measured in a pass.
#[derive(Debug)]
pub(super) struct Report {
    pass: Pass,
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
    pub(super) fn new(pass: Pass) -> Self {
        Self { pass, kinds: Default::default(), first: None, seconds: 0 }
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

    /// Holds each kind against the reference of the pass.
    pub(super) fn judge(self) -> Judged {
        let reference = self.times(self.pass.reference());
        let others = self.pass.kinds().into_iter().filter(|kind| *kind != self.pass.reference());
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
        let same_bytes = self.report.pass.kinds().into_iter().all(|kind| self.report.differs_in(kind).is_none());
        match () {
            () if !same_bytes || has(Verdict::Different) => Conclusion::Different,
            () if has(Verdict::Undecided) => Conclusion::Undecided,
            () => Conclusion::Alike,
        }
    }

    /// A table, and a statement.
    fn text(&self) -> String {
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
        let rows: Vec<_> = std::iter::once(row(report.pass.reference(), None))
            .chain(self.comparisons.iter().map(|(kind, comparison)| row(*kind, Some(comparison))))
            .collect();
        let head = ["LOGIN", "PROBES", "MEDIAN ms", "DIFFERENCE ms", "95 % INTERVAL ms", "t", "BYTES", "TIME"];
        format!("{}\n\n{}", print::table(head, rows), self.statement())
    }

    fn statement(&self) -> String {
        let reference = self.report.pass.reference().name();
        let of = |verdict: Verdict| {
            let kinds = self.comparisons.iter().filter(|(_, comparison)| comparison.verdict == verdict);
            kinds.map(|(kind, _)| format!("\"{}\"", kind.name())).collect::<Vec<_>>().join(", ")
        };
        let different_bytes: Vec<_> = self
            .report
            .pass
            .kinds()
            .into_iter()
            .filter(|kind| self.report.differs_in(*kind).is_some())
            .map(Kind::name)
            .collect();
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

    fn json(&self) -> Value {
        let of =
            |kind: Kind| self.comparisons.iter().find(|(other, _)| *other == kind).map(|(_, comparison)| comparison);
        let kinds = self.report.pass.kinds().into_iter().map(|kind| {
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
        json!({
            "pass": self.report.pass.name(),
            "verdict": self.conclusion().name(),
            "reference": self.report.pass.reference().name(),
            "bound_ns": bound(self.report.median(self.report.pass.reference())),
            "logins": kinds.collect::<Vec<_>>(),
        })
    }
}

/// What all passes say together: the worst of them.
fn conclusion(passes: &[Judged]) -> Conclusion {
    let has = |conclusion| passes.iter().any(|pass| pass.conclusion() == conclusion);
    match () {
        () if has(Conclusion::Different) => Conclusion::Different,
        () if has(Conclusion::Undecided) => Conclusion::Undecided,
        () => Conclusion::Alike,
    }
}

/// What the exit code says.
pub(super) fn outcome(passes: &[Judged]) -> Outcome {
    match conclusion(passes) {
        Conclusion::Alike => Ok(()),
        Conclusion::Different => Err(Failure::failed("logins that fail can be told apart")),
        Conclusion::Undecided => {
            Err(Failure::undecided("it is not decided").hint("take more --probes, or a quieter machine"))
        }
    }
}

/// The passes, and by what they are judged.
pub(super) fn text(passes: &[Judged]) -> String {
    let seconds: i64 = passes.iter().map(|pass| pass.report.seconds).sum();
    let mut paragraphs: Vec<_> = passes.iter().map(Judged::text).collect();
    paragraphs.push(format!(
        "Judged by Welch's t of the means (below {MOST_T}) and the 95 % confidence interval of the difference of medians \
         (bootstrap, {RESAMPLES} resamples; within 1 ms, or 1 % of the median). Bytes: status, headers without date, \
         x-request-id and retry-after, body. It took {seconds} seconds."
    ));
    paragraphs.join("\n\n")
}

pub(super) fn json(passes: &[Judged]) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(&json!({
        "verdict": conclusion(passes).name(),
        "most_t": MOST_T,
        "resamples": RESAMPLES,
        "passes": passes.iter().map(Judged::json).collect::<Vec<_>>(),
    }))?)
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
    fn report(pass: Pass, slower: Option<(Kind, f64)>) -> Report {
        let mut report = Report::new(pass);
        for number in 0..100 {
            for kind in pass.kinds() {
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
        for pass in [Pass::Hashed, Pass::Throttled] {
            let alike = report(pass, None).judge();
            assert_eq!(alike.conclusion(), Conclusion::Alike);
            assert!(alike.text().contains("These logins cannot be told apart"));
            assert!(outcome(&[alike]).is_ok());
        }
        for kind in Kind::ALL {
            let (pass, reference) = (kind.pass(), kind.pass().reference());
            let slower = report(pass, Some((kind, 3.0))).judge();
            assert_eq!(slower.conclusion(), Conclusion::Different, "{kind:?}");
            let text = slower.text();
            let told = format!("can be told from \"{}\"", reference.name());
            assert!(!text.contains("These logins cannot") && text.contains(&told), "{text}");
            for other in pass.kinds().into_iter().filter(|other| *other != reference) {
                let is_told = text.contains(&format!("\"{}\"", other.name()));
                assert_eq!(is_told, kind == other || kind == reference, "{other:?}: {text}");
            }
            let passes = [report(Pass::Hashed, None).judge(), slower, report(Pass::Throttled, None).judge()];
            assert_eq!(conclusion(&passes), Conclusion::Different, "one pass is enough");
            assert!(outcome(&passes).is_err());
        }
    }

    #[test]
    fn d12_few_probes_that_scatter_decide_nothing() {
        let mut report = Report::new(Pass::Hashed);
        for time in [10.0, 30.0, 12.0, 28.0, 20.0] {
            for kind in Pass::Hashed.kinds() {
                let more = if kind == Kind::Unknown { 2.0 } else { 0.0 };
                report.add(kind, (time + more) * NANOSECONDS_OF_A_MILLISECOND, answer());
            }
        }
        let report = report.judge();
        assert_eq!(report.conclusion(), Conclusion::Undecided);
        assert!(report.text().contains("more --probes"));
        assert!(outcome(&[report]).is_err());
    }

    #[test]
    fn a8_one_answer_with_other_bytes_is_enough() {
        for (other, told) in [
            (Answer { status: 401, ..answer() }, "status 400 and 401"),
            (Answer { body: b"nobody".to_vec(), ..answer() }, "the body"),
            (Answer { headers: Vec::new(), ..answer() }, "which headers there are"),
            (Answer { headers: vec![("a".to_owned(), b"2".to_vec())], ..answer() }, "the headers a"),
        ] {
            let mut report = report(Pass::Hashed, None);
            report.add(Kind::Disabled, 15.5 * NANOSECONDS_OF_A_MILLISECOND, other);
            report.add(Kind::Disabled, 15.5 * NANOSECONDS_OF_A_MILLISECOND, answer());
            let report = report.judge();
            assert_eq!(report.conclusion(), Conclusion::Different, "{told}");
            let text = report.text();
            assert!(text.contains(&format!("differ: {told}")) && text.contains("can be told: disabled."), "{text}");
        }
    }
}
