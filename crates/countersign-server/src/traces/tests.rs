//! Traces, piece by piece.

use axum::http::{HeaderMap, HeaderValue};
use countersign::core::meters::SPANS;
use metrics::Counter;
use tokio::sync::mpsc;
use tracing::{subscriber::with_default, trace_span};
use tracing_subscriber::{Layer as _, filter::filter_fn, layer::SubscriberExt};

use super::{
    Recorder,
    export::Message,
    otlp, parent_of,
    span::{Parent, Span, Value},
};

const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_traceparent_is_read_by_the_letter_or_not_at_all() {
    let parent = Parent::read(GOOD).unwrap();
    assert_eq!(parent.trace[..4], [0x4b, 0xf9, 0x2f, 0x35]);
    assert_eq!(parent.span, [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
    assert_eq!(Parent::read(&GOOD.replace("-01", "-00")), Some(parent), "the flags say nothing");
    assert_eq!(Parent::read(&format!("01{}-more", &GOOD[2..])), Some(parent), "later versions may add");
    for refused in [
        "",
        "00",
        &GOOD[1..],
        &GOOD.to_uppercase(),
        &format!("ff{}", &GOOD[2..]),
        &format!("{GOOD}-more"),
        &format!("01{}more", &GOOD[2..]),
        &GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
        &GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
        &GOOD.replace('-', "_"),
        &GOOD.replace("4bf9", "+bf9"),
        &GOOD.replace("4bf9", "ébf"),
        &format!(" {GOOD}"),
    ] {
        assert_eq!(Parent::read(refused), None, "{refused:?}");
    }
}

#[test]
fn two_traceparents_are_none() {
    let mut headers = HeaderMap::new();
    assert_eq!(parent_of(&headers), None);
    headers.append("traceparent", HeaderValue::from_static(GOOD));
    assert_eq!(parent_of(&headers), Some(GOOD));
    headers.append("traceparent", HeaderValue::from_static(GOOD));
    assert_eq!(parent_of(&headers), None);
}

/// What a recorder of this share hands on, through a queue of this length, and how often it was full.
fn recorded(share: f64, length: usize, work: impl FnOnce()) -> Vec<Span> {
    let (queue, mut spans) = mpsc::channel(length);
    let recorder = Recorder { queue, dropped: Counter::noop(), share };
    // Where there is one subscriber alone, a span that another test's thread comes to first is taken for one that nobody wants.
    let _beside = tracing::Dispatch::new(tracing_subscriber::registry());
    let of_traces = recorder.with_filter(filter_fn(|about| about.target() == SPANS));
    with_default(tracing_subscriber::registry().with(of_traces), work);
    std::iter::from_fn(|| match spans.try_recv() {
        Ok(Message::Span(span)) => Some(*span),
        _ => None,
    })
    .collect()
}

fn one_request() {
    let request = trace_span!(target: SPANS, "request", http.request.method = "GET", traceparent = GOOD);
    let _entered = request.enter();
    let _log = tracing::error_span!(parent: &request, "request", path = "/canary").entered();
    trace_span!(target: SPANS, "store", operation = "read").in_scope(|| tracing::error!(target: SPANS, "canary"));
}

#[test]
fn parts_belong_to_their_request_and_the_request_to_its_sender() {
    let spans = recorded(1.0, 10, one_request);
    let [store, request] = &spans[..] else { panic!("{spans:?}") };
    let parent = Parent::read(GOOD).unwrap();
    assert_eq!((request.trace, request.parent), (parent.trace, Some(parent.span)));
    assert_eq!((store.trace, store.parent), (parent.trace, Some(request.id)));
    assert_eq!(store.attributes, [("operation", Value::Text("read".to_owned()))]);
    let written = otlp::request(&spans).to_string();
    assert!(!written.contains("canary"), "the log is not in it: {written}");
    assert!(written.contains("\"parentSpanId\":\"00f067aa0ba902b7\""), "{written}");
}

#[test]
fn what_nobody_asked_for_is_in_no_trace() {
    let alone = recorded(1.0, 10, || trace_span!(target: SPANS, "store", operation = "read").in_scope(|| {}));
    assert!(alone.is_empty(), "{alone:?}");
}

#[test]
fn nobody_outside_decides_what_is_traced() {
    let none = recorded(0.0, 10, || (0..100).for_each(|_| one_request()));
    assert!(none.is_empty(), "{none:?}");
    let all = recorded(1.0, 1000, || (0..100).for_each(|_| one_request()));
    assert_eq!(all.len(), 200);
    // Of a fair coin that falls 1,000 times, fewer than 300 heads are not to be expected before the sun is cold.
    let half = recorded(0.5, 4000, || (0..1000).for_each(|_| one_request())).len();
    assert!((600..1400).contains(&half), "{half}");
}

#[test]
fn a_queue_that_is_full_keeps_nobody_waiting() {
    assert_eq!(recorded(1.0, 1, || (0..3).for_each(|_| one_request())).len(), 1);
}

#[test]
fn a_fault_of_the_server_is_one_in_its_span() {
    let answered = |status: u16| {
        let spans = recorded(1.0, 1, || {
            let span = trace_span!(target: SPANS, "request", http.response.status_code = tracing::field::Empty);
            span.record("http.response.status_code", status);
        });
        otlp::request(&spans)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["status"]["code"].as_u64()
    };
    assert_eq!(answered(503), Some(2));
    assert_eq!(answered(401), None, "a refusal is none of ours");
}
