//! What a store with several writers must see to, at READ COMMITTED: its statements one by one, in every order (N11).
//!
//! A statement sees what was committed when it began, and what its own transaction wrote. A row that another transaction has
//! changed or locked is waited for, and then looked at anew, that row alone. What is written is seen by others at the commit,
//! a step of its own; numbers of the feed are drawn before, and never given back. These are PostgreSQL's rules
//! (documentation of version 17, section 13.2.1). The world has two processes, which may die at any moment, and the jobs of
//! its list, one transaction each; clients ask the other process again when theirs has died.
//!
//! Each lock is taken away once, and what is broken then is found: so it is known to be needed, and the search to find.

mod locks;

use std::fmt;

use super::explorer::{Model, key_of};

/// Two that are there, and one that a login makes.
const GRANTS: usize = 3;
const RENEWED: usize = 0;
const OTHER: usize = 1;
const NEW: usize = 2;

/// What a client or an operator wants, and which process it asks first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Job {
    /// Makes the grant [`NEW`], with a token.
    LogIn(usize),
    /// Uses the refresh token of the grant [`RENEWED`], or tries that again and gets another access token.
    Renew(usize),
    /// Ends the grant [`RENEWED`].
    Revoke(usize),
    /// Ends all grants of the owner.
    LogOutEverywhere(usize),
    /// Disables the owner, which ends all grants.
    Disable(usize),
}

/// How the store goes about it. The first of each is right, or as good as right.
#[derive(Clone, Copy)]
struct Store {
    redeem: Redeem,
    rotate: Rotate,
    retry: Retry,
    feed: Feed,
    end: End,
}

/// What a login looks at before its grant is recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Redeem {
    LocksOwner,
    LooksOnly,
}

/// How a refresh token is spent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rotate {
    Conditional,
    LooksThenWrites,
}

/// What another access token of a grant looks at before it is recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Retry {
    LocksGrant,
    LooksOnly,
}

/// When whoever tells the feed takes its lock, which is held until the commit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Feed {
    LockedFirst,
    LockedWhenTold,
    NotLocked,
}

/// How grants end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// One statement deletes them and tells what it deleted; another deletes their tokens.
    ToldAsDeletedThenTokens,
    /// One statement for all three.
    OneStatement,
    /// They are told, their tokens are deleted, they are deleted: as is right where there is one writer.
    ThreeStatements,
}

const RIGHT: Store = Store {
    redeem: Redeem::LocksOwner,
    rotate: Rotate::Conditional,
    retry: Retry::LocksGrant,
    feed: Feed::LockedFirst,
    end: End::ToldAsDeletedThenTokens,
};

