//! `Claims` and `Allowed` as careless people would write them.

use axum::{extract::FromRequestParts, http::request::Parts};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    AccessToken, Allowed, BearerToken, Claims, CurrentUser, Denied, ExtraClaims, IssuedFor, OAuth2, Refusal, Rule,
    StoreError, argument,
    core::extra_claims::{Map, Value},
};
use serde::Deserialize;

use super::Careless;
use crate::support::Me;

/// What a broken guard of claims or rules does wrong; everything else it does right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trusting {
    Nobody,
    // Of claims.
    DoesNotVerify,
    NeedsNoClaims,
    NeedsNoScope,
    // Of rules.
    AsksNoRule,
    NeedsNoUser,
}

type State = Careless<Trusting>;

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "what is in it does not matter")]
pub(crate) struct Tenant {
    tenant: String,
}

/// Puts a tenant into every token.
#[derive(Debug)]
pub(crate) struct Tenants;

#[countersign::async_trait]
impl ExtraClaims for Tenants {
    async fn claims(&self, _: IssuedFor<'_>) -> Result<Map<String, Value>, StoreError> {
        Ok(Map::from_iter([("tenant".to_owned(), "acme".into())]))
    }
}

/// Claims to need what `Claims<Tenant, Me>` needs.
pub(crate) struct BrokenClaims;

argument!(BrokenClaims: Claims<Tenant, Me>);

/// What a token says, whether it holds or not.
fn say(token: &str) -> Value {
    let payload = token.split('.').nth(1).and_then(|segment| URL_SAFE_NO_PAD.decode(segment).ok());
    payload.and_then(|payload| serde_json::from_slice(&payload).ok()).unwrap_or_default()
}

impl FromRequestParts<State> for BrokenClaims {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Refusal> {
        match state.mistake {
            Trusting::DoesNotVerify => {
                let token = <BearerToken as FromRequestParts<State>>::from_request_parts(parts, state).await?;
                let said = say(token.secret());
                let is_enough = said["scope"] == "me" && said["tenant"].is_string();
                if is_enough {
                    return Ok(Self);
                }
            }
            Trusting::NeedsNoClaims => {
                return <AccessToken<Me> as FromRequestParts<State>>::from_request_parts(parts, state)
                    .await
                    .map(|_| Self);
            }
            Trusting::NeedsNoScope => {
                return <Claims<Tenant> as FromRequestParts<State>>::from_request_parts(parts, state)
                    .await
                    .map(|_| Self);
            }
            _ => {}
        }
        <Claims<Tenant, Me> as FromRequestParts<State>>::from_request_parts(parts, state).await.map(|_| Self)
    }
}

/// Alice alone.
pub(crate) struct OnlyAlice;

impl Rule for OnlyAlice {
    type Guard = CurrentUser<Me>;
    type State = OAuth2;
    const NAME: &'static str = "only_alice";
    const DESCRIPTION: &'static str = "You are not alice.";

    async fn check(user: CurrentUser<Me>, _: &mut Parts, _: &OAuth2) -> Result<Self, Denied> {
        if user.username == "alice" { Ok(Self) } else { Err(Denied::Refused) }
    }
}

/// Claims to need what `Allowed<OnlyAlice>` needs.
pub(crate) struct BrokenAllowed;

argument!(BrokenAllowed: Allowed<OnlyAlice>);

impl FromRequestParts<State> for BrokenAllowed {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Refusal> {
        let allowed = <Allowed<OnlyAlice> as FromRequestParts<State>>::from_request_parts(parts, state).await;
        match allowed {
            Err(refusal) if refusal.error().is_none() && state.is(Trusting::AsksNoRule) => Ok(Self),
            Err(refusal) if refusal.is_for_want_of_credentials() && state.is(Trusting::NeedsNoUser) => Ok(Self),
            found => found.map(|_| Self),
        }
    }
}
