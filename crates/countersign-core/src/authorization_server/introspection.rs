//! What the introspection endpoint says of a token, and to whom (RFC 7662).

use super::{AuthorizationServer, Request, SharedOwner};
use crate::{
    client::{Client, ClientType},
    clock::Timestamp,
    error::OAuthError,
    grant_record::{Grant, Refresh},
    names::{Audience, ClientId, Issuer, Subject},
    refresh_token::RefreshToken,
    resource_owner::ResourceOwner,
    scope::Scope,
    store::StoreError,
    throttle::Outcome,
    token::{BorrowedToken, TokenSubject},
    username::Username,
};

/// What a token is (RFC 7662 §2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Introspection {
    /// It is good, and this is what it says.
    Active(Box<ActiveToken>),
    /// It is not, or that is none of the asker's business: why, nobody is told.
    Inactive,
}

/// A token that is good.
///
/// The claims of the author's are not among what is told: they are for the API that reads them in the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveToken {
    /// What kind of token it is.
    pub kind: ActiveTokenKind,
    /// What it allows (`scope`).
    pub scope: Scope,
    /// Who asked for it (`client_id`).
    pub client_id: Option<ClientId>,
    /// The name of its owner (`username`); a client's own token has none.
    pub username: Option<Username>,
    /// Whose it is (`sub`).
    pub subject: Subject,
    /// Whom it is for (`aud`). A refresh token is for nobody but us, and has none.
    pub audience: Vec<Audience>,
    /// Who issued it (`iss`).
    pub issuer: Issuer,
    /// When it was issued (`iat`).
    pub issued_at: Timestamp,
    /// From when on it is worth nothing (`exp`).
    pub expires_at: Timestamp,
    /// Names the token (`jti`), if it has a name.
    pub token_id: Option<String>,
}

/// What kind of token it is (`token_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActiveTokenKind {
    /// An access token: `Bearer` (RFC 6750).
    Access,
    /// A refresh token: `N_A` (RFC 8693 §2.2.1), so that no API takes one for an access token.
    Refresh,
}

impl ActiveTokenKind {
    /// The name in the registry of access token types (RFC 6749 §11.1).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "Bearer",
            Self::Refresh => "N_A",
        }
    }
}

/// What a token turned out to be.
enum Told {
    Active(Box<ActiveToken>),
    /// One of ours, which is not good any more or is none of the asker's business.
    Nothing,
    /// None of ours, as far as anybody remembers.
    Unknown,
}

impl AuthorizationServer {
    /// Answers an introspection request (RFC 7662 §2.1).
    ///
    /// Who asks is a confidential client. It hears of an access token that is for an API that it serves, or that it got
    /// itself; and of a refresh token that it got itself. Everything else is [`Introspection::Inactive`] alike (§2.2:
    /// "the authorization server MUST return an introspection response with the "active" field set to "false" […]
    /// SHOULD NOT include any additional information"). `token_type_hint` is not needed.
    ///
    /// What ended anywhere before the question came is inactive: the feed is read each time, unless the store says that
    /// nothing has changed in it since the last time ([`Feed::version`](crate::store::Feed::version)).
    ///
    /// # Errors
    /// - [`OAuthError::InvalidRequest`]: `token` is missing.
    /// - [`OAuthError::InvalidClient`]: the client does not prove who it is, or cannot.
    /// - [`OAuthError::Throttled`]: it failed to do so too often, or asked about too much that is no token of ours
    ///   (RFC 7662 §4: "the authorization server MUST […] prevent token scanning attacks").
    /// - [`OAuthError::TemporarilyUnavailable`]: the store is away, and nobody knows.
    pub async fn introspect(&self, request: Request<'_>) -> Result<Introspection, OAuthError> {
        let asker = self.authenticate_confidential(request).await?;
        let [token] = request.form.require(["token"])?;
        let found = match RefreshToken::read(token) {
            Some(refresh) => self.find_active_refresh_token(&asker, &refresh).await?,
            None => self.find_active_access_token(&asker, BorrowedToken::new(token)).await?,
        };
        let active = match found {
            Told::Active(active) => Some(active),
            Told::Nothing => None,
            // Only then: an API passes on whatever strangers send it, and must hear of its users' tokens all the same.
            Told::Unknown => {
                self.throttle.introspection(&asker.id, request.source).await?.settle(Outcome::Failure);
                None
            }
        };
        let outcome = if active.is_some() { "active" } else { "inactive" };
        tracing::debug!(event = "introspection", outcome, client = %asker.id, "a client asked what a token is");
        Ok(active.map_or(Introspection::Inactive, Introspection::Active))
    }

