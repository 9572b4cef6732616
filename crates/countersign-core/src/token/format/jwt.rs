//! Access tokens as JWTs: written by RFC 9068, read by it or as issuers write them who follow no profile.

use serde_json::{Map, Value};

use crate::{
    clock::Timestamp,
    jose::{self, KeyProblem, SigningKey, TokenProblem, json::parse_object},
    key::VerifyingKeys,
    names::{Audience, ClientId, GrantId, Issuer, KeyId, Subject},
    scope::{Scope, ScopeToken},
    token::{BearerToken, Claims, verify::Profile},
};

/// RFC 9068 §2.1: "JWT access tokens MUST include this media type in the "typ" header parameter".
const TYP: &str = "at+jwt";

/// The type that says nothing but that it is a JWT (RFC 7519 §5.1).
const PLAIN_TYP: &str = "jwt";

/// What some call the scope who follow no profile.
const PLAIN_SCOPE: &str = "scp";

/// The claims that are ours to interpret.
const INTERPRETED: [&str; 10] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", GRANT_ID];

/// The claim that binds a token to a key (RFC 7800 §3.1), which its bearer must prove to have (RFC 9449 §7.2, RFC 8705
/// §3).
pub(in crate::token) const CONFIRMATION: &str = "cnf";

/// Claims that say how the owner logged in (RFC 9068 §2.2.1), whose key the bearer must prove (RFC 7800 §3.1) and who
/// acts for whom (RFC 8693 §4.1): whoever reads them trusts the issuer to mean them.
const SPOKEN_FOR: [&str; 5] = ["auth_time", "acr", "amr", CONFIRMATION, "act"];

/// Claims that ID tokens have (OpenID Connect Core 1.0 §2, §3.3.2.11; Financial-grade API 1.0 Part 2 §5.1.1) or logout
/// tokens (OpenID Connect Back-Channel Logout 1.0 §2.4), and access tokens have not.
const OTHER_MARKS: [&str; 5] = [NONCE, "at_hash", "c_hash", "s_hash", "events"];

/// What Keycloak puts into access tokens too, before its version 24.
const NONCE: &str = "nonce";

/// The claim that names the grant: ours alone, so that ending a grant can end its tokens.
const GRANT_ID: &str = "grant_id";

pub(in crate::token) fn encode(claims: &Claims, key: &SigningKey) -> Result<BearerToken, KeyProblem> {
    jose::sign(key, TYP, payload(claims).to_string().as_bytes()).map(BearerToken::new)
}

/// What a token says, as JSON.
pub(in crate::token) fn payload(claims: &Claims) -> Value {
    let mut payload = Value::Object(claims.own.clone());
    payload["iss"] = claims.issuer.as_str().into();
    payload["sub"] = claims.subject.as_str().into();
    payload["iat"] = claims.issued_at.seconds().into();
    payload["exp"] = claims.expires_at.seconds().into();
    let optional = [
        ("client_id", claims.client_id.as_ref().map(ClientId::as_str)),
        ("jti", claims.token_id.as_deref()),
        (GRANT_ID, claims.grant_id.as_ref().map(GrantId::as_str)),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            payload[name] = value.into();
        }
    }
    // RFC 7519 §4.1.3: with one audience "the "aud" value MAY be a single […] string"; every library reads that.
    payload["aud"] = match claims.audience.as_slice() {
        [one] => one.as_str().into(),
        several => several.iter().map(Audience::as_str).collect(),
    };
    if !claims.scope.is_empty() {
        payload["scope"] = claims.scope.to_string().into();
    }
    payload
}

pub(in crate::token) fn decode(
    token: &str,
    keys: &dyn VerifyingKeys,
    profile: Profile,
    now: Timestamp,
) -> Result<Claims, TokenProblem> {
    let mut key_id = None;
    let find_key = |id: Option<&KeyId>, alg: &str| {
        let key = keys.find(id, alg, now)?;
        key_id = Some(key.id().clone());
        Some(key)
    };
    let payload = jose::verify(token, |typ| accepts_type(profile, typ), find_key)?;
    let claims = parse_object(&payload).ok_or(TokenProblem::Malformed)?;
    if profile == Profile::Plain && find_other_mark(&claims).is_some() {
        return Err(TokenProblem::OtherType);
    }
    check_unbound(&claims)?;
    let claims = read(claims, profile).map_err(|_| TokenProblem::MalformedClaims)?;
    Ok(Claims { key_id, ..claims })
}

/// RFC 9068 §4: "MUST verify that the "typ" header value is "at+jwt" or "application/at+jwt"". The type of others,
/// `dpop+jwt` or `logout+jwt`, is never an access token's (RFC 8725 §3.11).
pub(in crate::token) fn accepts_type(profile: Profile, typ: Option<&str>) -> bool {
    match typ {
        Some(TYP) => true,
        Some(PLAIN_TYP) | None => profile == Profile::Plain,
        Some(_) => false,
    }
}

/// The claim that says that this is an ID token, a refresh token or a logout token, which opens no API.
///
/// Keycloak says in a claim `typ` what a token is, Cognito in `token_use`: who says it must say that it is an access token,
/// since nobody can list what else there is. Who does say so may have a `nonce` too.
pub(in crate::token) fn find_other_mark(claims: &Map<String, Value>) -> Option<&'static str> {
    let is_bearer = |typ: &Value| typ.as_str().is_some_and(|typ| typ.eq_ignore_ascii_case("bearer"));
    let is_access = |token_use: &Value| token_use == "access";
    let said = [("typ", claims.get("typ").map(is_bearer)), ("token_use", claims.get("token_use").map(is_access))];
    if let Some((name, _)) = said.iter().find(|(_, fits)| *fits == Some(false)) {
        return Some(name);
    }
    let is_said = said.iter().any(|(_, fits)| fits.is_some());
    OTHER_MARKS.into_iter().find(|name| claims.contains_key(*name) && !(is_said && *name == NONCE))
}

