//! Grants, their opaque tokens, and the one-time things that lead to them.

use std::time::Duration;

use async_trait::async_trait;
use countersign_core::{
    clock::Timestamp,
    grant_record::Grant,
    names::{GrantId, Subject},
    store::{
        Found, GRANTS_KEPT, Grants, HandleHash, OneTime, OneTimeKind, OpaqueToken, RETIRED_KEYS_KEPT, Redeemed,
        Remembered, Rotated, SWEEP_MARGIN, Spend, Standing, StoreError,
    },
};
use rusqlite::Connection;

use super::{end_grant, end_grants_of};
use crate::{
    facts::{self, Decision, LOOKED_AT, excess, found, told_after},
    rows::{self, LastUse, Value},
    sqlite::{
        Sqlite,
        query::{all, execute, one},
    },
    statements as sql,
};

#[async_trait]
impl Grants for Sqlite {
    async fn redeem(
        &self,
        standing: &Standing,
        spend: Option<&Spend>,
        grant: &Grant,
        token: Option<&OpaqueToken>,
    ) -> Result<Redeemed, StoreError> {
        let renewable = grant.refresh.is_some().then(|| grant.clone());
        let token = token.map(rows::opaque_token_values);
        let spend = spend.map(|spend| facts::spending(spend, grant));
        let (record, grant) = facts::recording(standing, grant);
        self.write(move |connection| {
            if execute(connection, record, &grant)? == 0 {
                return Ok(Decision::Undo(Redeemed::OwnerChanged));
            }
            if let Some(spend) = spend
                && execute(connection, sql::SPEND_ONE_TIME, &spend)? == 0
            {
                return Ok(Decision::Undo(Redeemed::AlreadySpent));
            }
            put_opaque_token(connection, token)?;
            if let Some(grant) = renewable {
                forget_excess(connection, &grant)?;
            }
            Ok(Decision::Keep(Redeemed::Whole))
        })
        .await
    }

    async fn rotate_refresh(
        &self,
        spent: &HandleHash,
        grant: &Grant,
        token: Option<&OpaqueToken>,
    ) -> Result<Rotated, StoreError> {
        let (rotation, token) = (rows::rotation_values(spent, grant), token.map(rows::opaque_token_values));
        self.write(move |connection| {
            if execute(connection, sql::ROTATE_REFRESH, &rotation)? == 0 {
                return Ok(Decision::Undo(Rotated::No));
            }
            put_opaque_token(connection, token)?;
            Ok(Decision::Keep(Rotated::Yes))
        })
        .await
    }

