//! How tokens end before their time: the revocation endpoint's rules, and what keeps verifiers up with the feed.

use std::{sync::atomic::Ordering, time::Duration};

use super::{AuthorizationServer, NO_VERSION, Request};
use crate::{
    client::Client,
    clock::Timestamp,
    error::{BearerError, OAuthError, STORE_RETRY},
    grant_record::Grant,
    names::{ClientId, GrantId, Subject},
    refresh_token::RefreshToken,
    store::{Ended, Found, StoreError},
    token::{
        AccessToken, BorrowedToken,
        revoked::Revoked,
        verify::{IssuedToken, MAX_LEEWAY},
    },
};

/// For how long a verifier may not have heard of what has ended by default: a minute, against the second at which it
/// normally hears of it.
const DEFAULT_MAX_STALENESS: Duration = Duration::from_secs(60);

/// What is done while nobody knows what has ended, because the store is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevocationSettings {
    /// For how long what was heard last is good enough; a minute by default.
    pub max_staleness: Duration,
    /// What is done after that.
    pub when_stale: WhenStale,
}

/// What is done with tokens while nobody knows whether they have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenStale {
    /// They are not believed: `temporarily_unavailable`, with 503.
    Refuse,
    /// They are believed until they expire.
    Accept,
}

impl Default for RevocationSettings {
    fn default() -> Self {
        Self { max_staleness: DEFAULT_MAX_STALENESS, when_stale: WhenStale::Refuse }
    }
}

impl RevocationSettings {
    /// Whether a verifier may believe a token whose knowledge of what has ended is [so old](Revoked::staleness).
    #[must_use]
    pub fn allow(&self, staleness: Option<Duration>) -> bool {
        let is_fresh = staleness.is_some_and(|staleness| staleness <= self.max_staleness);
        is_fresh || self.when_stale == WhenStale::Accept
    }
}

impl AuthorizationServer {
    /// Answers a revocation request (RFC 7009 §2.1).
    ///
    /// A refresh token ends its grant with all tokens that descend from it, one that was used up too; an access token
    /// ends alone. When this returns `Ok`, what was named is dead here, and an opaque one everywhere. Of a token that is
    /// unknown, expired, or another client's nothing is said, and nothing is done (§2.2: "The authorization server
    /// responds with HTTP status code 200 if the token has been revoked successfully or if the client submitted an
    /// invalid token"). `token_type_hint` is not needed.
    ///
    /// # Errors
    /// - [`OAuthError::InvalidRequest`]: `token` is missing.
    /// - [`OAuthError::InvalidClient`]: the client does not prove who it is.
    /// - [`OAuthError::Throttled`]: it failed to do so too often.
    /// - [`OAuthError::TemporarilyUnavailable`]: the store is away, and it is not known whether the token is dead.
    pub async fn revoke(&self, request: Request<'_>) -> Result<(), OAuthError> {
        let client = self.authenticate_client(request).await?;
        let [token] = request.form.require(["token"])?;
        match RefreshToken::read(token) {
            Some(refresh) => self.revoke_refresh_token(&client, &refresh).await,
            None => self.revoke_access_token(&client, BorrowedToken::new(token)).await,
        }
    }

    async fn revoke_refresh_token(&self, client: &Client, presented: &RefreshToken) -> Result<(), OAuthError> {
        let grant = self.ports.store.find_grant(&presented.grant_id()).await?;
        let is_theirs = |grant: &Grant| {
            let family = grant.refresh.as_ref().map(|refresh| refresh.family);
            family == Some(presented.family()) && grant.client_id == client.id
        };
        // One that is gone may have ended a moment ago, and not have been heard of.
        let Some(grant) = grant.filter(is_theirs) else { return Ok(self.hear_of_it().await?) };
        self.ports.store.revoke_grant(&grant.id).await?;
        // At once: whoever asked may go away while it is waited for.
        tracing::info!(event = "revocation", outcome = "done", what = "grant", subject = %grant.subject,
            client = %client.id, grant = %grant.id, "a client ended a grant");
        Ok(self.hear_of_it().await?)
    }

    async fn revoke_access_token(&self, client: &Client, token: BorrowedToken<'_>) -> Result<(), OAuthError> {
        let now = self.ports.clock.now();
        let issued = self.find_issued(token, now).await?;
        // One that does not hold, and that nobody's leeway lets in, opens nothing: there is nothing to end. One that is not
        // valid yet will be.
        let is_theirs = |issued: &IssuedToken| {
            issued.token.client_id() == Some(&client.id) && now < issued.token.expires_at().plus(MAX_LEEWAY)
        };
        let Some(issued) = issued.ok().filter(is_theirs) else { return Ok(()) };
        let verified = issued.token;
        // Once is enough: the feed does not grow with repeats.
        if self.revoked.has_ended(&verified) {
            return Ok(());
        }
        if let Some(handle) = &issued.handle {
            self.ports.store.revoke_opaque_token(handle).await?;
        } else if let Some(id) = verified.token_id() {
            self.ports.store.append_feed(&Ended::Token(id.to_owned()), verified.expires_at()).await?;
        }
        tracing::info!(event = "revocation", outcome = "done", what = "access_token", subject = %verified.subject(),
            client = %client.id, grant = verified.grant_id().map(GrantId::as_str), "a client ended an access token");
        // An opaque one is looked up each time.
        if issued.handle.is_none() {
            self.hear_of_it().await?;
        }
        Ok(())
    }

