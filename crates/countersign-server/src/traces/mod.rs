//! Traces: which requests are traced, what becomes of their spans, and whose trace a request belongs to.

mod export;
mod otlp;
mod span;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tried;

use std::time::Duration;

use axum::http::HeaderMap;
use countersign::{Rng, core::clock::System};
use metrics::Counter;
use tokio::sync::{mpsc, oneshot};
use tracing::{
    Subscriber,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use self::{
    export::{Export, Message},
    span::{Open, Parent},
};
use crate::{
    config::{CollectorUrl, Share},
    failure::Failure,
    metrics::SPANS_DROPPED,
};

/// How many spans may wait to be sent: some seconds of a busy server. Who comes then is dropped, and counted.
const QUEUE: usize = 8192;

/// How long the end of the process waits for the collector.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The span with which a trace begins here; the others are parts of one.
const FIRST: &str = "request";

/// Traces that are sent to a collector.
#[derive(Clone, Debug)]
pub(crate) struct Traces(mpsc::Sender<Message>);

/// What hears of the spans of this process.
#[derive(Debug)]
pub(crate) struct Recorder {
    queue: mpsc::Sender<Message>,
    dropped: Counter,
    share: f64,
}

impl Traces {
    /// Sends what the recorder hears to a collector, from now on, in a task beside the requests.
    ///
    /// # Errors
    /// There is no HTTP client to be had.
    pub(crate) fn start(endpoint: &CollectorUrl, sample: Share) -> Result<(Self, Recorder), Failure> {
        let (queue, spans) = mpsc::channel(QUEUE);
        let dropped = SPANS_DROPPED.counter(&[]);
        tokio::spawn(Export::new(endpoint, dropped.clone())?.run(spans));
        Ok((Self(queue.clone()), Recorder { queue, dropped, share: sample.0 }))
    }

    /// Waits until what was recorded is sent, but not for long.
    pub(crate) async fn flush(&self) {
        let (done, is_done) = oneshot::channel();
        let flushed = async {
            if self.0.send(Message::Flush(done)).await.is_ok() {
                // A task that is gone has nothing to send.
                let _ = is_done.await;
            }
        };
        if tokio::time::timeout(LAST_WORDS, flushed).await.is_err() {
            tracing::warn!(
                event = "traces",
                outcome = "failure",
                "the collector of traces takes too long: the last ones are lost"
            );
        }
    }
}

impl Recorder {
    /// Drawn anew for each request: the ids of a trace from outside decide nothing, since their sender chose them.
    fn is_chosen(&self) -> bool {
        let mut drawn = [0; 4];
        System.fill(&mut drawn);
        f64::from(u32::from_le_bytes(drawn)) < self.share * (f64::from(u32::MAX) + 1.0)
    }
}

impl<S> Layer<S> for Recorder
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let above = span.parent().and_then(|parent| parent.extensions().get::<Open>().map(Open::as_parent));
        let open = match above {
            Some(parent) => Open::within(parent, attributes),
            // Without a request there is nobody whose time it was.
            None if attributes.metadata().name() == FIRST && self.is_chosen() => Open::first(attributes),
            None => return,
        };
        span.extensions_mut().insert(open);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            values.record(open);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let open = context.span(&id).and_then(|span| span.extensions_mut().remove::<Open>());
        if let Some(open) = open
            && self.queue.try_send(Message::Span(Box::new(open.close()))).is_err()
        {
            self.dropped.increment(1);
        }
    }
}

/// The span of which a request says that it is a part (W3C Trace Context §3.2), if it says so once and well.
///
/// It links traces and does nothing else: anybody can send one.
pub(crate) fn parent_of(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all("traceparent").iter();
    let only = all.next().filter(|_| all.next().is_none())?.to_str().ok()?;
    Parent::read(only).map(|_| only)
}
