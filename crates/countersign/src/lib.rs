//! OAuth2 for your axum API.
//!
//! Write what a handler needs as an argument, and the login endpoint, the check, the scopes, the 401s and a docs page
//! whose *Authorize* button works come from that one declaration:
//!
//! ```no_run
#![doc = include_str!("../examples/first_steps.rs")]
//! ```
//!
//! - **Guards**: [`CurrentUser`], [`AccessToken`], [`BearerToken`]; [`Claims`] of yours, and [`Allowed`] where a [`Rule`] of
//!   yours holds; [`Either`] and [`Both`] put two together. Wrapped in `Option`, they let a request without credentials
//!   pass as `None`, and still refuse a bad token.
//! - **Schemes**: [`security_schemes!`] declares any other that OpenAPI knows, and [`Credentials`] reads it.
//! - **Scopes**: [`scopes!`] makes a type of each; the type that names a scope is the check.
//! - **Routes**: [`routing::get`] and its siblings read the guards off the handler; a route without a guard must be
//!   marked by [`routing::public`], or the API does not start.
//! - **The audit**: [`Router::audit`] lists every route with who may call it; see [`audit`].
//! - **The docs page**: [`DocsPage`] says where it is and how it looks, or switches it off.
//! - **utoipa**: with the feature `utoipa`, handlers with `#[utoipa::path]` are routes too, and a document that is there
//!   already gets the locks.
//! - **Users**: the store's own table, or yours, through [`ResourceOwners`].
//! - **Logins**: [`OAuth2::grants_of`] lists those of a user, [`OAuth2::end_grant`] and [`OAuth2::end_grants_of`] end them;
//!   users do the same with theirs below `/users/me/grants`.
//! - **Clients**: [`OAuth2::add_client`] registers one; [`OAuth2::disable_client`] and its siblings change it.
//! - **Keys**: they are replaced by themselves; [`OAuth2::rotate_keys`] does it now, [`OAuth2::withdraw_key`] is for one
//!   that leaked.
//! - **Tokens from elsewhere**: with the feature `remote`, `OAuth2::remote` takes the place of [`OAuth2::new`], and
//!   nothing else changes.
//! - **Tests**: the module `testing`, behind the feature of its name, has tokens in one line, a clock to turn, and every
//!   known attack on every route.
//!
//! The rules come from `countersign-core`, the tables from `countersign-sql`.

mod assembly;
pub mod audit;
mod authority;
mod blocklist_file;
mod builder;
mod client_changes;
mod endpoint;
mod error;
pub mod extract;
mod guard;
mod housekeeping;
mod issuer;
mod key_changes;
mod new_client;
mod new_user;
mod oauth2;
mod openapi;
mod realm;
#[cfg(feature = "remote")]
pub mod remote;
mod router;
mod routes;
pub mod routing;
mod schemas;
pub mod scheme;
mod scopes;
mod serve;
mod source;
mod start_error;
mod table;
#[cfg(feature = "testing")]
pub mod testing;
mod user;
mod user_changes;

#[cfg(feature = "utoipa")]
pub use crate::openapi::utoipa;
pub use aide;
pub use async_trait::async_trait;
pub use countersign_core as core;
#[doc(no_inline)]
pub use countersign_core::{
    authorization_server::{RevocationSettings, WhenStale},
    client::{Client, ClientSecret, ClientStatus, SecretMethods},
    clock::{Clock, Rng, Timestamp},
    error::{BearerError, OAuthError},
    extra_claims::{ExtraClaims, IssuedFor},
    grant_record::Grant,
    grant_type::GrantType,
    jose::HmacSecret,
    key::{KeyEncryptionKey, KeyPairAlgorithm, KeyRotation, SigningChoice},
    names::{ClientId, GrantId, KeyId, Subject},
    password::{
        Argon2Cost, Blocklist, BlocklistAway, HashingPriority, HashingSettings, Listed, Password, PasswordHash,
        PasswordPolicy, PolicyRefusal,
    },
    reason::Reason,
    resource_owner::{OwnerStatus, ResourceOwner, ResourceOwners, Upgraded},
    scope::{Scope, ScopeToken},
    store::{Added, Found, Store, StoreError, memory::Memory},
    throttle::{Attempts, Source, ThrottleSettings},
    token::TokenSubject,
    token_format::TokenFormat,
    username::Username,
};
pub use schemars;

pub use crate::{
    blocklist_file::{BlocklistFile, BlocklistFileError},
    builder::{Builder, Embedded},
    client_changes::ClientChangeProblem,
    endpoint::{DocsPage, security_headers},
    error::{Error, Result},
    extract::{
        AccessToken, Allowed, BearerToken, Both, Claims, Credentials, CurrentUser, Either, OAuth2PasswordRequestForm,
        OAuth2PasswordRequestFormStrict,
    },
    guard::{Argument, Arguments, Denied, Refusal, Requirement, Rule, RuleFunction, TakesArguments, Verdict},
    key_changes::KeyChangeProblem,
    new_client::{AddedClient, NewClient, NewClientProblem},
    new_user::{NewUser, NewUserProblem},
    oauth2::{HoldsOAuth2, OAuth2},
    router::Router,
    routes::Routes,
    scopes::{Declaration, ScopeSet, ScopeType},
    serve::{Connections, serve, serve_on},
    source::{ForwardedHeader, Network, NetworkProblem},
    start_error::StartError,
    user::{FromResourceOwner, User},
    user_changes::UserProblem,
};
