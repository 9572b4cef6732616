//! Access tokens as JWTs by RFC 9068.

use serde_json::{Map, Value, json};

use crate::{
    clock::Timestamp,
    jose::{self, KeyProblem, TokenProblem, json::parse_object},
    key::KeyRing,
    names::{Audience, ClientId, GrantId, Issuer, Subject},
    token::{BearerToken, Claims},
};

/// RFC 9068 §2.1: "JWT access tokens MUST include this media type in the "typ" header parameter".
const TYP: &str = "at+jwt";

/// The claim that names the grant: ours alone, so that ending a grant can end its tokens.
const GRANT_ID: &str = "grant_id";

pub(in crate::token) fn encode(claims: &Claims, keys: &KeyRing) -> Result<BearerToken, KeyProblem> {
    let mut payload = json!({
        "iss": claims.issuer.as_str(),
        "sub": claims.subject.as_str(),
        "client_id": claims.client_id.as_str(),
        "iat": claims.issued_at.seconds(),
        "exp": claims.expires_at.seconds(),
        "jti": claims.token_id,
    });
    // RFC 7519 §4.1.3: with one audience "the "aud" value MAY be a single […] string"; every library reads that.
    payload["aud"] = match claims.audience.as_slice() {
        [one] => one.as_str().into(),
        several => several.iter().map(Audience::as_str).collect(),
    };
    if !claims.scope.is_empty() {
        payload["scope"] = claims.scope.to_string().into();
    }
    if let Some(grant_id) = &claims.grant_id {
        payload[GRANT_ID] = grant_id.as_str().into();
    }
    jose::sign(keys.signing(), TYP, payload.to_string().as_bytes()).map(BearerToken::new)
}

pub(in crate::token) fn decode(token: &str, keys: &KeyRing, now: Timestamp) -> Result<Claims, TokenProblem> {
    let payload = jose::verify(token, TYP, |id| keys.find_verifying(id, now))?;
    let claims = parse_object(&payload).ok_or(TokenProblem::Malformed)?;
    read(&claims).ok_or(TokenProblem::MalformedClaims)
}

/// Every claim has its type or the token is not read at all: what cannot be read is never taken as absent.
fn read(claims: &Map<String, Value>) -> Option<Claims> {
    Some(Claims {
        issuer: Issuer::new(text(claims, "iss")?),
        subject: Subject::new(text(claims, "sub").filter(|subject| !subject.is_empty())?),
        audience: audience(claims.get("aud")?)?,
        client_id: ClientId::new(text(claims, "client_id")?),
        scope: optional(claims, "scope", |value| value.as_str()?.parse().ok())?.unwrap_or_default(),
        grant_id: optional(claims, GRANT_ID, |value| Some(GrantId::new(value.as_str()?)))?,
        token_id: text(claims, "jti")?.to_owned(),
        issued_at: numeric_date(claims.get("iat")?)?,
        not_before: optional(claims, "nbf", numeric_date)?,
        expires_at: numeric_date(claims.get("exp")?)?,
    })
}

fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c str> {
    claims.get(name)?.as_str()
}

/// `Some(None)` if the claim is absent, `None` if it is there and is not what it should be.
fn optional<T>(claims: &Map<String, Value>, name: &str, read: impl Fn(&Value) -> Option<T>) -> Option<Option<T>> {
    match claims.get(name) {
        None => Some(None),
        Some(value) => read(value).map(Some),
    }
}

/// One string, or a list of strings that is not empty.
fn audience(value: &Value) -> Option<Vec<Audience>> {
    let one = |value: &Value| value.as_str().filter(|name| !name.is_empty()).map(Audience::new);
    match value {
        Value::Array(several) if !several.is_empty() => several.iter().map(one).collect(),
        other => Some(vec![one(other)?]),
    }
}

/// Seconds since the epoch (RFC 7519 §2), whole and not negative: what every issuer of access tokens writes.
fn numeric_date(value: &Value) -> Option<Timestamp> {
    value.as_i64().filter(|seconds| *seconds >= 0).map(Timestamp::from_seconds)
}
