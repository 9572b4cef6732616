//! How a command fails: with one line on standard error and an exit code that says whose turn it is.

use std::{error::Error, fmt::Write, io, process::ExitCode};

use countersign::{
    StartError,
    core::{key::KeyRingError, username::UsernameProblem},
};
use countersign_sql::OpenError;

use crate::{announce, config::Problem, telemetry::one_line};

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
        announce::aside(&format!("countersign: {}", one_line(&self.message)));
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
        let failure = Self { kind, message: with_causes(&error) };
        match way_out(&error) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// What to do about what the library, or the operating system, knows no way out of.
fn way_out(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(Problem::Secret { source, .. }) = error.downcast_ref() {
        let denied = source.downcast_ref::<io::Error>()?.kind() == io::ErrorKind::PermissionDenied;
        return denied.then_some("it must belong to the user that the server runs as");
    }
    let of_keys = match error.downcast_ref() {
        Some(StartError::Keys(of_keys)) => of_keys,
        _ => error.downcast_ref()?,
    };
    match of_keys {
        KeyRingError::OtherEncryptionKey => {
            Some("set the old one again, or give up the keys: `countersign restore --in-place`")
        }
        KeyRingError::NoEncryptionKey => {
            Some("set key_encryption_key_file, or give up the keys: `countersign restore --in-place`")
        }
        _ => None,
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

/// What SQLite's own errors begin with, which rusqlite gives as the cause of what it has said already.
const NUMBERED: &str = "Error code ";

/// An error in its own words, and those of its causes.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        // Some errors repeat their cause in their own words.
        if !message.contains(&text) && !text.starts_with(NUMBERED) {
            let _ = write!(message, ": {text}");
        }
        cause = inner.source();
    }
    message
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn secret(kind: io::ErrorKind) -> Failure {
        let problem = Problem::Secret {
            setting: "key_encryption_key_file",
            path: PathBuf::from("/etc/countersign.key"),
            source: Box::new(io::Error::from(kind)),
        };
        problem.into()
    }

    #[test]
    fn a_secret_that_cannot_be_read_is_told_with_its_setting_and_whose_it_must_be() {
        let denied = secret(io::ErrorKind::PermissionDenied);
        assert_eq!(
            denied.message(),
            "the file /etc/countersign.key of key_encryption_key_file cannot be used: permission denied; it must belong \
             to the user that the server runs as"
        );
        assert!(!secret(io::ErrorKind::NotFound).message().contains("belong"));
    }

    #[test]
    fn keys_that_cannot_be_read_any_more_are_told_with_the_way_to_new_ones() {
        for problem in [|| KeyRingError::OtherEncryptionKey, || KeyRingError::NoEncryptionKey] {
            for failure in [Failure::from(problem()), Failure::from(StartError::from(problem()))] {
                assert!(failure.message().ends_with("`countersign restore --in-place`"), "{failure:?}");
            }
        }
        assert!(!Failure::from(KeyRingError::NoKey).message().contains(';'));
    }

    #[test]
    fn what_sqlite_says_is_told_once() {
        let path = tempfile::tempdir().expect("a directory").path().join("missing").join("app.db");
        let refused = rusqlite::Connection::open(path).expect_err("no directory");
        let message = Failure::from(OpenError::Database(refused.into())).message;
        assert_eq!(message.matches("unable to open").count(), 1, "{message}");
        assert!(!message.contains("rror code"), "{message}");
    }
}
