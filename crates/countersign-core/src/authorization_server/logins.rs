//! Grants as their owners see them: what a bearer may look at and end, which is all of the owner's only for software
//! of the operator's own.

use super::AuthorizationServer;
use crate::{
    client::{Client, Party},
    grant_record::Grant,
    names::{ClientId, GrantId, Subject},
    store::{Found, StoreError},
    token::AccessToken,
};

/// How many grants are read at once.
const PAGE: usize = 100;

/// Which grants stay when an owner ends all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// None.
    None,
    /// The one of the token with which the owner asks.
    Current,
}

impl AuthorizationServer {
    /// Whose software got this token. A client that nobody knows any more is not the operator's.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): it cannot be known now.
    pub async fn find_party(&self, token: &AccessToken) -> Result<Party, StoreError> {
        let Some(id) = token.client_id() else { return Ok(Party::Third) };
        let client = self.ports.store.find_client(id).await?;
        let is_built_in = id.as_str() == Client::BUILT_IN_ID;
        Ok(client.map_or(if is_built_in { Party::First } else { Party::Third }, |client| client.party))
    }

    /// At most `limit` grants of an owner that have not expired, of those whose names come after `after`, in the order of
    /// their names' bytes.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): they cannot be known now.
    pub async fn grants_of(
        &self,
        subject: &Subject,
        after: Option<&GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, StoreError> {
        let now = self.ports.clock.now();
        let (mut found, mut after) = (Vec::new(), after.cloned());
        while found.len() < limit {
            let page = self.ports.store.list_grants(subject, after.as_ref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|grant| grant.id.clone());
            found.extend(page.into_iter().filter(|grant| grant.expires_at() > now));
            if is_last {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// As [`AuthorizationServer::grants_of`], what the bearer of a token may see: with software of the operator's own all
    /// grants of its owner, with that of others the token's own.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): they cannot be known now.
    pub async fn find_logins(
        &self,
        token: &AccessToken,
        after: Option<&GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, StoreError> {
        if self.find_party(token).await? == Party::First {
            return self.grants_of(token.subject(), after, limit).await;
        }
        let Some(own) = token.grant_id().filter(|own| after.is_none_or(|after| *own > after)) else {
            return Ok(Vec::new());
        };
        Ok(self.find_own(token, own).await?.into_iter().take(limit).collect())
    }

    /// Ends a grant that the bearer of a token may see: its tokens are dead when this returns. [`Found::No`] stands for
    /// one that there is not, and for one that is not the bearer's to see.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): it is not known whether it has ended.
    pub async fn end_login(&self, token: &AccessToken, id: &GrantId) -> Result<Found, StoreError> {
        let is_current = token.grant_id() == Some(id);
        if !is_current && self.find_party(token).await? == Party::Third {
            return Ok(Found::No);
        }
        let Some(grant) = self.find_own(token, id).await? else { return Ok(Found::No) };
        let found = self.ports.store.revoke_grant(&grant.id).await?;
        log_end(token, &grant.id);
        self.hear_of_it().await?;
        Ok(found)
    }

    /// Ends all grants of a token's owner, or all but the token's own, and says how many there were: their tokens are dead
    /// when this returns. It is for software of the operator's own to ask for: see [`AuthorizationServer::find_party`].
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): it is not known whether they have ended. Those that have stay ended.
    pub async fn end_logins(&self, token: &AccessToken, kept: Kept) -> Result<usize, StoreError> {
        let store = &self.ports.store;
        let ended = match (kept, token.grant_id()) {
            (Kept::Current, Some(current)) => self.end_others(token, current).await?,
            (Kept::None, _) | (Kept::Current, None) => {
                store.revoke_grants_of(token.subject(), self.ports.clock.now()).await?
            }
        };
        let (client, grant) = asked_by(token);
        tracing::info!(event = "revocation", outcome = "done", what = "grants", by = "user",
            subject = %token.subject(), client, grant, ended, "a user ended their grants");
        self.hear_of_it().await?;
        Ok(ended)
    }

    /// One by one, since a store ends one or all. A login that comes meanwhile may stay.
    async fn end_others(&self, token: &AccessToken, current: &GrantId) -> Result<usize, StoreError> {
        let (mut ended, mut after) = (0, None);
        loop {
            let page = self.ports.store.list_grants(token.subject(), after.as_ref(), PAGE).await?;
            for grant in page.iter().filter(|grant| grant.id != *current) {
                if self.ports.store.revoke_grant(&grant.id).await? == Found::Yes {
                    ended += 1;
                }
            }
            let Some(last) = page.last().filter(|_| page.len() == PAGE) else { return Ok(ended) };
            after = Some(last.id.clone());
        }
    }

    /// A grant of the token's owner that has not expired.
    async fn find_own(&self, token: &AccessToken, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        let (grant, now) = (self.ports.store.find_grant(id).await?, self.ports.clock.now());
        Ok(grant.filter(|grant| grant.subject == *token.subject() && grant.expires_at() > now))
    }
}

fn log_end(token: &AccessToken, ended: &GrantId) {
    let (client, grant) = asked_by(token);
    tracing::info!(event = "revocation", outcome = "done", what = "grant", by = "user", subject = %token.subject(),
        client, grant, ended = %ended, "a user ended a grant");
}

/// With which client and in which grant a user asks, for the log.
pub(super) fn asked_by(token: &AccessToken) -> (Option<&str>, Option<&str>) {
    (token.client_id().map(ClientId::as_str), token.grant_id().map(GrantId::as_str))
}
