//! Spans as OpenTelemetry's protocol writes them in JSON (OTLP 1, `ExportTraceServiceRequest`): ids in hexadecimal digits,
//! 64-bit numbers as strings, enumerations as numbers.

use std::fmt::Write;

use serde_json::{Value as Json, json};

use super::span::{Span, Value};

const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const ERROR: u8 = 2;

/// From here on a status is a fault of the server.
const FIRST_FAULT: i64 = 500;

/// A request that hands over these spans.
pub(super) fn request(spans: &[Span]) -> Json {
    let spans: Vec<_> = spans.iter().map(span).collect();
    let resource = attributes(&[
        ("service.name", Value::Text("countersign".to_owned())),
        ("service.version", Value::Text(env!("CARGO_PKG_VERSION").to_owned())),
    ]);
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": { "name": "countersign" }, "spans": spans }],
    }] })
}

fn span(span: &Span) -> Json {
    let text = |name| match span.find(name) {
        Some(Value::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    // OpenTelemetry's conventions: method and route; the method alone where no route matched.
    let method = text("http.request.method");
    let name = match (method, text("http.route")) {
        (Some(method), Some(route)) => format!("{method} {route}"),
        (method, _) => method.unwrap_or(span.name).to_owned(),
    };
    let mut written = json!({
        "traceId": hex(&span.trace),
        "spanId": hex(&span.id),
        "name": name,
        "kind": if method.is_some() { SERVER } else { INTERNAL },
        "startTimeUnixNano": span.began_at.as_nanos().to_string(),
        "endTimeUnixNano": (span.began_at + span.took).as_nanos().to_string(),
        "attributes": attributes(&span.attributes),
    });
    if let Some(parent) = &span.parent {
        written["parentSpanId"] = hex(parent).into();
    }
    if matches!(span.find("http.response.status_code"), Some(Value::Number(status)) if *status >= FIRST_FAULT) {
        written["status"] = json!({ "code": ERROR });
    }
    written
}

fn attributes(all: &[(&str, Value)]) -> Vec<Json> {
    let value = |value: &Value| match value {
        Value::Text(text) => json!({ "stringValue": text }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
    };
    all.iter().map(|(name, said)| json!({ "key": name, "value": value(said) })).collect()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
