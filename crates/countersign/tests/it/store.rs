//! Which store an API of the tests stands on: memory, or PostgreSQL where `TESTS_STORE=postgres` asks for it.

#[path = "../../../countersign-sql/tests/it/cluster.rs"]
#[expect(dead_code, reason = "nobody here ends a database")]
mod cluster;

use std::{env, pin::Pin, sync::Arc, time::Duration};

use countersign::{
    Memory, OwnerStatus, PasswordHash, ResourceOwner, ResourceOwners, Store, StoreError, Subject, Timestamp, Username,
    core::{
        client::{Client, ClientSecrets, ClientStatus},
        grant_record::Grant,
        names::{ClientId, GrantId, KeyId},
        resource_owner::Upgraded,
        store::{
            Added, Clients, Ended, Epoch, Feed, FeedEntry, Found, Grants, HandleHash, KeyRecord, Keys, OneTime,
            OneTimeKind, OpaqueToken, OwnerRegistry, Redeemed, Remembered, Rotated, SealedKey, Spend, Standing,
            Succession,
        },
        throttle::Attempts,
    },
};
use countersign_sql::Postgres;
use tokio::time::Instant;

use self::cluster::OwnDatabase;

/// An empty store of the kind that is asked for. Whoever asks for another than there is gets none in its place.
pub(crate) async fn any_store() -> AnyStore {
    match env::var("TESTS_STORE") {
        Err(env::VarError::NotPresent) => AnyStore::memory(),
        Ok(name) if name == "postgres" => {
            let url = cluster::SHARED.database().await;
            let store = Arc::new(Postgres::open(&url).await.unwrap());
            AnyStore { store, database: Some(Arc::new(OwnDatabase(url))) }
        }
        other => panic!("TESTS_STORE is postgres or not set, and not {other:?}"),
    }
}

/// A store of whatever kind. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct AnyStore {
    store: Arc<dyn Store>,
    /// If it is one, which goes with the last of the clones.
    database: Option<Arc<OwnDatabase>>,
}

/// Finds the counters of which an attempt has not told yet how it ended: of a tally the last number says how many.
const UNDER_WAY: &str = "SELECT key FROM oauth2_attempts WHERE substring(tally FROM 17 FOR 4) <> '\\x00000000'";

/// How long a test waits for what must come: far longer than it takes, so that only a fault gets there.
const PATIENCE: Duration = Duration::from_secs(60);

impl AnyStore {
    /// In memory whatever is asked for: where time stands still, a database would answer too late.
    pub(crate) fn memory() -> Self {
        Self { store: Arc::new(Memory::new()), database: None }
    }

