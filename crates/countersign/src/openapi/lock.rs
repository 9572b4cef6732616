//! Locks: what a route needs, written into its operation, whatever generator the operation came from.

use serde_json::{Map, Value, json};

use crate::guard::requirement::Requirement;
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
    refuse(operation, "401", BearerError::InvalidToken(Reason::Malformed).description());
    let mut reasons = Vec::new();
    if !requirement.scopes().is_empty() {
        reasons.push(BearerError::InsufficientScope(Reason::ScopeMissing).description());
    }
    reasons.extend(requirement.rules().iter().map(|rule| &*rule.description));
    if !reasons.is_empty() {
        refuse(operation, "403", &reasons.join("; or: "));
    }
    if !requirement.rules().is_empty() {
        operation[RULES] = requirement.rules().iter().map(|rule| json!({ (&*rule.name): rule.description })).collect();
    }
}

/// Where an operation names the rules beyond scopes that a request must keep.
pub(super) const RULES: &str = "x-rules";

/// Tells of an answer, unless its author did.
fn refuse(operation: &mut Value, status: &str, description: &str) {
    let known = &mut operation["responses"][status];
    if !known.is_null() {
        return;
    }
    let challenge = json!({
        "description": "The challenge (RFC 6750, section 3)",
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
        "headers": { "www-authenticate": challenge },
        "content": { "application/json": body },
    });
}
