//! Counters of failed attempts that all processes over this database share.
//!
//! An attempt reserves and settles in a transaction each. What they count is not worth a wait for the disk: the last moments
//! before a crash of the database may be forgotten.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use countersign_core::{
    clock::{Clock, Timestamp},
    meters::StoreOperation,
    store::{SWEEP_MARGIN, StoreError},
    throttle::{
        Attempts, Counter, KNOWN_FOR, Key, MAX_WAITING, Outcome, Pair, Tally, Verdict, What,
        steps::{self, Step},
    },
};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, oneshot},
    time::{Instant, timeout_at},
};

use super::{Decision, OPERATION, Postgres, TRIES, connection::Connection, query::Problem};
use crate::{
    rows::{self, SharedTally, Value},
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

/// Kinds of counters, by how cheaply they are made: an account needs a hash for each failure, a client's name none.
const KINDS: [&str; 3] = ["login", "source", "client"];

const fn kind(what: What) -> &'static str {
    match what {
        What::Account | What::KnownPair | What::StrangePair => KINDS[0],
        What::Source => KINDS[1],
        What::Client | What::Introspection => KINDS[2],
    }
}

/// How long an attempt waits for others that are under way, and how long until it looks again, at first and at most.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(160));

/// How long after an end could not be told it is tried again, at first and at most.
const TELL_AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// No transaction has this number.
const NO_TRANSACTION: i64 = 0;

/// A pair that is known to be good is written again when it has lost so much of its time.
const KNOWN_ANEW_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// How many closed counters a process remembers.
const MOST_REMEMBERED: usize = 10_000;

/// What a process knows of the counters beside what the database does.
pub(super) struct Lanes {
    /// Attempts use part of the connections, so that what has nothing to do with them goes on however many guess.
    begin: Semaphore,
    end: Semaphore,
    waiting: Semaphore,
    /// For each counter whom the others wait for who wait in this process.
    turns: Mutex<HashMap<Key, Weak<tokio::sync::Mutex<()>>>>,
    /// Counters that are closed, as was found in this second: who hammers costs the database one question a second.
    closed: Mutex<HashMap<Key, Closed>>,
    excess: Excess,
}

/// When to look whether there are more counters and pairs than are kept.
struct Excess {
    /// What this process put since it last looked.
    put: AtomicUsize,
}

#[derive(Clone, Copy)]
struct Closed {
    found_at: Timestamp,
    until: Timestamp,
}

impl Lanes {
    pub(super) fn new(connections: usize) -> Self {
        Self {
            begin: Semaphore::new((connections / 2).max(1)),
            end: Semaphore::new((connections / 4).max(1)),
            waiting: Semaphore::new(MAX_WAITING),
            turns: Mutex::default(),
            closed: Mutex::default(),
            excess: Excess::new(),
        }
    }

    /// Whoever has it looks at this counter; what nobody waits for is not kept.
    fn turn(&self, key: Key) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&key).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(key, Arc::downgrade(&turn));
        turn
    }

    /// When an attempt may be tried again, if that was found in this second. Attempts that share their last counter, which is of
    /// the account and its source, wait for the same.
    fn closed_until(&self, counters: &[Counter], now: Timestamp) -> Option<Timestamp> {
        let known = *self.closed().get(&counters.last()?.key)?;
        (known.found_at == now && now < known.until).then_some(known.until)
    }

    fn remember(&self, counters: &[Counter], found_at: Timestamp, until: Timestamp) {
        let Some(last) = counters.last() else { return };
        let mut closed = self.closed();
        if closed.len() >= MOST_REMEMBERED {
            closed.clear();
        }
        closed.insert(last.key, Closed { found_at, until });
    }

    fn closed(&self) -> MutexGuard<'_, HashMap<Key, Closed>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Excess {
    /// Who has just started does not know what others left.
    const fn new() -> Self {
        Self { put: AtomicUsize::new(LOOK_FOR_EXCESS_AFTER) }
    }

    fn put(&self, how_many: usize) {
        self.put.fetch_add(how_many, Ordering::Relaxed);
    }

    fn is_due(&self) -> bool {
        self.put.load(Ordering::Relaxed) >= LOOK_FOR_EXCESS_AFTER
    }

    /// It was looked for. If as much went as may go at once, there may be more.
    fn looked(&self, gone: usize) {
        if gone < LOOK_FOR_EXCESS_AFTER {
            self.put.store(0, Ordering::Relaxed);
        }
    }
}

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

/// The tallies of these counters, in their order, and the number of the transaction: nobody else changes them until its end.
async fn lock(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_looked_for_at_the_start_and_after_so_many_and_until_all_of_it_is_gone() {
        let excess = Excess::new();
        assert!(excess.is_due(), "others may have left too much");
        excess.looked(LOOK_FOR_EXCESS_AFTER);
        assert!(excess.is_due(), "there may be more");
        excess.looked(LOOK_FOR_EXCESS_AFTER - 1);
        assert!(!excess.is_due());
        excess.put(LOOK_FOR_EXCESS_AFTER - 1);
        assert!(!excess.is_due());
        excess.put(1);
        assert!(excess.is_due());
    }
}