/// What a job does, statement by statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Do {
    Lock(Row, Mode),
    /// Reads the grant, outside of any transaction, and goes on to the retry if its token was used.
    Look,
    InsertGrant,
    Rotate,
    PutToken,
    /// Another access token for a retry.
    PutTokenIfGrant,
    DisableOwner,
    TellGrants,
    TellDeleted,
    DeleteTokens,
    DeleteGrants(Tells),
    TellOwner,
    Commit,
    /// Hears the feed before it says that it is done.
    Hear,
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Tells {
    TheFeed,
    TheFeedAndDeletesTokens,
    Nobody,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Row {
    Owner,
    Grant(usize),
    /// No row, but a lock that is taken like one.
    Feed,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Mode {
    Share,
    Exclusive,
}

/// What is committed.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Tables {
    owner_is_active: bool,
    grants: [Option<Grant>; GRANTS],
    /// Opaque tokens, by the job that made them.
    tokens: Vec<usize>,
    feed: Vec<Told>,
    /// Until when somebody has an access token of each grant that was ever there.
    promised: [Option<u8>; GRANTS],
    /// How many successors the first refresh token was ever given.
    successors: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Grant {
    was_renewed: bool,
    access_until: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Told {
    number: u8,
    /// `None` for the owner.
    grant: Option<usize>,
    until: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Change {
    DisableOwner,
    PutGrant(usize, Grant),
    DropGrant(usize),
    PutToken(usize),
    DropToken(usize),
    Tell(Told),
}

/// How far a job has come.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Run {
    at: usize,
    process: usize,
    /// What a statement saw that waits for rows, and the rows that it has still to look at.
    saw: Option<Tables>,
    rows: Vec<usize>,
    deleted: Vec<Deleted>,
    locks: Vec<(Row, Mode)>,
    changes: Vec<Change>,
    is_acknowledged: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Deleted {
    grant: usize,
    access_until: u8,
}

/// What a process has heard.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Reader {
    number: u8,
    heard: Vec<u8>,
}

#[derive(Clone, Hash)]
struct State {
    tables: Tables,
    next_number: u8,
    runs: Vec<Run>,
    readers: [Reader; 2],
    deaths_left: u8,
}

#[derive(Clone, Copy)]
enum Step {
    /// The next of a job, at this row if it may choose.
    Job(usize, Job, Do, Option<usize>),
    Hear(usize),
    Die(usize),
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(number, job, step, None) => write!(f, "{number}: {job:?} {step:?}"),
            Self::Job(number, job, step, Some(row)) => write!(f, "{number}: {job:?} {step:?}, grant {row}"),
            Self::Hear(process) => write!(f, "process {process} hears the feed"),
            Self::Die(process) => write!(f, "process {process} dies"),
        }
    }
}

struct World {
    store: Store,
    jobs: Vec<Job>,
    /// What each of them does.
    programs: Vec<Vec<Do>>,
    deaths: u8,
}

impl Job {
    const fn process(self) -> usize {
        match self {
            Self::LogIn(process)
            | Self::Renew(process)
            | Self::Revoke(process)
            | Self::LogOutEverywhere(process)
            | Self::Disable(process) => process,
        }
    }

    /// The grant of the token that it makes.
    const fn grant(self) -> usize {
        if let Self::LogIn(_) = self { NEW } else { RENEWED }
    }

    /// The grants that it ends, whichever there are.
    const fn ends(self) -> &'static [usize] {
        match self {
            Self::LogIn(_) | Self::Renew(_) => &[],
            Self::Revoke(_) => &[RENEWED],
            Self::LogOutEverywhere(_) | Self::Disable(_) => &[RENEWED, OTHER, NEW],
        }
    }

    fn program(self, store: Store) -> Vec<Do> {
        let end_grants = || {
            let first = (store.feed == Feed::LockedFirst).then_some(Do::Lock(Row::Feed, Mode::Exclusive));
            let told = match (store.end, store.feed) {
                (End::ThreeStatements, _) => vec![Do::TellGrants, Do::DeleteTokens, Do::DeleteGrants(Tells::Nobody)],
                (End::OneStatement, _) => vec![Do::DeleteGrants(Tells::TheFeedAndDeletesTokens)],
                (End::ToldAsDeletedThenTokens, Feed::LockedWhenTold) => vec![
                    Do::DeleteGrants(Tells::Nobody),
                    Do::Lock(Row::Feed, Mode::Exclusive),
                    Do::TellDeleted,
                    Do::DeleteTokens,
                ],
                (End::ToldAsDeletedThenTokens, _) => vec![Do::DeleteGrants(Tells::TheFeed), Do::DeleteTokens],
            };
            first.into_iter().chain(told)
        };
        match self {
            Self::LogIn(_) => {
                let lock = (store.redeem == Redeem::LocksOwner).then_some(Do::Lock(Row::Owner, Mode::Share));
                lock.into_iter().chain([Do::InsertGrant, Do::PutToken, Do::Commit, Do::Done]).collect()
            }
            Self::Renew(_) => {
                let lock = (store.retry == Retry::LocksGrant).then_some(Do::Lock(Row::Grant(RENEWED), Mode::Share));
                let renew = [Do::Look, Do::Rotate, Do::PutToken, Do::Commit, Do::Done];
                renew.into_iter().chain(lock).chain([Do::PutTokenIfGrant, Do::Commit, Do::Done]).collect()
            }
            Self::Revoke(_) | Self::LogOutEverywhere(_) => {
                end_grants().chain([Do::Commit, Do::Hear, Do::Done]).collect()
            }
            Self::Disable(_) => [Do::DisableOwner]
                .into_iter()
                .chain(end_grants())
                .chain([Do::TellOwner, Do::Commit, Do::Hear, Do::Done])
                .collect(),
        }
    }
}

