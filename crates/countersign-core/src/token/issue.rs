//! The one place that mints: one write, then the tokens.

use std::time::Duration;

use super::{BearerToken, Claims, format::jwt};
use crate::{
    clock::{Clock, Rng, random_id},
    error::OAuthError,
    grant_record::{Authorized, Grant},
    key::KeyRing,
    names::{Audience, ClientId, GrantId, Issuer},
    scope::Scope,
    store::{Grants, Redeemed},
};

/// Bytes of randomness that name a token: 128 bits, so that two never meet.
const TOKEN_ID_BYTES: usize = 16;

/// How long an access token lives by default: 15 minutes, so that a stolen one is soon worth nothing (RFC 9700 §2.2.1).
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// What issuing needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mint<'a> {
    pub(crate) store: &'a dyn Grants,
    pub(crate) keys: &'a KeyRing,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) rng: &'a dyn Rng,
    pub(crate) issuer: &'a Issuer,
    pub(crate) audience: &'a Audience,
    pub(crate) lifetime: Duration,
}

/// A successful answer (RFC 6749 §5.1).
#[derive(Debug)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: BearerToken,
    /// Seconds until it expires.
    pub expires_in: u64,
    /// What was granted, if that is not what was asked for; never the empty scope.
    pub scope: Option<Scope>,
}

/// What came of issuing.
#[derive(Debug)]
pub(crate) enum Issued {
    /// Tokens.
    Tokens(TokenResponse),
    /// Nothing: the owner is not any more what was decided upon.
    OwnerChanged,
}

/// Records the grant, spending what it cost, and mints the tokens that descend from it.
///
/// # Errors
/// - [`OAuthError::InvalidGrant`]: what it cost was spent already.
/// - [`OAuthError::TemporarilyUnavailable`]: the store is away; nothing was issued.
pub(crate) async fn issue(mint: Mint<'_>, client_id: ClientId, authorized: Authorized) -> Result<Issued, OAuthError> {
    let now = mint.clock.now();
    let expires_at = now.plus(mint.lifetime);
    let grant = Grant {
        id: GrantId::random(mint.rng),
        subject: authorized.subject,
        client_id,
        scope: authorized.scope,
        created_at: now,
        expires_at,
    };
    match mint.store.redeem(&authorized.standing, authorized.spend.as_ref(), &grant).await? {
        Redeemed::Whole => {}
        Redeemed::AlreadySpent => return Err(OAuthError::InvalidGrant),
        Redeemed::OwnerChanged => return Ok(Issued::OwnerChanged),
    }
    tracing::info!(event = "login", outcome = "granted", subject = %grant.subject, client = %grant.client_id,
        grant = %grant.id, scope = %grant.scope, "tokens were issued");
    let claims = Claims {
        issuer: mint.issuer.clone(),
        subject: grant.subject,
        audience: vec![mint.audience.clone()],
        client_id: grant.client_id,
        scope: grant.scope,
        grant_id: Some(grant.id),
        token_id: random_id::<TOKEN_ID_BYTES>(mint.rng),
        issued_at: now,
        not_before: None,
        expires_at,
    };
    let access_token = jwt::encode(&claims, mint.keys).map_err(|error| {
        tracing::error!(%error, "a token could not be signed");
        OAuthError::ServerError
    })?;
    let as_asked = authorized.asked.is_some_and(|asked| asked.same_tokens(&claims.scope));
    let scope = Some(claims.scope).filter(|scope| !as_asked && !scope.is_empty());
    Ok(Issued::Tokens(TokenResponse { access_token, expires_in: mint.lifetime.as_secs(), scope }))
}
