//! `client_secret_post` and `none`: the client names itself in the form (RFC 6749 §2.3.1, §3.2.1).

use super::Credentials;
use crate::{client::ClientSecret, form::Form, names::ClientId};

/// What the form says; an empty `client_id` is no client.
pub(super) fn read(form: &Form) -> Option<Credentials> {
    let secret = form.find("client_secret").map(ClientSecret::new);
    match (form.find("client_id"), secret) {
        (Some(id), secret) => Some(Credentials { id: ClientId::new(id), secret }),
        // A secret without a name is an attempt that must fail, not the absence of one.
        (None, Some(secret)) => Some(Credentials { id: ClientId::new(""), secret: Some(secret) }),
        (None, None) => None,
    }
}
