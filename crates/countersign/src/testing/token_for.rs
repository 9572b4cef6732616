//! Tokens that say what a test wants them to say.

use std::time::Duration;

use countersign_core::scope::Scope;
use serde_json::{Map, Value};

use super::{
    draft::Draft,
    problem::TestError,
    signer::{Signer, find_user},
};
use crate::oauth2::OAuth2;

/// A token that says what a test wants it to say, signed with the right key.
///
/// Without further ado it is a good one: for this API, of its issuer, as long-lived as others.
///
/// ```
/// use std::time::Duration;
///
/// use countersign::{Memory, OAuth2, core::token::BearerToken, testing::TokenFor};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> countersign::Result<()> {
/// let oauth2 = OAuth2::new(Memory::new()).build().await?;
/// let editor = TokenFor::user(&oauth2, "alice").scope("read:items").claim("role", json!("editor")).sign().await?;
/// let editor = oauth2.verify(&BearerToken::new(editor)).await?;
/// assert_eq!(editor.subject().as_str(), "alice", "there is no such user, so the name is the subject");
///
/// let elsewhere = TokenFor::user(&oauth2, "alice").audience("https://other.example.com").sign().await?;
/// assert!(oauth2.verify(&BearerToken::new(elsewhere)).await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TokenFor {
    /// Where the user's subject is looked up.
    users: Option<OAuth2>,
    signer: Option<Signer>,
    whom: String,
    scope: String,
    lifetime: Option<Duration>,
    header: Vec<(String, Option<Value>)>,
    claims: Vec<(String, Option<Value>)>,
}

impl TokenFor {
    pub(super) fn new(signer: Option<Signer>, whom: &str) -> Self {
        Self {
            users: None,
            signer,
            whom: whom.to_owned(),
            scope: String::new(),
            lifetime: None,
            header: Vec::new(),
            claims: Vec::new(),
        }
    }

    /// For the user of this name; where there is none, the name is the subject.
    pub fn user(oauth2: &OAuth2, username: &str) -> Self {
        Self { users: Some(oauth2.clone()), ..Self::new(Signer::of(oauth2), username) }
    }

    /// For the client of this identifier, on its own behalf (RFC 6749 §4.4): no guard takes it for a user's.
    pub fn client(oauth2: &OAuth2, id: &str) -> Self {
        Self::new(Signer::of(oauth2), id).claim("client_id", id)
    }

    /// With these scopes, separated by spaces; without any by default.
    pub fn scope(mut self, scope: &str) -> Self {
        scope.clone_into(&mut self.scope);
        self
    }

    /// It expires so long after now, by the clock of who signs; like others by default.
    pub const fn expires_in(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// For this API (`aud`).
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", audience)
    }

    /// Of this issuer (`iss`), though signed by the same key.
    pub fn issuer(self, issuer: &str) -> Self {
        self.claim("iss", issuer)
    }

    /// Of this type (`typ`).
    pub fn typ(self, typ: &str) -> Self {
        self.header("typ", typ)
    }

    /// With this claim, whatever it was.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.push((name.to_owned(), Some(value.into())));
        self
    }

    /// Without this claim.
    pub fn without_claim(mut self, name: &str) -> Self {
        self.claims.push((name.to_owned(), None));
        self
    }

    /// With this member of the header, whatever it was.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.push((name.to_owned(), Some(value.into())));
        self
    }

    /// Without this member of the header.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.push((name.to_owned(), None));
        self
    }

    /// The token. Nothing is recorded.
    ///
    /// # Errors
    /// [`TestError`]: the scope is none, the users or your own claims cannot be looked up, it cannot be signed, or the API
    /// issues no tokens.
    pub async fn sign(self) -> Result<String, TestError> {
        let signer = self.signer.as_ref().ok_or(TestError::IssuerNeeded)?;
        let found = match &self.users {
            Some(oauth2) => find_user(oauth2, &self.whom).await?,
            None => None,
        };
        let subject = found.map_or_else(|| self.whom.clone(), |user| user.subject.to_string());
        // The author's claims are of users.
        let own = match self.users {
            Some(_) => signer.own_claims(&subject, &self.read_scope()?).await?,
            None => Map::new(),
        };
        self.sign_with(own, &subject)
    }

    pub(super) fn sign_with(self, own: Map<String, Value>, subject: &str) -> Result<String, TestError> {
        let scope = self.read_scope()?;
        let signer = self.signer.ok_or(TestError::IssuerNeeded)?;
        let mut draft = signer.draft_with(own, subject, &scope);
        if let Some(lifetime) = self.lifetime {
            draft = draft.claim("exp", Value::from(signer.now().plus(lifetime).seconds()));
        }
        let draft = self.header.into_iter().fold(draft, |draft, (name, value)| draft.header(&name, value));
        let draft: Draft = self.claims.into_iter().fold(draft, |draft, (name, value)| draft.claim(&name, value));
        Ok(signer.sign(&draft)?)
    }

    fn read_scope(&self) -> Result<Scope, TestError> {
        match self.scope.as_str() {
            "" => Ok(Scope::empty()),
            scope => scope.parse().map_err(|_| TestError::Scope(scope.to_owned())),
        }
    }
}
