//! One line of the log for each request, and an id by which the lines of one request are found.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use countersign::{OAuth2, Rng, core::clock::System};
use tracing::Instrument;

/// How many random bytes a request id has: 128 bits, so that two never meet.
const ID_BYTES: usize = 16;

/// The longest path that is logged, in bytes; the rest says nothing new.
const MAX_PATH_BYTES: usize = 200;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Logs method, path, source, status and time: never the query (OAuth 2.1 §7.5 keeps credentials out of it, but not everybody
/// reads that), nor headers or bodies. An id that a request brings is not used: anybody can send one.
pub(super) async fn log(State(oauth2): State<OAuth2>, request: Request, next: Next) -> Response {
    let id = request_id();
    let matched = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let path = matched.unwrap_or_else(|| shortened(request.uri().path()));
    let source = oauth2.source(request.extensions(), request.headers()).address().map(tracing::field::display);
    let span = tracing::error_span!("request", request_id = id, method = method(request.method()), path, source);
    let start = Instant::now();
    let answer = async {
        tracing::debug!("received");
        let mut response = next.run(request).await;
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        let latency_us = start.elapsed().as_micros() as u64;
        tracing::info!(event = "request", status = response.status().as_u16(), latency_us, "answered");
        response
    };
    answer.instrument(span).await
}

fn request_id() -> String {
    let mut bytes = [0; ID_BYTES];
    System.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The method, unless somebody made it up.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::PATCH => "PATCH",
        Method::TRACE => "TRACE",
        _ => "other",
    }
}

fn shortened(path: &str) -> &str {
    let mut end = path.len().min(MAX_PATH_BYTES);
    while !path.is_char_boundary(end) {
        end -= 1;
    }
    &path[..end]
}
