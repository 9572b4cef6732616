//! How many of the connections may wait for the same rows: what is locked for long keeps nobody from what is not.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use countersign_core::{
    names::ClientId,
    store::{Origin, StoreError},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::pool::WAIT;

/// Who grants, renews, or puts a token has one of these beside a connection, until it is done.
pub(super) struct Shares {
    /// Of all, so that who only looks finds a connection.
    all: Arc<Semaphore>,
    /// How many there are of each client.
    of_one: usize,
    /// For each client of which somebody has one, or waits for one.
    of_clients: Mutex<HashMap<ClientId, Weak<Semaphore>>>,
    /// Of tokens beside a grant, whose client nobody names.
    beside: Arc<Semaphore>,
}

/// One of a client's, and one of all.
pub(super) struct Share {
    _of_client: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Shares {
    /// Of ten connections all may have nine, one client seven, and tokens beside a grant one.
    pub(super) fn new(connections: usize) -> Self {
        let spare = (connections / 8).max(1);
        let but = |so_many: usize| connections.saturating_sub(so_many).max(1);
        let semaphore = |width| Arc::new(Semaphore::new(width));
        Self {
            all: semaphore(but(spare)),
            // Of few connections half are more.
            of_one: but(3 * spare).max(connections / 2),
            of_clients: Mutex::default(),
            beside: semaphore(spare),
        }
    }

    /// One for what is granted to a client, or renewed.
    pub(super) async fn of_client(&self, id: &ClientId) -> Result<Share, StoreError> {
        self.one(self.find(id)).await
    }

    /// One for a token that descends from this.
    pub(super) async fn of_origin(&self, origin: &Origin) -> Result<Share, StoreError> {
        match origin {
            Origin::Client(id) => self.of_client(id).await,
            Origin::Grant(_) => self.one(Arc::clone(&self.beside)).await,
        }
    }

    /// As soon as there is one, but not for longer than a connection is waited for.
    async fn one(&self, of_client: Arc<Semaphore>) -> Result<Share, StoreError> {
        let both = async {
            let of_client = of_client.acquire_owned().await.map_err(|_| Busy)?;
            let of_all = Arc::clone(&self.all).acquire_owned().await.map_err(|_| Busy)?;
            Ok(Share { _of_client: of_client, _of_all: of_all })
        };
        timeout(WAIT, both).await.unwrap_or(Err(Busy)).map_err(StoreError::unavailable)
    }

    fn find(&self, id: &ClientId) -> Arc<Semaphore> {
        let mut of_clients = self.of_clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_client) = of_clients.get(id).and_then(Weak::upgrade) {
            return of_client;
        }
        of_clients.retain(|_, of_client| of_client.strong_count() > 0);
        let of_client = Arc::new(Semaphore::new(self.of_one));
        of_clients.insert(id.clone(), Arc::downgrade(&of_client));
        of_client
    }
}

#[derive(Debug, thiserror::Error)]
#[error("all connections that wait for what this client got are busy")]
struct Busy;

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use countersign_core::names::GrantId;

    use super::*;

    /// How many there are at once.
    async fn count<Taken: Future<Output = Result<Share, StoreError>>>(take: impl Fn() -> Taken) -> usize {
        let mut taken = Vec::new();
        loop {
            // Not of the budget that a task has before it must let others run.
            let mut next = pin!(tokio::task::unconstrained(take()));
            match next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(share) => taken.push(share.unwrap()),
                Poll::Pending => break taken.len(),
            }
        }
    }

    #[tokio::test]
    async fn one_client_leaves_some_to_others_and_all_leave_some_to_who_looks() {
        let [app, page] = ["app", "page"].map(ClientId::new);
        for (connections, of_one, of_all, beside) in
            [(1, 1, 1, 1), (2, 1, 1, 1), (3, 1, 2, 1), (4, 2, 3, 1), (10, 7, 9, 1), (40, 25, 35, 5)]
        {
            let shares = Shares::new(connections);
            assert_eq!(count(|| shares.of_client(&app)).await, of_one, "{connections}");
            let grant = Origin::Grant(GrantId::new("g"));
            assert_eq!(count(|| shares.of_origin(&grant)).await, beside, "{connections}");
            let mut taken = Vec::new();
            for _ in 0..of_one {
                taken.push(shares.of_client(&app).await.unwrap());
            }
            assert_eq!(count(|| shares.of_client(&page)).await, of_all - of_one, "{connections}");
            drop(taken);
            assert_eq!(count(|| shares.of_client(&app)).await, of_one, "what was given back is there again");
        }
    }

    #[tokio::test]
    async fn of_a_client_of_whom_nobody_has_one_nothing_is_kept() {
        let shares = Shares::new(10);
        for number in 0..100 {
            shares.of_client(&ClientId::new(number.to_string())).await.unwrap();
        }
        assert_eq!(shares.of_clients.lock().unwrap().len(), 1);
    }
}
