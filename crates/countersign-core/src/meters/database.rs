//! What is measured of the connections to a database, by those stores that have some.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use super::{DATABASE_CONNECTIONS, DATABASE_CONNECTIONS_IN_USE, DATABASE_FAILURES, DATABASE_WAIT};

/// What is measured of the connections to a database.
#[derive(Debug)]
pub struct DatabaseMeters {
    open: Gauge,
    in_use: Gauge,
    wait: Histogram,
    failures: Counter,
}

/// One of those that a gauge counts, until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Counted(Gauge);

impl DatabaseMeters {
    /// The handles, of the recorder that is installed now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            open: DATABASE_CONNECTIONS.gauge(&[]),
            in_use: DATABASE_CONNECTIONS_IN_USE.gauge(&[]),
            wait: DATABASE_WAIT.histogram(&[]),
            failures: DATABASE_FAILURES.counter(&[]),
        }
    }

    /// One was opened.
    pub fn opened(&self) -> Counted {
        Counted::new(&self.open)
    }

    /// Somebody may use one.
    pub fn used(&self) -> Counted {
        Counted::new(&self.in_use)
    }

    /// Somebody waited for so long because all were in use.
    pub fn waited(&self, time: Duration) {
        self.wait.record(time);
    }

    /// One could not be opened.
    pub fn failed(&self) {
        self.failures.increment(1);
    }
}

impl Default for DatabaseMeters {
    fn default() -> Self {
        Self::new()
    }
}

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
