//! A store in whichever engine a URL names.

use async_trait::async_trait;
use countersign_core::{
    clock::Timestamp,
    store::{Store, StoreError},
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

macro_rules! hand_on {
    ($($port:ident {
        $(fn $method:ident($($name:ident: $type:ty),*) -> $answer:ty;)*
        $(plain fn $plain:ident() -> $value:ty;)*
        $(async fn $waits:ident($argument:ident: $of:ty) -> $then:ty;)*
    })*) => {$(
        #[async_trait]
        impl $port for Database {
            $(async fn $method(&self, $($name: $type),*) -> Result<$answer, StoreError> {
                self.store().$method($($name),*).await
            })*
            $(fn $plain(&self) -> $value {
                self.store().$plain()
            })*
            $(async fn $waits(&self, $argument: $of) -> $then {
                self.store().$waits($argument).await
            })*
        }
    )*};
}

countersign_core::for_each_port!(hand_on);
