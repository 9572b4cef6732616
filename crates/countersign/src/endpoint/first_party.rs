//! The rule of endpoints that are for the operator's own software.

use axum::http::request::Parts;
use countersign_core::{client::Party, token::AccessToken};

use crate::{
    extract::CurrentUser,
    guard::{Denied, Rule},
    oauth2::OAuth2,
};

/// A user who comes with an application of the operator's own: the built-in client, or a registered one that is marked so.
/// A client of somebody else's may be good for little, and must not end everything its user is logged in to.
pub(super) struct FirstParty(CurrentUser);

impl FirstParty {
    /// The token with which the user came.
    pub(super) fn access_token(&self) -> &AccessToken {
        self.0.access_token()
    }
}

impl Rule for FirstParty {
    type Guard = CurrentUser;
    type State = OAuth2;
    const NAME: &'static str = "first_party";
    const DESCRIPTION: &'static str = "Only this API's own applications may do that.";

    async fn check(user: CurrentUser, _: &mut Parts, oauth2: &OAuth2) -> Result<Self, Denied> {
        let server = oauth2.server().ok_or(Denied::Refused)?;
        match server.find_party(user.access_token()).await? {
            Party::First => Ok(Self(user)),
            Party::Third => Err(Denied::Refused),
        }
    }
}
