//! The realm of a challenge (RFC 9110 §11.5).

use std::{fmt, sync::Arc};

use crate::start_error::StartError;

/// The realm of a challenge: characters that stand in a quoted string as they are (RFC 9110 §5.6.4).
#[derive(Clone, Debug)]
pub(crate) struct Realm(Arc<str>);

impl Realm {
    pub(crate) fn parse(realm: &str) -> Result<Self, StartError> {
        let plain = |byte: u8| matches!(byte, 0x20 | 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        if realm.is_empty() || !realm.bytes().all(plain) {
            return Err(StartError::Realm);
        }
        Ok(Self(realm.into()))
    }
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
