//! The one place that mints: the tokens, then one write, then the answer.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{
    BearerToken, Claims,
    format::{jwt, opaque},
};
use crate::{
    clock::{Rng, Timestamp, random_id},
    error::{GrantProblem, OAuthError},
    grant_record::{Again, Authorized, Grant, Refresh, Renewal, Retired, Source},
    jose::MAX_TOKEN_BYTES,
    key::KeyRing,
    names::{Audience, ClientId, GrantId, Issuer, Subject},
    refresh_token::{Answer, RefreshToken},
    scope::Scope,
    store::{Found, Grants, OpaqueToken, Redeemed, Rotated},
    token_format::TokenFormat,
};

/// Bytes of randomness that name a token: 128 bits, so that two never meet.
const TOKEN_ID_BYTES: usize = 16;

/// How long an access token lives by default: 15 minutes, so that a stolen one is soon worth nothing (RFC 9700 §2.2.1).
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// How long a refresh token may lie unused by default: whoever opens an application every other week stays logged in.
pub(crate) const DEFAULT_REFRESH_IDLE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// How long a login lasts at most by default: a quarter of a year (OWASP ASVS 10.4.8 wants a limit that use cannot move).
pub(crate) const DEFAULT_REFRESH_ABSOLUTE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// For how long a use may be tried again by default: longer than a request that timed out and its second try, too short
/// for a thief to come and go unseen.
pub(crate) const DEFAULT_REFRESH_LEEWAY: Duration = Duration::from_secs(10);

/// How many uses of refresh tokens a grant remembers to answer again: more than any client makes within the leeway, few
/// enough that its row stays small.
const MAX_RETIRED: usize = 16;

/// How long a grant can be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshLifetimes {
    /// How long a refresh token may lie unused; 14 days by default.
    pub idle: Duration,
    /// How long after the login the last of the family expires, however often it was renewed; 90 days by default.
    pub absolute: Duration,
    /// For how long a use may be tried again, and gets the same answer; 10 seconds by default, 0 for never.
    pub leeway: Duration,
}

impl Default for RefreshLifetimes {
    fn default() -> Self {
        Self { idle: DEFAULT_REFRESH_IDLE, absolute: DEFAULT_REFRESH_ABSOLUTE, leeway: DEFAULT_REFRESH_LEEWAY }
    }
}

/// What issuing needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mint<'a> {
    pub(crate) store: &'a dyn Grants,
    pub(crate) keys: &'a KeyRing,
    pub(crate) now: Timestamp,
    pub(crate) rng: &'a dyn Rng,
    pub(crate) issuer: &'a Issuer,
    pub(crate) audience: &'a Audience,
    pub(crate) format: TokenFormat,
    pub(crate) lifetime: Duration,
    /// How a new grant can be renewed, if it can.
    pub(crate) refresh: Option<RefreshLifetimes>,
}

/// A successful answer (RFC 6749 §5.1).
#[derive(Debug)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: BearerToken,
    /// What gets the next ones, if anything does.
    pub refresh_token: Option<BearerToken>,
    /// Seconds until the access token expires.
    pub expires_in: u64,
    /// What was granted, if that is not what was asked for; never the empty scope.
    pub scope: Option<Scope>,
}

/// What came of issuing.
#[derive(Debug)]
pub(crate) enum Issued {
    /// Tokens, of this grant if there is one.
    Tokens { response: TokenResponse, grant: Option<GrantId> },
    /// Nothing: the owner or the grant is not any more what was decided upon.
    Changed,
}

/// For whom an access token is made.
#[derive(Clone, Copy)]
struct For<'a> {
    /// The grant from which it descends, if there is one.
    grant_id: Option<&'a GrantId>,
    subject: &'a Subject,
    client_id: &'a ClientId,
    scope: &'a Scope,
    /// The API that it is for; `None` for the server's own.
    audience: Option<&'a Audience>,
}

