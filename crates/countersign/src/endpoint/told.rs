//! Answers that are a status and a sentence, in the shape that guards refuse in, and how the document tells of them.

use aide::openapi;
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

/// `{"detail":…}`, as a rule of the author's refuses.
pub(super) fn told(status: StatusCode, detail: &str) -> Response {
    (status, Json(json!({ "detail": detail }))).into_response()
}

/// What the document says of an answer from a store that is away, or a queue that is full.
pub(super) const AWAY: (u16, &str) = (503, "Temporarily unavailable: try again after the time in `Retry-After`");

/// What the document says of answers.
pub(super) fn answers(told: &[(u16, &str)]) -> Vec<(Option<openapi::StatusCode>, openapi::Response)> {
    let answer = |(status, description): &(u16, &str)| {
        let description = (*description).to_owned();
        let response = openapi::Response { description, ..openapi::Response::default() };
        (Some(openapi::StatusCode::Code(*status)), response)
    };
    told.iter().map(answer).collect()
}
