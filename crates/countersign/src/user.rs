//! The user as handlers see it: the built-in type, or the author's own.

use std::{
    future::{Future, ready},
    sync::Arc,
};

use countersign_core::{authorization_server::SharedOwner, resource_owner::ResourceOwner, store::StoreError};
use schemars::JsonSchema;
use serde::Serialize;

/// The user of the built-in table, without anything that must not leave the server.
// In the document under a name that is not the author's own, who calls theirs `User` more often than not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "AuthenticatedUser")]
pub struct User {
    /// Names the user for ever; user names may change hands.
    pub sub: String,
    /// The canonical user name.
    pub username: String,
    /// The name to show to people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// The e-mail address; nobody has proven that it is theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the user may log in. Guards let nobody in who may not.
    pub disabled: bool,
    /// The scopes that the user may grant.
    pub scopes: Vec<String>,
}

/// A user type of the author's, to be had as `CurrentUser<S, MyUser>`.
///
/// It is cloned where several guards of one route ask for it.
/// It is made from the resource owner, whom the guard has found to be active, with the application's state at hand
/// to look up the rest:
///
/// ```
/// use countersign::{FromResourceOwner, ResourceOwner, StoreError};
///
/// #[derive(Clone)]
/// struct Author {
///     pen_name: String,
/// }
///
/// impl<AppState: Sync> FromResourceOwner<AppState> for Author {
///     async fn from_resource_owner(owner: ResourceOwner, _: &AppState) -> Result<Option<Self>, StoreError> {
///         Ok(owner.full_name.map(|pen_name| Self { pen_name }))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a user type",
    note = "implement `countersign::FromResourceOwner` for it, or use the built-in `CurrentUser`"
)]
pub trait FromResourceOwner<AppState>: Clone + Send + Sync + 'static {
    /// Makes the user; `None` if there is none any more, which is answered like a bad token.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): it cannot be known now.
    fn from_resource_owner(
        owner: ResourceOwner,
        state: &AppState,
    ) -> impl Future<Output = Result<Option<Self>, StoreError>> + Send;

    /// As it is asked for where the owner may be remembered: who makes nothing else of the owner can share what was made
    /// before.
    #[doc(hidden)]
    fn from_shared_owner(
        owner: SharedOwner,
        state: &AppState,
    ) -> impl Future<Output = Result<Option<Arc<Self>>, StoreError>> + Send {
        let made = Self::from_resource_owner(owner.into_owner(), state);
        async move { Ok(made.await?.map(Arc::new)) }
    }
}

impl<AppState> FromResourceOwner<AppState> for User {
    fn from_resource_owner(
        owner: ResourceOwner,
        _: &AppState,
    ) -> impl Future<Output = Result<Option<Self>, StoreError>> + Send {
        ready(Ok(Some(owner.into())))
    }

    fn from_shared_owner(
        owner: SharedOwner,
        _: &AppState,
    ) -> impl Future<Output = Result<Option<Arc<Self>>, StoreError>> + Send {
        ready(Ok(Some(owner.view(|owner| Self::from(owner.clone())))))
    }
}

impl<AppState> FromResourceOwner<AppState> for ResourceOwner {
    fn from_resource_owner(
        owner: ResourceOwner,
        _: &AppState,
    ) -> impl Future<Output = Result<Option<Self>, StoreError>> + Send {
        ready(Ok(Some(owner)))
    }
}

impl From<ResourceOwner> for User {
    fn from(owner: ResourceOwner) -> Self {
        Self {
            disabled: !owner.is_active(),
            sub: owner.subject.to_string(),
            username: owner.username.to_string(),
            full_name: owner.full_name,
            email: owner.email,
            scopes: owner.scope.iter().map(ToString::to_string).collect(),
        }
    }
}