/// An access token that nobody has yet.
struct Minted {
    token: BearerToken,
    /// What is to rest of it, if it is opaque.
    rests: Option<OpaqueToken>,
    expires_at: Timestamp,
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
    let Authorized { subject, scope, asked, audience, source } = authorized;
    let audience = audience.as_ref();
    let response = |minted: Minted, refresh_token: Option<&RefreshToken>| {
        let as_asked = asked.as_ref().is_some_and(|asked| asked.same_tokens(&scope));
        TokenResponse {
            access_token: minted.token,
            refresh_token: refresh_token.map(|token| BearerToken::new(token.secret().as_str())),
            expires_in: seconds_left(minted.expires_at, mint.now),
            scope: Some(scope.clone()).filter(|scope| !as_asked && !scope.is_empty()),
        }
    };
    match source {
        Source::New { standing, spend, .. } => {
            let id = GrantId::random(mint.rng);
            let made_for =
                For { grant_id: Some(&id), subject: &subject, client_id: &client_id, scope: &scope, audience };
            let minted = mint.access_token(made_for, own)?;
            let first = mint.refresh.and_then(|lifetimes| Some((RefreshToken::first(&id, mint.rng)?, lifetimes)));
            let refresh = first.as_ref().map(|(token, lifetimes)| Refresh {
                family: token.family(),
                current: token.handle(),
                expires_at: mint.now.plus(lifetimes.idle.min(lifetimes.absolute)),
                retired: Vec::new(),
            });
            let grant = Grant {
                id,
                subject,
                client_id,
                scope: scope.clone(),
                created_at: mint.now,
                used_at: mint.now,
                access_until: minted.expires_at,
                refresh,
            };
            match mint.store.redeem(&standing, spend.as_ref(), &grant, minted.rests.as_ref()).await? {
                Redeemed::Whole => {}
                Redeemed::AlreadySpent => return Err(OAuthError::InvalidGrant(GrantProblem::Login)),
                Redeemed::OwnerChanged => return Ok(Issued::Changed),
            }
            tracing::info!(event = "login", outcome = "granted", subject = %grant.subject, client = %grant.client_id,
                grant = %grant.id, scope = %grant.scope, "tokens were issued");
            let response = response(minted, first.as_ref().map(|(token, _)| token));
            Ok(Issued::Tokens { response, grant: Some(grant.id) })
        }
        Source::Renewed(renewal) => {
            let Renewal { grant, refresh, presented } = *renewal;
            // Switched off meanwhile: what was promised is not kept.
            let lifetimes = mint.refresh.ok_or(OAuthError::UnauthorizedClient)?;
            let grant_id = Some(&grant.id);
            let made_for = For { grant_id, subject: &subject, client_id: &client_id, scope: &scope, audience };
            let minted = mint.access_token(made_for, own)?;
            let successor = presented.successor(mint.rng);
            let answer = Answer::new(minted.token.secret(), &successor, minted.expires_at, &scope);
            let retired = mint.retire(refresh.retired, &presented, &answer, lifetimes.leeway)?;
            // Renewing prolongs, and never beyond what the login allowed.
            let idle = mint.now.plus(lifetimes.idle);
            let expires_at = grant.created_at.plus(lifetimes.absolute).min(idle);
            let refresh = Refresh { family: refresh.family, current: successor.handle(), expires_at, retired };
            let access_until = grant.access_until.max(minted.expires_at);
            // A clock that went back makes no token younger: what the client got is known by this.
            let used_at = grant.used_at.max(mint.now);
            let renewed = Grant { used_at, access_until, refresh: Some(refresh), ..grant };
            match mint.store.rotate_refresh(&presented.handle(), &renewed, minted.rests.as_ref()).await? {
                Rotated::Yes => {}
                Rotated::No => return Ok(Issued::Changed),
            }
            tracing::info!(event = "refresh", outcome = "granted", subject = %renewed.subject,
                client = %renewed.client_id, grant = %renewed.id, scope = %scope, "a grant was renewed");
            Ok(Issued::Tokens { response: response(minted, Some(&successor)), grant: Some(renewed.id) })
        }
        Source::Client => {
            let made_for = For { grant_id: None, subject: &subject, client_id: &client_id, scope: &scope, audience };
            let minted = mint.access_token(made_for, own)?;
            if let Some(rests) = &minted.rests
                && mint.store.put_opaque_token(rests).await? == Found::No
            {
                return Err(OAuthError::InvalidClient);
            }
            tracing::info!(event = "client_token", outcome = "granted", client = %client_id, scope = %scope,
                "a client got a token of its own");
            Ok(Issued::Tokens { response: response(minted, None), grant: None })
        }
    }
}

