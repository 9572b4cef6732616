//! Lists of known passwords: the port for those of an operator's or an author's, beside the one that comes with this crate.

use std::{error::Error, fmt};

use async_trait::async_trait;
use thiserror::Error;

use super::{Password, PasswordPolicy, PolicyRefusal};

/// Passwords that nobody may set because others know them: out of breaches, or out of the world of an organization (NIST SP
/// 800-63B-4 §3.1.1.2, OWASP ASVS 6.2.11 and 6.2.12).
///
/// It is asked when a password is set, and never at a login. A complete one:
///
/// ```
/// use countersign_core::password::{Blocklist, BlocklistAway, Listed, Password};
///
/// #[derive(Debug)]
/// struct Products;
///
/// #[async_trait::async_trait]
/// impl Blocklist for Products {
///     async fn find(&self, password: &Password) -> Result<Listed, BlocklistAway> {
///         let names = ["rocket skates", "giant magnet"];
///         Ok(if names.contains(&password.secret()) { Listed::Yes } else { Listed::No })
///     }
/// }
/// ```
///
/// To add one: implement this; do what takes long, or reads from a disk, where it holds nobody up; say [`BlocklistAway`] where
/// you cannot know, and nothing is let through; keep the password out of every log, error and address; hand it to the builder.
#[async_trait]
pub trait Blocklist: fmt::Debug + Send + Sync + 'static {
    /// Looks a password up, which may be written in any letter case.
    ///
    /// # Errors
    /// [`BlocklistAway`] (answered 503): it cannot be known now, and the password is not set.
    async fn find(&self, password: &Password) -> Result<Listed, BlocklistAway>;
}

/// Whether a password is on a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// A list of known passwords cannot be read now, for a reason that is for the log.
#[derive(Debug, Error)]
#[error("the list of known passwords cannot be read")]
pub struct BlocklistAway(#[source] Box<dyn Error + Send + Sync>);

impl BlocklistAway {
    /// It cannot be read, for this reason.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// Why a password is not set.
#[derive(Debug, Error)]
pub enum PolicyProblem {
    /// It may not be set.
    #[error(transparent)]
    Refused(#[from] PolicyRefusal),
    /// Nobody knows whether it may.
    #[error(transparent)]
    Unknown(#[from] BlocklistAway),
}

impl PasswordPolicy {
    /// As [`PasswordPolicy::check`], and then by a list of known passwords, if there is one.
    ///
    /// # Errors
    /// [`PolicyProblem`]: the first rule that it breaks, or that the list cannot be read.
    pub async fn check_with(
        &self,
        blocklist: Option<&dyn Blocklist>,
        password: &Password,
        context: &[&str],
    ) -> Result<(), PolicyProblem> {
        self.check(password, context)?;
        let Some(blocklist) = blocklist else { return Ok(()) };
        match blocklist.find(password).await? {
            Listed::Yes => Err(PolicyRefusal::Listed.into()),
            Listed::No => Ok(()),
        }
    }
}
