//! Tallies as they rest: locked and read, and kept.

use countersign_core::{
    clock::Timestamp,
    throttle::{Counter, Tally, What},
};

use super::{ABANDONED_AFTER, NO_TRANSACTION};
use crate::{
    postgres::{connection::Connection, query::Problem},
    rows::{self, SharedTally},
    statements as sql,
};

/// Kinds of counters, by how cheaply they are made: an account needs a hash for each failure, a client's name none.
pub(super) const KINDS: [&str; 3] = ["login", "source", "client"];

const fn kind(what: What) -> &'static str {
    match what {
        What::Account | What::KnownPair | What::StrangePair => KINDS[0],
        What::Source => KINDS[1],
        What::Client | What::Introspection => KINDS[2],
    }
}

/// The tallies of these counters, in their order, and the number of the transaction: nobody else changes them until its end.
pub(super) async fn lock(
    connection: &Connection,
    counters: &[Counter],
    now: Timestamp,
) -> Result<(Vec<(Counter, Tally)>, i64), Problem> {
    connection.batch(sql::POSTGRES_DO_NOT_WAIT_FOR_THE_DISK).await?;
    let keys: Vec<&[u8]> = counters.iter().map(|counter| counter.key.as_bytes().as_slice()).collect();
    let kinds: Vec<&str> = counters.iter().map(|counter| kind(counter.what)).collect();
    let rows = connection.all_with(sql::POSTGRES_LOCK_ATTEMPTS, &[&keys, &kinds], rows::shared_tally).await?;
    let tally = |counter: &Counter| {
        let row = rows.iter().find(|row| row.key == counter.key.as_bytes());
        row.map_or_else(Tally::default, |row| row.at(now))
    };
    let transaction = rows.first().map_or(NO_TRANSACTION, |row| row.transaction);
    Ok((counters.iter().map(|counter| (*counter, tally(counter))).collect(), transaction))
}

/// Keeps the tallies, but those that are as if they had never been; `under_way_until` is for those that have just reserved.
pub(super) async fn write(
    connection: &Connection,
    tallies: &[(Counter, Tally)],
    now: Timestamp,
    under_way_until: Option<Timestamp>,
) -> Result<(), Problem> {
    let (mut keys, mut bytes, mut kept_until, mut gone) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (counter, mut tally) in tallies.iter().copied() {
        let key = counter.key.as_bytes().as_slice().to_vec();
        if tally.is_forgotten(counter.rule, now) {
            gone.push(key);
            continue;
        }
        let busy = if tally.is_under_way() { now.plus(ABANDONED_AFTER) } else { now };
        keys.push(key);
        kept_until.push(tally.forgotten_at(counter.rule).max(busy).seconds());
        bytes.push(tally.to_bytes().to_vec());
    }
    let under_way_until = under_way_until.map(Timestamp::seconds);
    connection.execute_with(sql::POSTGRES_PUT_ATTEMPTS, &[&under_way_until, &keys, &bytes, &kept_until]).await?;
    if !gone.is_empty() {
        connection.execute_with(sql::POSTGRES_REMOVE_ATTEMPTS, &[&gone]).await?;
    }
    Ok(())
}

impl SharedTally {
    /// As it counts at `now`: without what is under way for too long.
    fn at(&self, now: Timestamp) -> Tally {
        let mut tally = self.tally;
        if self.under_way_until.is_none_or(|until| until <= now) {
            tally.abandon();
        }
        tally
    }
}
