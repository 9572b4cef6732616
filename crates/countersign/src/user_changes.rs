//! What code does to users and to their logins: each is in force, and every token that it ends is dead, when it returns.

use countersign_core::{
    authorization_server::AuthorizationServer,
    grant_record::Grant,
    names::{GrantId, Subject},
    password::{BlocklistAway, Busy, Password, PasswordProblem, PolicyProblem, PolicyRefusal},
    resource_owner::{OwnerStatus, ResourceOwner},
    store::{Found, StoreError},
    username::Username,
};

use crate::oauth2::OAuth2;

/// Users and their logins, from code.
///
/// Users are named by their subject (`sub`), which stays theirs for ever; [`OAuth2::find_user`] finds it. Whatever ends
/// logins ends their refresh tokens and opaque tokens everywhere, and their JWTs in this process, before it returns; in other
/// processes on the same store JWTs end within a second.
///
/// ```
/// use countersign::{Found, Memory, NewUser, OAuth2};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> countersign::Result<()> {
/// let oauth2 = OAuth2::new(Memory::new()).build().await?;
/// oauth2.add_user(NewUser::new("alice").password("secret")).await?;
/// if let Some(alice) = oauth2.find_user("alice").await? {
///     assert_eq!(oauth2.disable_user(&alice.subject).await?, Found::Yes);
///     assert!(oauth2.grants_of(&alice.subject, None, 100).await?.is_empty());
/// }
/// # Ok(())
/// # }
/// ```
impl OAuth2 {
    /// The user of this name, disabled or not, in the built-in table or in one of yours.
    ///
    /// # Errors
    /// [`UserProblem::Elsewhere`]; [`UserProblem::Store`].
    pub async fn find_user(&self, username: &str) -> Result<Option<ResourceOwner>, UserProblem> {
        let server = self.issuing()?;
        let Ok(username) = Username::parse(username) else { return Ok(None) };
        Ok(server.owners().find_by_username(&username).await?)
    }

    /// Disables a user of the built-in table, and ends their logins.
    ///
    /// # Errors
    /// [`UserProblem::OtherTable`], [`UserProblem::Elsewhere`]; [`UserProblem::Store`]: it is not known whether that is done.
    pub async fn disable_user(&self, subject: &Subject) -> Result<Found, UserProblem> {
        Ok(self.with_table()?.set_status(subject, OwnerStatus::Disabled).await?)
    }

    /// Enables a user of the built-in table, who then logs in again.
    ///
    /// # Errors
    /// As of [`OAuth2::disable_user`].
    pub async fn enable_user(&self, subject: &Subject) -> Result<Found, UserProblem> {
        Ok(self.with_table()?.set_status(subject, OwnerStatus::Active).await?)
    }

    /// Removes a user from the built-in table, and ends their logins.
    ///
    /// # Errors
    /// As of [`OAuth2::disable_user`].
    pub async fn remove_user(&self, subject: &Subject) -> Result<Found, UserProblem> {
        Ok(self.with_table()?.remove_owner(subject).await?)
    }

    /// Sets the password of a user of the built-in table, and ends their logins. What code sets is not held against the
    /// password policy: where a person chose it, ask [`OAuth2::check_new_password`] first.
    ///
    /// # Errors
    /// As of [`OAuth2::disable_user`]; [`UserProblem::Password`]; [`UserProblem::Busy`].
    pub async fn set_password(&self, subject: &Subject, password: &str) -> Result<Found, UserProblem> {
        let server = self.with_table()?;
        let hash = server.hashing().hash(Password::typed(password)?).await?;
        Ok(server.set_password(subject, &hash).await?)
    }

    /// Checks a password that a person wants to set, by the policy and the list of known passwords: for pages of your own on
    /// which people register or choose another password, whatever table they are in.
    ///
    /// `context` holds what an attacker who knows the user tries first: the user name, the e-mail address, the full name. The
    /// title of the API is added.
    ///
    /// # Errors
    /// [`UserProblem::Password`] and [`UserProblem::Refused`] say to the person what is wrong with it;
    /// [`UserProblem::Unknown`]: the list cannot be read now, and it must not be set; [`UserProblem::Elsewhere`].
    pub async fn check_new_password(&self, password: &str, context: &[&str]) -> Result<(), UserProblem> {
        let server = self.issuing()?;
        let context: Vec<_> = context.iter().copied().chain(self.title()).collect();
        match server.check_new_password(&Password::typed(password)?, &context).await {
            Ok(()) => Ok(()),
            Err(PolicyProblem::Refused(refusal)) => Err(refusal.into()),
            Err(PolicyProblem::Unknown(away)) => Err(away.into()),
        }
    }

    /// At most `limit` logins of a user, of those whose `id` comes after `after`, in the order of their `id`s.
    ///
    /// # Errors
    /// [`UserProblem::Elsewhere`]; [`UserProblem::Store`].
    pub async fn grants_of(
        &self,
        subject: &Subject,
        after: Option<&GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, UserProblem> {
        Ok(self.issuing()?.grants_of(subject, after, limit).await?)
    }

    /// Ends one login.
    ///
    /// # Errors
    /// [`UserProblem::Elsewhere`]; [`UserProblem::Store`]: it is not known whether it has ended.
    pub async fn end_grant(&self, id: &GrantId) -> Result<Found, UserProblem> {
        Ok(self.issuing()?.end_grant(id).await?)
    }

    /// Ends all logins of a user, and says how many there were. An API whose users are in a table of its own calls it once
    /// that table says that one is disabled, removed, or has another password.
    ///
    /// # Errors
    /// [`UserProblem::Elsewhere`]; [`UserProblem::Store`]: it is not known whether they have ended.
    pub async fn end_grants_of(&self, subject: &Subject) -> Result<usize, UserProblem> {
        Ok(self.issuing()?.end_grants_of(subject).await?)
    }

    fn issuing(&self) -> Result<&AuthorizationServer, UserProblem> {
        self.server().ok_or(UserProblem::Elsewhere)
    }

    /// The server, if the table of users is its store's.
    fn with_table(&self) -> Result<&AuthorizationServer, UserProblem> {
        Some(self.issuing()?).filter(|server| server.owners_are_in_store()).ok_or(UserProblem::OtherTable)
    }
}

/// Why a user, or a login, was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserProblem {
    /// The users are of a table of the author's ([`Builder::users`](crate::Builder::users)).
    #[error("users are of a table of your own: change them there, and end their logins with end_grants_of")]
    OtherTable,
    /// Tokens, and the logins behind them, are of an issuer elsewhere.
    #[error("tokens come from elsewhere: users and their logins are there")]
    Elsewhere,
    /// The password cannot be one.
    #[error(transparent)]
    Password(#[from] PasswordProblem),
    /// The password is one that the policy refuses.
    #[error(transparent)]
    Refused(#[from] PolicyRefusal),
    /// The list of known passwords cannot be read.
    #[error(transparent)]
    Unknown(#[from] BlocklistAway),
    /// Too many passwords wait to be hashed.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}