/// Answers the use of a refresh token as it was answered before.
///
/// The access token is the same too, unless another scope is asked for now, or it has expired.
///
/// # Errors
/// As of [`issue`].
pub(crate) async fn issue_again(
    mint: Mint<'_>,
    again: Again,
    own: Map<String, Value>,
) -> Result<TokenResponse, OAuthError> {
    let Again { grant, presented, answer, scope, asked } = again;
    let answer = presented.open(&answer).ok_or_else(|| {
        tracing::error!(event = "refresh", outcome = "failure", grant = %grant.id, "what a refresh token was answered with cannot be read");
        OAuthError::ServerError
    })?;
    let is_good = answer.allows_exactly(&scope) && answer.expires_at() > mint.now;
    let (access_token, expires_at) = if is_good {
        (BearerToken::new(answer.access_token.as_str()), answer.expires_at())
    } else {
        let Grant { id, subject, client_id, .. } = &grant;
        let made_for = For { grant_id: Some(id), subject, client_id, scope: &scope, audience: None };
        let minted = mint.access_token(made_for, own)?;
        if let Some(rests) = &minted.rests
            && mint.store.put_opaque_token(rests).await? == Found::No
        {
            return Err(OAuthError::InvalidGrant(GrantProblem::RefreshToken));
        }
        (minted.token, minted.expires_at)
    };
    tracing::info!(event = "refresh", outcome = "repeated", subject = %grant.subject, client = %grant.client_id,
        grant = %grant.id, "the use of a refresh token was tried again, and answered again");
    let as_asked = asked.is_some_and(|asked| asked.same_tokens(&scope));
    Ok(TokenResponse {
        access_token,
        refresh_token: Some(BearerToken::new(answer.refresh_token.as_str())),
        expires_in: seconds_left(expires_at, mint.now),
        scope: Some(scope).filter(|scope| !as_asked && !scope.is_empty()),
    })
}

fn seconds_left(expires_at: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(expires_at.seconds().saturating_sub(now.seconds())).unwrap_or(0)
}

impl Mint<'_> {
    fn access_token(&self, made_for: For<'_>, own: Map<String, Value>) -> Result<Minted, OAuthError> {
        let expires_at = self.now.plus(self.lifetime);
        let claims = Claims {
            issuer: self.issuer.clone(),
            subject: made_for.subject.clone(),
            audience: vec![made_for.audience.unwrap_or(self.audience).clone()],
            client_id: Some(made_for.client_id.clone()),
            scope: made_for.scope.clone(),
            grant_id: made_for.grant_id.cloned(),
            token_id: Some(random_id::<TOKEN_ID_BYTES>(self.rng)),
            issued_at: self.now,
            not_before: None,
            expires_at,
            key_id: None,
            own,
        };
        let (token, rests) = self.encode(&claims)?;
        Ok(Minted { token, rests, expires_at })
    }

    fn encode(&self, claims: &Claims) -> Result<(BearerToken, Option<OpaqueToken>), OAuthError> {
        if let Some(name) = jwt::find_reserved(&claims.own) {
            tracing::error!(
                event = "issue",
                outcome = "failure",
                claim = name,
                "a claim of your own has a reserved name; no token is issued"
            );
            return Err(OAuthError::ServerError);
        }
        if self.format == TokenFormat::Opaque {
            let (token, rests) = opaque::make(claims, self.rng);
            return Ok((token, Some(rests)));
        }
        let key = self.keys.signing(self.now).ok_or_else(|| {
            tracing::error!(event = "issue", outcome = "failure", "there is no key to sign with");
            OAuthError::ServerError
        })?;
        let token = jwt::encode(claims, key).map_err(|error| {
            tracing::error!(event = "issue", outcome = "failure", %error, "a token could not be signed");
            OAuthError::ServerError
        })?;
        let bytes = token.secret().len();
        if bytes > MAX_TOKEN_BYTES {
            let claims: Vec<_> = claims.own.keys().collect();
            tracing::error!(
                event = "issue",
                outcome = "failure",
                bytes,
                limit = MAX_TOKEN_BYTES,
                ?claims,
                "a token is too long for anybody to read"
            );
            return Err(OAuthError::ServerError);
        }
        Ok((token, None))
    }

    /// Remembers what a refresh token is answered with, for those who try again, and forgets what is too old for that.
    fn retire(
        &self,
        mut retired: Vec<Retired>,
        presented: &RefreshToken,
        answer: &Answer,
        leeway: Duration,
    ) -> Result<Vec<Retired>, OAuthError> {
        retired.retain(|retired| retired.may_be_retried(self.now, leeway));
        if leeway.is_zero() {
            return Ok(retired);
        }
        let answer = presented.seal(answer, self.rng).ok_or_else(|| {
            tracing::error!(
                event = "issue",
                outcome = "failure",
                "what a refresh token is answered with cannot be sealed"
            );
            OAuthError::ServerError
        })?;
        retired.push(Retired { handle: presented.handle(), at: self.now, answer });
        let too_many = retired.len().saturating_sub(MAX_RETIRED);
        retired.drain(..too_many);
        Ok(retired)
    }
}
