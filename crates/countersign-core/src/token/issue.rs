//! The one place that mints: one write, then the tokens.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{BearerToken, Claims, format::jwt};
use crate::{
    clock::{Clock, Rng, random_id},
    error::OAuthError,
    grant_record::{Authorized, Grant},
    jose::MAX_TOKEN_BYTES,
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

/// Mints the tokens that descend from a grant, and hands them out once the grant is recorded and paid for.
///
/// They are made before the write, so that claims of the author's (`own`) that cannot be in a token cost nothing.
///
/// # Errors
/// - [`OAuthError::InvalidGrant`]: what it cost was spent already.
/// - [`OAuthError::TemporarilyUnavailable`]: the store is away; nothing was issued.
/// - [`OAuthError::ServerError`]: a claim of the author's has a reserved name, the token would be too long to be read,
///   or it could not be signed; the log says which.
pub(crate) async fn issue(
    mint: Mint<'_>,
    client_id: ClientId,
    authorized: Authorized,
    own: Map<String, Value>,
) -> Result<Issued, OAuthError> {
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
    let claims = Claims {
        issuer: mint.issuer.clone(),
        subject: grant.subject.clone(),
        audience: vec![mint.audience.clone()],
        client_id: Some(grant.client_id.clone()),
        scope: grant.scope.clone(),
        grant_id: Some(grant.id.clone()),
        token_id: Some(random_id::<TOKEN_ID_BYTES>(mint.rng)),
        issued_at: now,
        not_before: None,
        expires_at,
        own,
    };
    let access_token = encode(&claims, mint.keys)?;
    match mint.store.redeem(&authorized.standing, authorized.spend.as_ref(), &grant).await? {
        Redeemed::Whole => {}
        Redeemed::AlreadySpent => return Err(OAuthError::InvalidGrant),
        Redeemed::OwnerChanged => return Ok(Issued::OwnerChanged),
    }
    tracing::info!(event = "login", outcome = "granted", subject = %grant.subject, client = %grant.client_id,
        grant = %grant.id, scope = %grant.scope, "tokens were issued");
    let as_asked = authorized.asked.is_some_and(|asked| asked.same_tokens(&grant.scope));
    let scope = Some(grant.scope).filter(|scope| !as_asked && !scope.is_empty());
    Ok(Issued::Tokens(TokenResponse { access_token, expires_in: mint.lifetime.as_secs(), scope }))
}

fn encode(claims: &Claims, keys: &KeyRing) -> Result<BearerToken, OAuthError> {
    if let Some(name) = jwt::find_reserved(&claims.own) {
        tracing::error!(claim = name, "a claim of your own has a reserved name; no token is issued");
        return Err(OAuthError::ServerError);
    }
    let token = jwt::encode(claims, keys).map_err(|error| {
        tracing::error!(%error, "a token could not be signed");
        OAuthError::ServerError
    })?;
    let bytes = token.secret().len();
    if bytes > MAX_TOKEN_BYTES {
        let claims: Vec<_> = claims.own.keys().collect();
        tracing::error!(bytes, limit = MAX_TOKEN_BYTES, ?claims, "a token is too long for anybody to read");
        return Err(OAuthError::ServerError);
    }
    Ok(token)
}
