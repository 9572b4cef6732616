//! Locks: what a route needs, written into its operation, whatever generator the operation came from.

use serde_json::{Map, Value, json};

use crate::guard::requirement::{Requirement, RuleNote};
use countersign_core::{error::BearerError, reason::Reason};

/// Writes the lock of an operation, in place of one that is there, and the answers of its guards.
///
/// Credentials that are needed together share one object (an AND), alternatives are several (an OR), and `{}` is the one
/// that needs none (OpenAPI 3.1 §4.8.30).
pub(crate) fn lock(operation: &mut Value, requirement: &Requirement, own_scheme: &str) {
    if requirement.is_none() {
        // It names no scheme: one that no guard checks was found before.
        if let Some(operation) = operation.as_object_mut() {
            operation.remove("security");
        }
        return;
    }
    let mut security: Vec<Value> = Vec::new();
    for alternative in requirement.alternatives() {
        let mut together = Map::new();
        for need in &alternative.needs {
            let scopes: Value = need.scopes.iter().map(|scope| scope.token.to_string()).collect();
            together.insert(need.scheme.name(own_scheme).to_owned(), scopes);
        }
        let together = Value::Object(together);
        if !security.contains(&together) {
            security.push(together);
        }
    }
    operation["security"] = security.into();
    refuse(operation, "401", BearerError::InvalidToken(Reason::Malformed).description(), Challenged::Yes);
    let rules = requirement.rules();
    let too_little = BearerError::InsufficientScope(Reason::ScopeMissing).description();
    let mut reasons: Vec<&str> = rules.iter().map(|(rule, _)| rule.description.trim_end_matches('.')).collect();
    let challenged = if requirement.scopes().is_empty() { Challenged::No } else { Challenged::Yes };
    if challenged == Challenged::Yes {
        reasons.insert(0, too_little);
    }
    if !reasons.is_empty() {
        refuse(operation, "403", &reasons.join("; or: "), challenged);
    }
    if !rules.is_empty() {
        operation[RULES] =
            rules.iter().map(|(rule, always)| described(rule, *always, requirement, own_scheme)).collect();
    }
}

/// A rule, with the schemes of the alternatives in which it must hold, unless that is all of them.
fn described(rule: &RuleNote, always: bool, requirement: &Requirement, own_scheme: &str) -> Value {
    let mut described = json!({ (&*rule.name): rule.description });
    if !always {
        let theirs = requirement.alternatives().iter().filter(|alternative| alternative.rules.contains(rule));
        let schemes = theirs.flat_map(|alternative| &alternative.needs).map(|need| need.scheme.name(own_scheme));
        described["with"] = schemes.collect();
    }
    described
}

/// Whether an answer has a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Challenged {
    Yes,
    No,
}

/// Where an operation names the rules beyond scopes that a request must keep.
pub(super) const RULES: &str = "x-rules";

/// Tells of an answer, unless its author did.
fn refuse(operation: &mut Value, status: &str, description: &str, challenged: Challenged) {
    let known = &mut operation["responses"][status];
    if !known.is_null() {
        return;
    }
    let challenge = json!({
        "description": "How to be let in (RFC 9110, section 11.6.1)",
        "style": "simple",
        "schema": { "type": "string" },
    });
    let body = json!({
        "schema": {
            "type": "object",
            "required": ["detail"],
            "properties": { "detail": { "type": "string" }, "error": { "type": "string" } },
        },
    });
    *known = json!({
        "description": description,
        "content": { "application/json": body },
    });
    if challenged == Challenged::Yes {
        known["headers"] = json!({ "www-authenticate": challenge });
    }
}
