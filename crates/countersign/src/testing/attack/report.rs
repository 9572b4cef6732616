//! What came of an attack.

use std::fmt;

use axum::http::StatusCode;

use super::kind::Attack;
use crate::{table, testing::plan::Unclear};

/// What came of an attack: as a table through `Display`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttackReport {
    pub(super) routes: usize,
    pub(super) requests: usize,
    pub(super) breaches: Vec<Breach>,
    pub(super) unclear: Vec<Unclear>,
}

/// A request that got through, or was not refused as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Breach {
    /// The route: its method and path.
    pub route: String,
    /// The attack.
    pub attack: Attack,
    /// Its variant, if it has several.
    pub how: String,
    /// What was answered.
    pub status: StatusCode,
}

impl AttackReport {
    /// The requests that got through: those that were not answered by 401 with a challenge, by 403, or by 400 with a
    /// challenge.
    #[must_use]
    pub fn breaches(&self) -> &[Breach] {
        &self.breaches
    }

    /// What cannot be told: where something before the guards answered, such as a `Path` that takes no value of those
    /// that were tried.
    #[must_use]
    pub fn unclear(&self) -> &[Unclear] {
        &self.unclear
    }

    /// How many requests were sent.
    #[must_use]
    pub const fn requests(&self) -> usize {
        self.requests
    }

    /// How many routes were attacked: those that are guarded or optional, by the audit.
    #[must_use]
    pub const fn routes(&self) -> usize {
        self.routes
    }

    /// Passes if no request got through.
    ///
    /// # Panics
    /// With the report, if one did.
    #[track_caller]
    pub fn assert_held(&self) {
        assert!(self.breaches.is_empty(), "{self}");
    }
}

impl fmt::Display for AttackReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { routes, requests, breaches, unclear } = self;
        writeln!(
            f,
            "{requests} requests to {routes} routes: {} got through, {} unclear",
            breaches.len(),
            unclear.len()
        )?;
        if !breaches.is_empty() {
            let row = |breach: &Breach| {
                [breach.route.clone(), breach.attack.to_string(), breach.how.clone(), breach.status.to_string()]
            };
            table::write(f, ["ROUTE", "ATTACK", "HOW", "ANSWER"], &breaches.iter().map(row).collect::<Vec<_>>())?;
        }
        unclear.iter().try_for_each(|unclear| writeln!(f, "unclear: {unclear}"))
    }
}
