//! An authorization server with one user, whose clock tests turn.

use std::{
    io,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign_core::{
    authorization_server::{AuthorizationServer, Ports, Request, Settings},
    clock::{SeededRng, Timestamp, TurnableClock},
    error::OAuthError,
    extra_claims::ExtraClaims,
    form::Form,
    key::KeyRingError,
    names::Subject,
    password::{Argon2Cost, HashingPool, HashingSettings, Password},
    resource_owner::{OwnerStatus, ResourceOwner},
    store::{Grants, OwnerRegistry, Store, memory::Memory},
    token::{AccessToken, BearerToken},
    username::Username,
};

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// Somebody who logs in, and what is behind the login.
pub(crate) struct Login {
    pub(crate) server: AuthorizationServer,
    pub(crate) store: Arc<Memory>,
    pub(crate) clock: Arc<TurnableClock>,
    ports: Ports,
}

impl Login {
    pub(crate) async fn with_settings(settings: Settings) -> Self {
        Self::with(settings, None).await
    }

    pub(crate) async fn with_claims(claims: Arc<dyn ExtraClaims>) -> Self {
        Self::with(Settings::default(), Some(claims)).await
    }

    async fn with(settings: Settings, claims: Option<Arc<dyn ExtraClaims>>) -> Self {
        let (store, rng) = (Arc::new(Memory::new()), Arc::new(SeededRng::new(1)));
        let clock = Arc::new(TurnableClock::at(NOW));
        let cost = HashingSettings {
            threads: NonZeroUsize::MIN,
            queue: 256,
            // A machine that is slow is no reason to refuse a login.
            longest_wait: Duration::from_secs(60),
            ..HashingSettings::of_cost(Argon2Cost::weak_for_tests())
        };
        let hashing = Arc::new(HashingPool::new(cost, rng.clone()).unwrap());
        let owner = ResourceOwner {
            subject: Self::subject(),
            username: Username::parse("alice").unwrap(),
            full_name: None,
            email: None,
            scope: "me".parse().unwrap(),
            status: OwnerStatus::Active,
            password_hash: Some(hashing.hash(Password::typed("correct horse").unwrap()).await.unwrap()),
        };
        store.add_owner(&owner).await.unwrap();
        let ports =
            Ports { store: store.clone(), owners: None, hashing, clock: clock.clone(), rng, claims, attempts: None };
        Self { server: AuthorizationServer::open(ports.clone(), settings).await.unwrap(), store, clock, ports }
    }

    /// A server that starts over the same store now, as another process would.
    pub(crate) async fn start(&self, settings: Settings) -> Result<AuthorizationServer, KeyRingError> {
        AuthorizationServer::open(self.ports.clone(), settings).await
    }

    /// A server over another store, which hands on to this one.
    pub(crate) async fn start_over(&self, store: Arc<dyn Store>) -> AuthorizationServer {
        AuthorizationServer::open(Ports { store, ..self.ports.clone() }, Settings::default()).await.unwrap()
    }

    pub(crate) fn subject() -> Subject {
        Subject::new("1")
    }

    pub(crate) async fn token(&self) -> Result<BearerToken, OAuthError> {
        Self::token_of(&self.server).await
    }

    /// A token for the same user by another server.
    pub(crate) async fn token_of(server: &AuthorizationServer) -> Result<BearerToken, OAuthError> {
        let form = Form::parse(b"grant_type=password&username=alice&password=correct+horse&scope=me").unwrap();
        Ok(server.token(Request::new(None, &form)).await?.access_token)
    }

    pub(crate) async fn log_in(&self) -> Result<AccessToken, OAuthError> {
        Ok(self.server.verify(&self.token().await?).await.unwrap())
    }

    /// How many grants the store remembers: all that a sweep at the end of time forgets.
    pub(crate) async fn grants(&self) -> usize {
        self.store.sweep(Timestamp::from_seconds(i64::MAX), Duration::ZERO, usize::MAX).await.unwrap()
    }
}

/// What is logged while `act` runs.
pub(crate) async fn log_of<T>(act: impl Future<Output = T>) -> (T, String) {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    // Where there is one log alone, a line that another test's thread comes to first is taken for one that nobody wants.
    let _beside = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(io::sink).finish());
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let done = act.await;
    drop(guard);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (done, text)
}
