//! The challenge of a 401 (RFC 9110 §11.3): which scheme would do, and with what parameters.

use std::{borrow::Cow, fmt};

use countersign_core::clock::{Rng, random_id};

/// A challenge: a scheme's name and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    scheme: Cow<'static, str>,
    parameters: String,
    nonce: Nonce,
}

/// Whether each challenge has a nonce of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nonce {
    None,
    Fresh,
}

/// Bytes of randomness in a nonce: 128 bits, so that nobody guesses the next.
const NONCE_BYTES: usize = 16;

impl Challenge {
    /// A challenge by `scheme`, with a realm (RFC 9110 §11.5). Characters that a quoted string cannot hold are left out.
    #[must_use]
    pub fn new(scheme: impl Into<Cow<'static, str>>, realm: &str) -> Self {
        Self { scheme: scheme.into(), parameters: String::new(), nonce: Nonce::None }.with("realm", realm)
    }

    /// With one more parameter, as a quoted string (RFC 9110 §5.6.4).
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if !self.parameters.is_empty() {
            self.parameters.push_str(", ");
        }
        self.parameters.push_str(name);
        self.parameters.push_str("=\"");
        for character in value.chars().filter(|character| matches!(character, ' '..='~')) {
            if matches!(character, '"' | '\\') {
                self.parameters.push('\\');
            }
            self.parameters.push(character);
        }
        self.parameters.push('"');
        self
    }

    /// With one more parameter, as a token (RFC 9110 §5.6.2): for those few that must not be quoted.
    #[must_use]
    pub(crate) fn with_token(mut self, name: &str, value: &'static str) -> Self {
        self.parameters.push_str(&format!(", {name}={value}"));
        self
    }

    /// With a nonce that each challenge makes anew (RFC 7616 §3.3).
    #[must_use]
    pub(crate) const fn with_nonce(mut self) -> Self {
        self.nonce = Nonce::Fresh;
        self
    }

    /// The challenge as it goes out.
    pub(crate) fn made_with(&self, rng: &dyn Rng) -> Self {
        match self.nonce {
            Nonce::None => self.clone(),
            Nonce::Fresh => self.clone().with("nonce", &random_id::<NONCE_BYTES>(rng)),
        }
    }

    /// Whether RFC 6750 says what else it may tell.
    pub(crate) fn is_bearer(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("bearer")
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.scheme, self.parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b13_what_does_not_fit_a_quoted_string_is_escaped_or_left_out() {
        let hostile = Challenge::new("Bearer", "a\"b\\c\r\nX-Injected: 1\u{e9}\0");
        assert_eq!(hostile.to_string(), "Bearer realm=\"a\\\"b\\\\cX-Injected: 1\"");
        let digest = Challenge::new("Digest", "r").with_token("algorithm", "SHA-256").with("nonce", "n");
        assert_eq!(digest.to_string(), "Digest realm=\"r\", algorithm=SHA-256, nonce=\"n\"");
    }
}
