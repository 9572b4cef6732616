//! How a client proves who it is (RFC 6749 §2.3); one file per method.

mod basic;
mod none;
mod post;
mod private_key_jwt;

use std::time::Duration;

use self::private_key_jwt::{Assertion, AssertionProblem, Use};
use super::{AuthMethod, Authentication, Client, ClientSecret, ClientSecrets, remembered::RememberedClients};
use crate::{
    clock::Timestamp,
    error::{OAuthError, RequestProblem},
    form::Form,
    names::{ClientId, Issuer},
    store::{Remembered, Store},
    throttle::{Outcome, Source, Throttle},
};

/// What a client is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) clients: &'a RememberedClients,
    /// Whom an assertion must be for.
    pub(crate) issuer: &'a Issuer,
    /// How far the client's clock may be apart.
    pub(crate) leeway: Duration,
    pub(crate) now: Timestamp,
    pub(crate) throttle: &'a Throttle,
    /// Where the request comes from.
    pub(crate) source: Source,
}

/// What a client says of itself, in one way.
struct Mechanism<'a> {
    id: String,
    proof: Proof<'a>,
}

/// With what it means to prove that.
enum Proof<'a> {
    None,
    Secret(AuthMethod, ClientSecret),
    Assertion(Assertion<'a>),
}

/// The client that makes this request.
///
/// Where no client is registered, or none is named, the built-in one acts; HTTP libraries that always send some
/// `client_id`, and pages that send an empty one, work all the same.
///
/// # Errors
/// - [`OAuthError::InvalidClient`]: a client is named that is unknown, disabled, or does not prove who it is by a method
///   that it is registered for.
/// - [`OAuthError::InvalidRequest`]: it authenticates in two ways (RFC 6749 §2.3: "MUST NOT use more than one").
/// - [`OAuthError::Throttled`]: too many proofs failed; this one was not looked at.
/// - [`OAuthError::TemporarilyUnavailable`]: the store is away.
pub(crate) async fn authenticate(
    door: Door<'_>,
    authorization: Option<&str>,
    form: &Form,
) -> Result<Client, OAuthError> {
    let named = match read(authorization, form) {
        Ok(None) => return Ok(Client::built_in()),
        Ok(Some(named)) => Ok(named),
        Err(problem) => Err(problem),
    };
    // A name that can be nobody's is looked for nowhere.
    let found = match named.as_ref().ok().and_then(|named| ClientId::parse(&named.id).ok()) {
        Some(id) => door.clients.find(&id, door.store).await?,
        None => None,
    };
    // Asked second: who is found need not wait for it. It tells a stranger that a name is nobody's, and names are no secret
    // (RFC 6749 §2.2: "The client identifier is not a secret").
    if found.is_none() && !door.store.has_clients().await? {
        return Ok(Client::built_in());
    }
    let Mechanism { id, proof } = named?;
    // Whoever it is, the proof is held against something before anything is told.
    let proven = match &proof {
        Proof::None => prove(door, found.as_ref(), &proof),
        Proof::Secret(..) | Proof::Assertion(_) => {
            let attempt = door.throttle.client(&id, door.source, found.as_ref().map(|client| &client.id)).await?;
            let proven = prove(door, found.as_ref(), &proof);
            // Before anything is waited for: whether an assertion was used before is no guess.
            attempt.settle(if proven.is_ok() { Outcome::Success } else { Outcome::Failure });
            proven
        }
    };
    let client = found.ok_or_else(|| denied("unknown_client", None))?;
    let once = proven.map_err(|reason| denied(reason, Some(&client)))?;
    if !client.is_active() {
        return Err(denied("disabled", Some(&client)));
    }
    // Last, so that nothing is written for those who prove nothing.
    match once {
        Some(once) if once.spend(door).await? == Remembered::Again => Err(denied("replayed", Some(&client))),
        _ => Ok(client),
    }
}

/// What the request says of its client, in the one way that it may choose; `None` if it names none.
fn read<'a>(authorization: Option<&str>, form: &'a Form) -> Result<Option<Mechanism<'a>>, OAuthError> {
    let mechanisms = [basic::read(authorization)?, post::read(form), private_key_jwt::read(form)?];
    let mut mechanisms = mechanisms.into_iter().flatten();
    let Some(mechanism) = mechanisms.next() else { return Ok(none::read(form)) };
    let several = || OAuthError::InvalidRequest(RequestProblem::SeveralClientCredentials);
    if mechanisms.next().is_some() {
        return Err(several());
    }
    match (form.find("client_id"), &mechanism.proof) {
        // RFC 7521 §4.2: "The "client_id" parameter […] MUST identify the same client as is identified by the client
        // assertion."
        (Some(id), Proof::Assertion(_)) if id != mechanism.id => Err(denied("other_client", None)),
        (Some(id), _) if id != mechanism.id => Err(several()),
        _ => Ok(Some(mechanism)),
    }
}

/// Holds a proof against what the client is registered with, and against a decoy where there is none; or says why it
/// proves nothing, for the log. What is good for one use is still to be spent.
fn prove(door: Door<'_>, client: Option<&Client>, proof: &Proof<'_>) -> Result<Option<Use>, &'static str> {
    let registered = client.map(|client| &client.authentication);
    match (proof, registered) {
        (Proof::None, Some(Authentication::None)) => Ok(None),
        (Proof::Secret(method, presented), _) => {
            let kept = match registered {
                Some(Authentication::Secret { secrets, methods }) if methods.as_slice().contains(method) => {
                    Some(secrets)
                }
                _ => None,
            };
            let matches = ClientSecrets::match_any(kept, presented, door.now);
            kept.ok_or("other_method")?;
            if matches { Ok(None) } else { Err("wrong_secret") }
        }
        (Proof::Assertion(assertion), Some(Authentication::PrivateKeyJwt(keys))) => {
            let client = client.ok_or("unknown_client")?;
            assertion.verify(door, client, keys).map(Some).map_err(AssertionProblem::reason)
        }
        (Proof::None | Proof::Assertion(_), _) => Err("other_method"),
    }
}

/// One answer for every reason; the log tells which, and never the name that was sent unless it is a client's.
fn denied(reason: &'static str, client: Option<&Client>) -> OAuthError {
    let client = client.map(|client| client.id.as_str());
    tracing::info!(event = "client_authentication", outcome = "denied", reason, client, "a client was refused");
    OAuthError::InvalidClient
}
