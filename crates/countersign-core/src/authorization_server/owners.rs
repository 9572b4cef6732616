//! What is done to owners, by an operator's code or by themselves, with the end of what they granted: all their tokens are
//! dead when it returns.

use std::{error::Error, fmt, time::Duration};

use super::{AuthorizationServer, logins::asked_by};
use crate::{
    error::OAuthError,
    grant::OWNER_RETRY,
    names::Subject,
    password::{Busy, Password, PasswordHash, PasswordProblem, PolicyProblem, PolicyRefusal, Verification},
    resource_owner::{OwnerStatus, ResourceOwner},
    store::{Found, StoreError},
    throttle::{Outcome, Source},
    token::AccessToken,
};

/// How often a password is verified before its change gives up: once, and again for each time that the stored hash was
/// replaced meanwhile, as a login does with a weak one.
const MAX_ATTEMPTS: usize = 3;

/// How long to wait for a list of known passwords that cannot be read: somebody has to mend it.
const BLOCKLIST_RETRY: Duration = Duration::from_secs(60);

/// Why a password was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordChangeProblem {
    /// What was given as the current password is not that, or its owner is disabled or gone: never which.
    #[error("Incorrect password")]
    Incorrect,
    /// The new one cannot be a password.
    #[error("The new password is refused: {0}")]
    Impossible(#[from] PasswordProblem),
    /// The new one is one that the policy refuses.
    #[error("The new password is refused: {0}")]
    Refused(#[from] PolicyRefusal),
    /// Too many guesses at the password failed (`temporarily_unavailable`); this one was not looked at.
    #[error("Temporarily unavailable, try again")]
    Throttled {
        /// How long to wait before the next try.
        retry_after: Duration,
    },
    /// It cannot be known or done now (`temporarily_unavailable`).
    #[error("Temporarily unavailable, try again")]
    Unavailable {
        /// How long to wait before the next try.
        retry_after: Duration,
    },
}

impl From<Busy> for PasswordChangeProblem {
    fn from(busy: Busy) -> Self {
        Self::Unavailable { retry_after: busy.retry_after }
    }
}

impl From<PolicyProblem> for PasswordChangeProblem {
    fn from(problem: PolicyProblem) -> Self {
        match problem {
            PolicyProblem::Refused(refusal) => Self::Refused(refusal),
            PolicyProblem::Unknown(away) => {
                tracing::error!(
                    event = "blocklist",
                    outcome = "failure",
                    cause = away.source(),
                    "the list of known passwords cannot be read: none is changed"
                );
                Self::Unavailable { retry_after: BLOCKLIST_RETRY }
            }
        }
    }
}

impl From<StoreError> for PasswordChangeProblem {
    fn from(cause: StoreError) -> Self {
        OAuthError::from(cause).into()
    }
}

impl From<OAuthError> for PasswordChangeProblem {
    fn from(error: OAuthError) -> Self {
        match error {
            OAuthError::Throttled { retry_after } => Self::Throttled { retry_after },
            OAuthError::TemporarilyUnavailable { retry_after } => Self::Unavailable { retry_after },
            _ => Self::Unavailable { retry_after: OWNER_RETRY },
        }
    }
}

/// A change of password, as its owner asks for it.
#[derive(Clone, Copy)]
pub struct PasswordChange<'a> {
    /// The password that the owner has.
    pub current: &'a str,
    /// The one that the owner wants.
    pub new: &'a str,
    /// The name of this service, of which no password may be made.
    pub service: &'a str,
    /// Where the request comes from.
    pub source: Source,
}

impl fmt::Debug for PasswordChange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordChange").field("source", &self.source).finish_non_exhaustive()
    }
}

impl AuthorizationServer {
    /// Sets the password of an owner of the built-in table, and ends the owner's grants.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): it is not known whether it is set, or whether they have ended.
    pub async fn set_password(&self, subject: &Subject, hash: &PasswordHash) -> Result<Found, StoreError> {
        let found = self.ports.store.set_password(subject, hash, self.now()).await?;
        self.settle(subject, "password_set", found).await
    }

    /// Disables an owner of the built-in table and ends the owner's grants, or enables one.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): it is not known whether that is done, or whether they have ended.
    pub async fn set_status(&self, subject: &Subject, status: OwnerStatus) -> Result<Found, StoreError> {
        let found = self.ports.store.set_status(subject, status, self.now()).await?;
        let what = match status {
            OwnerStatus::Active => "enabled",
            OwnerStatus::Disabled => "disabled",
        };
        self.settle(subject, what, found).await
    }

