//! The user of a token from elsewhere, as the token says: nobody else knows it here.

use countersign_core::{
    error::BearerError,
    reason::Reason,
    resource_owner::{OwnerStatus, ResourceOwner},
    token::AccessToken,
    username::Username,
};
use serde_json::Value;

use super::fetch::form_encoded;

/// What the name may be called, by OpenID Connect Core 1.0 §5.1 and by RFC 7662 §2.2.
const USERNAMES: [&str; 2] = ["preferred_username", "username"];

/// The owner of a token whose issuer keeps the users: active, because the token is good.
///
/// The name is for people. Users are told apart by issuer and subject alone, since "preferred_username […] MUST NOT be
/// relied upon […] to be unique" (OpenID Connect Core 1.0 §5.7). Where none can be a name, the subject is one.
///
/// An address of which the token does not say `email_verified: true` (OpenID Connect Core 1.0 §5.1) is none: at many
/// issuers everybody writes there what they like.
///
/// # Errors
/// [`BearerError::InvalidToken`]: the subject is so long that it can be nobody's name.
pub(super) fn of_claims(token: &AccessToken) -> Result<ResourceOwner, BearerError> {
    let claim = |name: &str| token.claims().get(name).and_then(|value| value.as_str());
    let is_email_verified = token.claims().get("email_verified") == Some(&Value::Bool(true));
    let subject = token.subject();
    let mut names = USERNAMES.into_iter().filter_map(claim).chain([subject.as_str()]);
    let username = names
        .find_map(|name| Username::parse(name).ok())
        .or_else(|| Username::parse(&form_encoded(subject.as_str())).ok())
        .ok_or(BearerError::InvalidToken(Reason::MalformedClaims))?;
    Ok(ResourceOwner {
        subject: subject.clone(),
        username,
        full_name: claim("name").map(str::to_owned),
        email: claim("email").filter(|_| is_email_verified).map(str::to_owned),
        scope: token.scope().clone(),
        status: OwnerStatus::Active,
        password_hash: None,
    })
}
