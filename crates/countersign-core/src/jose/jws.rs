//! Compact JWS (RFC 7515 §3.1): three segments, one signature, nothing else.

use serde_json::{Map, Value, json};

use super::{BASE64URL, Engine, KeyProblem, SigningKey, VerifyingKey, json::parse_object};
use crate::names::KeyId;

/// The longest token we read, in bytes: beyond it nothing is decoded.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Signs `payload`; the header has `alg`, `kid` and this `typ`.
pub(crate) fn sign(key: &SigningKey, typ: &str, payload: &[u8]) -> Result<String, KeyProblem> {
    let header = json!({ "alg": key.algorithm.name(), "kid": key.id.as_str(), "typ": typ });
    let mut token = BASE64URL.encode(header.to_string());
    token.push('.');
    BASE64URL.encode_string(payload, &mut token);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    BASE64URL.encode_string(signature, &mut token);
    Ok(token)
}

/// Verifies a token whose `typ` is accepted with the key that `find_key` has for its `kid` and `alg`, and returns the
/// payload.
///
/// The key decides the algorithm; nothing in the header is used as a key or fetched; the payload is not looked at
/// before its signature holds (RFC 7515 §5.2, RFC 8725 §3).
pub(crate) fn verify<'k>(
    token: &str,
    accepts_type: impl FnOnce(Option<&str>) -> bool,
    find_key: impl FnOnce(Option<&KeyId>, &str) -> Option<&'k VerifyingKey>,
) -> Result<Vec<u8>, TokenProblem> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenProblem::TooLong);
    }
    let (input, signature) = token.rsplit_once('.').ok_or(TokenProblem::Malformed)?;
    let (header, payload) = input.split_once('.').ok_or(TokenProblem::Malformed)?;
    let header = Header::parse(header, accepts_type)?;
    let key = find_key(header.key_id.as_ref(), &header.algorithm).ok_or(TokenProblem::UnknownKey)?;
    if !key.algorithm.goes_by(&header.algorithm) {
        return Err(TokenProblem::OtherAlgorithm);
    }
    let signature = BASE64URL.decode(signature).map_err(|_| TokenProblem::Malformed)?;
    if !key.holds(input.as_bytes(), &signature) {
        return Err(TokenProblem::BadSignature);
    }
    // A token of more than three segments ends here: the full stop is not of the alphabet.
    BASE64URL.decode(payload).map_err(|_| TokenProblem::Malformed)
}

/// The `kid` that a token names, whoever wrote it.
pub(crate) fn read_key_id(token: &str) -> Option<KeyId> {
    let header = token.split('.').next().filter(|_| token.len() <= MAX_TOKEN_BYTES)?;
    Header::parse(header, |_| true).ok()?.key_id
}

struct Header {
    algorithm: String,
    key_id: Option<KeyId>,
}

impl Header {
    fn parse(segment: &str, accepts_type: impl FnOnce(Option<&str>) -> bool) -> Result<Self, TokenProblem> {
        let bytes = BASE64URL.decode(segment).map_err(|_| TokenProblem::Malformed)?;
        let mut header = parse_object(&bytes).ok_or(TokenProblem::Malformed)?;
        // RFC 7515 §4.1.11: a recipient that does not understand a critical extension MUST reject. We know of none,
        // and an empty list, or anything but a list, MUST NOT be used: so whatever it holds, it is refused.
        if header.contains_key("crit") {
            return Err(TokenProblem::CriticalExtension);
        }
        let typ = text(&mut header, "typ").map_err(|NotText| TokenProblem::OtherType)?;
        let typ = typ.as_deref().map(media_type);
        if !accepts_type(typ.as_deref()) {
            return Err(TokenProblem::OtherType);
        }
        let algorithm = text(&mut header, "alg").ok().flatten().ok_or(TokenProblem::Malformed)?;
        let key_id = text(&mut header, "kid").map_err(|NotText| TokenProblem::UnknownKey)?;
        Ok(Self { algorithm, key_id: key_id.map(KeyId::new) })
    }
}

/// A `typ` as all its spellings are compared: a media type in lower case, without the "application/" that RFC 7515
/// §4.1.9 lets issuers leave out.
pub(crate) fn media_type(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").map_or(typ.clone(), str::to_owned)
}

struct NotText;

/// What cannot be read is never taken as absent.
fn text(object: &mut Map<String, Value>, name: &str) -> Result<Option<String>, NotText> {
    match object.remove(name) {
        Some(Value::String(text)) => Ok(Some(text)),
        None => Ok(None),
        Some(_) => Err(NotText),
    }
}

/// Why a token is not accepted: for the log. The client hears `invalid_token`, and not which step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenProblem {
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("the token is too long")]
    TooLong,
    /// Not a compact JWS of three strict base64url segments with JSON objects that say each thing once.
    #[error("the token is malformed")]
    Malformed,
    /// It has a `crit` header.
    #[error("the token names a critical extension")]
    CriticalExtension,
    /// Its `typ` is another.
    #[error("the token is of another type")]
    OtherType,
    /// Its `kid` is missing or names no key of its issuer's.
    #[error("the token names no key of its issuer's")]
    UnknownKey,
    /// Its `alg` is not the key's.
    #[error("the token's algorithm is not its key's")]
    OtherAlgorithm,
    /// The signature does not hold.
    #[error("the token's signature does not hold")]
    BadSignature,
    /// It is bound to a key (`cnf`), which a bearer does not prove to have (RFC 9449 §7.2, RFC 8705 §3).
    #[error("the token is bound to a key and no bearer token")]
    Bound,
    /// A claim is missing or of the wrong type.
    #[error("a claim is missing or of the wrong type")]
    MalformedClaims,
    /// `iss` is another issuer.
    #[error("the token is another issuer's")]
    OtherIssuer,
    /// `aud` does not name this API.
    #[error("the token is for another audience")]
    OtherAudience,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// Its issuer says that it is not active (RFC 7662 §2.2): revoked, expired, or none of its tokens.
    #[error("the token's issuer says that it is not active")]
    Inactive,
    /// It was revoked, or its grant, its client or its user was.
    #[error("the token has ended before its time")]
    Revoked,
    /// It is opaque, and the store knows no such token.
    #[error("no such token is known")]
    UnknownToken,
    /// `nbf` or `iat` lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
}
