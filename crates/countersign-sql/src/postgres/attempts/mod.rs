//! Counters of failed attempts that all processes over this database share.
//!
//! An attempt reserves and settles in a transaction each. What they count is not worth a wait for the disk: the last moments
//! before a crash of the database may be forgotten.

mod lanes;
mod tallies;

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use countersign_core::{
    clock::{Clock, Timestamp},
    meters::StoreOperation,
    store::{SWEEP_MARGIN, StoreError},
    throttle::{
        Attempts, Counter, KNOWN_FOR, Outcome, Pair, Verdict,
        steps::{self, Step},
    },
};
use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, timeout_at},
};

pub(super) use self::lanes::Lanes;
use self::tallies::{KINDS, lock, write};
use super::{OPERATION, Postgres, TRIES, connection::Connection, query::Problem};
use crate::{
    facts::Decision,
    rows::{self, Value},
    statements as sql,
};

/// After how long an attempt that is under way counts no more: its process has ended without a word. Longer than any takes.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);

/// How many counters of a kind are kept, and how many pairs that are known to be good: some 100 MB on the disk for each when
/// full. Those go first that would be forgotten first; and who fills one kind moves nothing out of another.
const MOST_OF_A_KIND: usize = 500_000;

/// How many a process puts before it looks whether there are too many, for which all that are kept are counted: one in a
/// hundred. So many may go at once.
const LOOK_FOR_EXCESS_AFTER: usize = MOST_OF_A_KIND / 100;

/// How long an attempt waits for others that are under way, and how long until it looks again, at first and at most.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(160));

/// How long after an end could not be told it is tried again, at first and at most.
const TELL_AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// No transaction has this number.
const NO_TRANSACTION: i64 = 0;

/// A pair that is known to be good is written again when it has lost so much of its time.
const KNOWN_ANEW_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

#[async_trait]
impl Attempts for Postgres {
    async fn begin(&self, counters: &[Counter], clock: &dyn Clock) -> Result<Verdict, StoreError> {
        self.shared.lanes.excess.put(counters.len());
        let (deadline, (mut pause, longest)) = (Instant::now() + LONGEST_WAIT, LOOK_AGAIN);
        let mut waiting = None;
        loop {
            let key = match self.look_apart(counters, clock.now()).await? {
                Step::Go => return Ok(Verdict::Go),
                Step::Delayed { until, news } => return Ok(Verdict::Delayed { until, news }),
                Step::Wait(_) if Instant::now() > deadline => return Ok(Verdict::Full),
                Step::Wait(key) => key,
            };
            if waiting.is_some() {
                tokio::time::sleep(pause).await;
                pause = longest.min(pause * 2);
                continue;
            }
            let Ok(place) = self.shared.lanes.waiting.try_acquire() else { return Ok(Verdict::Full) };
            // One at a time looks again: the others of this process wait for it, which costs the database nothing.
            let turn = timeout_at(deadline, self.shared.lanes.turn(key).lock_owned()).await;
            let Ok(turn) = turn else { return Ok(Verdict::Full) };
            waiting = Some((place, turn));
        }
    }

    async fn are_clean(&self, counters: &[Counter], _: Timestamp) -> Result<Option<bool>, StoreError> {
        let [only] = counters else { return Ok(None) };
        let found =
            self.find_one(sql::POSTGRES_FIND_ATTEMPT, &[only.key.as_bytes().as_slice().into()], |_| Ok(())).await?;
        Ok(Some(found.is_none()))
    }

    fn fail(&self, counters: &[Counter], now: Timestamp) {
        self.shared.lanes.excess.put(counters.len());
        self.end_in_background(counters, Ending::Unreserved, now);
    }

    fn settle(&self, counters: &[Counter], outcome: Outcome, now: Timestamp) {
        self.end_in_background(counters, Ending::Reserved(outcome), now);
    }

    async fn is_known(&self, pair: Pair, now: Timestamp) -> Result<bool, StoreError> {
        let values = [pair.key.as_bytes().as_slice().into(), now.into()];
        Ok(self.find_one(sql::POSTGRES_FIND_KNOWN_PAIR, &values, |_| Ok(())).await?.is_some())
    }

    fn know(&self, pair: Pair, now: Timestamp) {
        self.shared.lanes.excess.put(1);
        let store = self.clone();
        let until = now.plus(KNOWN_FOR);
        let [key, whose] = [pair.key, pair.whose].map(|key| Value::from(key.as_bytes().as_slice()));
        in_background(async move {
            let _lane = store.shared.lanes.end.acquire().await;
            let put = [key.clone(), whose.clone(), until.into(), until.minus(KNOWN_ANEW_AFTER).into()];
            if store.execute(sql::POSTGRES_PUT_KNOWN_PAIR, &put).await? > 0 {
                let others = pair.most.saturating_sub(1).into();
                store.execute(sql::POSTGRES_FORGET_KNOWN_PAIRS, &[whose, key, others]).await?;
            }
            Ok(())
        });
    }
}

/// How an attempt ends.
#[derive(Clone, Copy)]
enum Ending {
    Reserved(Outcome),
    /// It has failed, and had no place.
    Unreserved,
}

