//! Access tokens: made in one place, believed in one place.

pub mod explain;
mod format;
pub mod introspect;
pub(crate) mod issue;
pub mod revoked;
pub mod seen;
#[cfg(test)]
mod tests;
pub mod verify;

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, atomic::AtomicU64},
};

use serde::de::{DeserializeOwned, IntoDeserializer};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

pub use self::introspect::introspected;
use self::verify::TokenProblem;
use crate::{
    clock::Timestamp,
    names::{Audience, ClientId, GrantId, Issuer, KeyId, Subject},
    scope::Scope,
};

/// An access token as a string, which is all that its bearer needs (RFC 6750 §1.2). Nobody has looked at it yet.
#[derive(Clone)]
pub struct BearerToken(Zeroizing<String>);

impl BearerToken {
    /// Takes a token as it stands.
    #[must_use]
    pub fn new(token: impl Into<String>) -> Self {
        Self(Zeroizing::new(token.into()))
    }

    /// The token itself.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }
}

/// A token where it stands in a request, so that nobody copies it who only verifies it.
#[derive(Clone, Copy)]
pub struct BorrowedToken<'a>(&'a str);

impl<'a> BorrowedToken<'a> {
    /// Takes a token as it stands.
    #[must_use]
    pub const fn new(token: &'a str) -> Self {
        Self(token)
    }

    /// The token itself.
    #[must_use]
    pub const fn secret(self) -> &'a str {
        self.0
    }
}

impl<'a> From<&'a BearerToken> for BorrowedToken<'a> {
    fn from(token: &'a BearerToken) -> Self {
        Self(token.secret())
    }
}

impl fmt::Debug for BorrowedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BorrowedToken([redacted])")
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken([redacted])")
    }
}

/// An access token that was verified. Only [`verify`] and [`introspected`] make one, so whoever holds it need not check
/// again.
#[derive(Clone, Debug)]
pub struct AccessToken(Arc<Believed>);

/// What an access token says, once it is believed.
#[derive(Debug)]
struct Believed {
    claims: Claims,
    /// What [had been heard](revoked::Revoked::generation) when it was last found not to have ended. Whoever remembers
    /// tokens asks about each the same [`Revoked`](revoked::Revoked), and uses it; nobody else does.
    looked_at: AtomicU64,
}

impl From<Claims> for Arc<Believed> {
    fn from(claims: Claims) -> Self {
        Self::new(Believed { claims, looked_at: AtomicU64::new(seen::NEVER_LOOKED) })
    }
}

impl Deref for Believed {
    type Target = Claims;

    fn deref(&self) -> &Claims {
        &self.claims
    }
}

/// Whose an access token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenSubject {
    /// A resource owner's, who logged in.
    Owner,
    /// The client's own, which got it by the client credentials grant.
    Client,
}

/// What an access token says (RFC 9068 §2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Claims {
    issuer: Issuer,
    subject: Subject,
    audience: Vec<Audience>,
    client_id: Option<ClientId>,
    scope: Scope,
    grant_id: Option<GrantId>,
    token_id: Option<String>,
    issued_at: Timestamp,
    not_before: Option<Timestamp>,
    expires_at: Timestamp,
    /// Which key verified it: no claim, but what is known of one whose signature held.
    key_id: Option<KeyId>,
    /// What is not ours to interpret.
    own: Map<String, Value>,
}

impl AccessToken {
    /// Who issued it (`iss`). Only together with it does the subject name somebody.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.0.issuer
    }

    /// Whose it is (`sub`).
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }

    /// Whether that is a user or the client itself, which asked on its own behalf (RFC 9068 §2.2).
    ///
    /// RFC 9068 §5 lets a client's own token be told by its `sub`, which is its `client_id`: no client of ours has an
    /// identifier that is some user's. Issuers that follow no profile may name their clients otherwise in `sub`.
    #[must_use]
    pub fn whose(&self) -> TokenSubject {
        let is_client = self.client_id().is_some_and(|client_id| client_id.as_str() == self.subject().as_str());
        if is_client { TokenSubject::Client } else { TokenSubject::Owner }
    }

    /// Who that is in all the world: subjects of two issuers may be the same, and are two users (OpenID Connect Core 1.0
    /// §2: "locally unique […] within the Issuer").
    #[must_use]
    pub fn identity(&self) -> (&Issuer, &Subject) {
        (self.issuer(), self.subject())
    }

    /// Whom it is for (`aud`).
    #[must_use]
    pub fn audience(&self) -> &[Audience] {
        &self.0.audience
    }

    /// The client that asked for it (`client_id`); by RFC 9068 every token tells, by [`Profile::Plain`] not.
    ///
    /// [`Profile::Plain`]: verify::Profile::Plain
    #[must_use]
    pub fn client_id(&self) -> Option<&ClientId> {
        self.0.client_id.as_ref()
    }

    /// What it allows (`scope`).
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.0.scope
    }

    /// The grant from which it descends, if its issuer says.
    #[must_use]
    pub fn grant_id(&self) -> Option<&GrantId> {
        self.0.grant_id.as_ref()
    }

    /// Names the token (`jti`); by RFC 9068 every token has a name, by [`Profile::Plain`] not.
    ///
    /// [`Profile::Plain`]: verify::Profile::Plain
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.0.token_id.as_deref()
    }

    /// The key that verified it, if one did: an opaque token has none.
    #[must_use]
    pub fn key_id(&self) -> Option<&KeyId> {
        self.0.key_id.as_ref()
    }

    /// When it was issued (`iat`).
    #[must_use]
    pub fn issued_at(&self) -> Timestamp {
        self.0.issued_at
    }

    /// From when on it is worth nothing (`exp`).
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.0.expires_at
    }

    /// All claims that are not ours to interpret: what the author of the issuer added, and what other issuers say.
    ///
    /// Not among them: `iss`, `sub`, `aud`, `exp`, `nbf`, `iat`, `jti`, `client_id`, `scope` and `grant_id`.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.0.own
    }

    /// [`AccessToken::claims`] as a type of yours.
    ///
    /// # Errors
    /// [`TokenProblem::MalformedClaims`] (`invalid_token`): a claim that your type needs is missing, or is not of the
    /// type that yours gives it.
    pub fn parse_claims<C: DeserializeOwned>(&self) -> Result<C, TokenProblem> {
        C::deserialize(self.claims().into_deserializer()).map_err(|_| TokenProblem::MalformedClaims)
    }
}