impl Tables {
    fn apply(&mut self, change: Change) {
        match change {
            Change::DisableOwner => self.owner_is_active = false,
            Change::PutGrant(id, grant) => {
                self.successors += u8::from(grant.was_renewed);
                self.grants[id] = Some(grant);
                self.promised[id] = self.promised[id].max(Some(grant.access_until));
            }
            Change::DropGrant(id) => self.grants[id] = None,
            Change::PutToken(job) => {
                self.tokens.push(job);
                self.tokens.sort_unstable();
            }
            Change::DropToken(job) => self.tokens.retain(|token| *token != job),
            Change::Tell(told) => {
                self.feed.push(told);
                self.feed.sort_unstable_by_key(|told| told.number);
            }
        }
    }
}

impl Run {
    /// What a statement of it sees that begins now.
    fn sees(&self, tables: &Tables) -> Tables {
        let mut seen = tables.clone();
        self.changes.iter().for_each(|change| seen.apply(*change));
        seen
    }

    fn let_go(&mut self) {
        let Self { at, process, is_acknowledged, .. } = *self;
        *self = Self { at, process, is_acknowledged, ..Self::default() };
    }
}

impl Reader {
    fn hear(&mut self, tables: &Tables) {
        let new: Vec<_> = tables.feed.iter().map(|told| told.number).filter(|number| *number > self.number).collect();
        self.number = new.last().copied().unwrap_or(self.number);
        self.heard.extend(new);
    }
}

impl World {
    fn new(store: Store, jobs: &[Job], deaths: u8) -> Self {
        let programs = jobs.iter().map(|job| job.program(store)).collect();
        Self { store, jobs: jobs.to_vec(), programs, deaths }
    }

    fn next_of(&self, run: usize, state: &State) -> Option<Do> {
        self.programs[run].get(state.runs[run].at).copied()
    }

    fn is_free(state: &State, run: usize, row: Row, mode: Mode) -> bool {
        let others = state.runs.iter().enumerate().filter(|(other, _)| *other != run);
        let held = others.flat_map(|(_, other)| &other.locks).filter(|(other, _)| *other == row);
        held.into_iter().all(|(_, held)| (*held, mode) == (Mode::Share, Mode::Share))
    }

    /// The steps that a job can make now: none if it waits or is done.
    fn steps_of(&self, number: usize, state: &State) -> Vec<Step> {
        let Some(next) = self.next_of(number, state) else { return Vec::new() };
        let (run, job) = (&state.runs[number], self.jobs[number]);
        let is_free = |row, mode| Self::is_free(state, number, row, mode);
        let at = |row| Step::Job(number, job, next, row);
        match next {
            Do::Lock(row, mode) if !is_free(row, mode) => Vec::new(),
            Do::DisableOwner if !is_free(Row::Owner, Mode::Exclusive) => Vec::new(),
            // It begins first, and then waits for rows, in whatever order.
            Do::Rotate | Do::DeleteGrants(_) if run.saw.is_some() && !run.rows.is_empty() => {
                let free = run.rows.iter().filter(|row| is_free(Row::Grant(**row), Mode::Exclusive));
                free.map(|row| at(Some(*row))).collect()
            }
            _ => vec![at(None)],
        }
    }

