//! `client_secret_basic`: the `Authorization` header, form-encoded before it is encoded (RFC 6749 §2.3.1).

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{Mechanism, Proof, denied};
use crate::{
    client::{AuthMethod, ClientSecret},
    error::OAuthError,
    form,
};

/// What the header says, if it is of the scheme. `Basic Og==`, an empty name and an empty secret, is no client: pages
/// send it when their fields are left blank. A name with an empty secret only names a client, as libraries do for public
/// ones (RFC 6749 §2.3.1: the client "MAY omit the parameter if the client secret is an empty string").
pub(super) fn read(authorization: Option<&str>) -> Result<Option<Mechanism<'static>>, OAuthError> {
    let Some((scheme, encoded)) = authorization.and_then(|header| header.split_once(' ')) else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    // Spaces alone (RFC 9110 §11.4): a tab or a form feed is a part of what follows.
    let (id, secret) = decode(encoded.trim_start_matches(' ')).ok_or_else(|| denied("malformed", None))?;
    Ok(match (id.is_empty(), secret.is_empty()) {
        (true, true) => None,
        (_, true) => Some(Mechanism { id, proof: Proof::None }),
        (_, false) => Some(Mechanism { id, proof: Proof::Secret(AuthMethod::Basic, ClientSecret::new(secret)) }),
    })
}

fn decode(encoded: &str) -> Option<(String, String)> {
    let bytes = Zeroizing::new(STANDARD.decode(encoded).ok()?);
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    Some((form::decode(&bytes[..colon])?, form::decode(&bytes[colon + 1..])?))
}
