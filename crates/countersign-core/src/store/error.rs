//! Why a store did not answer.

/// Why a store did not answer. Either way we do not know, and the answer on the wire is `temporarily_unavailable`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store is away, busy for too long, or full.
    #[error("the store is not available")]
    Unavailable(#[source] BoxError),
    /// The store holds something that cannot be read.
    #[error("the store holds something that cannot be read")]
    Corrupt(#[source] BoxError),
}

/// The cause of a [`StoreError`], for the log.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl StoreError {
    /// The store is away, for this reason.
    pub fn unavailable(cause: impl Into<BoxError>) -> Self {
        Self::Unavailable(cause.into())
    }

    /// The store holds something that cannot be read, for this reason.
    pub fn corrupt(cause: impl Into<BoxError>) -> Self {
        Self::Corrupt(cause.into())
    }
}
