//! `none`: a public client only names itself (RFC 6749 §3.2.1).

use super::{Mechanism, Proof};
use crate::form::Form;

/// The name in the form; an empty one is no client.
pub(super) fn read(form: &Form) -> Option<Mechanism<'static>> {
    form.find("client_id").map(|id| Mechanism { id: id.to_owned(), proof: Proof::None })
}
