//! Grants, their opaque tokens, and the one-time things that lead to them.

use std::time::Duration;

use async_trait::async_trait;
use countersign_core::{
    clock::Timestamp,
    grant_record::Grant,
    meters::StoreOperation,
    names::{GrantId, Subject},
    store::{
        Found, GRANTS_KEPT, Grants, HandleHash, OneTime, OneTimeKind, OpaqueToken, Origin, RETIRED_KEYS_KEPT, Redeemed,
        Remembered, Rotated, SWEEP_MARGIN, Spend, Standing, StoreError,
    },
};

use super::{end_grant, end_grants_of, end_tokens_of, may_be_alive, tell_of_grants};
use crate::{
    facts::{self, Decision, LOOKED_AT, excess, found, long_over},
    postgres::{LONG, OPERATION, Postgres, TRIES, cannot_be_kept, connection::Connection, locks, query::Problem},
    rows::{self, Value},
    statements as sql,
};

#[async_trait]
impl Grants for Postgres {
    async fn redeem(
        &self,
        standing: &Standing,
        spend: Option<&Spend>,
        grant: &Grant,
        token: Option<&OpaqueToken>,
    ) -> Result<Redeemed, StoreError> {
        let _share = self.shared.shares.of_client(&grant.client_id).await?;
        let (owner, client) = (Value::from(grant.subject.as_str()), Value::from(grant.client_id.as_str()));
        let renewable = grant.refresh.is_some().then_some(grant);
        let spend = spend.map(|spend| facts::spending(spend, grant));
        let (record, grant) = facts::recording(standing, grant);
        transaction!(self, connection => {
            if *standing != Standing::Elsewhere {
                locks::owner(connection, &owner).await?;
            }
            locks::client(connection, &client).await?;
            if connection.execute(record, &grant).await? == 0 {
                return Ok(Decision::Undo(Redeemed::OwnerChanged));
            }
            if let Some(spend) = &spend
                && connection.execute(sql::SPEND_ONE_TIME, spend).await? == 0
            {
                return Ok(Decision::Undo(Redeemed::AlreadySpent));
            }
            put_opaque_token(connection, token).await?;
            if let Some(grant) = renewable {
                forget_excess(connection, grant).await?;
            }
            Ok(Decision::Keep(Redeemed::Whole))
        })
    }

    async fn rotate_refresh(
        &self,
        spent: &HandleHash,
        grant: &Grant,
        token: Option<&OpaqueToken>,
    ) -> Result<Rotated, StoreError> {
        let _share = self.shared.shares.of_client(&grant.client_id).await?;
        let rotation = rows::rotation_values(spent, grant);
        let rotated = |changed: usize| if changed == 0 { Rotated::No } else { Rotated::Yes };
        if token.is_none() {
            return self.execute(sql::ROTATE_REFRESH, &rotation).await.map(rotated);
        }
        transaction!(self, connection => {
            let changed = connection.execute(sql::ROTATE_REFRESH, &rotation).await?;
            if changed == 0 {
                return Ok(Decision::Undo(Rotated::No));
            }
            put_opaque_token(connection, token).await?;
            Ok(Decision::Keep(Rotated::Yes))
        })
    }

