//! What is done to owners, by an operator's code or by themselves, with the end of what they granted: all their tokens are
//! dead when it returns.

use std::{error::Error, time::Duration};

use super::{AuthorizationServer, OWNER_RETRY, logins::asked_by};
use crate::{
    error::OAuthError,
    names::Subject,
    password::{Busy, Password, PasswordHash, PasswordProblem, PolicyProblem, PolicyRefusal, Verification},
    resource_owner::{OwnerStatus, ResourceOwner},
    store::{Found, StoreError},
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
                tracing::error!(cause = away.source(), "the list of known passwords cannot be read: none is changed");
                Self::Unavailable { retry_after: BLOCKLIST_RETRY }
            }
        }
    }
}

impl From<StoreError> for PasswordChangeProblem {
    fn from(cause: StoreError) -> Self {
        let OAuthError::TemporarilyUnavailable { retry_after } = cause.into() else {
            return Self::Unavailable { retry_after: OWNER_RETRY };
        };
        Self::Unavailable { retry_after }
    }
}

impl AuthorizationServer {
    /// Sets the password of an owner of the built-in table, and ends the owner's grants.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): it is not known whether it is set, or whether they have ended.
    pub async fn set_password(&self, subject: &Subject, hash: &PasswordHash) -> Result<Found, StoreError> {
        let found = self.ports.store.set_password(subject, hash).await?;
        self.settle(subject, "password_set", found).await
    }

    /// Disables an owner of the built-in table and ends the owner's grants, or enables one.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): it is not known whether that is done, or whether they have ended.
    pub async fn set_status(&self, subject: &Subject, status: OwnerStatus) -> Result<Found, StoreError> {
        let found = self.ports.store.set_status(subject, status).await?;
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
        let found = self.ports.store.remove_owner(subject).await?;
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
    /// The new one must fulfil the policy; `service` is the name of this service, of which it may not be made. It is set
    /// only if the password is still the one that was verified, so that a change with a stolen password undoes none that an
    /// operator made against the thief.
    ///
    /// # Errors
    /// [`PasswordChangeProblem`]: why nothing was changed; [`PasswordChangeProblem::Unavailable`] also where it is not
    /// known whether the grants have ended.
    pub async fn change_password(
        &self,
        token: &AccessToken,
        current: &str,
        new: &str,
        service: &str,
    ) -> Result<(), PasswordChangeProblem> {
        let Ok(current) = Password::typed(current) else { return Err(denied(token, "impossible_password")) };
        for _ in 0..MAX_ATTEMPTS {
            let owner = self.ports.store.find_by_subject(token.subject()).await?;
            let owner = owner.filter(ResourceOwner::is_active).ok_or_else(|| denied(token, "disabled"))?;
            let from = match self.hashing().verify(current.clone(), owner.password_hash.clone()).await? {
                Verification::Matches(_) => owner.password_hash.ok_or_else(|| denied(token, "wrong_password"))?,
                Verification::Mismatch => return Err(denied(token, "wrong_password")),
                Verification::Malformed => return Err(denied(token, "malformed_hash")),
            };
            let new = Password::typed(new)?;
            let names = [Some(owner.username.as_str()), owner.full_name.as_deref(), owner.email.as_deref()];
            let context: Vec<_> = names.into_iter().flatten().chain([service]).collect();
            self.check_new_password(&new, &context).await?;
            let to = self.hashing().hash(new).await?;
            if self.ports.store.change_password(token.subject(), &from, &to).await? == Found::Yes {
                let (client, grant) = asked_by(token);
                tracing::info!(event = "user", outcome = "done", what = "password_changed", by = "user",
                    subject = %token.subject(), client, grant, "a user changed their password");
                self.hear_of_it().await?;
                return Ok(());
            }
        }
        Err(PasswordChangeProblem::Unavailable { retry_after: OWNER_RETRY })
    }
}

/// A failed login by its meaning: somebody who has a token guesses at the password. The log tells the reason.
fn denied(token: &AccessToken, reason: &'static str) -> PasswordChangeProblem {
    let (client, grant) = asked_by(token);
    tracing::info!(event = "login", outcome = "denied", at = "password_change", reason, subject = %token.subject(),
        client, grant, "a change of password was refused");
    PasswordChangeProblem::Incorrect
}
