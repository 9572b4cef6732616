//! Counters of failed attempts that all processes over this database share.
//!
//! An attempt reserves and settles in a transaction each. What they count is not worth a wait for the disk: the last moments
//! before a crash of the database may be forgotten.

use std::time::Duration;

use async_trait::async_trait;
use countersign_core::{
    clock::{Clock, Timestamp},
    meters::StoreOperation,
    store::StoreError,
    throttle::{
        Attempts, Counter, KNOWN_FOR, Key, Outcome, Tally, Verdict,
        steps::{self, Step},
    },
};
use tokio::{runtime::Handle, time::Instant};

use super::{Decision, Postgres, TRIES, connection::Connection, query::Problem};
use crate::{
    rows::{self, SharedTally},
    statements as sql,
};

/// After how long an attempt that is under way counts no more: its process has ended without a word. Longer than any takes.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);

/// How many counters are kept, and how many pairs that are known to be good: some 200 MB on the disk when full. Those go first
/// that would be forgotten first.
const MOST: usize = 1_000_000;

/// How long an attempt waits for others that are under way, and how long until it looks again, at first and at most.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(160));

/// How often an end is told, and how long after the first failure again; the pause doubles.
const TELLS: usize = 5;
const TELL_AGAIN: Duration = Duration::from_millis(200);

/// A pair that is known to be good is written again when it has lost so much of its time.
const KNOWN_ANEW_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

#[async_trait]
impl Attempts for Postgres {
    async fn begin(&self, counters: &[Counter], clock: &dyn Clock) -> Result<Verdict, StoreError> {
        let (began, (mut pause, longest)) = (Instant::now(), LOOK_AGAIN);
        loop {
            match self.look(counters, clock.now()).await? {
                Step::Go => return Ok(Verdict::Go),
                Step::Delayed { until, news } => return Ok(Verdict::Delayed { until, news }),
                Step::Wait(_) if began.elapsed() > LONGEST_WAIT => return Ok(Verdict::Full),
                Step::Wait(_) => tokio::time::sleep(pause).await,
            }
            pause = longest.min(pause * 2);
        }
    }

    fn settle(&self, counters: &[Counter], outcome: Outcome, now: Timestamp) {
        let (store, counters) = (self.clone(), counters.to_vec());
        in_background(async move { store.end_attempt(&counters, outcome, now).await });
    }

    async fn is_known(&self, pair: Key, now: Timestamp) -> Result<bool, StoreError> {
        let values = [pair.as_bytes().as_slice().into(), now.into()];
        Ok(self.find_one(sql::POSTGRES_FIND_KNOWN_PAIR, &values, |_| Ok(())).await?.is_some())
    }

    fn know(&self, pair: Key, now: Timestamp) {
        let store = self.clone();
        let until = now.plus(KNOWN_FOR);
        let values = [pair.as_bytes().as_slice().into(), until.into(), until.minus(KNOWN_ANEW_AFTER).into()];
        in_background(async move { store.execute(sql::POSTGRES_PUT_KNOWN_PAIR, &values).await.map(drop) });
    }
}

impl Postgres {
    async fn look(&self, counters: &[Counter], now: Timestamp) -> Result<Step, StoreError> {
        transaction!(self, connection => {
            let mut tallies = lock(connection, counters, now).await?;
            let step = steps::begin(&mut tallies, now);
            match step {
                Step::Go => write(connection, &tallies, now, Some(now.plus(ABANDONED_AFTER))).await?,
                Step::Delayed { news: Some(_), .. } => write(connection, &tallies, now, None).await?,
                Step::Delayed { news: None, .. } | Step::Wait(_) => return Ok(Decision::Undo(step)),
            }
            Ok(Decision::Keep(step))
        })
    }

    /// Forgets what counts no more, and what is beyond what is kept; says how much went.
    pub(super) async fn sweep_attempts(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut gone = 0;
        for (statement, values) in [
            (sql::POSTGRES_SWEEP_ATTEMPTS, [now.into(), limit.into()]),
            (sql::POSTGRES_SWEEP_EXCESS_ATTEMPTS, [MOST.into(), limit.into()]),
            (sql::POSTGRES_SWEEP_KNOWN_PAIRS, [now.into(), limit.into()]),
            (sql::POSTGRES_SWEEP_EXCESS_KNOWN_PAIRS, [MOST.into(), limit.into()]),
        ] {
            gone += self.execute(statement, &values).await?;
        }
        Ok(gone)
    }

    /// Tells the counters how an attempt ended. Who cannot be told hears of it when the attempt counts no more.
    async fn end_attempt(&self, counters: &[Counter], outcome: Outcome, now: Timestamp) -> Result<(), StoreError> {
        let mut pause = TELL_AGAIN;
        for _ in 1..TELLS {
            if self.end_attempt_once(counters, outcome, now).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.end_attempt_once(counters, outcome, now).await
    }

    async fn end_attempt_once(&self, counters: &[Counter], outcome: Outcome, now: Timestamp) -> Result<(), StoreError> {
        transaction!(self, connection => {
            let mut tallies = lock(connection, counters, now).await?;
            steps::settle(&mut tallies, outcome, now);
            write(connection, &tallies, now, None).await?;
            Ok(Decision::Keep(()))
        })
    }
}

/// The tallies of these counters, in their order; nobody else changes them until the end of the transaction.
async fn lock(connection: &Connection, counters: &[Counter], now: Timestamp) -> Result<Vec<(Counter, Tally)>, Problem> {
    connection.batch(sql::POSTGRES_DO_NOT_WAIT_FOR_THE_DISK).await?;
    let keys: Vec<&[u8]> = counters.iter().map(|counter| counter.key.as_bytes().as_slice()).collect();
    let rows = connection.all_with(sql::POSTGRES_LOCK_ATTEMPTS, &[&keys], rows::shared_tally).await?;
    let tally = |counter: &Counter| {
        let row = rows.iter().find(|row| row.key == counter.key.as_bytes());
        row.map_or_else(Tally::default, |row| row.at(now))
    };
    Ok(counters.iter().map(|counter| (*counter, tally(counter))).collect())
}

/// Keeps the tallies, but those that are as if they had never been; `under_way_until` is for those that have just reserved.
async fn write(
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

/// Nobody waits for it. Without a runtime there is nothing to do it; then it is as if the process had ended.
fn in_background(work: impl Future<Output = Result<(), StoreError>> + Send + 'static) {
    let Ok(runtime) = Handle::try_current() else { return };
    runtime.spawn(async move {
        if let Err(error) = work.await {
            tracing::warn!(event = "throttle", outcome = "untold", %error, "the end of an attempt was not counted");
        }
    });
}