    async fn find_grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        self.find_one(sql::FIND_GRANT, &[id.as_str().into()], rows::grant).await
    }

    async fn revoke_grant(&self, id: &GrantId) -> Result<Found, StoreError> {
        let id = Value::from(id.as_str());
        if cannot_be_kept(&id) {
            return Ok(Found::No);
        }
        transaction!(self, within LONG, connection => {
            connection.batch(sql::POSTGRES_TAKE_TIME_TO_WORK).await?;
            end_grant(connection, &id).await.map(|ended| Decision::Keep(found(ended)))
        })
    }

    async fn list_grants(
        &self,
        subject: &Subject,
        after: Option<&GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, StoreError> {
        let after = after.map_or("", GrantId::as_str);
        self.find_all(sql::LIST_GRANTS, &[subject.as_str().into(), after.into(), limit.into()], rows::grant).await
    }

    async fn revoke_grants_of(&self, subject: &Subject, now: Timestamp) -> Result<usize, StoreError> {
        let subject = Value::from(subject.as_str());
        if cannot_be_kept(&subject) {
            return Ok(0);
        }
        transaction!(self, within LONG, connection => {
            end_grants_of(connection, &subject, now).await.map(Decision::Keep)
        })
    }

    async fn put_opaque_token(&self, token: &OpaqueToken) -> Result<Found, StoreError> {
        let _share = self.shared.shares.of_origin(&token.descends_from).await?;
        transaction!(self, connection => {
            match &token.descends_from {
                Origin::Grant(id) => locks::grant(connection, &id.as_str().into()).await?,
                Origin::Client(id) => locks::client(connection, &id.as_str().into()).await?,
            }
            put_opaque_token(connection, Some(token)).await.map(found).map(Decision::Keep)
        })
    }

    async fn find_opaque_token(&self, handle: &HandleHash) -> Result<Option<OpaqueToken>, StoreError> {
        let found = self.find_one(sql::FIND_OPAQUE_TOKEN, &[handle.as_bytes().into()], rows::opaque_token).await?;
        let read =
            |(descends_from, claims, expires_at)| OpaqueToken { handle: *handle, descends_from, claims, expires_at };
        Ok(found.map(read))
    }

    async fn revoke_opaque_token(&self, handle: &HandleHash) -> Result<Found, StoreError> {
        self.execute(sql::REVOKE_OPAQUE_TOKEN, &[handle.as_bytes().into()]).await.map(found)
    }

    async fn put_one_time(&self, thing: &OneTime) -> Result<(), StoreError> {
        self.execute(sql::PUT_ONE_TIME, &rows::one_time_values(thing)).await.map(drop)
    }

    async fn find_one_time(
        &self,
        kind: OneTimeKind,
        handle: &HandleHash,
        now: Timestamp,
    ) -> Result<Option<OneTime>, StoreError> {
        let values = [kind.as_str().into(), handle.as_bytes().into(), now.into()];
        let found = self.find_one(sql::FIND_ONE_TIME, &values, rows::one_time).await?;
        Ok(found.map(|(expires_at, payload)| OneTime { kind, handle: *handle, expires_at, payload }))
    }

    async fn remember_once(
        &self,
        kind: OneTimeKind,
        handle: &HandleHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Remembered, StoreError> {
        let values = [kind.as_str().into(), handle.as_bytes().into(), expires_at.into(), now.into()];
        let changed = self.execute(sql::REMEMBER_ONCE, &values).await?;
        Ok(if changed == 0 { Remembered::Again } else { Remembered::First })
    }

    async fn sweep(&self, now: Timestamp, leeway: Duration, limit: usize) -> Result<usize, StoreError> {
        let expired = [Value::from(now.minus(SWEEP_MARGIN)), Value::from(limit)];
        let retired = [Value::from(now.minus(leeway)), Value::from(limit)];
        let over = [Value::from(now.minus(RETIRED_KEYS_KEPT)), Value::from(limit)];
        let mut gone = 0;
        // Each a transaction of its own: what one takes, the next does not stand on.
        for (statement, values) in [
            (sql::POSTGRES_SWEEP_GRANTS, &expired),
            (sql::POSTGRES_SWEEP_RETIRED, &retired),
            (sql::POSTGRES_SWEEP_OPAQUE_TOKENS, &expired),
            (sql::POSTGRES_SWEEP_ONE_TIME, &expired),
            (sql::POSTGRES_SWEEP_FEED, &expired),
            (sql::POSTGRES_SWEEP_KEYS, &over),
        ] {
            gone += self.execute(statement, values).await?;
        }
        Ok(gone + self.sweep_attempts(now, limit).await?)
    }
}

/// Forgets what the owner of a grant that was recorded has beyond so many. Nothing is locked after this.
async fn forget_excess(connection: &Connection, grant: &Grant) -> Result<(), Problem> {
    let (subject, id) = (Value::from(grant.subject.as_str()), Value::from(grant.id.as_str()));
    let beyond = [subject.clone(), GRANTS_KEPT.into()];
    if connection.all(sql::FIND_GRANT_BEYOND, &beyond, |_| Ok(())).await?.is_empty() {
        return Ok(());
    }
    let from = [subject.clone(), id.clone(), LOOKED_AT.into()];
    let mut looked_at = connection.all(sql::FIND_LAST_USES_FROM, &from, rows::last_use).await?;
    let before = [subject, id, (LOOKED_AT - looked_at.len()).into()];
    looked_at.extend(connection.all(sql::FIND_LAST_USES_BEFORE, &before, rows::last_use).await?);
    let ids: Vec<_> = excess(looked_at, grant.created_at).map(|grant| grant.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let by_then = long_over(grant.created_at).seconds();
    let forgotten = connection.all_with(sql::POSTGRES_FORGET_GRANTS, &[&ids, &by_then], rows::ended_grant).await?;
    end_tokens_of(connection, &forgotten).await?;
    tell_of_grants(connection, may_be_alive(forgotten, grant.created_at)).await.map(drop)
}

/// Records a token, if there is one, whose grant or client was locked before; says how many.
async fn put_opaque_token(connection: &Connection, token: Option<&OpaqueToken>) -> Result<usize, Problem> {
    match token {
        None => Ok(0),
        Some(token) => connection.execute(sql::PUT_OPAQUE_TOKEN, &rows::opaque_token_values(token)).await,
    }
}