    fn make(&self, state: &mut State, number: usize, next: Do, row: Option<usize>) {
        let State { tables, next_number, runs, readers, .. } = state;
        let (run, job) = (&mut runs[number], self.jobs[number]);
        let program = &self.programs[number];
        let mut tell = |run: &mut Run, grant, until| {
            *next_number += 1;
            run.changes.push(Change::Tell(Told { number: *next_number, grant, until }));
        };
        let mut jump = run.at + 1;
        match next {
            Do::Lock(row, mode) => run.locks.push((row, mode)),
            Do::Look => match tables.grants[RENEWED] {
                None => jump = program.len(),
                Some(grant) if grant.was_renewed => {
                    jump = 1 + program.iter().position(|step| *step == Do::Done).unwrap();
                }
                Some(_) => {}
            },
            Do::InsertGrant => {
                if tables.owner_is_active {
                    run.changes.push(Change::PutGrant(NEW, Grant { was_renewed: false, access_until: 1 }));
                } else {
                    run.let_go();
                    jump = program.len();
                }
            }
            Do::Rotate => match (run.saw.take(), row) {
                (None, _) => {
                    run.saw = Some(run.sees(tables));
                    let is_there = tables.grants[RENEWED]
                        .is_some_and(|grant| !grant.was_renewed || self.store.rotate == Rotate::LooksThenWrites);
                    run.rows = if is_there { vec![RENEWED] } else { Vec::new() };
                    jump = run.at;
                }
                // The row is looked at anew once it is free.
                (Some(_), Some(_))
                    if tables.grants[RENEWED]
                        .is_some_and(|grant| !grant.was_renewed || self.store.rotate == Rotate::LooksThenWrites) =>
                {
                    run.rows.clear();
                    run.locks.push((Row::Grant(RENEWED), Mode::Exclusive));
                    run.changes.push(Change::PutGrant(RENEWED, Grant { was_renewed: true, access_until: 2 }));
                }
                // No row was changed: it decides again.
                (Some(_), _) => {
                    run.let_go();
                    jump = 0;
                }
            },
            Do::PutToken => run.changes.push(Change::PutToken(number)),
            Do::PutTokenIfGrant => {
                if tables.grants[job.grant()].is_some() {
                    run.changes.push(Change::PutToken(number));
                }
            }
            Do::DisableOwner => {
                run.locks.push((Row::Owner, Mode::Exclusive));
                run.changes.push(Change::DisableOwner);
            }
            Do::TellGrants => {
                let seen = run.sees(tables);
                for id in job.ends() {
                    if let Some(grant) = seen.grants[*id] {
                        tell(run, Some(*id), grant.access_until);
                    }
                }
            }
            Do::TellDeleted => {
                for deleted in run.deleted.clone() {
                    tell(run, Some(deleted.grant), deleted.access_until);
                }
            }
            Do::DeleteTokens => {
                let is_ended = |grant: usize| match self.store.end {
                    End::ThreeStatements => job.ends().contains(&grant) && tables.grants[grant].is_some(),
                    _ => run.deleted.iter().any(|deleted| deleted.grant == grant),
                };
                let gone: Vec<_> =
                    tables.tokens.iter().filter(|token| is_ended(self.jobs[**token].grant())).copied().collect();
                run.changes.extend(gone.into_iter().map(Change::DropToken));
            }
            Do::DeleteGrants(tells) => {
                match (&run.saw, row) {
                    (None, _) => {
                        let seen = run.sees(tables);
                        run.rows = job.ends().iter().filter(|id| seen.grants[**id].is_some()).copied().collect();
                        run.saw = Some(seen);
                    }
                    (Some(_), Some(row)) => {
                        run.rows.retain(|left| *left != row);
                        run.locks.push((Row::Grant(row), Mode::Exclusive));
                        if let Some(Grant { access_until, .. }) = tables.grants[row] {
                            run.changes.push(Change::DropGrant(row));
                            run.deleted.push(Deleted { grant: row, access_until });
                            if tells != Tells::Nobody {
                                tell(run, Some(row), access_until);
                            }
                        }
                    }
                    (Some(_), None) => {}
                }
                if run.rows.is_empty() {
                    let saw = run.saw.take();
                    if tells == Tells::TheFeedAndDeletesTokens {
                        let is_ended = |token: &&usize| {
                            run.deleted.iter().any(|deleted| deleted.grant == self.jobs[**token].grant())
                        };
                        let seen = saw.map(|seen| seen.tokens).unwrap_or_default();
                        run.changes.extend(seen.iter().filter(is_ended).copied().map(Change::DropToken));
                    }
                } else {
                    jump = run.at;
                }
            }
            Do::TellOwner => tell(run, None, 0),
            Do::Commit => {
                run.changes.iter().for_each(|change| tables.apply(*change));
                run.let_go();
            }
            Do::Hear => readers[run.process].hear(tables),
            Do::Done => {
                run.is_acknowledged = true;
                jump = program.len();
            }
        }
        runs[number].at = jump;
    }