/// RFC 9449 §7.2: an API that takes bearer tokens "MUST reject a DPoP-bound access token received as a bearer token"; RFC
/// 8705 §3 wants the client certificate that `cnf` names. We look at no proof, so whatever stands there is refused.
pub(in crate::token) fn check_unbound(claims: &Map<String, Value>) -> Result<(), TokenProblem> {
    if claims.contains_key(CONFIRMATION) { Err(TokenProblem::Bound) } else { Ok(()) }
}

/// The claim that is missing or of the wrong type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::token) struct MalformedClaim(pub(in crate::token) &'static str);

/// Every claim has its type or the token is not read at all: what cannot be read is never taken as absent.
pub(in crate::token) fn read(mut claims: Map<String, Value>, profile: Profile) -> Result<Claims, MalformedClaim> {
    let client_id = optional(&claims, profile.client_id_names(), |value| value.as_str().map(ClientId::new))?;
    let token_id = optional(&claims, &["jti"], |value| value.as_str().map(str::to_owned))?;
    if profile == Profile::Rfc9068 {
        client_id.as_ref().ok_or(MalformedClaim("client_id"))?;
        token_id.as_ref().ok_or(MalformedClaim("jti"))?;
    }
    let subject = |value: &Value| value.as_str().filter(|subject| !subject.is_empty()).map(Subject::new);
    let read = Claims {
        issuer: required(&claims, "iss", |value| value.as_str().map(Issuer::new))?,
        subject: required(&claims, "sub", subject)?,
        audience: required(&claims, "aud", audience)?,
        client_id,
        scope: scope(&claims, profile)?,
        grant_id: optional(&claims, &[GRANT_ID], |value| value.as_str().map(GrantId::new))?,
        token_id,
        issued_at: required(&claims, "iat", numeric_date)?,
        not_before: optional(&claims, &["nbf"], numeric_date)?,
        expires_at: required(&claims, "exp", numeric_date)?,
        key_id: None,
        own: Map::new(),
    };
    claims.retain(|name, _| !INTERPRETED.contains(&name.as_str()));
    Ok(Claims { own: claims, ..read })
}

/// How many of the claims are ours to interpret.
pub(in crate::token) fn count_interpreted(claims: &Map<String, Value>) -> usize {
    INTERPRETED.iter().filter(|name| claims.contains_key(**name)).count()
}

/// The first of these names that a token of ours may not get from its author: each has a meaning of its own.
pub(in crate::token) fn find_reserved(claims: &Map<String, Value>) -> Option<&str> {
    claims.keys().map(String::as_str).find(|name| {
        [&INTERPRETED[..], &SPOKEN_FOR, &OTHER_MARKS, Profile::Plain.client_id_names(), &[PLAIN_SCOPE]]
            .iter()
            .any(|names| names.contains(name))
    })
}

impl Profile {
    /// What the claim with the client is called; the first that is there counts.
    const fn client_id_names(self) -> &'static [&'static str] {
        match self {
            Self::Rfc9068 => &["client_id"],
            Self::Plain => &["client_id", "azp", "cid"],
        }
    }
}

fn required<T>(
    claims: &Map<String, Value>,
    name: &'static str,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Result<T, MalformedClaim> {
    claims.get(name).and_then(read).ok_or(MalformedClaim(name))
}

/// The first of these claims that is there; it may not be other than it should be.
fn optional<T>(
    claims: &Map<String, Value>,
    names: &[&'static str],
    read: impl FnOnce(&Value) -> Option<T>,
) -> Result<Option<T>, MalformedClaim> {
    match names.iter().find_map(|name| Some((name, claims.get(*name)?))) {
        None => Ok(None),
        Some((name, value)) => read(value).map(Some).ok_or(MalformedClaim(name)),
    }
}

/// `scope` as RFC 8693 §4.2 has it; `scp` is what some call it, and some make a list of it.
pub(in crate::token) fn scope(claims: &Map<String, Value>, profile: Profile) -> Result<Scope, MalformedClaim> {
    let list = |value: &Value| match value {
        Value::Array(tokens) => tokens.iter().map(|token| ScopeToken::parse(token.as_str()?).ok()).collect(),
        other => other.as_str()?.parse().ok(),
    };
    let said = optional(claims, &["scope"], |value| value.as_str()?.parse().ok())?;
    Ok(match profile {
        Profile::Plain if said.is_none() => optional(claims, &[PLAIN_SCOPE], list)?.unwrap_or_default(),
        Profile::Plain | Profile::Rfc9068 => said.unwrap_or_default(),
    })
}

/// One string, or a list of strings that is not empty.
pub(in crate::token) fn audience(value: &Value) -> Option<Vec<Audience>> {
    let one = |value: &Value| value.as_str().filter(|name| !name.is_empty()).map(Audience::new);
    match value {
        Value::Array(several) if !several.is_empty() => several.iter().map(one).collect(),
        other => Some(vec![one(other)?]),
    }
}

/// Seconds since the epoch (RFC 7519 §2), whole and not negative: what every issuer of access tokens writes.
pub(in crate::token) fn numeric_date(value: &Value) -> Option<Timestamp> {
    value.as_i64().filter(|seconds| *seconds >= 0).map(Timestamp::from_seconds)
}
