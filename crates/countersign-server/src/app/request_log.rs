//! One line of the log for each request, and an id by which the lines of one request are found.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode},
    middleware::Next,
    response::Response,
};
use countersign::{
    OAuth2, Rng,
    core::{clock::System, meters::SPANS},
};
use tracing::{Instrument, Span, field::Empty};

use crate::{metrics::HttpMeters, traces};

/// How many random bytes a request id has: 128 bits, so that two never meet.
const ID_BYTES: usize = 16;

/// The longest path that is logged, in bytes; the rest says nothing new.
const MAX_PATH_BYTES: usize = 200;

/// How the paths of probes begin.
const HEALTH: &str = "/health/";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What is needed to tell of a request.
#[derive(Clone)]
pub(super) struct RequestLog {
    pub(super) oauth2: OAuth2,
    pub(super) meters: HttpMeters,
}

/// Logs method, path, source, status and time: never the query (OAuth 2.1 §7.5 keeps credentials out of it, but not everybody
/// reads that), nor headers or bodies. Of those who must wait (429), and of probes that found all
/// well, only `debug` tells. An id that a request brings is not used: anybody can send one.
pub(super) async fn log(State(kept): State<RequestLog>, request: Request, next: Next) -> Response {
    let id = request_id();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let matched = route.as_ref().map(MatchedPath::as_str);
    let path = matched.unwrap_or_else(|| shortened(request.uri().path()));
    let source = kept.oauth2.source(request.extensions(), request.headers()).address().map(tracing::field::display);
    let trace = trace_of(&request, matched, &id);
    let method = method(request.method());
    let span = tracing::error_span!(parent: &trace, "request", request_id = id, method, path, source);
    let start = Instant::now();
    let answer = async {
        tracing::debug!(event = "received", "received");
        let mut response = next.run(request).await;
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        let (status, latency) = (response.status(), start.elapsed());
        kept.meters.answered(route.as_ref().map(MatchedPath::as_str), status, latency);
        let latency_us = latency.as_micros() as u64;
        // Who is told to wait was named by the event `throttle`, once: a flood of guesses is not to fill the log.
        // So are probes, which come twice a second from each proxy.
        let is_probe = matched.is_some_and(|route| route.starts_with(HEALTH));
        let is_quiet = status == StatusCode::TOO_MANY_REQUESTS || (is_probe && status == StatusCode::OK);
        let status = status.as_u16();
        match is_quiet {
            true => tracing::debug!(event = "request", status, latency_us, "answered"),
            false => tracing::info!(event = "request", status, latency_us, "answered"),
        }
        response
    };
    let response = answer.instrument(span).instrument(trace.clone()).await;
    trace.record("http.response.status_code", response.status().as_u16());
    response
}

/// The span of the request in a trace, by the names of OpenTelemetry's conventions for HTTP: without the path, unless it is
/// that of a route.
fn trace_of(request: &Request, route: Option<&str>, id: &str) -> Span {
    tracing::trace_span!(
        target: SPANS,
        "request",
        http.request.method = method(request.method()),
        http.route = route,
        http.response.status_code = Empty,
        countersign.request_id = id,
        traceparent = traces::parent_of(request.headers()),
    )
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
