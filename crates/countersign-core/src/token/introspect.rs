//! Tokens that only their issuer can read: what its introspection endpoint says of them (RFC 7662).

use serde_json::Value;

use super::{
    AccessToken,
    format::jwt,
    verify::{Intended, Profile, TokenProblem},
};
use crate::{clock::Clock, jose::json::parse_object};

/// The longest answer we read, in bytes.
pub const MAX_INTROSPECTION_BYTES: usize = 64 * 1024;

/// Members of the answer that are about the token as a string, and none of its claims (RFC 7662 §2.2).
const ABOUT_THE_STRING: [&str; 2] = ["active", "token_type"];

/// Believes an introspection answer (RFC 7662 §2.2) that is known to come from the right endpoint.
///
/// `aud`, `exp`, `iat` and `sub` must be there, although RFC 7662 makes them optional: without them nobody knows for
/// which API the token is, until when, and whose. `iss` may be absent: the endpoint is the issuer's.
///
/// # Errors
/// - [`TokenProblem::Malformed`]: the body is too long, or not a JSON object that says each thing once. That is the
///   endpoint's fault and not the token's, so the caller answers `temporarily_unavailable`.
/// - [`TokenProblem::Inactive`] (`invalid_token`): `active` is not the boolean `true`.
/// - [`TokenProblem::OtherType`] (`invalid_token`): it is an ID token, a refresh token or a logout token, by the marks
///   that [`Profile::Plain`] names.
/// - [`TokenProblem::Bound`] (`invalid_token`): `cnf` is there (RFC 9449 §6.2, RFC 8705 §3.2).
/// - [`TokenProblem::MalformedClaims`] (`invalid_token`): a member is missing or of the wrong type, or the token is no
///   bearer token.
/// - Others (`invalid_token`), as of [`verify`](super::verify::verify): issuer, audience, times.
pub fn introspected(body: &[u8], intended: Intended<'_>, clock: &dyn Clock) -> Result<AccessToken, TokenProblem> {
    if body.len() > MAX_INTROSPECTION_BYTES {
        return Err(TokenProblem::Malformed);
    }
    let mut answer = parse_object(body).ok_or(TokenProblem::Malformed)?;
    // RFC 7662 §2.2: of a token that is not active, the server says nothing more.
    if answer.get("active") != Some(&Value::Bool(true)) {
        return Err(TokenProblem::Inactive);
    }
    // RFC 7662 §2.1: the endpoint knows refresh tokens too, and some know ID tokens: all of them are active there.
    if jwt::find_other_mark(&answer).is_some() {
        return Err(TokenProblem::OtherType);
    }
    jwt::check_unbound(&answer)?;
    // RFC 6749 §7.1: a client "MUST NOT use an access token if it does not understand the token type"; nor may we.
    let is_bearer = |kind: &Value| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
    if !answer.get("token_type").is_none_or(is_bearer) {
        return Err(TokenProblem::MalformedClaims);
    }
    answer.retain(|name, _| !ABOUT_THE_STRING.contains(&name.as_str()));
    answer.entry("iss").or_insert_with(|| intended.issuer.as_str().into());
    let claims = jwt::read(answer, Profile::Plain).map_err(|_| TokenProblem::MalformedClaims)?;
    intended.check(&claims, clock.now())?;
    Ok(AccessToken(claims.into()))
}
