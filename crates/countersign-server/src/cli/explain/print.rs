//! An explanation as people and programs read it.

use countersign::{
    Reason,
    core::token::{
        BearerToken,
        explain::{Explanation, Finding, Verdict},
    },
};
use serde_json::{Value, json};

use super::facts::Facts;
use crate::{failure::Failure, telemetry::one_line};

/// What is said of a token.
#[derive(Debug)]
pub(super) struct Told<'a> {
    explanation: Explanation,
    kind: Kind,
    facts: &'a Facts,
}

/// What a token is, as far as its first characters tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A JWT, or what is left of one.
    Jwt,
    /// Whatever its issuer made of it (RFC 6749 §1.4: "usually opaque to the client").
    Opaque,
}

impl Kind {
    /// A JWT begins with a JSON object in base64url: with `{"`, or with a space or a line break after the bracket.
    fn of(token: &BearerToken) -> Self {
        let begins_with_json = ["ey", "ew", "e3"].iter().any(|start| token.secret().starts_with(start));
        if begins_with_json { Self::Jwt } else { Self::Opaque }
    }
}

impl<'a> Told<'a> {
    pub(super) fn new(token: &BearerToken, explanation: Explanation, facts: &'a Facts) -> Self {
        Self { explanation, kind: Kind::of(token), facts }
    }

    /// Why the command fails; `None` if nothing speaks against the token.
    pub(super) fn refusal(&self) -> Option<String> {
        let reason = self.explanation.reason?;
        Some(match self.kind {
            Kind::Opaque => "the token is opaque, and no API can verify it by itself".to_owned(),
            Kind::Jwt => format!("the token is refused: {reason}"),
        })
    }

    /// A line a note, and a table.
    pub(super) fn text(&self) -> String {
        let mut text: String = self.facts.notes.iter().map(|note| format!("note: {}\n", one_line(note))).collect();
        text.push_str(&match self.kind {
            Kind::Opaque => self.opaque(),
            Kind::Jwt => self.explanation.to_string(),
        });
        text.trim_end().to_owned()
    }

    pub(super) fn json(&self) -> Result<String, Failure> {
        let Explanation { findings, reason } = &self.explanation;
        let is_unknown = || findings.iter().any(|finding| finding.verdict == Verdict::Unknown);
        let verdict = match (self.kind, reason) {
            (Kind::Opaque, _) => "opaque",
            (Kind::Jwt, Some(_)) => "refused",
            (Kind::Jwt, None) if is_unknown() => "unknown",
            (Kind::Jwt, None) => "accepted",
        };
        let findings: Vec<_> = match self.kind {
            Kind::Opaque => Vec::new(),
            Kind::Jwt => findings.iter().map(finding).collect(),
        };
        let advice = match self.kind {
            Kind::Opaque => Some(self.opaque()),
            Kind::Jwt => reason.map(|reason| reason.advice().to_owned()),
        };
        Ok(serde_json::to_string_pretty(&json!({
            "verdict": verdict,
            "reason": reason.map(Reason::code),
            "advice": advice,
            "notes": self.facts.notes,
            "findings": findings,
        }))?)
    }

    /// One sentence instead of a table in which all fails.
    fn opaque(&self) -> String {
        let whom = match &self.facts.introspection {
            Some(endpoint) => format!("ask its introspection endpoint (RFC 7662), {}", one_line(endpoint)),
            None => "ask its introspection endpoint (RFC 7662)".to_owned(),
        };
        format!("This token is opaque: it is no JWT, and only its issuer can read it; {whom}.")
    }
}

fn finding(finding: &Finding) -> Value {
    json!({
        "what": finding.what,
        "verdict": match finding.verdict {
            Verdict::Holds => "holds",
            Verdict::Fails => "fails",
            Verdict::Unknown => "unknown",
        },
        "expected": finding.expected,
        "found": finding.found,
        "advice": finding.advice,
    })
}
