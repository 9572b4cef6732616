//! What a token says that nobody verified: enough to tell whether its issuer is worth asking, and believed in nothing else.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_core::{clock::Timestamp, jose::Algorithm};
use serde::{Deserialize, de::DeserializeOwned};

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[expect(dead_code, reason = "a name that is no text is nobody's")]
    kid: Option<String>,
}

#[derive(Deserialize)]
struct Payload {
    iat: i64,
}

/// Whether an issuer may have published the key of this token by now: not where `alg` is none that we verify with a public
/// key, or `kid` is no text.
pub(super) fn may_have_key(token: &str) -> bool {
    let header: Option<Header> = token.split('.').next().and_then(read);
    let algorithm = header.and_then(|header| Algorithm::find_by_name(&header.alg));
    algorithm.is_some_and(|algorithm| algorithm != Algorithm::Hs256)
}

/// When the token was issued, as it says.
pub(super) fn issued_at(token: &str) -> Option<Timestamp> {
    let payload: Payload = token.split('.').nth(1).and_then(read)?;
    Some(Timestamp::from_seconds(payload.iat))
}

fn read<T: DeserializeOwned>(segment: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).ok()?).ok()
}
