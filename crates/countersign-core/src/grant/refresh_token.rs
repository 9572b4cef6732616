//! The refresh token grant (RFC 6749 §6), with rotation and the detection of theft (RFC 9700 §4.14.2).
//!
//! Each use gives a successor and makes the token worth nothing. Another use within a few seconds is a lost answer or a
//! second tab, and gets what the first one got; a later one is a theft, by whoever came second, and ends the grant.

use super::Facts;
use crate::{
    client::Client,
    error::{GrantProblem, OAuthError},
    form::Form,
    grant_record::{Again, Authorized, Decision, Grant, Renewal, Source},
    refresh_token::RefreshToken,
    resource_owner::ResourceOwner,
    scope::Scope,
};

/// Decides whether this refresh token gets tokens, and for what.
///
/// `scope` may only narrow what the access token allows; what the refresh token allows stays whole (RFC 6749 §6).
///
/// # Errors
/// - [`OAuthError::InvalidRequest`]: `refresh_token` is missing.
/// - [`OAuthError::InvalidScope`]: malformed, wider than what was granted, or nothing of it may be granted any more.
/// - [`OAuthError::InvalidGrant`]: unknown, expired, revoked, another client's, or its owner is disabled.
/// - [`OAuthError::TemporarilyUnavailable`]: the store is away.
pub(crate) async fn decide(facts: Facts<'_>, client: &Client, form: &Form) -> Result<Decision, OAuthError> {
    let [presented] = form.require(["refresh_token"])?;
    let asked = form.find("scope").map(Scope::parse).transpose()?;
    let presented = RefreshToken::read(presented).ok_or_else(|| denied("malformed", None))?;
    let grant = facts.grants.find_grant(&presented.grant_id()).await?.ok_or_else(|| denied("unknown", None))?;
    // The name of a grant is no secret: who shows no more of the family never had a token of it, and ends nothing.
    let family = grant.refresh.clone().filter(|refresh| refresh.family == presented.family());
    let refresh = family.ok_or_else(|| denied("unknown", None))?;
    // RFC 6749 §6: the refresh token "is bound to the client to which it was issued".
    if grant.client_id != client.id {
        return Err(denied("other_client", Some(&grant)));
    }
    if refresh.expires_at <= facts.now {
        return Err(denied("expired", Some(&grant)));
    }
    let retired = refresh.retired.iter().find(|retired| retired.handle == presented.handle());
    if presented.handle() != refresh.current
        && retired.is_none_or(|retired| !retired.may_be_retried(facts.now, facts.refresh_leeway))
    {
        return Ok(Decision::Stolen(grant));
    }
    let scope = allowed(facts, client, &grant, asked.as_ref()).await?;
    if let Some(answer) = retired.map(|retired| retired.answer.clone()) {
        return Ok(Decision::Again(Again { grant, presented, answer, scope, asked }));
    }
    let subject = grant.subject.clone();
    let source = Source::Renewed(Box::new(Renewal { grant, refresh, presented }));
    Ok(Decision::Issue(Authorized { subject, scope, asked, audience: None, source }))
}

/// What the access token may allow: what was granted, less what owner or client have lost since.
async fn allowed(facts: Facts<'_>, client: &Client, grant: &Grant, asked: Option<&Scope>) -> Result<Scope, OAuthError> {
    let owner = facts.owners.find_by_subject(&grant.subject).await?.filter(ResourceOwner::is_active);
    let owner = owner.ok_or_else(|| denied("disabled", Some(grant)))?;
    // RFC 6749 §6: the scope "MUST NOT include any scope not originally granted by the resource owner".
    let wanted = match asked {
        Some(asked) if !grant.scope.covers(asked) => return Err(OAuthError::InvalidScope),
        Some(asked) => asked,
        None => &grant.scope,
    };
    let scope = wanted.intersection(&client.scope.narrow(&owner.scope));
    if asked.is_some() && scope.is_empty() { Err(OAuthError::InvalidScope) } else { Ok(scope) }
}

/// One answer for every reason; the log tells which.
fn denied(reason: &'static str, grant: Option<&Grant>) -> OAuthError {
    let subject = grant.map(|grant| grant.subject.as_str());
    let grant = grant.map(|grant| grant.id.as_str());
    tracing::info!(event = "refresh", outcome = "denied", reason, subject, grant, "a refresh was refused");
    OAuthError::InvalidGrant(GrantProblem::RefreshToken)
}
