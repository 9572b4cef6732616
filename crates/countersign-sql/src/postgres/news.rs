//! Listens for what others add to the feed, over a connection of its own.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::AbortHandle};
use tokio_postgres::AsyncMessage;

use super::{
    connection::{Driver, within},
    pool::Pool,
    query::Problem,
};
use crate::statements;

/// How long after a lost connection it is tried again, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How long the database may take to say that it lets us listen.
const LISTENS_WITHIN: Duration = Duration::from_secs(5);

/// A task that listens as long as this lives.
pub(super) struct News {
    /// How often there were news.
    count: watch::Receiver<u64>,
    task: AbortHandle,
}

impl News {
    pub(super) fn start(pool: Arc<Pool>) -> Self {
        let (sender, count) = watch::channel(0);
        let task = tokio::spawn(async move { listen_for_ever(&pool, &sender).await }).abort_handle();
        Self { count, task }
    }

    /// The count, as soon as it is another than `heard`.
    pub(super) async fn wait(&self, heard: u64) -> u64 {
        let mut count = self.count.clone();
        let news = count.wait_for(|count| *count != heard).await.map(|count| *count);
        match news {
            Ok(count) => count,
            // The task is gone: there will be none.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for News {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen_for_ever(pool: &Pool, count: &watch::Sender<u64>) {
    let (mut pause, longest) = BACKOFF;
    loop {
        match listen(pool, count).await {
            Ok(()) => pause = BACKOFF.0,
            Err(problem) => {
                tracing::debug!(
                    event = "database",
                    outcome = "no_news",
                    ?problem,
                    "nothing is heard from the database"
                );
            }
        }
        // What was said meanwhile was not heard.
        heard(count);
        tokio::time::sleep(pause).await;
        pause = longest.min(pause * 2);
    }
}

/// Returns when the connection has ended, or cannot be had.
async fn listen(pool: &Pool, count: &watch::Sender<u64>) -> Result<(), Problem> {
    let (client, driver) = pool.open_bare().await?;
    let (sender, mut receiver) = watch::channel(());
    let driving = tokio::spawn(drive(driver, sender));
    let listening =
        within(LISTENS_WITHIN, async { Ok(client.batch_execute(statements::POSTGRES_LISTEN).await?) }).await;
    if listening.is_ok() {
        // What was said before is in the feed.
        heard(count);
        while receiver.changed().await.is_ok() {
            heard(count);
        }
    }
    driving.abort();
    listening
}

/// Tells of each notification, until the connection ends.
async fn drive(mut driver: Driver, sender: watch::Sender<()>) {
    while let Some(Ok(message)) = std::future::poll_fn(|cx| driver.poll_message(cx)).await {
        if matches!(message, AsyncMessage::Notification(_)) {
            sender.send_replace(());
        }
    }
}

fn heard(count: &watch::Sender<u64>) {
    count.send_modify(|count| *count += 1);
}
