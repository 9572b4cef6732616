//! The keys of an issuer elsewhere, and tokens that are verified with them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use countersign_core::{
    clock::{Clock, Rng},
    error::BearerError,
    key::{KeySet, MAX_KEY_SET_BYTES},
    names::Issuer,
    token::{
        AccessToken, BorrowedToken,
        seen::{DEFAULT_REMEMBERED_TOKENS, SeenTokens},
        verify::{Expected, Intended, Profile, TokenProblem},
    },
};

use super::{
    fetch::Fetch,
    follower::Follower,
    kept::{Kept, Load, Published},
    metadata::{Problem, discover, get_json},
    unverified,
};

/// Verifies tokens with the keys that their issuer publishes.
#[derive(Debug)]
pub(super) struct ByKeys {
    keys: Kept<KeyLoad>,
    pub(super) profile: Profile,
    clock: Arc<dyn Clock>,
    seen: SeenTokens,
    /// Hears of what has ended, if somebody tells.
    pub(super) follower: Option<Follower>,
}

impl ByKeys {
    pub(super) fn new(
        issuer: Issuer,
        fetch: Arc<dyn Fetch>,
        profile: Profile,
        clock: Arc<dyn Clock>,
        rng: &dyn Rng,
        follower: Option<Follower>,
    ) -> Self {
        let keys = Kept::new(KeyLoad { issuer, fetch }, clock.clone());
        Self { keys, profile, clock, seen: SeenTokens::new(DEFAULT_REMEMBERED_TOKENS, rng), follower }
    }

    /// Verifies a token, which must not have ended before its time if anybody tells.
    pub(super) async fn verify(
        &self,
        token: BorrowedToken<'_>,
        intended: Intended<'_>,
    ) -> Result<AccessToken, BearerError> {
        let verified = self.verify_by_keys(token, intended).await?;
        if let Some(follower) = &self.follower {
            follower.check(&verified).await?;
        }
        Ok(verified)
    }

    /// Verifies a token; a key that is unknown is asked for once.
    ///
    /// A token that says that it was issued after the keys were fetched may be signed with one that came since. If nobody
    /// may ask yet, that is not known, and its client should not throw the token away: 503, and never 401.
    async fn verify_by_keys(
        &self,
        token: BorrowedToken<'_>,
        intended: Intended<'_>,
    ) -> Result<AccessToken, BearerError> {
        let keys = self.keys.find().await?;
        match self.verify_with(&keys, token, intended) {
            Err(TokenProblem::UnknownKey) => {}
            verified => return Ok(verified?),
        }
        if !unverified::may_have_key(token.secret()) {
            return Err(TokenProblem::UnknownKey.into());
        }
        // What was issued in the future is refused whoever signed it.
        let latest = self.clock.now().plus(intended.leeway);
        let issued_at = unverified::issued_at(token.secret()).filter(|issued_at| *issued_at <= latest);
        let newer = self.keys.find_anew(&keys, issued_at).await?.ok_or(TokenProblem::UnknownKey)?;
        Ok(self.verify_with(&newer, token, intended)?)
    }

    fn verify_with(
        &self,
        keys: &Published<KeySet>,
        token: BorrowedToken<'_>,
        intended: Intended<'_>,
    ) -> Result<AccessToken, TokenProblem> {
        let Intended { issuer, audience, leeway } = intended;
        let expected = Expected { keys: &keys.item, profile: self.profile, issuer, audience, leeway };
        self.seen.verify(token, expected, &*self.clock)
    }
}

/// Fetches the keys: from where the metadata says, which is asked each time, because keys may move.
#[derive(Debug)]
struct KeyLoad {
    issuer: Issuer,
    fetch: Arc<dyn Fetch>,
}

#[async_trait]
impl Load for KeyLoad {
    type Item = KeySet;

    const NAME: &'static str = "keys";

    async fn load(&self) -> Result<(KeySet, Option<Duration>), Problem> {
        let (metadata, _) = discover(&self.issuer, &*self.fetch).await?;
        let fetched = get_json(&*self.fetch, metadata.jwks_uri(&self.issuer)?, MAX_KEY_SET_BYTES).await?;
        let keys = KeySet::parse(&fetched.body)?;
        for skipped in keys.skipped() {
            tracing::debug!(event = "fetch", outcome = "skipped", issuer = %self.issuer, key = ?skipped.id, problem = %skipped.problem, "a key is not used");
        }
        Ok((keys, fetched.lifetime))
    }
}
