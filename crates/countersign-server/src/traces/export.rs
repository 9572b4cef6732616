//! Sends spans to a collector, some at a time. No request waits for it, and what it cannot send is counted and forgotten.

use std::time::Duration;

use metrics::Counter;
use reqwest::{Client, Url, header::CONTENT_TYPE, redirect::Policy};
use tokio::sync::{mpsc, oneshot};

use super::{otlp, span::Span};
use crate::{config::CollectorUrl, failure::Failure, listen::is_this_machine};

/// How many spans are sent at once at most.
const BATCH: usize = 512;

/// How long the first of them waits for others.
const WAIT: Duration = Duration::from_secs(1);

/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the task is told.
#[derive(Debug)]
pub(super) enum Message {
    Span(Box<Span>),
    /// To send all that came before, and then to say so.
    Flush(oneshot::Sender<()>),
}

/// Where spans go.
#[derive(Debug)]
pub(super) struct Export {
    client: Client,
    url: String,
    dropped: Counter,
    /// Whether the log was told that the collector does not take them.
    told: bool,
}

impl Export {
    pub(super) fn new(endpoint: &CollectorUrl, dropped: Counter) -> Result<Self, Failure> {
        let url = format!("{}/v1/traces", endpoint.as_str());
        let builder = Client::builder().redirect(Policy::none()).referer(false).timeout(PATIENCE);
        let local = url.parse::<Url>().is_ok_and(|url| url.host_str().is_some_and(is_this_machine));
        // No proxy stands between us and ourselves; and what is plain needs no certificates.
        let builder = if local { builder.no_proxy() } else { builder };
        let builder = if url.starts_with("http:") { builder.tls_certs_only([]) } else { builder };
        Ok(Self { client: builder.build()?, url, dropped, told: false })
    }

    /// Sends until nobody is left who could record anything.
    pub(super) async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        while let Some(first) = messages.recv().await {
            let (mut spans, mut flushed) = (Vec::new(), None);
            take(first, &mut spans, &mut flushed);
            let patience = tokio::time::sleep(WAIT);
            tokio::pin!(patience);
            while spans.len() < BATCH && flushed.is_none() {
                tokio::select! {
                    biased;
                    message = messages.recv() => match message {
                        Some(message) => take(message, &mut spans, &mut flushed),
                        None => break,
                    },
                    () = &mut patience => break,
                }
            }
            if !spans.is_empty() {
                self.send(&spans).await;
            }
            if let Some(flushed) = flushed {
                // Whoever waits no longer need not know.
                let _ = flushed.send(());
            }
        }
    }

    async fn send(&mut self, spans: &[Span]) {
        let body = otlp::request(spans).to_string();
        let request = self.client.post(&self.url).header(CONTENT_TYPE, "application/json").body(body);
        match request.send().await.and_then(reqwest::Response::error_for_status) {
            Ok(_) if self.told => {
                self.told = false;
                tracing::info!(event = "traces", outcome = "sent", "the collector takes traces again");
            }
            Ok(_) => {}
            Err(error) => {
                self.dropped.increment(spans.len() as u64);
                if !self.told {
                    self.told = true;
                    tracing::warn!(event = "traces", outcome = "failure", %error, "the collector does not take traces");
                }
            }
        }
    }
}

fn take(message: Message, spans: &mut Vec<Span>, flushed: &mut Option<oneshot::Sender<()>>) {
    match message {
        Message::Span(span) => spans.push(*span),
        Message::Flush(done) => *flushed = Some(done),
    }
}
