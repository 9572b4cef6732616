//! Tokens from elsewhere: verified with their issuer's keys, or by asking it (resource-server mode).
//!
//! ```no_run
#![doc = include_str!("../../examples/resource_server.rs")]
//! ```
//!
//! The issuer does not have to be up when the API starts: it is asked when the first token comes, and while it was never
//! reached, the answer is 503.

mod builder;
mod fetch;
mod follower;
mod http;
mod introspection;
mod kept;
mod keys;
mod metadata;
mod owner;
mod unverified;
mod url;

use std::{sync::Arc, time::Duration};

#[cfg(feature = "testing")]
use countersign_core::token::verify::Profile;
use countersign_core::{
    authorization_server::SharedOwner,
    clock::Rng,
    error::BearerError,
    meters::VerificationMeters,
    names::{Audience, Issuer},
    reason::Reason,
    resource_owner::ResourceOwners,
    token::{AccessToken, BorrowedToken, TokenSubject, verify::Intended},
};
use serde_json::{Value, json};

#[doc(hidden)]
pub use self::url::check_told;
pub use self::{
    builder::{Elsewhere, Introspected, IntrospectingBuilder, RemoteBuilder, Verified},
    fetch::{BasicAuthorization, Fetch, FetchError, Fetched, lifetime_of},
};
use self::{follower::Follower, introspection::ByIntrospection, keys::ByKeys};
use crate::openapi::Scopes;

/// An issuer elsewhere, whose tokens are believed.
#[derive(Debug)]
pub(crate) struct Remote {
    issuer: Issuer,
    audience: Audience,
    leeway: Duration,
    proof: Proof,
    owners: Option<Arc<dyn ResourceOwners>>,
    rng: Arc<dyn Rng>,
    sign_in: Option<SignIn>,
    meters: VerificationMeters,
}

/// What a token is believed by.
#[derive(Debug)]
enum Proof {
    Keys(Box<ByKeys>),
    Introspection(Box<ByIntrospection>),
}

/// Where people log in, for the docs page.
#[derive(Clone, Debug)]
struct SignIn {
    authorization_url: String,
    token_url: String,
}

impl Remote {
    pub(crate) async fn verify(&self, token: BorrowedToken<'_>) -> Result<AccessToken, BearerError> {
        let intended = Intended { issuer: &self.issuer, audience: &self.audience, leeway: self.leeway };
        let verified = match &self.proof {
            Proof::Keys(keys) => keys.verify(token, intended).await,
            Proof::Introspection(introspection) => introspection.verify(token, intended).await,
        };
        self.meters.count(&verified);
        if let Err(error @ BearerError::InvalidToken(_)) = &verified {
            let reason = error.reason();
            tracing::debug!(event = "verify", outcome = "denied", %reason, "a token was refused");
        }
        verified
    }

    pub(crate) async fn find_active_owner(&self, token: &AccessToken) -> Result<SharedOwner, BearerError> {
        // RFC 9068 §5: a client's own token never passes for a user's, whomever the table of users has.
        if token.whose() == TokenSubject::Client {
            return Err(BearerError::InvalidToken(Reason::NotAUser));
        }
        let Some(owners) = &self.owners else { return owner::of_claims(token).map(SharedOwner::new) };
        let reason = match owners.find_by_subject(token.subject()).await? {
            Some(owner) if owner.is_active() => return Ok(SharedOwner::new(owner)),
            Some(_) => Reason::OwnerDisabled,
            None => Reason::OwnerGone,
        };
        Err(BearerError::InvalidToken(reason))
    }

    /// Hears of what has ended, if its issuer is followed.
    pub(crate) fn follower(&self) -> Option<&Follower> {
        match &self.proof {
            Proof::Keys(keys) => keys.follower.as_ref(),
            Proof::Introspection(_) => None,
        }
    }

    pub(crate) fn rng(&self) -> &dyn Rng {
        &*self.rng
    }

    /// Who may log in, if that is known here.
    #[cfg(feature = "testing")]
    pub(crate) fn owners(&self) -> Option<&dyn ResourceOwners> {
        self.owners.as_deref()
    }

    /// How its tokens are read here; where the issuer is asked, that is its affair.
    #[cfg(feature = "testing")]
    pub(crate) const fn profile(&self) -> Profile {
        match &self.proof {
            Proof::Keys(keys) => keys.profile,
            Proof::Introspection(_) => Profile::Plain,
        }
    }

    /// The scheme in the document: made of settings alone, so that it is the same whether the issuer answers or not.
    pub(crate) fn document(&self, scopes: &Scopes) -> Value {
        match &self.sign_in {
            Some(SignIn { authorization_url, token_url }) => {
                let flow = json!({ "authorizationUrl": authorization_url, "tokenUrl": token_url, "scopes": scopes });
                json!({ "type": "oauth2", "flows": { "authorizationCode": flow } })
            }
            None => {
                let issuer = self.issuer.as_str().trim_end_matches('/');
                let url = format!("{issuer}/.well-known/openid-configuration");
                json!({ "type": "openIdConnect", "openIdConnectUrl": url })
            }
        }
    }
}
