//! Opaque access tokens: 256 random bits that say nothing, and what they stand for in the store.

use super::jwt;
use crate::{
    clock::Rng,
    handle::{self, Prefix},
    jose::{TokenProblem, json::parse_object},
    names::ClientId,
    store::{HandleHash, OpaqueToken, Origin},
    token::{BearerToken, Claims, verify::Profile},
};

/// How many random bytes a token has.
const TOKEN_BYTES: usize = 32;

/// A new token, and what is to rest of it.
pub(in crate::token) fn make(claims: &Claims, rng: &dyn Rng) -> (BearerToken, OpaqueToken) {
    let mut bytes = [0; TOKEN_BYTES];
    rng.fill(&mut bytes);
    let token = handle::write(Prefix::ACCESS_TOKEN, &bytes);
    let rests = OpaqueToken {
        handle: HandleHash::of(&token),
        descends_from: match &claims.grant_id {
            Some(id) => Origin::Grant(id.clone()),
            None => Origin::Client(ClientId::new(claims.subject.as_str())),
        },
        claims: jwt::payload(claims).to_string(),
        expires_at: claims.expires_at,
    };
    (BearerToken::new(token.as_str()), rests)
}

/// Whether a token says that it is one of these, whether it is or not.
pub(in crate::token) fn is_opaque(token: &str) -> bool {
    Prefix::ACCESS_TOKEN.begins(token)
}

/// By what a token is found; `None` if it cannot be one of ours.
pub(in crate::token) fn find_handle(token: &str) -> Option<HandleHash> {
    handle::read::<TOKEN_BYTES>(Prefix::ACCESS_TOKEN, token).map(|_| HandleHash::of(token))
}

/// What a stored token says.
pub(in crate::token) fn read(rests: &OpaqueToken) -> Result<Claims, TokenProblem> {
    let claims = parse_object(rests.claims.as_bytes()).ok_or(TokenProblem::Malformed)?;
    jwt::read(claims, Profile::Rfc9068).map_err(|_| TokenProblem::MalformedClaims)
}