    /// The client that asks, which must have proven who it is (RFC 7662 §2.1: "the endpoint MUST also require some form
    /// of authorization"). A public client, and the built-in one, prove nothing.
    ///
    /// # Errors
    /// As of [`AuthorizationServer::introspect`].
    pub async fn authenticate_confidential(&self, request: Request<'_>) -> Result<Client, OAuthError> {
        let client = self.authenticate_client(request).await?;
        match client.client_type() {
            ClientType::Confidential => Ok(client),
            ClientType::Public => Err(OAuthError::InvalidClient),
        }
    }

    async fn find_active_access_token(&self, asker: &Client, token: BorrowedToken<'_>) -> Result<Told, StoreError> {
        let now = self.ports.clock.now();
        let Ok(issued) = self.find_issued(token, now).await? else { return Ok(Told::Unknown) };
        if !issued.is_current(self.intended(), now) {
            return Ok(Told::Nothing);
        }
        let token = &issued.token;
        // RFC 7662 §4: who may ask is told of no token "that is not intended for" it.
        if token.client_id() != Some(&asker.id) && !asker.serves_any(token.audience()) {
            tracing::debug!(event = "introspection", outcome = "denied", client = %asker.id, "a client asked for another's token");
            return Ok(Told::Nothing);
        }
        self.hear_of_changes().await?;
        // That may have taken its time.
        let now = self.ports.clock.now();
        if !issued.is_current(self.intended(), now)
            || self.has_ended(token)
            || !self.may_still_ask(asker, token.client_id()).await?
        {
            return Ok(Told::Nothing);
        }
        if self.revoked.may_have_ended(token) {
            return Err(StoreError::unavailable("only a newer program knows whether the token has ended"));
        }
        let username = match token.whose() {
            TokenSubject::Client => None,
            TokenSubject::Owner => {
                let Some(owner) = self.find_owner(token.subject(), now).await? else { return Ok(Told::Nothing) };
                Some(owner.username.clone())
            }
        };
        Ok(Told::Active(Box::new(ActiveToken {
            kind: ActiveTokenKind::Access,
            scope: token.scope().clone(),
            client_id: token.client_id().cloned(),
            username,
            subject: token.subject().clone(),
            audience: token.audience().to_vec(),
            issuer: token.issuer().clone(),
            issued_at: token.issued_at(),
            expires_at: token.expires_at(),
            token_id: token.token_id().map(str::to_owned),
        })))
    }

    /// Of the refresh tokens of a grant the newest is good, and to the client that has it alone.
    async fn find_active_refresh_token(&self, asker: &Client, presented: &RefreshToken) -> Result<Told, StoreError> {
        let found = self.ports.store.find_grant(&presented.grant_id()).await?;
        let now = self.ports.clock.now();
        let is_of_family =
            |grant: &Grant| grant.refresh.as_ref().is_some_and(|refresh| refresh.family == presented.family());
        let Some(grant) = found.filter(is_of_family) else { return Ok(Told::Unknown) };
        let is_good = |refresh: &&Refresh| refresh.current == presented.handle() && refresh.expires_at > now;
        let Some(refresh) = grant.refresh.as_ref().filter(is_good) else { return Ok(Told::Nothing) };
        if grant.client_id != asker.id {
            return Ok(Told::Nothing);
        }
        let owner = self.owners().find_by_subject(&grant.subject).await?.filter(ResourceOwner::is_active);
        let Some(owner) = owner else { return Ok(Told::Nothing) };
        Ok(Told::Active(Box::new(ActiveToken {
            kind: ActiveTokenKind::Refresh,
            client_id: Some(grant.client_id),
            username: Some(owner.username),
            audience: Vec::new(),
            issuer: self.issuer().clone(),
            issued_at: grant.used_at,
            expires_at: refresh.expires_at,
            token_id: None,
            scope: grant.scope,
            subject: grant.subject,
        })))
    }

    /// The owner, if active. One of the built-in table may be remembered, since the feed, which was just heard, tells of every
    /// change.
    async fn find_owner(&self, subject: &Subject, now: Timestamp) -> Result<Option<SharedOwner>, StoreError> {
        if self.owners_are_in_store()
            && let Some(owner) = self.remembered.find(subject, &self.revoked, now)
        {
            return Ok(Some(owner));
        }
        Ok(self.find_in_table(subject, now).await?.ok())
    }

    /// Whether the client of a token is still one of ours, and active. Who asks was found to be that just now.
    async fn may_still_ask(&self, asker: &Client, id: Option<&ClientId>) -> Result<bool, StoreError> {
        let Some(id) = id.filter(|id| id.as_str() != Client::BUILT_IN_ID && **id != asker.id) else { return Ok(true) };
        Ok(self.clients.find(id, &*self.ports.store).await?.is_some_and(|client| client.is_active()))
    }
}