    /// Ends a grant, with all tokens that descend from it: they are dead when this returns.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): it is not known whether they are.
    pub async fn end_grant(&self, id: &GrantId) -> Result<Found, StoreError> {
        let found = self.ports.store.revoke_grant(id).await?;
        if found == Found::Yes {
            tracing::info!(event = "revocation", outcome = "done", what = "grant", grant = %id, "a grant was ended");
        }
        self.hear_of_it().await?;
        Ok(found)
    }

    /// Ends all grants of an owner, and says how many there were: what an API does whose users are in a table of its own
    /// when it disables one or gives one another password.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): it is not known whether they have ended.
    pub async fn end_grants_of(&self, subject: &Subject) -> Result<usize, StoreError> {
        let ended = self.ports.store.revoke_grants_of(subject, self.ports.clock.now()).await?;
        tracing::info!(event = "revocation", outcome = "done", what = "grants", %subject, ended, "grants were ended");
        self.hear_of_it().await?;
        Ok(ended)
    }

    /// RFC 9700 §4.14.2: "the authorization server […] revokes the active refresh token as well as the access
    /// authorization grant associated with it".
    pub(super) async fn end_stolen(&self, grant: &Grant) -> Result<(), StoreError> {
        // First: the thief may hang up while the store is waited for.
        tracing::warn!(event = "refresh", outcome = "stolen", subject = %grant.subject, client = %grant.client_id,
            grant = %grant.id, "a refresh token was used that was used up: its grant ends");
        self.ports.store.revoke_grant(&grant.id).await?;
        self.hear_of_it().await
    }

    /// A client that was disabled and is enabled again at once waits until what it gets can be told from what has ended: for as
    /// long as another's clock may have been ahead. So does everybody in the second in which the store was put back.
    pub(super) fn refuse_if_cut(&self, client: &ClientId, now: Timestamp) -> Result<(), OAuthError> {
        match self.revoked.cut_for(client, now) {
            None => Ok(()),
            Some(retry_after) => Err(OAuthError::TemporarilyUnavailable { retry_after }),
        }
    }

    /// What has ended before its time, as far as is known here.
    #[must_use]
    pub const fn revoked(&self) -> &Revoked {
        &self.revoked
    }

    /// How long ago it was last heard what has ended; `None` before the first time.
    #[must_use]
    pub fn revocation_staleness(&self) -> Option<Duration> {
        self.revoked.staleness(self.ports.clock.now())
    }

    /// Hears of what was just ended, so that nobody is told so before it is dead here.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): the store is away.
    pub async fn hear_of_it(&self) -> Result<(), StoreError> {
        self.revoked.catch_up(&*self.ports.store, &*self.ports.clock).await?;
        self.heed_withdrawals();
        Ok(())
    }

    /// Hears of what has ended, wherever that was.
    pub(super) async fn hear_of_changes(&self) -> Result<(), StoreError> {
        // Before the feed is read: what is added from here on may not be heard.
        let version = self.ports.store.version().unwrap_or(NO_VERSION);
        if version == NO_VERSION || version != self.heard_version.load(Ordering::Acquire) {
            self.hear_of_it().await?;
            self.heard_version.store(version, Ordering::Release);
        }
        Ok(())
    }

    /// A client that is registered may have been disabled and enabled since the feed was read: it would get what is dead
    /// already. Where the store tells at once that anything has changed, that is heard; else it is a matter of the second
    /// in which it was, or of the moment that news takes.
    pub(super) async fn hear_of_cuts(&self, client: &Client) -> Result<(), StoreError> {
        if client.is_built_in() || self.ports.store.version().is_none() {
            return Ok(());
        }
        self.hear_of_changes().await
    }

    /// Whether nothing is to be heard in this second any more.
    pub(super) fn is_up_to(&self, now: Timestamp) -> bool {
        let is_up_to = self.revoked.is_up_to(now);
        if is_up_to {
            self.heed_withdrawals();
        }
        is_up_to
    }

    /// Hears at most once a second of what others have ended, before a token is believed; says what time it is then.
    pub(super) async fn keep_up(&self, now: Timestamp) -> Result<Timestamp, BearerError> {
        if self.is_up_to(now) {
            return Ok(now);
        }
        let heard = self.revoked.keep_up(&*self.ports.store, &*self.ports.clock).await;
        self.heed_withdrawals();
        if let Err(error) = heard {
            tracing::warn!(event = "feed", outcome = "failure", %error, heard_at = self.revoked.heard_at().map(Timestamp::seconds),
                "the feed of what has ended cannot be read");
        }
        self.refuse_if_stale()
    }

    /// After each wait: what was fresh enough before it may not be any more. Says what time it is.
    pub(super) fn refuse_if_stale(&self) -> Result<Timestamp, BearerError> {
        let now = self.ports.clock.now();
        if self.settings.revocation.allow(self.revoked.staleness(now)) {
            return Ok(now);
        }
        Err(BearerError::TemporarilyUnavailable { retry_after: STORE_RETRY })
    }

    /// What cannot be known because only a newer program knows what ended is as what cannot be heard.
    pub(super) fn refuse_if_uncertain(&self, token: &AccessToken) -> Result<(), BearerError> {
        if self.settings.revocation.when_stale == WhenStale::Refuse && self.revoked.may_have_ended(token) {
            return Err(BearerError::TemporarilyUnavailable { retry_after: STORE_RETRY });
        }
        Ok(())
    }

    /// Whether a token has ended before its time, as far as is known here.
    #[must_use]
    pub fn has_ended(&self, token: &AccessToken) -> bool {
        self.revoked.has_ended(token)
    }
}
