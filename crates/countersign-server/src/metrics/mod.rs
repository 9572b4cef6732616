//! Metrics, as Prometheus reads them: kept from the start, and served on a listener of their own.

mod http;
mod process;
#[cfg(test)]
mod tests;

use std::{io, time::Duration};

use axum::{
    Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use countersign::{
    Connections, OAuth2, StartError,
    core::meters::{self, Meter, MeterKind},
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

pub(crate) use self::http::HttpMeters;
use crate::{
    announce,
    config::ListenAddress,
    failure::{Failure, Outcome},
};

/// Prometheus' text, in the version that all of its readers know.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How many may read at once: a few of Prometheus, and somebody who looks.
const MOST_READERS: u32 = 16;

/// How often single times are put into their buckets: until then each takes a few bytes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Traces that could not be sent.
pub(crate) const SPANS_DROPPED: Meter = Meter {
    name: "countersign_spans_dropped_total",
    kind: MeterKind::Counter,
    help: "Spans of traces that were not sent, because the collector did not take them or too many waited.",
    labels: &[],
};

/// The meters of the program, beside those of the library.
const OWN: [Meter; 5] = [http::REQUESTS, http::SECONDS, SPANS_DROPPED, process::MEMORY, process::CPU];

/// Metrics that are kept, and where they are to be served.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    listen: ListenAddress,
    kept: PrometheusHandle,
}

impl Metrics {
    /// Keeps metrics from now on: handles that were made before count nothing.
    pub(crate) fn start(listen: ListenAddress) -> Result<Self, Failure> {
        let mut builder = PrometheusBuilder::new();
        for meter in meters::ALL.iter().chain(&OWN) {
            if let MeterKind::Histogram(buckets) = meter.kind {
                builder = builder.set_buckets_for_metric(Matcher::Full(meter.name.to_owned()), buckets)?;
            }
        }
        Ok(Self { listen, kept: builder.install_recorder()? })
    }

    /// Listens, says where, and serves until the process ends.
    ///
    /// # Errors
    /// The address cannot be listened on: nobody should believe that the server is watched when it is not.
    pub(crate) async fn serve(&self, oauth2: OAuth2) -> Outcome {
        let failed = |source| StartError::Listen { address: self.listen.as_str().to_owned(), source };
        let listener = TcpListener::bind(self.listen.as_str()).await.map_err(|source| {
            let in_use = source.kind() == io::ErrorKind::AddrInUse;
            let failure = Failure::from(failed(source));
            if in_use {
                failure.hint("metrics_listen must be an address of its own; port 0 picks a free one")
            } else {
                failure
            }
        })?;
        let address = listener.local_addr().map_err(failed)?;
        announce::line(&format!("Metrics on http://{address}/metrics"))?;
        let app = Router::new().route("/metrics", get(answer)).with_state((self.kept.clone(), oauth2));
        let few = Connections { most: MOST_READERS, ..Connections::default() };
        tokio::spawn(few.serve(listener, app, std::future::pending()));
        tokio::spawn(keep_small(self.kept.clone()));
        Ok(())
    }
}

/// `GET /metrics`. Asking looks at the feed, so that its lag is that of now although nobody uses a token.
async fn answer(State((kept, oauth2)): State<(PrometheusHandle, OAuth2)>) -> Response {
    if let Some(server) = oauth2.server()
        && let Err(error) = server.look_at_feed().await
    {
        tracing::debug!(event = "feed", outcome = "failure", %error, "the feed cannot be read; its lag tells");
    }
    let text = kept.render() + &process::text();
    let headers = [
        (header::CONTENT_TYPE, CONTENT_TYPE),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text).into_response()
}

/// A server that nobody asks for its metrics must not gather single times for ever.
async fn keep_small(kept: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        kept.run_upkeep();
    }
}
