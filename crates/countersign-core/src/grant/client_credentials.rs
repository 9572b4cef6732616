//! The client credentials grant (RFC 6749 §4.4): a confidential client asks on its own behalf, and no user is there.

use super::Facts;
use crate::{
    client::Client,
    error::OAuthError,
    form::Form,
    grant_record::{Authorized, Source},
    names::{Audience, Subject},
    scope::Scope,
};

/// Decides what a client gets that has proven who it is.
///
/// The subject is the client itself (RFC 9068 §2.2: "the value of "sub" SHOULD correspond to an identifier the
/// authorization server uses to indicate the client application"). Who asks for no scope gets the default scope, as far
/// as the client may have it (RFC 6749 §3.3). There is no refresh token (RFC 6749 §4.4.3), so there is nothing to record.
///
/// # Errors
/// - [`OAuthError::InvalidScope`]: malformed, or nothing of it may be granted.
/// - [`OAuthError::InvalidTarget`]: `resource` is none that this client may have.
pub(crate) fn decide(facts: Facts<'_>, client: &Client, form: &Form) -> Result<Authorized, OAuthError> {
    let asked = form.find("scope").map(Scope::parse).transpose()?;
    let scope = asked.as_ref().unwrap_or(facts.default_scope).intersection(&client.scope.of_its_own());
    if asked.is_some() && scope.is_empty() {
        return Err(OAuthError::InvalidScope);
    }
    Ok(Authorized {
        subject: Subject::new(client.id.as_str()),
        scope,
        asked,
        audience: Some(audience(facts, client, form)?),
        source: Source::Client,
    })
}

/// The API that the token is for (RFC 8707 §2): the one that `resource` names, compared byte for byte. Where none is
/// named, the server's own if the client may have it, or the only one that it may have.
///
/// RFC 8707 §2.2 allows several; a token that is good at two APIs lets each use it at the other, so here it is one.
fn audience(facts: Facts<'_>, client: &Client, form: &Form) -> Result<Audience, OAuthError> {
    let allowed = if client.audience.is_empty() { std::slice::from_ref(facts.audience) } else { &client.audience };
    let mut named = form.find_all("resource");
    let audience = match (named.next(), named.next(), allowed) {
        (Some(resource), None, _) => allowed.iter().find(|audience| audience.as_str() == resource),
        (None, _, [only]) => Some(only),
        (None, _, several) => several.iter().find(|audience| *audience == facts.audience),
        (Some(_), Some(_), _) => None,
    };
    audience.cloned().ok_or(OAuthError::InvalidTarget)
}
