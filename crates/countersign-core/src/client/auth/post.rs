//! `client_secret_post`: name and secret stand in the form (RFC 6749 §2.3.1).

use super::{Mechanism, Proof};
use crate::{
    client::{AuthMethod, ClientSecret},
    form::Form,
};

/// What the form says, if there is a secret in it. One without a name is an attempt that must fail, not the absence of
/// one.
pub(super) fn read(form: &Form) -> Option<Mechanism<'static>> {
    let secret = ClientSecret::new(form.find("client_secret")?);
    let id = form.find("client_id").unwrap_or_default().to_owned();
    Some(Mechanism { id, proof: Proof::Secret(AuthMethod::Post, secret) })
}
