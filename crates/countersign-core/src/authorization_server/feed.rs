//! The feed of what has ended, as the APIs follow it that believe our tokens without asking.

use super::AuthorizationServer;
use crate::{
    feed_page::{FeedPage, MAX_FEED_ENTRIES},
    store::StoreError,
};

impl AuthorizationServer {
    /// What has ended after the entry of this number, as the store knows it now.
    ///
    /// Entries that stop nothing any more are gone, so whoever was away needs nothing else. Who has heard of more than
    /// there is heard it of another store, a lost or an older one, and begins anew.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): the store is away.
    pub async fn read_feed(&self, after: u64) -> Result<FeedPage, StoreError> {
        if after > self.revoked.number() {
            self.hear_of_it().await?;
        }
        let after = if after > self.revoked.number() { 0 } else { after };
        let entries = self.ports.store.find_feed(after, MAX_FEED_ENTRIES).await?;
        Ok(FeedPage::new(after, entries))
    }

    /// Hears at most once a second, however many ask, of what other processes have ended:
    /// [`Revoked::news`](crate::token::revoked::Revoked::news) tells if there was anything.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): the store is away.
    pub async fn look_at_feed(&self) -> Result<(), StoreError> {
        self.revoked.keep_up(&*self.ports.store, self.ports.clock.now()).await
    }
}
