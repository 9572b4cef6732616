//! Any error of a program that serves an API, said so that it can be read.

use std::fmt;

/// Any error, for the `main` of an API and what it calls: `?` turns every other into it.
///
/// Its `Debug`, which is what `main` prints, is the error with its causes.
pub struct Error(Box<dyn std::error::Error + Send + Sync>);

/// A result of [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
