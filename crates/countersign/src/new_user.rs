//! Adding users to the built-in table, from code: first users, tests, examples.

use countersign_core::{
    names::Subject,
    password::{Busy, Password, PasswordHash, PasswordProblem},
    resource_owner::{OwnerStatus, ResourceOwner},
    scope::{MalformedScope, Scope},
    store::{Added, StoreError},
    username::{Username, UsernameProblem},
};

use crate::oauth2::OAuth2;

/// A user to be added by [`OAuth2::add_user`].
///
/// ```
/// use countersign::NewUser;
///
/// let alice = NewUser::new("alice").password("secret").full_name("Alice Wonderland").scope("read:items");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct NewUser {
    username: String,
    secret: Secret,
    full_name: Option<String>,
    email: Option<String>,
    scope: String,
    status: OwnerStatus,
}

#[derive(Clone)]
enum Secret {
    None,
    Password(String),
    Hash(PasswordHash),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl NewUser {
    /// A user of this name, who cannot log in before there is a password.
    pub fn new(username: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            secret: Secret::None,
            full_name: None,
            email: None,
            scope: String::new(),
            status: OwnerStatus::Active,
        }
    }

    /// The password, which is hashed when the user is added. What code sets is not held against the password policy: where
    /// a person chose it, ask [`OAuth2::check_new_password`] first.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.secret = Secret::Password(password.into());
        self
    }

    /// The hash of a password, of any scheme that is supported; a better one takes its place at the first login.
    pub fn password_hash(mut self, hash: impl Into<String>) -> Self {
        self.secret = Secret::Hash(PasswordHash::new(hash));
        self
    }

    /// The name to show to people, without control characters.
    pub fn full_name(mut self, full_name: impl Into<String>) -> Self {
        self.full_name = Some(full_name.into());
        self
    }

    /// The e-mail address, without control characters.
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// The scopes that the user may grant, separated by spaces.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }

    /// The user may not log in.
    pub fn disabled(mut self) -> Self {
        self.status = OwnerStatus::Disabled;
        self
    }
}

impl OAuth2 {
    /// Adds a user to the built-in table, unless the name is taken: then nothing changes.
    ///
    /// # Errors
    /// [`NewUserProblem`]: one of the names, the address, the password or the scope cannot be one, or it cannot be stored now.
    pub async fn add_user(&self, user: NewUser) -> Result<Added, NewUserProblem> {
        let server = self.server().filter(|server| server.owners_are_in_store()).ok_or(NewUserProblem::OtherTable)?;
        let username = Username::parse(&user.username)?;
        let scope: Scope = user.scope.parse()?;
        let is_plain = |text: &Option<String>| !text.as_deref().is_some_and(|text| text.contains(char::is_control));
        match (is_plain(&user.full_name), is_plain(&user.email)) {
            (true, true) => {}
            (false, _) => return Err(NewUserProblem::FullName),
            (true, false) => return Err(NewUserProblem::Email),
        }
        let password_hash = match user.secret {
            Secret::None => None,
            Secret::Hash(hash) => Some(hash),
            Secret::Password(password) => Some(server.hashing().hash(Password::typed(&password)?).await?),
        };
        let owner = ResourceOwner {
            subject: Subject::random(server.rng()),
            username,
            full_name: user.full_name,
            email: user.email,
            scope,
            status: user.status,
            password_hash,
        };
        Ok(server.store().add_owner(&owner).await?)
    }
}

/// Why a user was not added.
#[derive(Debug, thiserror::Error)]
pub enum NewUserProblem {
    /// The users are of a table of the author's (`Builder::users`) or of an issuer elsewhere, and are added there.
    #[error("users come from a table of your own, or with tokens from elsewhere: add them there")]
    OtherTable,
    /// The name cannot be one.
    #[error(transparent)]
    Username(#[from] UsernameProblem),
    /// The name to show to people cannot be one: not every store could keep it, and it would disturb whatever shows it.
    #[error("the full name holds a control character")]
    FullName,
    /// The e-mail address cannot be one.
    #[error("the e-mail address holds a control character")]
    Email,
    /// The password cannot be one.
    #[error(transparent)]
    Password(#[from] PasswordProblem),
    /// The scope cannot be one.
    #[error(transparent)]
    Scope(#[from] MalformedScope),
    /// Too many passwords wait to be hashed.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}
