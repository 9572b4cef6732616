//! Why a test could not be carried out.

use countersign_core::{jose::KeyProblem, reason::Reason, store::StoreError};

use crate::start_error::StartError;

/// Why a test could not be carried out: nothing is known of the API then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestError {
    /// The API does not start.
    #[error("the API does not start")]
    Start(#[from] StartError),
    /// The API issues no tokens.
    #[error("the API issues no tokens: say whose it believes, by `signed_by`")]
    IssuerNeeded,
    /// There is no active user of this name.
    #[error("there is no active user {0}")]
    NoSuchUser(String),
    /// This is no scope (RFC 6749 §3.3).
    #[error("{0:?} is not a scope")]
    Scope(String),
    /// The users, or the claims of your own, cannot be known now.
    #[error("the store is away")]
    Store(#[from] StoreError),
    /// A token could not be signed.
    #[error("a token could not be signed")]
    Key(#[from] KeyProblem),
    /// The API refuses tokens of the test's, which it should believe: attacks would show nothing.
    #[error("the API refuses even a good token: {}: {}", .0.code(), .0.advice())]
    GoodTokenRefused(Reason),
    /// The API's document cannot be read.
    #[error("the API's document cannot be read")]
    Document(#[from] serde_json::Error),
}
