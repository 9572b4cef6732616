//! What goes by itself while an API serves: what has expired is forgotten, in small steps, and news are heard.

use std::{convert::Infallible, time::Duration};

use countersign_core::authorization_server::{AuthorizationServer, SWEEP_LIMIT};

use crate::oauth2::OAuth2;

/// How often what has expired is looked for: as long as the leeway of refresh tokens is by default. The answers to those that
/// were used, which rest sealed, are gone at most that long after the leeway.
const EVERY: Duration = Duration::from_secs(10);

/// How long after a step that found much the next one follows: requests come first.
const BETWEEN: Duration = Duration::from_millis(100);

impl OAuth2 {
    /// Forgets what has expired, in small steps, and hears at once of what other processes have ended, if the store tells
    /// it, for as long as it is polled: [`serve`](crate::serve) does it, and who serves in another way may spawn it. Without
    /// it, requests for tokens forget now and then, and what has ended elsewhere is heard of within a second.
    ///
    /// It never ends.
    pub async fn keep_house(self) -> Infallible {
        let Some(server) = self.authority().server().cloned() else { return std::future::pending().await };
        drop(self);
        tokio::select! {
            never = server.follow_news() => never,
            never = sweep_for_ever(&server) => never,
        }
    }
}

async fn sweep_for_ever(server: &AuthorizationServer) -> Infallible {
    loop {
        tokio::time::sleep(EVERY).await;
        sweep(server).await;
    }
}

async fn sweep(server: &AuthorizationServer) {
    loop {
        match server.sweep().await {
            Ok(gone) if gone >= SWEEP_LIMIT => tokio::time::sleep(BETWEEN).await,
            Ok(_) => return,
            Err(error) => {
                return tracing::warn!(event = "sweep", outcome = "failure", %error, "what has expired could not be swept");
            }
        }
    }
}