    /// Waits until all attempts at passwords have told how they ended: a database hears of it in the background, and who
    /// counts what comes after a success must not be overtaken by it.
    pub(crate) async fn settled(&self) {
        let Some(database) = &self.database else { return };
        let (client, began) = (cluster::connect(&database.0).await, Instant::now());
        while !client.query(UNDER_WAY, &[]).await.unwrap().is_empty() {
            assert!(began.elapsed() < PATIENCE, "an attempt does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Hands every method of every port of a store to a macro.
macro_rules! for_each_port {
    ($macro:ident) => {
        $macro! {
            ResourceOwners {
                fn find_by_username(username: &Username) -> Option<ResourceOwner>;
                fn find_by_subject(subject: &Subject) -> Option<ResourceOwner>;
                fn upgrade_password(subject: &Subject, from: &PasswordHash, to: &PasswordHash) -> Upgraded;
            }
            OwnerRegistry {
                fn add_owner(owner: &ResourceOwner) -> Added;
                fn list_owners(after: Option<&Username>, limit: usize) -> Vec<ResourceOwner>;
                fn set_password(subject: &Subject, hash: &PasswordHash, now: Timestamp) -> Found;
                fn change_password(subject: &Subject, from: &PasswordHash, to: &PasswordHash, now: Timestamp) -> Found;
                fn set_status(subject: &Subject, status: OwnerStatus, now: Timestamp) -> Found;
                fn remove_owner(subject: &Subject, now: Timestamp) -> Found;
            }
            Clients {
                fn find_client(id: &ClientId) -> Option<Client>;
                fn has_clients() -> bool;
                fn add_client(client: &Client) -> Added;
                fn list_clients(after: Option<&ClientId>, limit: usize) -> Vec<Client>;
                fn set_client_status(id: &ClientId, status: ClientStatus, now: Timestamp) -> Found;
                fn rotate_client_secrets(id: &ClientId, from: &ClientSecrets, to: &ClientSecrets) -> Rotated;
                fn cut_client(id: &ClientId, now: Timestamp) -> ();
                fn remove_client(id: &ClientId, now: Timestamp) -> Found;
            }
            Keys {
                fn find_keys() -> Vec<KeyRecord>;
                fn put_first_key(key: &KeyRecord) -> Vec<KeyRecord>;
                fn put_next_key(succession: &Succession) -> Vec<KeyRecord>;
                fn withdraw_key(id: &KeyId, now: Timestamp, until: Timestamp) -> Found;
                fn seal_key(id: &KeyId, sealed: &SealedKey) -> Found;
            }
            Grants {
                fn redeem(
                    standing: &Standing,
                    spend: Option<&Spend>,
                    grant: &Grant,
                    token: Option<&OpaqueToken>
                ) -> Redeemed;
                fn rotate_refresh(spent: &HandleHash, grant: &Grant, token: Option<&OpaqueToken>) -> Rotated;
                fn find_grant(id: &GrantId) -> Option<Grant>;
                fn list_grants(subject: &Subject, after: Option<&GrantId>, limit: usize) -> Vec<Grant>;
                fn revoke_grant(id: &GrantId) -> Found;
                fn revoke_grants_of(subject: &Subject) -> usize;
                fn put_opaque_token(token: &OpaqueToken) -> Found;
                fn find_opaque_token(handle: &HandleHash) -> Option<OpaqueToken>;
                fn revoke_opaque_token(handle: &HandleHash) -> Found;
                fn put_one_time(thing: &OneTime) -> ();
                fn find_one_time(kind: OneTimeKind, handle: &HandleHash, now: Timestamp) -> Option<OneTime>;
                fn remember_once(kind: OneTimeKind, handle: &HandleHash, expires_at: Timestamp, now: Timestamp) -> Remembered;
                fn sweep(now: Timestamp, leeway: Duration, limit: usize) -> usize;
            }
            Feed {
                fn find_feed(after: u64, limit: usize) -> Vec<FeedEntry>;
                fn append_feed(ended: &Ended, until: Timestamp) -> ();
                fn begin_epoch(now: Timestamp) -> Epoch;
            }
        }
    };
}

pub(crate) use for_each_port;

macro_rules! hand_on {
    ($($port:ident { $(fn $method:ident($($name:ident: $type:ty),*) -> $result:ty;)* })*) => {$(
        #[countersign::async_trait]
        impl $port for AnyStore {
            $(async fn $method(&self, $($name: $type),*) -> Result<$result, StoreError> {
                self.store.$method($($name),*).await
            })*
            with_defaults!($port);
        }
    )*};
}

/// Those of its methods that a port has a default for.
macro_rules! with_defaults {
    (OwnerRegistry) => {
        fn attempts(&self) -> Option<Arc<dyn Attempts>> {
            self.store.attempts()
        }
    };
    (Feed) => {
        fn version(&self) -> Option<u64> {
            self.store.version()
        }

        fn wait_for_news<'a, 'f>(&'a self, heard: u64) -> Pin<Box<dyn Future<Output = u64> + Send + 'f>>
        where
            'a: 'f,
            Self: 'f,
        {
            self.store.wait_for_news(heard)
        }
    };
    ($port:ident) => {};
}

for_each_port!(hand_on);
