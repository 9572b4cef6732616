//! `private_key_jwt`: a JWT that the client signed for us, good for one use (RFC 7523 §2.2 and §3).
//!
//! The audience is the issuer alone, as draft-ietf-oauth-rfc7523bis has it.

use std::time::Duration;

use base64::Engine;
use serde_json::{Map, Value};

use super::{Door, Mechanism, Proof, denied};
use crate::{
    client::{Client, ClientKeys},
    clock::Timestamp,
    error::{OAuthError, RequestProblem},
    form::Form,
    jose::{self, BASE64URL, MAX_TOKEN_BYTES, TokenProblem, json::parse_object},
    key::VerifyingKeys,
    reason::Reason,
    store::{HandleHash, OneTimeKind, Remembered, StoreError},
    token::verify::MAX_LEEWAY,
};

/// What `client_assertion_type` must be (RFC 7523 §2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How far ahead an assertion may expire: it is made for one request, and is remembered until then.
const MAX_ASSERTION_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The types that an assertion may have; `client-authentication+jwt` is the one that says what it is. Never `at+jwt`: an
/// access token proves nothing of who brings it.
const TYPES: [&str; 2] = ["jwt", "client-authentication+jwt"];

/// What was used is remembered under this kind.
const USED: OneTimeKind = OneTimeKind::new("client_assertion");

/// An assertion as it was sent.
pub(super) struct Assertion<'a>(&'a str);

/// What the form says, if there is an assertion in it. The client is whom it claims to be of, which nobody believes
/// until its signature holds.
pub(super) fn read(form: &Form) -> Result<Option<Mechanism<'_>>, OAuthError> {
    let missing = |name| OAuthError::InvalidRequest(RequestProblem::Missing(vec![name]));
    match (form.find("client_assertion_type"), form.find("client_assertion")) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(missing("client_assertion_type")),
        (Some(_), None) => Err(missing("client_assertion")),
        (Some(ASSERTION_TYPE), Some(assertion)) => {
            let id = claimed(assertion).ok_or_else(|| denied("malformed", None))?;
            Ok(Some(Mechanism { id, proof: Proof::Assertion(Assertion(assertion)) }))
        }
        (Some(_), Some(_)) => Err(denied("other_assertion_type", None)),
    }
}

/// The `sub` of claims that nobody has verified.
fn claimed(assertion: &str) -> Option<String> {
    if assertion.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let payload = BASE64URL.decode(assertion.split('.').nth(1)?).ok()?;
    parse_object(&payload)?.get("sub")?.as_str().map(str::to_owned)
}

impl Assertion<'_> {
    /// Whether the client signed this, for us, for now (RFC 7523 §3), and the use that it is good for. Whether that is
    /// the first, only the store knows.
    pub(super) fn verify(&self, door: Door<'_>, client: &Client, keys: &ClientKeys) -> Result<Use, AssertionProblem> {
        let accepts_type = |typ: Option<&str>| typ.is_none_or(|typ| TYPES.contains(&typ));
        // What is registered are public keys, so no symmetric algorithm is any key's.
        let payload = jose::verify(self.0, accepts_type, |id, alg| keys.set().find(id, alg, door.now))?;
        let claims = parse_object(&payload).ok_or(TokenProblem::Malformed)?;
        check(&claims, client, door)
    }
}

fn check(claims: &Map<String, Value>, client: &Client, door: Door<'_>) -> Result<Use, AssertionProblem> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    // RFC 7523 §3: for client authentication "the subject MUST be the "client_id" of the OAuth client", and so must the
    // issuer.
    if [text("iss"), text("sub")] != [Some(client.id.as_str()); 2] {
        return Err(TokenProblem::OtherIssuer.into());
    }
    // draft-ietf-oauth-rfc7523bis §4: the issuer identifier "MUST be used as the sole audience value": in a list, or
    // as the URL of an endpoint, another server could have talked the client into it.
    if text("aud") != Some(door.issuer.as_str()) {
        return Err(TokenProblem::OtherAudience.into());
    }
    let expires_at = date(claims, "exp")?.ok_or(TokenProblem::MalformedClaims)?;
    if expires_at.plus(door.leeway) <= door.now {
        return Err(TokenProblem::Expired.into());
    }
    let latest = door.now.plus(door.leeway);
    if expires_at > latest.plus(MAX_ASSERTION_LIFETIME) {
        return Err(AssertionProblem::LongLived);
    }
    let [not_before, issued_at] = [date(claims, "nbf")?, date(claims, "iat")?];
    if [not_before, issued_at].into_iter().flatten().any(|time| time > latest) {
        return Err(TokenProblem::NotYetValid.into());
    }
    let token_id = text("jti").filter(|id| !id.is_empty()).ok_or(TokenProblem::MalformedClaims)?;
    Ok(Use {
        // Two clients may choose the same; the line break is in no identifier of a client.
        handle: HandleHash::of(&format!("{}\n{token_id}", client.id)),
        // A replica whose clock is ahead must not forget what another still accepts.
        forgotten_at: expires_at.plus(door.leeway).plus(MAX_LEEWAY),
    })
}

/// What cannot be read is never taken as absent.
fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, TokenProblem> {
    let read = |value: &Value| value.as_i64().map(Timestamp::from_seconds).ok_or(TokenProblem::MalformedClaims);
    claims.get(name).map(read).transpose()
}

/// The one use that an assertion is good for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use {
    handle: HandleHash,
    forgotten_at: Timestamp,
}

impl Use {
    /// Uses it up, in whichever process.
    pub(super) async fn spend(self, door: Door<'_>) -> Result<Remembered, StoreError> {
        door.store.remember_once(USED, &self.handle, self.forgotten_at, door.now).await
    }
}

/// Why an assertion proves nothing: for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AssertionProblem {
    /// As of any signed token.
    Token(TokenProblem),
    /// It expires later than [`MAX_ASSERTION_LIFETIME`] from now.
    LongLived,
}

impl AssertionProblem {
    /// The code for the log.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Token(problem) => Reason::from(problem).code(),
            Self::LongLived => "long_lived",
        }
    }
}

impl From<TokenProblem> for AssertionProblem {
    fn from(problem: TokenProblem) -> Self {
        Self::Token(problem)
    }
}