    /// Removes an owner from the built-in table, and ends the owner's grants.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): it is not known whether that is done, or whether they have ended.
    pub async fn remove_owner(&self, subject: &Subject) -> Result<Found, StoreError> {
        let found = self.ports.store.remove_owner(subject, self.now()).await?;
        self.settle(subject, "removed", found).await
    }

    async fn settle(&self, subject: &Subject, what: &'static str, found: Found) -> Result<Found, StoreError> {
        let outcome = match found {
            Found::Yes => "done",
            Found::No => "unknown_user",
        };
        tracing::info!(event = "user", outcome, what, %subject, "a user was changed");
        self.hear_of_it().await?;
        Ok(found)
    }

    /// Checks a password that somebody wants to set, by the policy and the list of known passwords; `context` as of
    /// [`PasswordPolicy::check`](crate::password::PasswordPolicy::check).
    ///
    /// # Errors
    /// [`PolicyProblem`]: why it may not be set, or that nobody knows.
    pub async fn check_new_password(&self, password: &Password, context: &[&str]) -> Result<(), PolicyProblem> {
        self.settings.password_policy.check_with(self.settings.password_blocklist.as_deref(), password, context).await
    }

    /// Changes the password of a token's owner, who is of the built-in table and knows the current one, and ends all grants
    /// of the owner, the token's too (OWASP ASVS 6.2.3 and 7.4.3).
    ///
    /// The new one must fulfil the policy. It is set only if the password is still the one that was verified, so that a
    /// change with a stolen password undoes none that an operator made against the thief. A wrong password counts as a
    /// failed login does.
    ///
    /// # Errors
    /// [`PasswordChangeProblem`]: why nothing was changed; [`PasswordChangeProblem::Unavailable`] also where it is not
    /// known whether the grants have ended.
    pub async fn change_password(
        &self,
        token: &AccessToken,
        change: PasswordChange<'_>,
    ) -> Result<(), PasswordChangeProblem> {
        let Ok(current) = Password::typed(change.current) else { return Err(denied(token, "impossible_password")) };
        for _ in 0..MAX_ATTEMPTS {
            let owner = self.ports.store.find_by_subject(token.subject()).await?;
            let owner = owner.filter(ResourceOwner::is_active).ok_or_else(|| denied(token, "disabled"))?;
            let from = self.verify_current(token, &owner, &current, change.source).await?;
            let new = Password::typed(change.new)?;
            let names = [Some(owner.username.as_str()), owner.full_name.as_deref(), owner.email.as_deref()];
            let context: Vec<_> = names.into_iter().flatten().chain([change.service]).collect();
            self.check_new_password(&new, &context).await?;
            let to = self.hashing().hash(new).await?;
            if self.ports.store.change_password(token.subject(), &from, &to, self.now()).await? == Found::Yes {
                let (client, grant) = asked_by(token);
                tracing::info!(event = "user", outcome = "done", what = "password_changed", by = "user",
                    subject = %token.subject(), client, grant, "a user changed their password");
                self.hear_of_it().await?;
                return Ok(());
            }
        }
        Err(PasswordChangeProblem::Unavailable { retry_after: OWNER_RETRY })
    }

    /// The hash of the owner's password, which this is; counted as a login is.
    async fn verify_current(
        &self,
        token: &AccessToken,
        owner: &ResourceOwner,
        current: &Password,
        source: Source,
    ) -> Result<PasswordHash, PasswordChangeProblem> {
        let attempt = self.throttle.login(owner.username.as_str(), source, Some(&owner.subject)).await?;
        let verified = match self.hashing().verify(current.clone(), owner.password_hash.clone()).await {
            Ok(verified) => verified,
            Err(busy) => {
                attempt.settle(Outcome::Undecided);
                return Err(busy.into());
            }
        };
        let reason = match (verified, &owner.password_hash) {
            (Verification::Matches(_), Some(hash)) => {
                attempt.settle(Outcome::Success);
                return Ok(hash.clone());
            }
            (Verification::Matches(_), None) | (Verification::Mismatch, _) => "wrong_password",
            (Verification::Malformed, _) => "malformed_hash",
        };
        attempt.settle(Outcome::Failure);
        Err(denied(token, reason))
    }
}

/// A failed login by its meaning: somebody who has a token guesses at the password. The log tells the reason.
fn denied(token: &AccessToken, reason: &'static str) -> PasswordChangeProblem {
    let (client, grant) = asked_by(token);
    tracing::info!(event = "login", outcome = "denied", at = "password_change", reason, subject = %token.subject(),
        client, grant, "a change of password was refused");
    PasswordChangeProblem::Incorrect
}