    /// The first rule that does not hold.
    fn broken(&self, state: &State) -> Option<String> {
        let State { tables, runs, readers, .. } = state;
        if tables.successors > 1 {
            return Some("one refresh token has two successors".to_owned());
        }
        if let Some(token) = tables.tokens.iter().find(|token| tables.grants[self.jobs[**token].grant()].is_none()) {
            return Some(format!("the token of job {token} outlives its grant"));
        }
        for (id, promised) in tables.promised.iter().enumerate() {
            let is_told = |told: &Told| told.grant == Some(id) && Some(told.until) >= *promised;
            if promised.is_some() && tables.grants[id].is_none() && !tables.feed.iter().any(is_told) {
                return Some(format!("grant {id} has ended, and the feed does not tell it for as long as it matters"));
            }
        }
        for reader in readers {
            if tables.feed.iter().any(|told| told.number <= reader.number && !reader.heard.contains(&told.number)) {
                return Some("a reader of the feed has skipped an entry".to_owned());
            }
        }
        for (run, job) in runs.iter().zip(&self.jobs).filter(|(run, _)| run.is_acknowledged) {
            let (is_over, told) = match job {
                Job::LogIn(_) | Job::Renew(_) | Job::LogOutEverywhere(_) => continue,
                Job::Revoke(_) => (tables.grants[RENEWED].is_none(), Some(RENEWED)),
                Job::Disable(_) => (!tables.owner_is_active && tables.grants == [None; GRANTS], None),
            };
            let heard = &readers[run.process].heard;
            if !is_over || !tables.feed.iter().any(|entry| entry.grant == told && heard.contains(&entry.number)) {
                return Some(format!("{job:?} was acknowledged, and something of it lives"));
            }
        }
        let is_stuck = |number: &usize| self.next_of(*number, state).is_some();
        let mut numbers = 0..self.jobs.len();
        if numbers.clone().any(|number| is_stuck(&number))
            && numbers.all(|number| self.steps_of(number, state).is_empty())
        {
            return Some("each waits for another".to_owned());
        }
        None
    }
}

impl Model for World {
    type State = State;
    type Step = Step;

    fn start(&self) -> State {
        let grant = Some(Grant { was_renewed: false, access_until: 1 });
        State {
            tables: Tables {
                owner_is_active: true,
                grants: [grant, grant, None],
                tokens: Vec::new(),
                feed: Vec::new(),
                promised: [Some(1), Some(1), None],
                successors: 0,
            },
            next_number: 0,
            runs: self.jobs.iter().map(|job| Run { process: job.process(), ..Run::default() }).collect(),
            readers: Default::default(),
            deaths_left: self.deaths,
        }
    }

    fn steps(&self, state: &State) -> Vec<Step> {
        let mut steps: Vec<_> = (0..self.jobs.len()).flat_map(|number| self.steps_of(number, state)).collect();
        let last = state.tables.feed.last().map_or(0, |told| told.number);
        steps.extend([0, 1].into_iter().filter(|reader| state.readers[*reader].number < last).map(Step::Hear));
        if state.deaths_left > 0 {
            steps.extend([Step::Die(0), Step::Die(1)]);
        }
        steps
    }

    fn take(&self, state: &State, step: &Step) -> Result<State, String> {
        let mut next = state.clone();
        match *step {
            Step::Job(number, _, step, row) => self.make(&mut next, number, step, row),
            Step::Hear(process) => next.readers[process].hear(&next.tables),
            Step::Die(process) => {
                next.deaths_left -= 1;
                for ((run, job), program) in next.runs.iter_mut().zip(&self.jobs).zip(&self.programs) {
                    let end = program.len();
                    if run.process == process && run.at < end {
                        run.let_go();
                        run.process = 1 - process;
                        // Who logs in again makes another grant.
                        run.at = if matches!(job, Job::LogIn(_)) { end } else { 0 };
                    }
                }
                // It hears everything before it is there again.
                next.readers[process] = Reader::default();
                next.readers[process].hear(&next.tables);
            }
        }
        self.broken(&next).map_or(Ok(next), Err)
    }

    fn key(&self, state: &State) -> u64 {
        key_of(state)
    }
}
