//! What is measured of HTTP: by route and status, never by what somebody wrote into an address.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::http::StatusCode;
use countersign::core::meters::{Meter, MeterKind};
use metrics::{Counter, Histogram};

pub(super) const REQUESTS: Meter = Meter {
    name: "countersign_http_requests_total",
    kind: MeterKind::Counter,
    help: "Requests that were answered.",
    labels: &[("route", ROUTES), ("status", &["200", "…"])],
};

pub(super) const SECONDS: Meter = Meter {
    name: "countersign_http_request_seconds",
    kind: MeterKind::Histogram(&[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0]),
    help: "How long a request took, until its answer began.",
    labels: &[("route", ROUTES)],
};

/// Those of the router, as they are written there.
const ROUTES: &[&str] = &["/token", "…", NO_ROUTE];

/// All paths that are none of ours.
const NO_ROUTE: &str = "none";

/// Handles by route, each made when its first request was answered. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct HttpMeters(Arc<RwLock<HashMap<Box<str>, Arc<Route>>>>);

#[derive(Debug)]
struct Route {
    name: Box<str>,
    seconds: Histogram,
    /// Few: a route answers with a handful.
    by_status: RwLock<Vec<(StatusCode, Counter)>>,
}

impl HttpMeters {
    /// Counts an answer, of the route that matched.
    pub(crate) fn answered(&self, route: Option<&str>, status: StatusCode, time: Duration) {
        let route = self.route(route.unwrap_or(NO_ROUTE));
        route.seconds.record(time);
        route.count(status);
    }

    fn route(&self, name: &str) -> Arc<Route> {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return known.clone();
        }
        let mut routes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        routes.entry(name.into()).or_insert_with(|| Arc::new(Route::new(name))).clone()
    }
}

impl Route {
    fn new(name: &str) -> Self {
        Self { name: name.into(), seconds: SECONDS.histogram(&[name]), by_status: RwLock::default() }
    }

    fn count(&self, status: StatusCode) {
        let known = |counters: &[(StatusCode, Counter)]| {
            let found = counters.iter().find(|(known, _)| *known == status);
            found.map(|(_, counter)| counter.increment(1))
        };
        if known(&self.by_status.read().unwrap_or_else(PoisonError::into_inner)).is_some() {
            return;
        }
        let mut counters = self.by_status.write().unwrap_or_else(PoisonError::into_inner);
        if known(&counters).is_none() {
            let counter = REQUESTS.counter(&[&self.name, status.as_str()]);
            counter.increment(1);
            counters.push((status, counter));
        }
    }
}
