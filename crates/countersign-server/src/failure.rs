//! How a command fails: with one line on standard error and an exit code that says whose turn it is.

use std::{error::Error, fmt::Write, process::ExitCode};

use countersign::{StartError, core::username::UsernameProblem};
use countersign_sql::OpenError;

use crate::config::Problem;

/// Why a command did not do what it should.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// It was tried and did not work: exit code 1.
    Failed,
    /// The command line or the settings ask for something that cannot be: exit code 2.
    WrongUsage,
    /// What something should be held against could not be had: exit code 2.
    NothingToHoldAgainst,
    /// It was measured, and says neither yes nor no: exit code 3.
    Undecided,
}

/// A command's end.
pub(crate) type Outcome = Result<(), Failure>;

impl Failure {
    /// It was tried and did not work.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, message: message.into() }
    }

    /// The command line or the settings ask for something that cannot be.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { kind: Kind::WrongUsage, message: message.into() }
    }

    /// It was measured, and says neither yes nor no.
    pub(crate) fn undecided(message: impl Into<String>) -> Self {
        Self { kind: Kind::Undecided, message: message.into() }
    }

    /// As the same failure of a command that only compares: nothing was found wrong, because nothing could be looked at.
    pub(crate) fn nothing_to_hold_against(self) -> Self {
        Self { kind: Kind::NothingToHoldAgainst, ..self }
    }

    /// Adds what to do about it.
    pub(crate) fn hint(mut self, hint: &str) -> Self {
        // Writing to a string does not fail.
        let _ = write!(self.message, "; {hint}");
        self
    }

    /// What went wrong, in words for people.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Says it on standard error, in one line.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("countersign: {}", crate::telemetry::one_line(&self.message));
        match self.kind {
            Kind::Failed => ExitCode::from(1),
            Kind::WrongUsage | Kind::NothingToHoldAgainst => ExitCode::from(2),
            Kind::Undecided => ExitCode::from(3),
        }
    }
}

/// Any other error, with its causes.
impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let kind = if is_wrong_usage(&error) { Kind::WrongUsage } else { Kind::Failed };
        Self { kind, message: with_causes(&error) }
    }
}

fn is_wrong_usage(error: &(dyn Error + 'static)) -> bool {
    error.is::<Problem>()
        || error.is::<UsernameProblem>()
        || matches!(error.downcast_ref(), Some(OpenError::Location { .. } | OpenError::Url(_)))
        || matches!(
            error.downcast_ref(),
            Some(
                StartError::Issuer { .. }
                    | StartError::IssuerNeeded(_)
                    | StartError::PlainIssuer(_)
                    | StartError::Lifetime { .. }
                    | StartError::KeyRotation { .. }
                    | StartError::Leeway
                    | StartError::Realm
            )
        )
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        // Some errors repeat their cause in their own words.
        if !message.contains(&text) {
            let _ = write!(message, ": {text}");
        }
        cause = inner.source();
    }
    message
}