    async fn find_grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        self.find_one(sql::FIND_GRANT, vec![id.as_str().into()], rows::grant).await
    }

    async fn revoke_grant(&self, id: &GrantId) -> Result<Found, StoreError> {
        let id = Value::from(id.as_str());
        self.write(move |connection| end_grant(connection, &id).map(|ended| Decision::Keep(found(ended)))).await
    }

    async fn list_grants(
        &self,
        subject: &Subject,
        after: Option<&GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, StoreError> {
        let after = after.map_or("", GrantId::as_str);
        self.find_all(sql::LIST_GRANTS, vec![subject.as_str().into(), after.into(), limit.into()], rows::grant).await
    }

    async fn revoke_grants_of(&self, subject: &Subject, now: Timestamp) -> Result<usize, StoreError> {
        let subject = Value::from(subject.as_str());
        self.write(move |connection| end_grants_of(connection, &subject, now).map(Decision::Keep)).await
    }

    async fn put_opaque_token(&self, token: &OpaqueToken) -> Result<Found, StoreError> {
        self.execute(sql::PUT_OPAQUE_TOKEN, rows::opaque_token_values(token)).await.map(found)
    }

    async fn find_opaque_token(&self, handle: &HandleHash) -> Result<Option<OpaqueToken>, StoreError> {
        let found = self.find_one(sql::FIND_OPAQUE_TOKEN, vec![handle.as_bytes().into()], rows::opaque_token).await?;
        let read =
            |(descends_from, claims, expires_at)| OpaqueToken { handle: *handle, descends_from, claims, expires_at };
        Ok(found.map(read))
    }

    async fn revoke_opaque_token(&self, handle: &HandleHash) -> Result<Found, StoreError> {
        self.execute(sql::REVOKE_OPAQUE_TOKEN, vec![handle.as_bytes().into()]).await.map(found)
    }

    async fn put_one_time(&self, thing: &OneTime) -> Result<(), StoreError> {
        self.execute(sql::PUT_ONE_TIME, rows::one_time_values(thing)).await.map(drop)
    }

    async fn find_one_time(
        &self,
        kind: OneTimeKind,
        handle: &HandleHash,
        now: Timestamp,
    ) -> Result<Option<OneTime>, StoreError> {
        let values = vec![kind.as_str().into(), handle.as_bytes().into(), now.into()];
        let found = self.find_one(sql::FIND_ONE_TIME, values, rows::one_time).await?;
        Ok(found.map(|(expires_at, payload)| OneTime { kind, handle: *handle, expires_at, payload }))
    }

    async fn remember_once(
        &self,
        kind: OneTimeKind,
        handle: &HandleHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Remembered, StoreError> {
        let values = vec![kind.as_str().into(), handle.as_bytes().into(), expires_at.into(), now.into()];
        let changed = self.execute(sql::REMEMBER_ONCE, values).await?;
        Ok(if changed == 0 { Remembered::Again } else { Remembered::First })
    }

    async fn sweep(&self, now: Timestamp, leeway: Duration, limit: usize) -> Result<usize, StoreError> {
        let expired = [Value::from(now.minus(SWEEP_MARGIN)), Value::from(limit)];
        let retired = [Value::from(now.minus(leeway)), Value::from(limit)];
        let over = [Value::from(now.minus(RETIRED_KEYS_KEPT)), Value::from(limit)];
        self.write(move |connection| {
            let mut gone = 0;
            for (statement, values) in [
                (sql::SWEEP_GRANTS, &expired),
                (sql::SWEEP_RETIRED, &retired),
                (sql::SWEEP_OPAQUE_TOKENS, &expired),
                (sql::SWEEP_ONE_TIME, &expired),
                (sql::SWEEP_FEED, &expired),
                (sql::SWEEP_KEYS, &over),
            ] {
                gone += execute(connection, statement, values)?;
            }
            Ok(Decision::Keep(gone))
        })
        .await
    }
}

/// Forgets what the owner of a grant that was recorded has beyond so many.
fn forget_excess(connection: &Connection, grant: &Grant) -> Result<(), StoreError> {
    let (subject, id) = (Value::from(grant.subject.as_str()), Value::from(grant.id.as_str()));
    if one(connection, sql::FIND_GRANT_BEYOND, &[subject.clone(), GRANTS_KEPT.into()], |_| Ok(()))?.is_none() {
        return Ok(());
    }
    let from = [subject.clone(), id.clone(), LOOKED_AT.into()];
    let mut looked_at = all(connection, sql::FIND_LAST_USES_FROM, &from, rows::last_use)?;
    let before = [subject, id, (LOOKED_AT - looked_at.len()).into()];
    looked_at.extend(all(connection, sql::FIND_LAST_USES_BEFORE, &before, rows::last_use)?);
    let [tell, end_tokens, end_grant] = sql::END_GRANT;
    for LastUse { id, access_until, .. } in excess(looked_at, grant.created_at) {
        let id = [Value::from(id)];
        if access_until > told_after(grant.created_at) {
            execute(connection, tell, &id)?;
        }
        execute(connection, end_tokens, &id)?;
        execute(connection, end_grant, &id)?;
    }
    Ok(())
}

fn put_opaque_token(connection: &Connection, token: Option<Vec<Value>>) -> Result<(), StoreError> {
    token.map_or(Ok(()), |token| execute(connection, sql::PUT_OPAQUE_TOKEN, &token).map(drop))
}
