//! What has expired is forgotten beside the requests, which do not wait for it.

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use countersign_core::{
    authorization_server::{AuthorizationServer, Settings},
    grant_type::GrantType,
    store::{Grants, SWEEP_MARGIN},
};
use tokio::time::timeout;

use crate::{
    held_store::{Held, PATIENCE},
    support::{Login, log_of},
};

/// How many token requests pass between two sweeps.
const EVERY: usize = 64;

/// A server over a store of which a sweep, once it has begun, waits until a test lets it go on.
async fn held() -> (Arc<Held>, AuthorizationServer) {
    let login = Login::with_settings(Settings::default()).await;
    let held = Held::over(login.store.clone());
    held.hold("sweep");
    let server = login.start_over(held.clone()).await;
    (held, server)
}

async fn log_in(server: &AuthorizationServer, times: usize) {
    for _ in 0..times {
        timeout(PATIENCE, Login::token_of(server)).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn no_request_waits_for_a_sweep_and_one_runs_at_a_time() {
    let (held, server) = held().await;
    log_in(&server, 2 * EVERY + 1).await;
    held.is_asked(1).await;
    // Who asks for one waits for the one that runs.
    held.gate.add_permits(2);
    timeout(PATIENCE, server.sweep()).await.unwrap().unwrap();
    assert_eq!((held.asked(), held.gate.available_permits()), (2, 0));
    log_in(&server, EVERY - 1).await;
    assert_eq!(held.asked(), 2);
    log_in(&server, 1).await;
    held.is_asked(3).await;
}

#[tokio::test]
async fn a_sweep_that_fails_is_logged_and_nobodys_concern() {
    let (held, server) = held().await;
    let ((), log) = log_of(async {
        log_in(&server, 1).await;
        held.gate.close();
        assert!(timeout(PATIENCE, server.sweep()).await.unwrap().is_err(), "once the other has ended");
    })
    .await;
    assert_eq!(log.matches("what has expired could not be swept").count(), 1, "{log}");
    assert!(log.contains("event=\"sweep\" outcome=\"failure\""), "{log}");
}

#[test]
fn a_runtime_ends_without_its_sweep_which_holds_off_no_other() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let first = runtime();
    let (held, server) = first.block_on(async {
        let (held, server) = held().await;
        log_in(&server, 1).await;
        held.is_asked(1).await;
        (held, server)
    });
    drop(first);
    held.gate.add_permits(1);
    runtime().block_on(async { timeout(PATIENCE, server.sweep()).await.unwrap().unwrap() });
}

/// Waits for a future as a program does that has no runtime.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn without_a_runtime_what_has_expired_is_forgotten_too() {
    wait_for(async {
        let settings = Settings { grant_types: vec![GrantType::Password], ..Settings::default() };
        let login = Login::with_settings(settings).await;
        let kept = async || login.store.list_grants(&Login::subject(), None, usize::MAX).await.unwrap().len();
        for _ in 0..EVERY {
            login.token().await.unwrap();
        }
        assert_eq!(kept().await, EVERY);
        login.clock.forward(login.server.settings().access_token_lifetime + SWEEP_MARGIN);
        login.token().await.unwrap();
        assert_eq!(kept().await, 1);
    });
}
