//! What makes the past powerless in a database that was put back: one transaction.

use std::time::Instant;

use countersign_core::{
    clock::Timestamp,
    meters::StoreOperation,
    store::{Epoch, LONGEST_ACCESS_TOKEN, StoreError},
};

use super::{
    LONG, Postgres, TRIES,
    connection::Connection,
    locks::{self, Only},
    query::Problem,
};
use crate::{
    backup::{BackupError, Restored, Why},
    facts::Decision,
    rows::{self, Value},
    statements as sql,
};

impl Postgres {
    /// Begins an epoch; see [`Feed::begin_epoch`](countersign_core::store::Feed::begin_epoch).
    pub(super) async fn begin_epoch_at(&self, now: Timestamp) -> Result<Epoch, StoreError> {
        let asked = Instant::now();
        transaction!(self, within LONG, connection => {
            connection.batch(sql::POSTGRES_TAKE_TIME).await?;
            locks::only(connection, Only::MakesKeys).await?;
            locks::all_keys(connection).await?;
            connection.batch(sql::POSTGRES_LOCK_ALL_GRANTS).await?;
            // What others issued while this waited is of the past too.
            let now = now.plus(asked.elapsed());
            let until = now.plus(LONGEST_ACCESS_TOKEN);
            let mut ended = [0; sql::END_EVERYTHING.len()];
            for (ended, statement) in ended.iter_mut().zip(sql::END_EVERYTHING) {
                *ended = connection.execute(statement, &[]).await?;
            }
            let [grants, one_time, opaque_tokens] = ended;
            locks::feed(connection).await?;
            let last = connection.all(sql::POSTGRES_FIND_LAST_NUMBER, &[], rows::last_number).await?;
            let number = Epoch::first_number(last.first().copied().unwrap_or_default(), now);
            connection.execute(sql::BEGIN_EPOCH, &rows::epoch_values(number, now, until)).await?;
            let moved = [Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))];
            connection.all(sql::POSTGRES_MOVE_NUMBER, &moved, rows::number).await?;
            connection.execute(sql::TELL_OF_ALL_KEYS, &[until.into()]).await?;
            let keys = connection.execute(sql::WITHDRAW_ALL_KEYS, &[now.into(), Value::Blob(Vec::new())]).await?;
            Ok(Decision::Keep(Epoch { number, grants, opaque_tokens, one_time, keys }))
        })
    }

    /// Makes the past powerless in a database that was put back by the database's own means: all logins end, all keys are
    /// withdrawn, and those who follow the feed hear of it.
    ///
    /// # Errors
    /// [`BackupError::ClockBehind`], [`BackupError::Store`]: nothing changed, or it cannot be known now.
    /// [`OpenError::UnlikeSchema`](crate::OpenError::UnlikeSchema): there may be more to end than this program knows.
    pub async fn restore_in_place(&self, now: Timestamp) -> Result<Restored, BackupError> {
        self.make_powerless(Why::PutBack, now).await
    }

    /// Ends all that was issued, to whomever, as [`Postgres::restore_in_place`] does, but in a database that was not put back.
    ///
    /// A moment in it may be of the future: a clock was ahead once. What was issued then is gone as well, and the keys that
    /// signed it are withdrawn; but an HS256 secret is not in the database.
    ///
    /// # Errors
    /// [`BackupError::Store`]: nothing changed, or it cannot be known now.
    /// [`OpenError::UnlikeSchema`](crate::OpenError::UnlikeSchema): there may be more to end than this program knows.
    pub async fn revoke_everything(&self, now: Timestamp) -> Result<Restored, BackupError> {
        self.make_powerless(Why::Asked, now).await
    }

    async fn make_powerless(&self, why: Why, now: Timestamp) -> Result<Restored, BackupError> {
        self.schema().check_known()?;
        let newest_moment = self.find_newest_moment().await?;
        let cut = why.cut(newest_moment, now)?;
        Ok(Restored { epoch: self.begin_epoch_at(cut).await?, newest_moment })
    }
}
