//! A store in whichever engine a URL names.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use countersign_core::{
    client::{Client, ClientSecrets, ClientStatus},
    clock::Timestamp,
    grant_record::Grant,
    names::{ClientId, GrantId, KeyId, Subject},
    password::PasswordHash,
    resource_owner::{OwnerStatus, ResourceOwner, ResourceOwners, Upgraded},
    store::{
        Added, Clients, Ended, Epoch, Feed, FeedEntry, Found, Grants, HandleHash, KeyRecord, Keys, OneTime,
        OneTimeKind, OpaqueToken, OwnerRegistry, Redeemed, Remembered, Rotated, SealedKey, Spend, Standing, Store,
        StoreError, Succession,
    },
    throttle::Attempts,
    username::Username,
};

use crate::{OpenError, Postgres, Schema, Sqlite};

/// A store in SQLite or in PostgreSQL, by the scheme of its URL. Clones share it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Database {
    /// In a file.
    Sqlite(Sqlite),
    /// In a PostgreSQL database.
    Postgres(Postgres),
}

impl Database {
    /// Opens what the URL names: `postgres://…` or `postgresql://…` as [`Postgres::open`] does, all else, with or without
    /// `sqlite:`, as [`Sqlite::open`] does.
    ///
    /// # Errors
    /// [`OpenError`]: nothing was opened.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        if Postgres::is_meant_by(url) {
            Postgres::open(url).await.map(Self::Postgres)
        } else {
            Sqlite::open(url).await.map(Self::Sqlite)
        }
    }

    /// Opens what the URL names, to look into it: [`Postgres::open_to_look`], [`Sqlite::open_to_look`].
    ///
    /// # Errors
    /// As theirs.
    pub async fn open_to_look(url: &str) -> Result<Self, OpenError> {
        if Postgres::is_meant_by(url) {
            Postgres::open_to_look(url).await.map(Self::Postgres)
        } else {
            Sqlite::open_to_look(url).await.map(Self::Sqlite)
        }
    }

    /// Which version the tables had when they were opened.
    #[must_use]
    pub fn schema(&self) -> Schema {
        match self {
            Self::Sqlite(store) => store.schema(),
            Self::Postgres(store) => store.schema(),
        }
    }

    /// The newest moment at which a grant was used or a client registered: no clock that is right is behind it.
    ///
    /// # Errors
    /// [`StoreError`]: it cannot be known now.
    pub async fn find_newest_moment(&self) -> Result<Option<Timestamp>, StoreError> {
        match self {
            Self::Sqlite(store) => store.find_newest_moment().await,
            Self::Postgres(store) => store.find_newest_moment().await,
        }
    }

    fn store(&self) -> &dyn Store {
        match self {
            Self::Sqlite(store) => store,
            Self::Postgres(store) => store,
        }
    }
}

/// Hands each method of a port on; what is not of their shape comes after.
macro_rules! hand_on {
    ($port:ident { $(fn $method:ident($($name:ident: $type:ty),*) -> $answer:ty;)* } $($other:item)*) => {
        #[async_trait]
        impl $port for Database {
            $(async fn $method(&self, $($name: $type),*) -> Result<$answer, StoreError> {
                self.store().$method($($name),*).await
            })*
            $($other)*
        }
    };
}

hand_on!(ResourceOwners {
    fn find_by_username(username: &Username) -> Option<ResourceOwner>;
    fn find_by_subject(subject: &Subject) -> Option<ResourceOwner>;
    fn upgrade_password(subject: &Subject, from: &PasswordHash, to: &PasswordHash) -> Upgraded;
});

hand_on!(OwnerRegistry {
    fn add_owner(owner: &ResourceOwner) -> Added;
    fn list_owners(after: Option<&Username>, limit: usize) -> Vec<ResourceOwner>;
    fn set_password(subject: &Subject, hash: &PasswordHash, now: Timestamp) -> Found;
    fn change_password(subject: &Subject, from: &PasswordHash, to: &PasswordHash, now: Timestamp) -> Found;
    fn set_status(subject: &Subject, status: OwnerStatus, now: Timestamp) -> Found;
    fn remove_owner(subject: &Subject, now: Timestamp) -> Found;
}
fn attempts(&self) -> Option<Arc<dyn Attempts>> {
    self.store().attempts()
});

hand_on!(Clients {
    fn find_client(id: &ClientId) -> Option<Client>;
    fn has_clients() -> bool;
    fn add_client(client: &Client) -> Added;
    fn list_clients(after: Option<&ClientId>, limit: usize) -> Vec<Client>;
    fn set_client_status(id: &ClientId, status: ClientStatus, now: Timestamp) -> Found;
    fn rotate_client_secrets(id: &ClientId, from: &ClientSecrets, to: &ClientSecrets) -> Rotated;
    fn cut_client(id: &ClientId, now: Timestamp) -> ();
    fn remove_client(id: &ClientId, now: Timestamp) -> Found;
});

hand_on!(Keys {
    fn find_keys() -> Vec<KeyRecord>;
    fn put_first_key(key: &KeyRecord) -> Vec<KeyRecord>;
    fn put_next_key(succession: &Succession) -> Vec<KeyRecord>;
    fn withdraw_key(id: &KeyId, now: Timestamp, until: Timestamp) -> Found;
    fn seal_key(id: &KeyId, sealed: &SealedKey) -> Found;
});

hand_on!(Grants {
    fn redeem(standing: &Standing, spend: Option<&Spend>, grant: &Grant, token: Option<&OpaqueToken>) -> Redeemed;
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
});

#[async_trait]
impl Feed for Database {
    async fn find_feed(&self, after: u64, limit: usize) -> Result<Vec<FeedEntry>, StoreError> {
        self.store().find_feed(after, limit).await
    }

    fn version(&self) -> Option<u64> {
        self.store().version()
    }

    async fn wait_for_news(&self, heard: u64) -> u64 {
        self.store().wait_for_news(heard).await
    }

    async fn begin_epoch(&self, now: Timestamp) -> Result<Epoch, StoreError> {
        self.store().begin_epoch(now).await
    }

    async fn append_feed(&self, ended: &Ended, until: Timestamp) -> Result<(), StoreError> {
        self.store().append_feed(ended, until).await
    }
}
