//! Clients.

use async_trait::async_trait;
use countersign_core::{
    client::{Client, ClientSecrets, ClientStatus},
    clock::Timestamp,
    meters::StoreOperation,
    names::ClientId,
    store::{Added, Clients, Found, Rotated, StoreError},
};

use crate::{
    ending::{Change, let_in, let_out},
    facts::{Decision, cut, found},
    postgres::{OPERATION, Postgres, TRIES, connection::Connection, locks, query::Problem},
    rows::{self, Value},
    statements as sql,
};

#[async_trait]
impl Clients for Postgres {
    async fn find_client(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        self.find_one(sql::FIND_CLIENT, &[id.as_str().into()], rows::client).await
    }

    async fn has_clients(&self) -> Result<bool, StoreError> {
        Ok(self.find_one(sql::FIND_ANY_CLIENT, &[], |_| Ok(())).await?.is_some())
    }

    async fn add_client(&self, client: &Client) -> Result<Added, StoreError> {
        let change = Change::Add(rows::client_values(client));
        let added = let_in(self, &client.id, client.created_at, change).await?;
        Ok(if added == 0 { Added::NameTaken } else { Added::Yes })
    }

    async fn list_clients(&self, after: Option<&ClientId>, limit: usize) -> Result<Vec<Client>, StoreError> {
        let values = [after.map_or("", ClientId::as_str).into(), limit.into()];
        self.find_all(sql::LIST_CLIENTS, &values, rows::client).await
    }

    async fn set_client_status(
        &self,
        id: &ClientId,
        status: ClientStatus,
        up_to: Timestamp,
    ) -> Result<Found, StoreError> {
        let change = Change::SetStatus(status);
        match status {
            ClientStatus::Active => let_in(self, id, up_to, change).await.map(found),
            ClientStatus::Disabled => let_out(self, id, up_to, change).await,
        }
    }

    async fn rotate_client_secrets(
        &self,
        id: &ClientId,
        from: &ClientSecrets,
        to: &ClientSecrets,
    ) -> Result<Rotated, StoreError> {
        let id = Value::from(id.as_str());
        let values = [rows::secrets_text(to).into(), id.clone(), rows::secrets_text(from).into()];
        transaction!(self, connection => {
            locks::change_client(connection, &id).await?;
            let changed = connection.execute(sql::ROTATE_CLIENT_SECRETS, &values).await?;
            Ok(Decision::Keep(if changed == 0 { Rotated::No } else { Rotated::Yes }))
        })
    }

    async fn cut_client(&self, id: &ClientId, up_to: Timestamp) -> Result<(), StoreError> {
        self.append(&cut(id, up_to)).await
    }

    async fn remove_client(&self, id: &ClientId, up_to: Timestamp) -> Result<Found, StoreError> {
        let_out(self, id, up_to, Change::Remove).await
    }
}
