//! The names of the ways in which a client asks for tokens.

/// How a client asks for tokens (RFC 6749 §1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrantType {
    /// The resource owner password credentials grant (RFC 6749 §4.3).
    Password,
    /// The refresh token grant (RFC 6749 §6).
    RefreshToken,
    /// The client credentials grant (RFC 6749 §4.4).
    ClientCredentials,
}

impl GrantType {
    /// All grant types there are.
    pub const ALL: [Self; 3] = [Self::Password, Self::RefreshToken, Self::ClientCredentials];

    /// The name in `grant_type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
        }
    }

    /// The grant type of this name, case-sensitive.
    #[must_use]
    pub fn find_by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant_type| grant_type.name() == name)
    }
}
