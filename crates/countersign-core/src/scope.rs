//! Scopes: one token of the grammar, and an ordered set of them (RFC 6749 §3.3).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The longest scope we read, in bytes: beyond it a request is refused before it is taken apart.
pub const MAX_SCOPE_BYTES: usize = 4096;

/// The most tokens that a scope may have: every one is compared with every other.
pub const MAX_SCOPE_TOKENS: usize = 100;

/// One scope token: `1*( %x21 / %x23-5B / %x5D-7E )`, compared byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ScopeToken(String);

impl ScopeToken {
    /// Reads one token.
    ///
    /// # Errors
    /// [`MalformedScope`] (`invalid_scope`) if it is empty or has a character outside of the grammar.
    pub fn parse(token: &str) -> Result<Self, MalformedScope> {
        if is_scope_token(token) { Ok(Self(token.to_owned())) } else { Err(MalformedScope) }
    }

    /// The token as it stands on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ScopeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `token` is a scope token by RFC 6749 §3.3; usable in constants, so that a misspelt scope does not compile.
#[must_use]
pub const fn is_scope_token(token: &str) -> bool {
    let bytes = token.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        if !matches!(bytes[i], 0x21 | 0x23..=0x5B | 0x5D..=0x7E) {
            return false;
        }
        i += 1;
    }
    !bytes.is_empty()
}

/// A set of scope tokens that remembers the order in which they were named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(Vec<ScopeToken>);

impl Scope {
    /// The scope without any token.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// Reads `scope-token *( SP scope-token )`; a token named twice counts once.
    ///
    /// # Errors
    /// [`MalformedScope`] (`invalid_scope`): empty, longer than [`MAX_SCOPE_BYTES`], more than
    /// [`MAX_SCOPE_TOKENS`], two spaces in a row, or a
    /// character outside of the grammar.
    pub fn parse(scope: &str) -> Result<Self, MalformedScope> {
        if scope.len() > MAX_SCOPE_BYTES {
            return Err(MalformedScope);
        }
        if scope.split(' ').count() > MAX_SCOPE_TOKENS {
            return Err(MalformedScope);
        }
        Self::tokens(scope)
    }

    fn tokens(scope: &str) -> Result<Self, MalformedScope> {
        scope.split(' ').map(ScopeToken::parse).collect()
    }

    /// Whether there is no token in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tokens, in the order in which they were named.
    pub fn iter(&self) -> impl Iterator<Item = &ScopeToken> {
        self.0.iter()
    }

    /// Whether `token` is in it: whole, and in this very spelling.
    #[must_use]
    pub fn contains(&self, token: &ScopeToken) -> bool {
        self.0.contains(token)
    }

    /// Whether every token of `needed` is in it.
    #[must_use]
    pub fn covers(&self, needed: &Self) -> bool {
        needed.iter().all(|token| self.contains(token))
    }

    /// What is in both, in the order of `self`.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.iter().filter(|token| other.contains(token)).cloned().collect()
    }

    /// Whether both hold the same tokens, in whatever order.
    #[must_use]
    pub fn same_tokens(&self, other: &Self) -> bool {
        self.covers(other) && other.covers(self)
    }
}

impl FromIterator<ScopeToken> for Scope {
    fn from_iter<I: IntoIterator<Item = ScopeToken>>(tokens: I) -> Self {
        let mut scope = Self::empty();
        scope.extend(tokens);
        scope
    }
}

impl Extend<ScopeToken> for Scope {
    fn extend<I: IntoIterator<Item = ScopeToken>>(&mut self, tokens: I) {
        for token in tokens {
            if !self.contains(&token) {
                self.0.push(token);
            }
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, token) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            f.write_str(token.as_str())?;
        }
        Ok(())
    }
}

/// Reads the form in which we write a scope ourselves: as [`Scope::parse`], but the empty string is the empty scope, and
/// without its bounds, which are for what strangers send.
impl FromStr for Scope {
    type Err = MalformedScope;

    fn from_str(scope: &str) -> Result<Self, Self::Err> {
        if scope.is_empty() { Ok(Self::empty()) } else { Self::tokens(scope) }
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let scope = String::deserialize(deserializer)?;
        scope.parse().map_err(serde::de::Error::custom)
    }
}

/// What was read is not a scope by RFC 6749 §3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scope is a list of names separated by single spaces, without quotes, backslashes or other characters")]
pub struct MalformedScope;

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    #[test]
    fn a14_only_the_grammar_of_rfc_6749_is_a_scope() {
        for bad in ["", " ", "a ", " a", "a  b", "a\tb", "a\"b", "a\\b", "a\nb", "ä", "a\u{0}", "a\u{7f}"] {
            assert_eq!(Scope::parse(bad), Err(MalformedScope), "{bad:?}");
        }
        for good in ["a", "read:items", "a b", "https://example.com/x", "!", "~", "a/b_c-d.e"] {
            assert_eq!(Scope::parse(good).unwrap().to_string(), good);
        }
        assert_eq!(Scope::parse(&"a".repeat(MAX_SCOPE_BYTES + 1)), Err(MalformedScope));
        let of = |tokens: usize| (0..tokens).map(|i| i.to_string()).collect::<Vec<_>>().join(" ");
        assert!(Scope::parse(&of(MAX_SCOPE_TOKENS)).is_ok());
        assert_eq!(Scope::parse(&of(MAX_SCOPE_TOKENS + 1)), Err(MalformedScope));
        assert_eq!(scope(&of(500)).iter().count(), 500, "what we wrote we read");
    }

    #[test]
    fn b11_tokens_match_whole_and_in_their_case() {
        let granted = scope("read:items readwrite Admin");
        for missing in ["read", "read:item", "items", "admin", "write"] {
            assert!(!granted.covers(&scope(missing)), "{missing}");
        }
        assert!(granted.covers(&scope("Admin read:items")));
        assert!(granted.covers(&Scope::empty()));
    }

    #[test]
    fn sets_keep_the_order_and_hold_a_token_once() {
        assert_eq!(scope("b a b").to_string(), "b a");
        assert_eq!(scope("c b a").intersection(&scope("a c")).to_string(), "c a");
        assert!(scope("a b").same_tokens(&scope("b a")));
        assert!(!scope("a b").same_tokens(&scope("a")));
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same_and_stays_in_the_grammar(text in "[ !-~]{0,40}|\\PC{0,20}") {
            if let Ok(scope) = Scope::parse(&text) {
                proptest::prop_assert_eq!(Scope::parse(&scope.to_string()).unwrap(), scope);
                proptest::prop_assert!(text.bytes().all(|b| matches!(b, 0x20 | 0x21 | 0x23..=0x5B | 0x5D..=0x7E)));
            }
        }
    }
}
