//! A store of which one method does not answer until a test has it do so, or fail.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use countersign_core::store::{StoreError, memory::Memory};
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};

/// How long a test waits for what must come: far longer than it takes, so that only a fault gets there.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Held {
    memory: Arc<Memory>,
    method: Mutex<&'static str>,
    asked: watch::Sender<usize>,
    /// Each permit is an answer. Whoever closes it is a store that is away.
    pub(crate) gate: Semaphore,
}

impl Held {
    /// Over another store, which answers at once; it holds nothing yet.
    pub(crate) fn over(memory: Arc<Memory>) -> Arc<Self> {
        Arc::new(Self { memory, method: Mutex::new(""), asked: watch::Sender::new(0), gate: Semaphore::new(0) })
    }

    pub(crate) fn hold(&self, method: &'static str) {
        *self.method.lock().unwrap() = method;
    }

    /// How often that method was asked.
    pub(crate) fn asked(&self) -> usize {
        *self.asked.borrow()
    }

    /// Waits until it was asked so often.
    pub(crate) async fn is_asked(&self, times: usize) {
        timeout(PATIENCE, self.asked.subscribe().wait_for(|asked| *asked == times)).await.unwrap().unwrap();
    }

    async fn wait(&self) -> Result<(), StoreError> {
        self.asked.send_modify(|asked| *asked += 1);
        self.gate.acquire().await.map_err(StoreError::unavailable)?.forget();
        Ok(())
    }
}

macro_rules! held {
    ($($port:ident {
        $(fn $method:ident($($name:ident: $type:ty),*) -> $answer:ty;)*
        $(plain $($default:tt)*)?
    })*) => {$(
        #[async_trait]
        impl $port for Held {
            $(async fn $method(&self, $($name: $type),*) -> Result<$answer, StoreError> {
                if *self.method.lock().unwrap() == stringify!($method) {
                    self.wait().await?;
                }
                self.memory.$method($($name),*).await
            })*
        }
    )*};
}

countersign_core::for_each_port!(held);
