//! What has expired is forgotten, in small steps, and nobody waits for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, sync::Mutex};

use super::AuthorizationServer;
use crate::{
    clock::{Stopwatch, Timestamp},
    forgetting::Forgetting,
    store::{Store, StoreError},
};

/// How many token requests pass between two sweeps of what has expired.
const SWEEP_EVERY: usize = 64;

/// How much of each kind one sweep forgets: more than came in since the last, unless that took long; little enough to be a short
/// write.
pub const SWEEP_LIMIT: usize = 256;

/// When it is swept.
#[derive(Debug)]
pub(super) struct Sweeps {
    /// How many tokens were issued.
    requests: AtomicUsize,
    forgetting: Forgetting,
    /// One at a time.
    sweeping: Arc<Mutex<()>>,
}

impl Sweeps {
    /// Forgets no faster than this stopwatch lets it.
    pub(super) fn timed_by(stopwatch: Option<Arc<dyn Stopwatch>>) -> Self {
        let forgetting = Forgetting::timed_by(stopwatch);
        Self { requests: AtomicUsize::new(0), forgetting, sweeping: Arc::default() }
    }
}

/// One sweep.
struct Sweep {
    store: Arc<dyn Store>,
    until: Timestamp,
    leeway: Duration,
}

impl Sweep {
    async fn run(&self) -> Result<usize, StoreError> {
        self.store.sweep(self.until, self.leeway, SWEEP_LIMIT).await
    }
}

impl AuthorizationServer {
    /// Forgets some of what has expired, so that a store grows with what is alive and nobody keeps a timetable: now and then,
    /// beside the answer to a token request, which does not wait for it. It ends with the runtime.
    pub(super) async fn sweep_now_and_then(&self) {
        if !self.sweeps.requests.fetch_add(1, Ordering::Relaxed).is_multiple_of(SWEEP_EVERY) {
            return;
        }
        let Ok(one) = self.sweeps.sweeping.clone().try_lock_owned() else { return };
        let sweep = self.begin_sweep();
        let sweeping = async move {
            if let Err(error) = sweep.run().await {
                tracing::warn!(event = "sweep", outcome = "failure", %error, "what has expired could not be swept");
            }
            drop(one);
        };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(sweeping)),
            // Outside of a runtime, where no task can be, it is a part of the request.
            Err(_) => sweeping.await,
        }
    }

    /// Forgets at most [`SWEEP_LIMIT`] of each kind of thing that has expired, and says how many went. If something is being
    /// swept, that comes first.
    ///
    /// # Errors
    /// [`StoreError`]: the store is away; it is tried again.
    pub async fn sweep(&self) -> Result<usize, StoreError> {
        let _one = self.sweeps.sweeping.lock().await;
        self.begin_sweep().run().await
    }

    fn begin_sweep(&self) -> Sweep {
        let until = self.sweeps.forgetting.reaches(self.ports.clock.now());
        Sweep { store: self.ports.store.clone(), until, leeway: self.settings.refresh.leeway }
    }
}
