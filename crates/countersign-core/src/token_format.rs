//! What an access token looks like.

/// What an access token looks like to those who carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenFormat {
    /// A JWT (RFC 9068): an API believes it by itself.
    Jwt,
    /// A random handle (RFC 6749 §1.4): an API asks what it stands for.
    Opaque,
}

impl TokenFormat {
    /// All formats there are.
    pub const ALL: [Self; 2] = [Self::Jwt, Self::Opaque];

    /// The name in settings, in stores and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::Opaque => "opaque",
        }
    }

    /// The format of this name, case-sensitive.
    #[must_use]
    pub fn find_by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}