impl Postgres {
    /// As [`Postgres::look`], in a task of its own: where whoever asked has gone when it is decided, the place is given back.
    async fn look_apart(&self, counters: &[Counter], now: Timestamp) -> Result<Step, StoreError> {
        if let Some(until) = self.shared.lanes.closed_until(counters, now) {
            return Ok(Step::Delayed { until, news: None });
        }
        let (sender, decided) = oneshot::channel();
        let (store, counters) = (self.clone(), counters.to_vec());
        tokio::spawn(async move {
            let lane = store.shared.lanes.begin.acquire().await;
            // Nobody waits for it any more, and nothing was asked.
            if sender.is_closed() {
                return;
            }
            let step = store.look(&counters, now).await;
            drop(lane);
            if let Ok(Step::Delayed { until, .. }) = step {
                store.shared.lanes.remember(&counters, now, until);
            }
            if let Err(Ok(Step::Go)) = sender.send(step) {
                store.settle(&counters, Outcome::Undecided, now);
            }
        });
        decided.await.unwrap_or_else(|gone| Err(StoreError::unavailable(gone)))
    }

    async fn look(&self, counters: &[Counter], now: Timestamp) -> Result<Step, StoreError> {
        transaction!(self, connection => {
            let (mut tallies, _) = lock(connection, counters, now).await?;
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
        let over = Value::from(now.minus(SWEEP_MARGIN));
        for statement in [sql::POSTGRES_SWEEP_ATTEMPTS, sql::POSTGRES_SWEEP_KNOWN_PAIRS] {
            gone += self.execute(statement, &[over.clone(), limit.into()]).await?;
        }
        if self.shared.lanes.excess.is_due() {
            let excess = self.sweep_excess().await?;
            self.shared.lanes.excess.looked(excess);
            gone += excess;
        }
        Ok(gone)
    }

    /// Walks over all that are kept: a tenth of a second, where a million users log in.
    async fn sweep_excess(&self) -> Result<usize, StoreError> {
        let limit = LOOK_FOR_EXCESS_AFTER;
        let values = [MOST_OF_A_KIND.into(), limit.into()];
        let mut gone = self.execute(sql::POSTGRES_SWEEP_EXCESS_KNOWN_PAIRS, &values).await?;
        for kind in KINDS {
            let values = [kind.into(), MOST_OF_A_KIND.into(), limit.into()];
            gone += self.execute(sql::POSTGRES_SWEEP_EXCESS_ATTEMPTS, &values).await?;
        }
        Ok(gone)
    }

    fn end_in_background(&self, counters: &[Counter], ending: Ending, now: Timestamp) {
        let (store, counters) = (self.clone(), counters.to_vec());
        in_background(async move { store.end_attempt(&counters, ending, now).await });
    }

    /// Tells the counters how an attempt ended, as long as they would not know by themselves.
    ///
    /// Told twice, it would count a failure twice, and take away the place of another attempt. So where nobody heard whether a
    /// transaction was committed, the database is asked, and it is told again only if it was not. If the database cannot say in
    /// the time (it was put back, or another one took over that has never heard of it), it is not told: a failure is forgotten,
    /// one at most for each connection that was lost at a commit.
    async fn end_attempt(&self, counters: &[Counter], ending: Ending, now: Timestamp) -> Result<(), StoreError> {
        let (began, (mut pause, longest)) = (Instant::now(), TELL_AGAIN);
        let last = AtomicI64::new(NO_TRANSACTION);
        loop {
            let lane = self.shared.lanes.end.acquire().await;
            let told = match self.is_committed(last.load(Ordering::Relaxed)).await {
                Ok(true) => Ok(()),
                Ok(false) => self.end_attempt_once(counters, ending, now, &last).await,
                Err(unknown) => Err(unknown),
            };
            // Who has to try again holds up nobody else meanwhile.
            drop(lane);
            match told {
                Err(_) if began.elapsed() < ABANDONED_AFTER => tokio::time::sleep(pause).await,
                told => return told,
            }
            pause = longest.min(pause * 2);
        }
    }

    /// As [`Postgres::end_attempt`], in a transaction whose number is in `last` before it can be committed.
    async fn end_attempt_once(
        &self,
        counters: &[Counter],
        ending: Ending,
        now: Timestamp,
        last: &AtomicI64,
    ) -> Result<(), StoreError> {
        transaction!(self, connection => {
            let (mut tallies, transaction) = lock(connection, counters, now).await?;
            last.store(transaction, Ordering::Relaxed);
            match ending {
                Ending::Reserved(outcome) => steps::settle(&mut tallies, outcome, now),
                Ending::Unreserved => {
                    tallies.iter_mut().for_each(|(_, tally)| tally.reserve());
                    steps::settle(&mut tallies, Outcome::Failure, now);
                }
            }
            write(connection, &tallies, now, None).await?;
            Ok(Decision::Keep(()))
        })
    }

    /// Whether a transaction was committed, which nobody knows while it goes on. One that is too old for the database to
    /// remember was: here none is a minute old.
    async fn is_committed(&self, transaction: i64) -> Result<bool, StoreError> {
        if transaction == NO_TRANSACTION {
            return Ok(false);
        }
        let fate = self.find_one(sql::POSTGRES_FIND_TRANSACTION, &[Value::Integer(transaction)], rows::fate).await?;
        match fate.flatten().as_deref() {
            Some("aborted") => Ok(false),
            Some("in progress") => Err(StoreError::unavailable(InProgress)),
            _ => Ok(true),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("nobody knows yet whether it was counted")]
struct InProgress;

/// Nobody waits for it. Without a runtime there is nothing to do it; then it is as if the process had ended.
fn in_background(work: impl Future<Output = Result<(), StoreError>> + Send + 'static) {
    let Ok(runtime) = Handle::try_current() else { return };
    runtime.spawn(async move {
        if let Err(error) = work.await {
            tracing::warn!(event = "throttle", outcome = "untold", %error, "the end of an attempt was not counted");
        }
    });
}
