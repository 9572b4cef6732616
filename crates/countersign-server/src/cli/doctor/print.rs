//! Findings as people and programs read them.

use std::fmt::Write;

use serde_json::json;

use super::finding::{Finding, Severity};
use crate::{failure::Failure, telemetry::one_line};

/// What should be changed with all its lines, then a line for each thing that is fine.
pub(super) fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        // Writing to a string does not fail.
        let _ = match (finding.severity, &finding.change) {
            (severity @ (Severity::Problem | Severity::Advice), change) => writeln!(
                text,
                "{:<8} {}\n  found  {}\n  why    {}\n  change {}\n",
                severity.name().to_uppercase(),
                finding.check.id(),
                one_line(&finding.found),
                finding.check.why(),
                one_line(change.as_deref().unwrap_or_default()),
            ),
            (Severity::Fine, _) => writeln!(text, "fine     {:<24} {}", finding.check.id(), one_line(&finding.found)),
        };
    }
    let _ = write!(
        text,
        "\nproblems: {}, advice: {}, fine: {}",
        count(findings, Severity::Problem),
        count(findings, Severity::Advice),
        count(findings, Severity::Fine)
    );
    text
}

pub(super) fn json(findings: &[Finding]) -> Result<String, Failure> {
    let told = findings.iter().map(|finding| {
        json!({
            "id": finding.check.id(),
            "severity": finding.severity.name(),
            "found": finding.found,
            "why": finding.check.why(),
            "change": finding.change,
        })
    });
    Ok(serde_json::to_string_pretty(&json!({
        "problems": count(findings, Severity::Problem),
        "advice": count(findings, Severity::Advice),
        "fine": count(findings, Severity::Fine),
        "findings": told.collect::<Vec<_>>(),
    }))?)
}

fn count(findings: &[Finding], severity: Severity) -> usize {
    findings.iter().filter(|finding| finding.severity == severity).count()
}
