//! Who may log in, and what "active" means.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{names::Subject, password::PasswordHash, scope::Scope, store::error::StoreError, username::Username};

/// A resource owner (RFC 6749 §1.1): on the facade and the command line, a *user*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceOwner {
    /// Names the owner for ever; user names may change hands, this does not.
    pub subject: Subject,
    /// The canonical user name, unique.
    pub username: Username,
    /// The name to show to people.
    pub full_name: Option<String>,
    /// The e-mail address; nobody has proven that it is theirs.
    pub email: Option<String>,
    /// What the owner may grant: a client never gets more.
    pub scope: Scope,
    /// Whether the owner may log in and use what was granted.
    pub status: OwnerStatus,
    /// The hash of the password; an owner without one cannot log in by password.
    pub password_hash: Option<PasswordHash>,
}

impl ResourceOwner {
    /// Whether the owner may log in and use what was granted.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == OwnerStatus::Active
    }
}

/// Whether a resource owner may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerStatus {
    /// May log in and use what was granted.
    Active,
    /// May not log in, and nothing granted is of use; answered like a wrong password.
    Disabled,
}

/// Where resource owners are found: the port for your own table of users.
///
/// Two look-ups are all that countersign needs of it; tokens, keys and grants stay in the store. A complete one:
///
/// ```
/// use countersign_core::{
///     names::Subject,
///     password::PasswordHash,
///     resource_owner::{OwnerStatus, ResourceOwner, ResourceOwners},
///     store::error::StoreError,
///     username::Username,
/// };
///
/// #[derive(Debug)]
/// struct Staff;
///
/// #[async_trait::async_trait]
/// impl ResourceOwners for Staff {
///     async fn find_by_username(&self, username: &Username) -> Result<Option<ResourceOwner>, StoreError> {
///         Ok((username.as_str() == "alice").then(|| ResourceOwner {
///             subject: Subject::new("1"),
///             username: username.clone(),
///             full_name: Some("Alice Wonderland".into()),
///             email: None,
///             scope: "read:items".parse().unwrap_or_default(),
///             status: OwnerStatus::Active,
///             password_hash: Some(PasswordHash::new("$2b$12$…")),
///         }))
///     }
///
///     async fn find_by_subject(&self, subject: &Subject) -> Result<Option<ResourceOwner>, StoreError> {
///         match subject.as_str() {
///             "1" => self.find_by_username(&Username::parse("alice").map_err(StoreError::corrupt)?).await,
///             _ => Ok(None),
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait ResourceOwners: fmt::Debug + Send + Sync + 'static {
    /// The owner of this canonical name, disabled or not.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): it cannot be known now.
    async fn find_by_username(&self, username: &Username) -> Result<Option<ResourceOwner>, StoreError>;

    /// The owner named by this subject, disabled or not. The password hash may be left out here.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): it cannot be known now.
    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<ResourceOwner>, StoreError>;

    /// Replaces the password hash `from` by `to`, a better hash of the same password, unless it changed meanwhile.
    ///
    /// Must be one conditional write: two logins at once, or a login beside a change of password, leave one whole
    /// hash and never bring an old password back. Users whose table is not ours to write keep their hashes: the
    /// default does nothing, and a login with a weak hash then costs a new one each time, in vain.
    ///
    /// # Errors
    /// [`StoreError`]: the hash was not replaced, as far as is known. The login goes on.
    async fn upgrade_password(
        &self,
        subject: &Subject,
        from: &PasswordHash,
        to: &PasswordHash,
    ) -> Result<Upgraded, StoreError> {
        let _ = (subject, from, to);
        Ok(Upgraded::No)
    }
}

#[async_trait]
impl<T: ResourceOwners + ?Sized> ResourceOwners for Arc<T> {
    async fn find_by_username(&self, username: &Username) -> Result<Option<ResourceOwner>, StoreError> {
        (**self).find_by_username(username).await
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<ResourceOwner>, StoreError> {
        (**self).find_by_subject(subject).await
    }

    async fn upgrade_password(
        &self,
        subject: &Subject,
        from: &PasswordHash,
        to: &PasswordHash,
    ) -> Result<Upgraded, StoreError> {
        (**self).upgrade_password(subject, from, to).await
    }
}

/// Whether a password hash was replaced by a better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgraded {
    /// The new hash is stored.
    Yes,
    /// The stored hash is not the one that was verified, or may not be written: nothing changed.
    No,
}
