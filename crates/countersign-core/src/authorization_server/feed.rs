//! The feed of what has ended, as the APIs follow it that believe our tokens without asking.

use std::convert::Infallible;

use super::AuthorizationServer;
use crate::{
    feed_page::{FeedPage, MAX_FEED_ENTRIES},
    store::{Ended, StoreError},
};

impl AuthorizationServer {
    /// What has ended after the entry of this number, as the store knows it now.
    ///
    /// Of owners who changed it does not tell: that ends no token, and is nobody's business elsewhere.
    /// Entries that stop nothing any more are gone, so whoever was away needs nothing else. Who has heard of more than
    /// there is heard it of another store, a lost or an older one, and begins anew.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): the store is away.
    pub async fn read_feed(&self, after: u64) -> Result<FeedPage, StoreError> {
        if after > self.revoked.number() {
            self.hear_of_it().await?;
        }
        let mut page = FeedPage { entries: Vec::new(), next: if after > self.revoked.number() { 0 } else { after } };
        loop {
            let room = MAX_FEED_ENTRIES - page.entries.len();
            let found = self.ports.store.find_feed(page.next, room).await?;
            let is_last = found.len() < room;
            page.next = found.last().map_or(page.next, |last| last.number);
            page.entries.extend(found.into_iter().filter(|entry| !matches!(entry.ended, Ended::Owner(_))));
            // Who gets a page that is not full takes it for the last.
            if is_last || page.is_full() {
                return Ok(page);
            }
        }
    }

    /// Hears at most once a second, however many ask, of what other processes have ended:
    /// [`Revoked::news`](crate::token::revoked::Revoked::news) tells if there was anything.
    ///
    /// # Errors
    /// [`StoreError`] (`temporarily_unavailable`): the store is away.
    pub async fn look_at_feed(&self) -> Result<(), StoreError> {
        self.revoked.keep_up(&*self.ports.store, &*self.ports.clock).await
    }

    /// Hears what other processes have ended as soon as the store tells that there is news, for as long as it is polled.
    ///
    /// It never ends. Where the store tells nobody, and without this, it is heard a second later.
    pub async fn follow_news(&self) -> Infallible {
        let mut heard = 0;
        loop {
            heard = self.ports.store.wait_for_news(heard).await;
            if let Err(error) = self.hear_of_it().await {
                // As soon as the store is back, that is news.
                tracing::debug!(event = "feed", outcome = "failure", %error, "the feed cannot be read");
            }
        }
    }
}
