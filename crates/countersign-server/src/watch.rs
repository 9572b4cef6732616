//! How a running server is watched: its log, its metrics and its traces, all of them begun before anything is opened.

use countersign::OAuth2;

use crate::{config::Settings, failure::Failure, metrics::Metrics, telemetry, traces::Traces};

/// What was begun, by the settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    metrics: Option<Metrics>,
    traces: Option<Traces>,
}

impl Watch {
    /// Starts the log, and keeps metrics and sends traces where the settings say so.
    ///
    /// # Errors
    /// What sends traces cannot be made, or metrics are kept already.
    pub(crate) fn start(settings: &Settings) -> Result<Self, Failure> {
        // First: whoever asks for a handle before gets one that counts nothing.
        let metrics = settings.metrics_listen.clone().map(Metrics::start).transpose()?;
        let traces = settings.otel_endpoint.as_ref().map(|endpoint| Traces::start(endpoint, settings.otel_sample));
        let (traces, recorder) = traces.transpose()?.unzip();
        match recorder {
            Some(recorder) => telemetry::start_beside(recorder, settings.log_format, settings.log_level),
            None => telemetry::start(settings.log_format, settings.log_level),
        }
        Ok(Self { metrics, traces })
    }

    /// Serves the metrics from now on, if they are kept.
    ///
    /// # Errors
    /// Their address cannot be listened on.
    pub(crate) async fn serve_metrics(&self, oauth2: &OAuth2) -> Result<(), Failure> {
        match &self.metrics {
            Some(metrics) => metrics.serve(oauth2.clone()).await,
            None => Ok(()),
        }
    }

    /// Sends the traces that were not sent yet.
    pub(crate) async fn end(&self) {
        if let Some(traces) = &self.traces {
            traces.flush().await;
        }
    }
}
