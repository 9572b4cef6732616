//! For the tests of an API: tokens in one line, a clock to turn, an issuer whose keys the test holds, every known attack
//! on every route, and a walk through the document.
//!
//! Behind the feature `testing`, which belongs under `[dev-dependencies]` alone:
//!
//! ```toml
//! [dev-dependencies]
//! countersign = { version = "0.1", features = ["testing"] }
//! ```
//!
//! A test of an API is then:
//!
//! ```
//! use countersign::{CurrentUser, Memory, NewUser, OAuth2, Router, routing::get, scopes, testing};
//!
//! scopes! {
//!     /// Read items.
//!     pub ReadItems = "read:items";
//! }
//!
//! async fn app() -> countersign::Result<Router> {
//!     let oauth2 = OAuth2::new(Memory::new()).build().await?;
//!     oauth2.add_user(NewUser::new("alice").password("correct horse")).await?;
//!     Ok(oauth2.router().route("/items", get(async |user: CurrentUser<ReadItems>| user.username.clone())))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> countersign::Result<()> {
//! // Every attack on every route is refused.
//! testing::attack(app().await?).await?.assert_held();
//! // What the document says is what happens.
//! testing::walk(app().await?).await?.assert_held();
//! // A token for alice, without a login.
//! let app = app().await?;
//! let token = testing::token(app.oauth2(), "alice", "read:items").await?;
//! # assert_eq!(token.split('.').count(), 3);
//! # Ok(())
//! # }
//! ```
//!
//! Tokens are signed with the API's own keys, without a password, and nothing is recorded.

mod ask;
mod attack;
mod call;
mod draft;
#[cfg(feature = "remote")]
mod fetch;
mod issuer;
mod plan;
mod problem;
mod signer;
mod token_for;
mod walk;

pub use countersign_core::clock::{SeededRng, TurnableClock};

pub use self::{
    attack::{Attack, AttackReport, Breach, attack},
    issuer::Issuer,
    plan::{Plan, Unclear},
    problem::TestError,
    token_for::TokenFor,
    walk::{Call, Expected, WalkReport, walk},
};
use crate::oauth2::OAuth2;

/// A token for the user of this name with these scopes, separated by spaces: signed by the handle, without a login.
///
/// `sub` is the user's, or the name itself where there is no such user. What else a token may say is in [`TokenFor`].
///
/// # Errors
/// [`TestError`]: `scope` is none, or the users cannot be looked up.
pub async fn token(oauth2: &OAuth2, username: &str, scope: &str) -> Result<String, TestError> {
    TokenFor::user(oauth2, username).scope(scope).sign().await
}
