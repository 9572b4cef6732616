//! `client_secret_basic`: the `Authorization` header, form-encoded before it is encoded (RFC 6749 §2.3.1).

use base64::{Engine, engine::general_purpose::STANDARD};

use super::Credentials;
use crate::{client::ClientSecret, error::OAuthError, form, names::ClientId};

/// What the header says, if it is of the scheme. `Basic Og==`, an empty name and an empty secret, is no client: pages
/// send it when their fields are left blank.
pub(super) fn read(authorization: Option<&str>) -> Result<Option<Credentials>, OAuthError> {
    let Some((scheme, encoded)) = authorization.and_then(|header| header.split_once(' ')) else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let bytes = STANDARD.decode(encoded.trim_start()).map_err(|_| OAuthError::InvalidClient)?;
    let colon = bytes.iter().position(|byte| *byte == b':').ok_or(OAuthError::InvalidClient)?;
    let id = form::decode(&bytes[..colon]).ok_or(OAuthError::InvalidClient)?;
    let secret = form::decode(&bytes[colon + 1..]).ok_or(OAuthError::InvalidClient)?;
    Ok(match (id.is_empty(), secret.is_empty()) {
        (true, true) => None,
        (_, without_secret) => {
            Some(Credentials { id: ClientId::new(id), secret: (!without_secret).then(|| ClientSecret::new(secret)) })
        }
    })
}
