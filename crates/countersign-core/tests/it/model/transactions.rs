//! What a store with several writers must see to, at READ COMMITTED: its statements one by one, in every order (N11).
//!
//! A statement sees what was committed when it began, and what its own transaction wrote. A row that another transaction has
//! changed or locked is waited for, and then looked at anew, that row alone. What is written is seen by others at the commit,
//! a step of its own; numbers of the feed are drawn before, and never given back. These are PostgreSQL's rules
//! (documentation of version 17, section 13.2.1). The world has two processes, which may die at any moment, and the jobs of
//! its list, one transaction each; clients ask the other process again when theirs has died.
//!
//! Each lock is taken away once, and what is broken then is found: so it is known to be needed, and the search to find.

mod jobs;
mod locks;
mod world;

use std::fmt;

use self::jobs::{Do, GRANTS, Job, Mode, Row};

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
