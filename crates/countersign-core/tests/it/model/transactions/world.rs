//! The world: which steps there are, what each does, and the rules that hold after it.

use super::{
    super::explorer::{Model, key_of},
    Change, Deleted, Grant, Reader, Run, State, Step, Tables, Told,
    jobs::{Do, End, GRANTS, Job, Mode, NEW, RENEWED, Rotate, Row, Store, Tells},
};

pub(super) struct World {
    store: Store,
    jobs: Vec<Job>,
    /// What each of them does.
    programs: Vec<Vec<Do>>,
    deaths: u8,
}

impl World {
    pub(super) fn new(store: Store, jobs: &[Job], deaths: u8) -> Self {
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
