//! What a guard needs, as a value: the document is written from it, whatever generator writes it.

use aide::openapi::{
    Header, HeaderStyle, MediaType, Operation, ParameterSchemaOrContent, ReferenceOr, Response, SchemaObject,
    StatusCode,
};
use axum::http::header;
use countersign_core::error::BearerError;
use schemars::json_schema;
use serde_json::{Value, json};

/// The name of our scheme in the document: the one that FastAPI gives it.
pub(super) const SCHEME: &str = "OAuth2PasswordBearer";

/// The mark under which an operation carries the scopes' descriptions until the document is written.
const DECLARED: &str = "x-countersign-scopes";

/// What a guard needs of a request.
#[derive(Debug)]
pub(super) struct Requirement {
    /// Each scope with its description.
    pub(super) scopes: Vec<(String, String)>,
    pub(super) presence: Presence,
}

/// Whether credentials must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Required,
    Optional,
}

impl Requirement {
    /// Writes the lock, and the answers of the guard.
    ///
    /// All guards of one handler are needed together, so they share one object (an AND); the alternative without
    /// credentials (`{}`) stays only while every guard is optional.
    pub(super) fn write(self, operation: &mut Operation) {
        let first = operation.security.is_empty();
        if first {
            operation.security.push([(SCHEME.to_owned(), Vec::new())].into_iter().collect());
        }
        let needed = operation.security[0].entry(SCHEME.to_owned()).or_default();
        for (name, _) in &self.scopes {
            if !needed.contains(name) {
                needed.push(name.clone());
            }
        }
        match self.presence {
            Presence::Optional if first => operation.security.push(Default::default()),
            Presence::Optional => {}
            Presence::Required => operation.security.truncate(1),
        }
        refuse(operation, 401, BearerError::InvalidToken);
        if !self.scopes.is_empty() {
            refuse(operation, 403, BearerError::InsufficientScope);
        }
        if let Value::Array(declared) = operation.extensions.entry(DECLARED.to_owned()).or_insert(json!([])) {
            declared.extend(self.scopes.into_iter().map(|scope| json!(scope)));
        }
    }
}

fn refuse(operation: &mut Operation, status: u16, error: BearerError) {
    let challenge = Header {
        description: Some("The challenge (RFC 6750, section 3)".to_owned()),
        style: HeaderStyle::Simple,
        required: false,
        deprecated: None,
        format: ParameterSchemaOrContent::Schema(schema(json_schema!({ "type": "string" }))),
        example: None,
        examples: Default::default(),
        extensions: Default::default(),
    };
    let body = MediaType {
        schema: Some(schema(json_schema!({
            "type": "object",
            "required": ["detail"],
            "properties": { "detail": { "type": "string" }, "error": { "type": "string" } },
        }))),
        ..MediaType::default()
    };
    let mut response = Response { description: error.description().to_owned(), ..Response::default() };
    response.headers.insert(header::WWW_AUTHENTICATE.to_string(), ReferenceOr::Item(challenge));
    response.content.insert("application/json".to_owned(), body);
    let responses = &mut operation.responses.get_or_insert_default().responses;
    responses.entry(StatusCode::Code(status)).or_insert(ReferenceOr::Item(response));
}

pub(super) fn schema(json_schema: schemars::Schema) -> SchemaObject {
    SchemaObject { json_schema, external_docs: None, example: None }
}

/// Takes the scopes and their descriptions off an operation.
pub(super) fn take_declared(operation: &mut Operation) -> Vec<(String, String)> {
    let Some(Value::Array(declared)) = operation.extensions.shift_remove(DECLARED) else { return Vec::new() };
    declared.into_iter().filter_map(|pair| serde_json::from_value(pair).ok()).collect()
}
