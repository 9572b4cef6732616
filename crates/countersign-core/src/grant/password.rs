//! The password grant (RFC 6749 §4.3): an owner's name and password, typed into the operator's own client.
//!
//! RFC 9700 §2.4 and OAuth 2.1 drop it, because it teaches people to type their password into clients and leaves no
//! room for a second factor. It is here for first-party clients; one setting turns it off.

use super::{Facts, Home, OWNER_RETRY};
use crate::{
    client::Client,
    error::{GrantProblem, OAuthError},
    form::Form,
    grant_record::{Authorized, Source},
    names::Subject,
    password::{Password, PasswordHash, Strength, Verification},
    resource_owner::{ResourceOwner, Upgraded},
    scope::Scope,
    store::{Standing, StoreError},
    username::Username,
};

/// How often a password is verified before a login gives up: once, and again for each time that the stored hash changed
/// in between. Parallel logins change it once, by an upgrade.
const MAX_ATTEMPTS: usize = 3;

/// Decides whether this name and password get tokens, and for what.
///
/// An unknown name, a wrong password and a disabled owner cost one hash each and are told apart in the log only
/// (RFC 6749 §4.3.2 and §10.7; OWASP ASVS 6.3.8).
///
/// # Errors
/// - [`OAuthError::InvalidRequest`]: `username` or `password` is missing.
/// - [`OAuthError::InvalidScope`]: malformed, or nothing of it may be granted.
/// - [`OAuthError::InvalidGrant`]: the name or the password is wrong, or the owner is disabled.
/// - [`OAuthError::Throttled`]: too many guesses failed; this one was not looked at.
/// - [`OAuthError::TemporarilyUnavailable`]: the store is away, or too many wait for their passwords to be hashed.
pub(crate) async fn decide(facts: Facts<'_>, client: &Client, form: &Form) -> Result<Authorized, OAuthError> {
    let [username, password] = form.require(["username", "password"])?;
    let asked = form.find("scope").map(Scope::parse).transpose()?;
    let (attempt, owner) = match facts.home {
        // Nobody is looked for before: how long that takes tells whether there is such a one.
        Home::Store => {
            let attempt = facts.throttle.login(username, facts.source, None).await?;
            (attempt, find(facts, username).await)
        }
        // A table of the author's may find an owner by several names, which count as one.
        Home::Elsewhere => {
            let owner = find(facts, username).await?;
            let account = owner.as_ref().map_or(username, |owner| owner.username.as_str());
            let subject = owner.as_ref().map(|owner| &owner.subject);
            (facts.throttle.login(account, facts.source, subject).await?, Ok(owner))
        }
    };
    let owner = match owner {
        Ok(owner) => authenticate(facts, owner, password).await,
        Err(error) => Err(error.into()),
    };
    attempt.settle_with(&owner);
    let owner = owner?;
    // RFC 9068 §5: a token whose `sub` is its `client_id` is the client's own, so no user's may look like that.
    if owner.subject.as_str() == client.id.as_str() {
        return Err(denied("named_like_the_client", Some(&owner)));
    }
    let allowed = client.scope.narrow(&owner.scope);
    let scope = asked.as_ref().unwrap_or(facts.default_scope).intersection(&allowed);
    if asked.is_some() && scope.is_empty() {
        return Err(OAuthError::InvalidScope);
    }
    let verified = owner.password_hash.clone();
    let standing = match (facts.home, owner.password_hash) {
        (Home::Elsewhere, _) => Standing::Elsewhere,
        (Home::Store, Some(hash)) => Standing::ActiveWith(hash),
        (Home::Store, None) => Standing::Active,
    };
    let source = Source::New { standing, verified, spend: None };
    Ok(Authorized { subject: owner.subject, scope, asked, audience: None, source })
}

/// The owner of this name; none of a name that can be nobody's.
async fn find(facts: Facts<'_>, username: &str) -> Result<Option<ResourceOwner>, StoreError> {
    match Username::parse(username) {
        Ok(username) => facts.owners.find_by_username(&username).await,
        Err(_) => Ok(None),
    }
}

/// The owner, active, and with the password hash against which this password was verified.
async fn authenticate(
    facts: Facts<'_>,
    mut owner: Option<ResourceOwner>,
    password: &str,
) -> Result<ResourceOwner, OAuthError> {
    // Whether a password can be one at all does not depend on the owner, so refusing it early tells nothing.
    let Ok(password) = Password::typed(password) else { return Err(denied("impossible_password", None)) };
    for _ in 0..MAX_ATTEMPTS {
        let verified = verify(facts, &password, owner).await?;
        // Hashing takes its time: the owner may have been disabled or removed meanwhile, or have another password.
        match facts.owners.find_by_subject(&verified.subject).await? {
            Some(now) if !now.is_active() => return Err(denied("disabled", Some(&now))),
            Some(now) if now.password_hash == verified.password_hash => return Ok(now),
            // The author's table need not tell the hash to those who did not log in.
            Some(now) if facts.home == Home::Elsewhere && now.password_hash.is_none() => return Ok(now),
            // Another login upgraded the hash, or the password was changed: the new hash decides.
            Some(now) => owner = Some(now),
            None => return Err(denied("unknown_user", Some(&verified))),
        }
    }
    Err(OAuthError::TemporarilyUnavailable { retry_after: OWNER_RETRY })
}

/// Verifies the password at the cost of one hash, whoever the owner is, and upgrades the stored hash if it is weak.
async fn verify(
    facts: Facts<'_>,
    password: &Password,
    owner: Option<ResourceOwner>,
) -> Result<ResourceOwner, OAuthError> {
    let stored = owner.as_ref().and_then(|owner| owner.password_hash.clone());
    let verified = facts.hashing.verify(password.clone(), stored.clone()).await?;
    let Some(mut owner) = owner else { return Err(denied("unknown_user", None)) };
    let strength = match verified {
        Verification::Matches(strength) => strength,
        Verification::Mismatch => return Err(denied("wrong_password", Some(&owner))),
        Verification::Malformed => return Err(denied("malformed_hash", Some(&owner))),
    };
    if !owner.is_active() {
        return Err(denied("disabled", Some(&owner)));
    }
    if let (Some(from), Strength::Outdated) = (stored, strength)
        && let Some(to) = upgrade(facts, &owner.subject, &from, password).await
    {
        owner.password_hash = Some(to);
    }
    Ok(owner)
}

/// Replaces a weak hash. The login is good without that, and the next one tries again.
async fn upgrade(
    facts: Facts<'_>,
    subject: &Subject,
    from: &PasswordHash,
    password: &Password,
) -> Option<PasswordHash> {
    let to = facts.hashing.hash(password.clone()).await.ok()?;
    match facts.owners.upgrade_password(subject, from, &to).await {
        Ok(Upgraded::Yes) => Some(to),
        Ok(Upgraded::No) => None,
        Err(error) => {
            tracing::warn!(event = "password_hash", outcome = "failure", %subject, %error, "a password hash could not be upgraded");
            None
        }
    }
}

/// One answer for every reason; the log tells which, and never the name that was typed (people type passwords there).
fn denied(reason: &'static str, owner: Option<&ResourceOwner>) -> OAuthError {
    let subject = owner.map(|owner| owner.subject.as_str());
    tracing::info!(event = "login", outcome = "denied", reason, subject, "a login was refused");
    OAuthError::InvalidGrant(GrantProblem::Login)
}
